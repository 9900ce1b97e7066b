"""Solves in torch find the modes that NumPy finds, in either space, for every form of outcome, on every device."""

import numpy as np
import pytest
import torch

from gmt.posterior.kernel_terms import precision
from gmt.posterior.laplace import laplace_mode
from gmt.posterior.likelihood import Outcomes
from gmt.posterior.linear_effects import LinearEffects, _modes_of_effects
from gmt.posterior.placed_outcomes import PlacedOutcomes
from gmt.posterior.placement import fetched, placed
from gmt.posterior.user_batch import UserBatch
from gmt.posterior.users_mode import users_mode
from tests.factories import random_dataset
from tests.posterior.test_large_user import one_user

NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
DEVICES = ["cpu", pytest.param("cuda", marks=NO_GPU)]


def some_outcomes(rng, shape, mixed):
    if not mixed:
        return Outcomes(rng.choice([0.0, 0.5, 1.0], size=shape))
    lower = rng.choice([-np.inf, -1.0, 0.5], size=shape)
    # Half are Bernoulli outcomes with a threshold, half intervals, open ones among them.
    exact = np.isfinite(lower) & (rng.random(shape) < 0.5)
    upper = np.where(exact, lower, rng.choice([1.0, np.inf], size=shape))
    return Outcomes(rng.choice([0.0, 1.0], size=shape), lower, upper, rng.random(shape))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("mixed", [False, True])
def test_likelihoods_and_their_derivatives_are_the_same_in_torch(device, mixed):
    rng = np.random.default_rng(0)
    outcomes, z = some_outcomes(rng, (40, 5), mixed), 4 * rng.normal(size=(40, 5))
    there = PlacedOutcomes.of(outcomes, torch.device(device))
    for name in ("log_likelihood", "residual", "curvature"):
        found = fetched(getattr(there, name)(placed(z, torch.device(device))))
        assert found == pytest.approx(getattr(outcomes, name)(z), abs=1e-12), name


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("mixed", [False, True])
def test_modes_of_votes_are_those_of_numpy(device, mixed):
    from gmt.posterior.batched_modes import mode_of_votes

    rng = np.random.default_rng(1)
    root = rng.normal(size=(6, 9, 4))
    kernel, mask = root @ root.swapaxes(1, 2), rng.random((6, 9)) < 0.8
    kernel *= mask[:, :, None] & mask[:, None, :]
    outcomes, offset = some_outcomes(rng, (6, 9), mixed), np.where(mask, rng.normal(size=(6, 9)), 0.0)
    wanted = users_mode(kernel, outcomes, offset, mask, device=torch.device("cpu"))
    place = torch.device(device)
    parts = (placed(part, place) for part in (offset, mask, np.zeros((6, 9))))
    found = fetched(mode_of_votes(placed(kernel, place), PlacedOutcomes.of(outcomes, place), *parts))
    assert found == pytest.approx(wanted, abs=1e-8)
    assert not found[~mask].any()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_a_gpu_solves_as_the_processor_does():
    rng = np.random.default_rng(2)
    root = rng.normal(size=(5, 7, 3))
    kernel, mask = root @ root.swapaxes(1, 2), np.ones((5, 7), bool)
    outcomes, offset = some_outcomes(rng, (5, 7), False), rng.normal(size=(5, 7))
    cpu, gpu = (users_mode(kernel, outcomes, offset, mask, device=torch.device(name)) for name in ("cpu", "cuda"))
    assert gpu == pytest.approx(cpu, abs=1e-9)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("votes", [3, 30])
def test_effects_have_one_mode_in_their_own_space_and_in_that_of_votes(device, votes):
    history, index, offset, covariance = one_user(7, votes)
    # A second row is padded to the first one's length.
    short = np.where(np.arange(len(index)) < 2, index, -1)
    both = np.stack([index, short])
    batch = UserBatch(history, both, offset, covariance)
    kernel = batch.linear()
    alpha = batch.solve(kernel)
    mean = batch.mean(alpha)
    found, moments = _modes_of_effects(history, both, offset, covariance, torch.device(device))
    assert found == pytest.approx(mean, abs=1e-9)
    assert moments == pytest.approx(batch.moments(mean, alpha, kernel), abs=1e-8)


def test_a_user_is_fitted_alike_in_either_space_whoever_else_is_there(monkeypatch):
    """Few votes go through votes, many through effects; what each user is given must not depend on it."""
    from gmt.posterior import linear_effects
    from gmt.posterior.answer_aware import AnswerAwareBradleyTerry

    prepared = AnswerAwareBradleyTerry().prepare(random_dataset(5, users=5, comparisons_per_user=30, questions=10))
    votes, known = prepared.votes, np.random.default_rng(5).normal(size=len(prepared.votes))
    effects = LinearEffects.fitted(votes, known, prepared.user_covariance, True)
    monkeypatch.setattr(linear_effects, "_modes_of_effects", through_votes)
    other = LinearEffects.fitted(votes, known, prepared.user_covariance, True)
    for name in ("scale", "offset", "moments"):
        assert getattr(effects, name) == pytest.approx(getattr(other, name), abs=1e-8), name


def through_votes(votes, index, known, covariance):
    batch = UserBatch(votes, index, known, covariance)
    kernel = batch.linear()
    alpha = laplace_mode(
        lambda x: (kernel @ x[:, :, None])[:, :, 0],
        lambda weight, x: np.linalg.solve(precision(kernel, weight), x[:, :, None])[:, :, 0],
        batch.outcomes,
        batch.offset,
        batch.mask,
    )
    mean = batch.mean(alpha)
    return mean, batch.moments(mean, alpha, kernel)
