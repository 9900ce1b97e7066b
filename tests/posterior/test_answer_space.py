"""Answer quality found in the space of answers is that found in the space of votes."""

import numpy as np
import pytest

from gmt.posterior import answer_precision, answer_quality
from gmt.posterior.answer_aware import AnswerAwareBradleyTerry
from gmt.posterior.answer_quality import fit_answer_quality
from gmt.posterior.answer_space import AnswerSpace, answers_are_fewer
from gmt.posterior.conditioned_posterior import ConditionedPosterior
from gmt.posterior.likelihood import Outcomes
from gmt.routing import kernels
from tests.factories import random_dataset


def prior_and_votes(seed, lone):
    data = random_dataset(seed, users=4, comparisons_per_user=40, questions=8)
    router = AnswerAwareBradleyTerry()
    prepared = router.prepare(data)
    rng, votes = np.random.default_rng(seed), prepared.votes
    # Some answers are judged alone, on a scale with thresholds.
    alone = (rng.random(len(votes)) < 0.3) & lone
    lower = np.where(alone, -0.5, 0.0)
    outcomes = Outcomes(votes.outcomes.y, lower, np.where(alone, 1.5, 0.0)) if lone else votes.outcomes
    parts = (votes.query, votes.a, np.where(alone, -1, votes.b), outcomes)
    return router.prior(data, prepared, router.settings), parts, 1 + 0.3 * rng.normal(size=len(votes))


@pytest.mark.parametrize("dense", [1500, 3])
@pytest.mark.parametrize("lone", [False, True])
@pytest.mark.parametrize("shared", [256, 0])
def test_the_mode_is_the_one_found_over_votes(monkeypatch, dense, lone, shared):
    monkeypatch.setattr(kernels, "DENSE_QUERIES", dense)
    # Without columns to share, the preconditioner is rough and takes more steps to the same end.
    monkeypatch.setattr(answer_precision, "MOST_SHARED", shared)
    prior, parts, scale = prior_and_votes(3, lone)
    offset = np.random.default_rng(9).normal(size=len(scale))
    wanted = fit_answer_quality(prior, *parts, scale, offset)
    space = AnswerSpace(prior, *parts, scale, offset)
    residual, curvature = space.mode()
    assert residual == pytest.approx(wanted.residual, abs=1e-8)
    assert curvature == pytest.approx(wanted.curvature, abs=1e-8)
    # Begun at the mode, or anywhere else, it is the same.
    again, _ = space.mode(wanted.weights)
    elsewhere, _ = space.mode(5 * wanted.weights)
    assert again == pytest.approx(residual, abs=1e-8) and elsewhere == pytest.approx(residual, abs=1e-8)


def test_a_whole_fit_is_the_same_in_either_space(monkeypatch):
    data = random_dataset(6, users=4, comparisons_per_user=60, questions=6)
    found: list[ConditionedPosterior] = []
    for most in (10_000, 10):
        monkeypatch.setattr(answer_quality, "MOST_PLAIN_VOTES", most)
        found.append(AnswerAwareBradleyTerry().fit(data).condition(data))
    assert answers_are_fewer(found[1].quality.prior, len(found[1].votes))
    questions = data.questions(np.arange(10))
    plain, other = (one.score(data, questions) for one in found)
    assert other == pytest.approx(plain, abs=1e-7)
    plain, other = (one.covariances(data, questions) for one in found)
    assert other == pytest.approx(plain, abs=1e-6)


def test_a_step_holds_numbers_of_answers_and_none_of_votes():
    """The system of a step is as large for a hundred times the votes."""
    prior, (query, a, b, outcomes), scale = prior_and_votes(3, False)
    many = [np.tile(part, 100) for part in (query, a, b)]
    space = AnswerSpace(prior, *many, Outcomes(np.tile(outcomes.y, 100)), np.tile(scale, 100), np.zeros(100 * len(a)))
    assert space._curvature(np.zeros(len(space.query))).shape == (space.queries, prior.models, prior.models)
    assert len(answer_precision.shared_directions(prior)) == space.queries * prior.models
