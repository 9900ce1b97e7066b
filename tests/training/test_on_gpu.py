"""Check on a GPU that a run trained there is the run trained on the processor."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gmt.serving.pretrained import Router

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")


def trained(data: Path, run: Path, visible: str, *sets: str) -> Path:
    """Train in a process that sees the GPU, or does not."""
    command = [sys.executable, "cli.py", "train", str(data), "--run", str(run), "--quiet"]
    command += [part for setting in sets for part in ("--set", setting)]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": visible}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return run


def test_the_closed_form_fitted_on_a_gpu_scores_as_the_one_of_the_processor(demo_data, tmp_path, monkeypatch):
    runs = [trained(demo_data, tmp_path / f"on{name}", name, "traits.enabled=false") for name in ("", "0")]
    cpu, gpu = (Router.from_pretrained(run) for run in runs)
    # What this process asks is so small that it is solved on the processor; as if it were not:
    monkeypatch.setattr("gmt.posterior.placement.WORTH_MOVING", 0)
    for user in [*cpu.users[:3], "a stranger"]:
        one, other = (
            {choice.model: choice.score for choice in router.rank(user, "How do I plan a garden?").ranking}
            for router in (cpu, gpu)
        )
        assert one == pytest.approx(other, abs=1e-6)


def test_traits_are_learned_on_a_gpu(demo_data, tmp_path):
    cards = [
        json.loads((trained(demo_data, tmp_path / f"on{name}", name, "traits.steps=40") / "card.json").read_text())
        for name in ("", "0")
    ]
    # Dropout is drawn on the device, so that these are two trainings of one kind and not the same one.
    cpu, gpu = (card["valid"]["auc"] for card in cards)
    assert gpu == pytest.approx(cpu, abs=0.03)
