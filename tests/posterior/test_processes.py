"""Several processes that share a fit end with the posterior of one."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gmt.posterior.processes import own_share, process_count, total

SCRIPT = """
import sys
import numpy as np
from accelerate import Accelerator
from torch import distributed
from gmt.posterior import answer_quality, processes
from gmt.posterior.linear_effects import LinearEffects
from tests.posterior.test_processes import posterior

# Whoever solved for all users would call for all of their votes.
asked, plain = [], processes.own_share
def noted(count):
    asked.append((count, plain(count)))
    return asked[-1][1]
Accelerator()
for module in ("linear_effects", "user_effects", "answer_space"):
    sys.modules.setdefault("gmt.posterior." + module, __import__("gmt.posterior." + module, fromlist=["x"]))
    sys.modules["gmt.posterior." + module].own_share = noted
rank = distributed.get_rank()
for most in (10_000, 10):
    answer_quality.MOST_PLAIN_VOTES = most
    np.savez(f"{sys.argv[1]}/{most}-{rank}.npz", **posterior())
assert processes.process_count() == 2
assert all(0 < part.stop - part.start < count for count, part in asked), asked
print("shared", len(asked))
# Neither may leave while the other still speaks to it.
distributed.barrier()
distributed.destroy_process_group()
"""


def posterior():
    """Return everything that is learned and believed, of users of few and of many votes."""
    from gmt.posterior.answer_aware import AnswerAwareBradleyTerry
    from tests.factories import random_dataset

    data = random_dataset(4, users=7, comparisons_per_user=40, questions=6)
    router = AnswerAwareBradleyTerry().fit(data)
    conditioned = router.condition(data)
    scores = conditioned.score(data, data.questions(np.arange(40)))
    settings = np.array(list(router.summary().values()), float)
    return {"S": router.covariance, "scores": scores, "alpha": conditioned.effects.alpha, "settings": settings}


def test_one_process_shares_with_nobody():
    assert process_count() == 1 and own_share(7) == slice(0, 7)
    values = np.arange(3.0)
    assert total(values) is values


@pytest.mark.slow
def test_two_processes_have_the_posterior_of_one(tmp_path, monkeypatch):
    """Both with f over votes and over answers; users and votes are shared out, and both processes end alike."""
    from gmt.posterior import answer_quality

    script = tmp_path / "fit.py"
    script.write_text(SCRIPT)
    here = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc_per_node=2",
            str(script),
            str(tmp_path),
        ],
        env={**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(here)},
        capture_output=True,
        text=True,
        timeout=600,  # a guard against a process that waits for ever, not a measure of speed
        cwd=tmp_path,
    )
    if done.returncode and not list(tmp_path.glob("*.npz")):
        lines = done.stderr.strip().splitlines()
        if not any("Traceback" in line for line in lines):
            pytest.skip(f"torchrun cannot start here: {lines[-1]}")
    assert done.returncode == 0, done.stderr
    for most in (10_000, 10):
        monkeypatch.setattr(answer_quality, "MOST_PLAIN_VOTES", most)
        wanted = posterior()
        for rank in (0, 1):
            with np.load(tmp_path / f"{most}-{rank}.npz") as found:
                for name, value in wanted.items():
                    assert found[name] == pytest.approx(value, abs=1e-8), (most, rank, name)
