"""Compare every likelihood with its own finite differences, and with chances that add up to one."""

import numpy as np
import pytest

from gmt.posterior.laplace import laplace_mode
from gmt.posterior.likelihood import Outcomes

Z = np.linspace(-6, 6, 25)
STEP = 1e-4


def several() -> Outcomes:
    """Return a vote, a tie, a Bernoulli outcome of another threshold, and three kinds of intervals."""
    return Outcomes(
        np.array([1.0, 0.5, 0.0, 0.0, 0.0, 0.0]),
        np.array([0.0, 0.0, 1.2, -np.inf, -0.4, 0.9]),
        np.array([0.0, 0.0, 1.2, -0.4, 0.9, np.inf]),
        np.array([1.0, 2.0, 0.5, 1.0, 1.0, 3.0]),
    )


@pytest.mark.parametrize("at", range(6))
def test_derivatives_are_those_of_the_log_likelihood(at):
    one = several()[np.full(len(Z), at)]
    low, here, high = (one.log_likelihood(Z + step) for step in (-STEP, 0.0, STEP))
    assert one.residual(Z) == pytest.approx((high - low) / (2 * STEP), abs=1e-6)
    assert one.curvature(Z) == pytest.approx(-(high - 2 * here + low) / STEP**2, abs=1e-5)
    assert (one.curvature(Z) >= 0).all()


def test_the_levels_of_a_scale_share_all_chance():
    cuts = np.array([-np.inf, -0.7, 0.1, 1.5, np.inf])
    levels = zip(cuts[:-1], cuts[1:], strict=True)
    chances = [np.exp(Outcomes(Z, Z * 0 + low, Z * 0 + high).log_likelihood(Z)) for low, high in levels]
    assert np.sum(chances, axis=0) == pytest.approx(np.ones(len(Z)))


def test_an_interval_far_away_stays_finite():
    far = Outcomes(np.zeros(2), np.array([30.0, -np.inf]), np.array([31.0, -40.0]))
    for z in (-700.0, 700.0):
        for found in (far.log_likelihood, far.residual, far.curvature):
            assert np.isfinite(found(np.full(2, z))).all()


def test_open_intervals_are_bernoulli_outcomes():
    cut = np.full(len(Z), 0.8)
    liked = Outcomes(Z, cut, cut * np.inf), Outcomes(np.ones(len(Z)), cut, cut)
    for name in ("log_likelihood", "residual", "curvature"):
        one, other = (getattr(outcomes, name)(Z) for outcomes in liked)
        assert one == pytest.approx(other, abs=1e-12)


def test_votes_are_bernoulli_outcomes_of_threshold_zero():
    y = np.tile([0.0, 0.5, 1.0], 9)[: len(Z)]
    plain, bounded = Outcomes(y), Outcomes(y, np.zeros(len(Z)), np.zeros(len(Z)), np.ones(len(Z)))
    for name in ("log_likelihood", "residual", "curvature"):
        assert getattr(plain, name)(Z) == pytest.approx(getattr(bounded, name)(Z), abs=1e-15)


def test_what_is_inserted_keeps_what_it_is():
    votes, ordered = Outcomes(np.array([1.0, 0.0])), several()[np.array([3])]
    joined = votes.inserted(np.array([1]), ordered)
    assert joined.residual(np.zeros(3)) == pytest.approx([0.5, ordered.residual(np.zeros(1))[0], -0.5])
    assert votes.inserted(np.array([2]), votes[np.array([0])]).lower is None


def test_a_weight_of_two_is_the_same_outcome_twice():
    rng = np.random.default_rng(0)
    root = rng.standard_normal((6, 3))
    twice = np.concatenate([np.arange(6), [2]])

    def latent(x: np.ndarray, outcomes: Outcomes) -> np.ndarray:
        kernel = x @ x.T
        alpha = laplace_mode(
            lambda v: v @ kernel,
            lambda w, r: np.linalg.solve(np.eye(len(x)) + w[0][:, None] * kernel, r[0])[None],
            outcomes[None],
            np.zeros((1, len(x))),
            np.ones((1, len(x)), bool),
        )
        return (alpha @ x)[0]

    weighted = several()
    counted = Outcomes(weighted.y, weighted.lower, weighted.upper, np.array([1.0, 1, 2, 1, 1, 1]))
    repeated = Outcomes(weighted.y, weighted.lower, weighted.upper)[twice]
    assert latent(root, counted) == pytest.approx(latent(root[twice], repeated), abs=1e-8)
