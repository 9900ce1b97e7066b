"""Several processes that share a fit end with the posterior of one."""

import numpy as np
import pytest
from accelerate import Accelerator
from torch import distributed

from gmt.posterior import answer_quality, answer_space, linear_effects, processes, user_effects
from gmt.posterior.processes import own_share, process_count, total
from tests.two_processes import LEARNS_IN_FORKS, in_two_processes

MODULES = (linear_effects, user_effects, answer_space)


def fitted_by_two(folder):
    """Write what one of two processes ends with; it must have been asked for a share of the users alone."""
    # Whoever solved for all users would call for all of their votes.
    asked, plain = [], processes.own_share

    def noted(count):
        asked.append((count, plain(count)))
        return asked[-1][1]

    Accelerator()
    for module in MODULES:
        vars(module)["own_share"] = noted
    for most in (10_000, 10):
        answer_quality.MOST_PLAIN_VOTES = most
        np.savez(folder / f"{most}-{distributed.get_rank()}.npz", **posterior())
    assert process_count() == 2
    assert all(0 < part.stop - part.start < count for count, part in asked), asked


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
@LEARNS_IN_FORKS
def test_two_processes_have_the_posterior_of_one(tmp_path, monkeypatch):
    """Both with f over votes and over answers; users and votes are shared out, and both processes end alike."""
    in_two_processes(fitted_by_two, tmp_path)
    for most in (10_000, 10):
        monkeypatch.setattr(answer_quality, "MOST_PLAIN_VOTES", most)
        wanted = posterior()
        for rank in (0, 1):
            with np.load(tmp_path / f"{most}-{rank}.npz") as found:
                for name, value in wanted.items():
                    assert found[name] == pytest.approx(value, abs=1e-8), (most, rank, name)
