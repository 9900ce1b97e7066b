"""Test the bound on routers that are blind to the person."""

from __future__ import annotations

import numpy as np
import pytest

from gmt.data.comparisons import Candidate, Comparison
from gmt.data.interactions import InteractionTable
from gmt.evaluation.ceiling import impersonal_ceiling


def _vote(user: str, number: int, winner: str, query: str = "q", swap: bool = False) -> Comparison:
    names = ("b", "a") if swap else ("a", "b")
    rated = tuple(Candidate(name, rating=0.5 if winner == "tie" else float(name == winner)) for name in names)
    return Comparison(user, f"{user}-{number}", 0, query, rated)


def _ceiling(*votes: Comparison, asked: list[int] | None = None) -> dict[str, float] | None:
    table = InteractionTable.from_comparisons(votes)
    return impersonal_ceiling(table, np.arange(len(table)) if asked is None else np.array(asked))


def test_agreement_is_the_chance_that_another_person_chose_the_same() -> None:
    found = _ceiling(_vote("x", 0, "a"), _vote("y", 0, "a"), _vote("z", 0, "b"))
    # x meets y (agrees) and z (does not): 1/2; so does y; z meets nobody who agrees.
    assert found is not None
    assert found["agreement"] == pytest.approx((0.5 + 0.5 + 0.0) / 3)
    assert found["votes"] == 3


def test_the_side_an_answer_was_shown_on_does_not_matter() -> None:
    assert _ceiling(_vote("x", 0, "a"), _vote("y", 0, "a", swap=True)) == _ceiling(
        _vote("x", 0, "a"), _vote("y", 0, "a")
    )


def test_a_person_does_not_agree_with_themselves() -> None:
    assert _ceiling(_vote("x", 0, "a"), _vote("x", 1, "a")) is None
    found = _ceiling(_vote("x", 0, "a"), _vote("x", 1, "a"), _vote("y", 0, "b"))
    assert found is not None and found["agreement"] == 0.0


def test_ties_and_other_questions_do_not_count() -> None:
    assert _ceiling(_vote("x", 0, "a"), _vote("y", 0, "tie"), _vote("z", 0, "a", query="other")) is None


def test_full_agreement_leaves_no_room_and_only_asked_votes_count() -> None:
    votes = [_vote("x", 0, "a"), _vote("y", 0, "a"), _vote("x", 1, "a", "r"), _vote("y", 1, "b", "r")]
    found = _ceiling(*votes, asked=[0])
    assert found is not None and found == {"agreement": 1.0, "votes": 1, "low": 1.0, "high": 1.0}
    both = _ceiling(*votes)
    assert both is not None and both["agreement"] == 0.5 and both["high"] == 0.5


def test_the_upper_bound_is_reached_when_every_pair_splits_alike() -> None:
    # Ten people on many pairs, eight of ten for a each time: a majority router is right in 80 %.
    votes = [_vote(f"u{u}", q, "a" if (u + q) % 10 < 8 else "b", f"q{q}") for q in range(10) for u in range(10)]
    found = _ceiling(*votes)
    assert found is not None
    agreement = (8 * 7 + 2 * 1) / 9 / 10
    assert found["agreement"] == pytest.approx(agreement)
    assert found["low"] <= 0.8 and found["high"] == pytest.approx((1 + np.sqrt(2 * agreement - 1)) / 2)
