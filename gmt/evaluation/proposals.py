"""Propose two models to show, from what a posterior says of their scores.

Every way reads (B, M) means and (B, M, M) covariances, and returns two times (B,) different models.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Proposal = Callable[[np.ndarray, np.ndarray, np.random.Generator], tuple[np.ndarray, np.ndarray]]
"""Chooses two different models for each of B users from (B, M) means, (B, M, M) covariances and a generator."""


def _best(scores: np.ndarray, other_than: np.ndarray | None = None) -> np.ndarray:
    if other_than is not None:
        # The caller's means are read again for the next proposal.
        scores = scores.copy()
        scores[np.arange(len(scores)), other_than] = -np.inf
    return scores.argmax(axis=1)


def _draw(mean: np.ndarray, covariance: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    # Not Cholesky: where models share their features the covariance is only semi-definite, and rounding makes some of
    # its eigenvalues negative.
    size, basis = np.linalg.eigh(covariance)
    noise = rng.normal(size=mean.shape) * np.sqrt(np.maximum(size, 0.0))
    return mean + (basis @ noise[:, :, None])[:, :, 0]


def best_two(mean: np.ndarray, covariance: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Take the two best by the mean: nothing is explored."""
    first = _best(mean)
    return first, _best(mean, first)


def one_draw(mean: np.ndarray, covariance: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Take the two best of one draw from the posterior, as `gmt route --explore` ranks them."""
    return best_two(_draw(mean, covariance, rng), covariance, rng)


def cautious_draw(mean: np.ndarray, covariance: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Take the two best of one draw with half the posterior's standard deviation."""
    return one_draw(mean, covariance / 4, rng)


def two_draws(mean: np.ndarray, covariance: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Take the best of one draw, and of another draw the best other one.

    Source: Wu and Liu (2016), "Double Thompson sampling for dueling bandits", without its pruning.
    """
    first = _best(_draw(mean, covariance, rng))
    return first, _best(_draw(mean, covariance, rng), first)


def best_and_draw(mean: np.ndarray, covariance: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Take the best by the mean, and of one draw the best other one."""
    first = _best(mean)
    return first, _best(_draw(mean, covariance, rng), first)


def best_and_widest(
    mean: np.ndarray, covariance: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Take the best by the mean, and the one whose distance to it is least known."""
    first, own = _best(mean), np.diagonal(covariance, axis1=1, axis2=2)
    row = np.arange(len(first))
    # The variance of the difference to the first: a model that varies together with it would teach little beside it.
    return first, _best(own + own[row, first][:, None] - 2 * covariance[row, first], first)


def anything(mean: np.ndarray, covariance: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Take two at random: nothing but exploring."""
    first = rng.random(mean.shape).argmax(axis=1)
    return first, _best(rng.random(mean.shape), first)


PROPOSALS: dict[str, Proposal] = {
    "best two": best_two,
    "one draw": one_draw,
    "cautious draw": cautious_draw,
    "two draws": two_draws,
    "best and a draw": best_and_draw,
    "best and widest": best_and_widest,
    "at random": anything,
}
