"""Test the bound on routers that are blind to the person."""

from __future__ import annotations

import numpy as np
import pytest

from gmt.data.comparisons import Candidate, Comparison
from gmt.data.interactions import InteractionTable
from gmt.evaluation.ceiling import SharedVotes, impersonal_ceiling
from gmt.evaluation.evaluate import evaluate
from gmt.evaluation.predictions import ScoredTargets
from gmt.evaluation.trial import Trial
from gmt.rivals.registry import make_router
from gmt.routing.pairwise import votes_of
from tests.factories import random_dataset


def _vote(user: str, number: int, winner: str, query: str = "q", swap: bool = False) -> Comparison:
    names = ("b", "a") if swap else ("a", "b")
    rated = tuple(Candidate(name, rating=0.5 if winner == "tie" else float(name == winner)) for name in names)
    return Comparison(user, f"{user}-{number}", 0, query, rated)


def _ceiling(*votes: Comparison, asked: list[int] | None = None) -> dict[str, float] | None:
    table = InteractionTable.from_comparisons(votes)
    return impersonal_ceiling(SharedVotes.of(table, np.arange(len(table)) if asked is None else np.array(asked)))


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


def test_accuracy_is_taken_over_the_very_votes_the_bound_is_about() -> None:
    votes = [_vote("x", 0, "a"), _vote("y", 0, "a", swap=True), _vote("z", 0, "b", "alone"), _vote("x", 1, "tie")]
    table = InteractionTable.from_comparisons(votes)
    shared = SharedVotes.of(table, np.arange(4))
    trial = Trial("all", 0, np.zeros(0, np.int64), np.arange(4))
    first = table.candidates == table.models.index("a")
    for_a, none = np.where(first, 1.0, 0.0), np.zeros(first.shape)
    # The vote of z, which nobody else cast, would make 2 of 3 of it; it is not among them.
    assert shared.accuracy([ScoredTargets(trial, {"a": for_a, "b": -for_a, "even": none})]) == {
        "a": 1.0,
        "b": 0.0,
        "even": 0.5,
    }
    # A vote scored twice counts once, by its mean; one that was not scored leaves no accuracy to print.
    again = ScoredTargets(Trial("all", 1, np.zeros(0, np.int64), np.array([0])), {"a": -for_a[:1]})
    assert shared.accuracy([ScoredTargets(trial, {"a": for_a}), again]) == {"a": 0.75}
    assert shared.accuracy([again]) is None


@pytest.mark.parametrize("protocol", ["seen", "new-users"])
def test_an_evaluation_puts_accuracies_beside_the_bound(protocol: str) -> None:
    data = random_dataset(0, users=20, questions=3, models=4, max_candidates=3, protocol=protocol)
    learn = data.select(data.table.split != 2)
    routers = [make_router(name).fit(learn) for name in ("bradley_terry", "knn")]
    found = evaluate(data, routers, shots=[0, 2], draws=2)
    ceiling = found.summary["ceiling"]
    assert set(ceiling["accuracy"]) == set(found.summary["shots"])
    rows = [row for row in found.predictions.to_pylist() if row["router"] == "knn"]
    shots = rows[0]["shots"]
    # By hand: every untied pair of a target that another user judged too.
    votes = votes_of(data.table)
    text, table = data.table.query, data.table
    pairs = [
        (text[at], table.turn[at], *sorted((a, b))) for at, a, b in zip(votes.comparison, votes.a, votes.b, strict=True)
    ]
    right: dict[int, list[float]] = {}
    for number, (at, pair) in enumerate(zip(votes.comparison, pairs, strict=True)):
        same = [i for i, other in enumerate(pairs) if other == pair and votes.y[i] != 0.5]
        if votes.y[number] == 0.5 or all(votes.user[i] == votes.user[number] for i in same):
            continue
        names = (table.models[votes.a[number]], table.models[votes.b[number]])
        for draw in {row["draw"] for row in rows}:
            score = {
                row["model"]: row["score"]
                for row in rows
                if row["comparison"] == table.comparison[at] and row["draw"] == draw and row["shots"] == shots
            }
            if score:
                gap = (score[names[0]] - score[names[1]]) * (1 if votes.y[number] == 1 else -1)
                right.setdefault(number, []).append((1 + np.sign(gap)) / 2)
    assert len(right) == ceiling["votes"] > 20
    assert ceiling["accuracy"][shots]["knn"] == pytest.approx(np.mean([np.mean(one) for one in right.values()]))
