"""Check that training takes the steps of AdamW to the last digit, and loads no compiler for them."""

import subprocess
import sys
from copy import deepcopy

import pytest
import torch

from gmt.model.eager_adamw import EagerAdamW


def trained(kind, steps, begin=None, **options):
    """Take steps on a small network; return it and its optimiser."""
    generator = torch.Generator().manual_seed(3)
    network = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.Tanh(), torch.nn.Linear(7, 1))
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator))
    first, *others = network.parameters()
    groups = [{"params": [first], "weight_decay": 0.5, "lr": 0.02}, {"params": others}]
    optimizer = kind(groups, **options)
    if begin is not None:
        network.load_state_dict(begin[0])
        optimizer.load_state_dict(deepcopy(begin[1]))
    for step in range(steps):
        x = torch.randn((11, 5), generator=generator)
        for group in optimizer.param_groups:
            group["lr"] *= 1 - 0.1 * step
        optimizer.zero_grad()
        network(x).square().mean().backward()
        optimizer.step()
    return network, optimizer


@pytest.mark.parametrize("options", [{}, {"lr": 0.1, "weight_decay": 0.0}, {"foreach": True}, {"amsgrad": True}])
def test_its_steps_are_those_of_adamw(options):
    mine, own = trained(EagerAdamW, 5, **options)
    other, usual = trained(torch.optim.AdamW, 5, **options)
    assert all(torch.equal(a, b) for a, b in zip(mine.parameters(), other.parameters(), strict=True))
    # Either goes on from what the other has kept.
    found, wanted = own.state_dict(), usual.state_dict()
    assert found["param_groups"] == wanted["param_groups"]
    assert found["state"].keys() == wanted["state"].keys()
    assert all(
        torch.equal(found["state"][at][name], value)
        for at, kept in wanted["state"].items()
        for name, value in kept.items()
    )
    begin = deepcopy((other.state_dict(), wanted))
    mine, _ = trained(EagerAdamW, 3, begin, **options)
    other, _ = trained(torch.optim.AdamW, 3, begin, **options)
    assert all(torch.equal(a, b) for a, b in zip(mine.parameters(), other.parameters(), strict=True))


def test_a_training_loads_no_compiler():
    code = """
import sys
import torch
from gmt.config import RunConfig
from gmt.training.accelerator import new_accelerator
from gmt.model.eager_adamw import EagerAdamW
network = torch.nn.Linear(2, 1)
accelerator = new_accelerator(RunConfig())
optimizer = accelerator.prepare(EagerAdamW(network.parameters()))
for _ in range(2):
    optimizer.zero_grad()
    accelerator.backward(network(torch.ones(3, 2)).sum())
    optimizer.step()
optimizer.load_state_dict(optimizer.state_dict())
assert "torch._dynamo" not in sys.modules, "the compiler was loaded"
"""
    subprocess.run([sys.executable, "-c", code], check=True)
