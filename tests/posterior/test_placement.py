"""Check where solves run: on a GPU where one is at hand and its launches are worth their time."""

import pytest
import torch

from gmt.posterior.placement import WORTH_MOVING, devices, solver_device


def test_without_a_gpu_everything_is_solved_on_the_processor(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert solver_device().type == "cpu" and [one.type for one in devices()] == ["cpu"]


@pytest.mark.parametrize(("work", "kind"), [(WORTH_MOVING / 2, "cpu"), (2 * WORTH_MOVING, "cuda")])
def test_few_users_stay_on_the_processor_and_many_go_to_the_gpu(monkeypatch, work, kind):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    assert solver_device(work).type == kind
    # What cannot say how much it is goes to the GPU, sums over processes among them.
    assert solver_device().type == "cuda"
