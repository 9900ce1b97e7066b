"""Read a tie as a latent difference too small for its voter to call, each user with a width of their own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gmt.posterior.likelihood import Outcomes

TIE_VOTES = 10.0
"""How many votes of a user's own the share of ties among all users weighs."""
MOST_TIES = 0.95
"""Largest share of ties that a width is read from; at 1 it would have no end."""


def with_tie_widths(outcomes: Outcomes, user: np.ndarray, vote: np.ndarray, tie_rate: float) -> Outcomes:
    """Return votes as intervals of the latent score: a tie within ± c of their voter, a win beyond it.

    P(a ≻ b) = s(z - c_u), P(tie) = s(c_u - z) - s(-c_u - z), s the logistic function. c_u = log (1 + r_u) / (1 - r_u),
    the width under which a user calls the share r_u of answers of equal quality a tie; r_u is their own share of ties,
    drawn to that of all users by `TIE_VOTES` votes. A user who calls much a tie says little by one, and much by a win.
    Outcomes that are no votes stay as they are; without a tie among all users a vote stays one of Bradley and Terry.

    Source: Rao and Kupper, Ties in paired-comparison experiments (1967), for the likelihood, here with a width of each
    user, by the method of moments at z = 0.

    Args:
        outcomes: (V,) votes, 1, 0 or ½ for a tie, among others perhaps.
        user: (V,) who cast them.
        vote: (V,) true where the outcome is a vote.
        tie_rate: Share of ties among the votes of all users; 0: a tie stays half a win.
    """
    if not tie_rate or not vote.any():
        return outcomes
    # 1. Shares of ties by user: few votes of one say little, so the share of all stands in for what they lack.
    code = np.unique(user, return_inverse=True)[1].reshape(-1)
    tie = vote & (outcomes.y == 0.5)
    # Pairs of one ranking are each a part of a vote, and count as such.
    weight = np.ones(len(outcomes)) if outcomes.weight is None else outcomes.weight
    ties, votes = np.bincount(code, tie * weight), np.bincount(code, vote * weight)
    share = np.minimum((ties + TIE_VOTES * tie_rate) / (votes + TIE_VOTES), MOST_TIES)
    # 2. At z = 0 a tie has the chance tanh(c / 2), hence the width.
    width = 2 * np.arctanh(share)[code]
    # 3. What was voted becomes an interval; everything else keeps its ends.
    lower, upper = (np.zeros(len(outcomes)) if end is None else end for end in (outcomes.lower, outcomes.upper))
    won, lost = vote & (outcomes.y > 0.5), vote & (outcomes.y < 0.5)
    lower = np.where(tie, -width, np.where(won, width, np.where(lost, -np.inf, lower)))
    upper = np.where(tie, width, np.where(won, np.inf, np.where(lost, -width, upper)))
    return replace(outcomes, lower=lower, upper=upper)
