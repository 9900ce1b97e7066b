"""Check planted people: their truth explains their votes, and rows, table and truth agree."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.simulate.feedback import FORMATS
from data_prep.simulate.planted import PlantedSettings, draw_rounds, draw_world
from data_prep.simulate.planted_file import write_planted
from data_prep.simulate.planted_table import planted_dataset, planted_table
from data_prep.simulate.planted_texts import FOLLOW_UPS
from data_prep.simulate.world import World
from data_prep.sources.jsonl import read
from data_prep.sources.source import SourceOptions
from gmt.data.interactions import InteractionTable
from gmt.errors import ConfigError, DataError

SMALL = PlantedSettings(users=30, votes=12, models=5, questions=40, topics=4)
RICH = replace(
    SMALL, feedback="mixed", turns=5, wander=True, drift_at=0.5, mix_cost=0.4, topic_taste=0.3, ties=0.2,
    noise_labels=0.1, responses=True,
)  # fmt: skip
FOLLOWED = replace(SMALL, turns=4, wander=True, topic_taste=0.5, follow_ups=0.6, responses=True)


def auc(scores: np.ndarray, ratings: np.ndarray) -> float:
    """Return the share of untied pairs in which a random winner's lead exceeds a random loser's."""
    lead = (scores[:, 0] - scores[:, 1]) * np.sign(ratings[:, 0] - ratings[:, 1])
    lead = np.sort(lead[ratings[:, 0] != ratings[:, 1]])
    return float((len(lead) - np.searchsorted(lead, -lead, "right")).mean() / len(lead))


@pytest.mark.parametrize("settings", [SMALL, RICH, FOLLOWED, *(replace(SMALL, feedback=form) for form in FORMATS)])
def test_written_rows_and_the_table_in_memory_are_one(tmp_path: Path, settings: PlantedSettings) -> None:
    write_planted(settings, tmp_path / "people.jsonl")
    data = read(tmp_path / "people.jsonl", SourceOptions())
    table, _ = planted_table(settings)
    assert data.rejected == []
    assert data.comparisons == table.to_comparisons()


def test_the_oracle_nearly_explains_the_votes_and_no_shared_ranking_does() -> None:
    oracle, shared = [], []
    for seed in range(3):
        table, world = planted_table(PlantedSettings(seed=seed))
        oracle.append(auc(world.table_scores(table), table.ratings))
        mean = world.table_utilities(table).mean(axis=0)
        shared.append(auc(mean[table.candidates], table.ratings))
    assert 0.94 < np.mean(oracle) < 0.965
    assert 0.57 < np.mean(shared) < 0.67


def test_the_truth_is_read_back_and_matches_by_name(tmp_path: Path) -> None:
    write_planted(RICH, tmp_path / "people.jsonl")
    table, world = planted_table(RICH)
    again = World.load(tmp_path / "people.jsonl")
    shuffled = InteractionTable.from_comparisons(table.to_comparisons()[::-1])
    assert np.allclose(again.table_scores(shuffled)[::-1], world.table_scores(table))
    assert again.models == world.models
    stranger = replace(table, users=("nobody", *table.users[1:]))
    with pytest.raises(DataError, match="user nobody is not in the truth"):
        world.table_scores(stranger)


def test_utility_is_the_stated_formula() -> None:
    settings = replace(SMALL, mix_cost=0.3)
    world = draw_world(settings)
    u, q = 7, 11
    t, w = world.question_topic[q], world.cost_weight[u]
    a, b, c = np.sqrt(world.shares)
    for m in range(5):
        style = float((world.taste[u] * world.traits[m] * world.modulation[t]).sum())
        personal = np.sqrt(1 - w) * style + np.sqrt(w) * world.cheapness[m]
        wanted = world.scale * (a * world.strength[m] + b * world.topic_strength[m, t] + c * personal)
        assert world.utilities(np.array([u]), np.array([q]))[0, m] == pytest.approx(wanted, abs=1e-5)


def test_a_person_keeps_taste_and_votes_however_many_there_are() -> None:
    few, many = draw_world(SMALL), draw_world(replace(SMALL, users=5000))
    assert np.array_equal(few.taste, many.taste[:30])
    first = next(draw_rounds(few, SMALL))
    assert len(first.user) == 30 * 12


def test_tastes_change_at_the_stated_share_of_the_time_line() -> None:
    settings = replace(SMALL, votes=20, drift_at=0.6)
    table, world = planted_table(settings)
    after = table.timestamp >= (world.drift_time or 0)
    assert (np.bincount(table.user[after]) == 8).all()
    now, before = world.table_scores(table), replace(world, drift_time=None).table_scores(table)
    assert np.allclose(now[~after], before[~after])
    assert auc(now[after], table.ratings[after]) > 0.9
    assert auc(before[after], table.ratings[after]) < 0.75
    same = draw_world(replace(settings, drift_size=0.0))
    assert np.allclose(same.taste, same.taste_after)


def test_noise_and_ties_have_the_stated_shares() -> None:
    settings = replace(SMALL, users=200, votes=40, scale=50.0)
    table, world = planted_table(replace(settings, noise_labels=0.25))
    scores = world.table_scores(table)
    clear = np.abs(scores[:, 0] - scores[:, 1]) > 10
    agree = (scores[:, 0] > scores[:, 1]) == (table.ratings[:, 0] > table.ratings[:, 1])
    assert agree[clear].mean() == pytest.approx(0.75, abs=0.02)
    table, world = planted_table(replace(settings, ties=0.3))
    tie, gap = table.ratings[:, 0] == 0.5, np.abs(np.diff(world.table_scores(table), axis=1))[:, 0]
    assert tie.mean() == pytest.approx(0.3, abs=0.02)
    assert gap[tie].mean() < gap[~tie].mean() / 3


def test_every_form_of_feedback_looks_like_itself() -> None:
    def drawn(feedback: str, **more: object) -> InteractionTable:
        return planted_table(replace(SMALL, users=100, feedback=feedback, **more))[0]  # pyright: ignore[reportArgumentType]

    stars = np.unique(drawn("ratings").rating, return_counts=True)
    assert stars[0].tolist() == [0, 0.25, 0.5, 0.75, 1] and stars[1].min() > stars[1].max() / 3
    assert np.allclose(np.sort(drawn("rankings").ratings, axis=1), [0, 1 / 3, 2 / 3, 1])
    assert set(drawn("thumbs", candidates=1).rating) == {0.0, 1.0}
    said = drawn("text")
    assert said.rated.mean() == pytest.approx(0.3, abs=0.05)
    assert ((said.feedback >= 0) == np.isnan(said.rating)).all()
    praised = np.array([said.texts[code].startswith(("I like", "Good", "Just right")) for code in said.feedback])
    assert 0.3 < praised[said.feedback >= 0].mean() < 0.7


def test_conversations_wander_only_when_told_to() -> None:
    for wander in (False, True):
        table, _ = planted_table(replace(SMALL, turns=4, wander=wander))
        several = [len(set(table.task[table.conversation == c])) for c in range(len(table.conversations))]
        assert (max(several) > 1) is wander
        assert (np.bincount(table.conversation) == 4).all()


@given(st.integers(1, 6), st.integers(1, 30), st.integers(0, 3), st.sampled_from([None, 0.0, 0.5, 1.0]))
def test_time_only_moves_forward_for_each_person(turns: int, votes: int, seed: int, drift_at: float | None) -> None:
    table, _ = planted_table(replace(SMALL, users=3, votes=votes, turns=turns, seed=seed, drift_at=drift_at))
    for user in range(3):
        assert (np.diff(table.timestamp[table.user == user]) > 0).all()


def test_the_data_set_is_split_and_embedded() -> None:
    data, world = planted_dataset(SMALL, "hash:32", "new-users")
    assert data.vectors.shape == (len(data.table.texts), 32)
    assert data.card["protocol"] == "new-users"
    assert {0, 1, 2} == set(data.table.split.tolist())
    assert list(data.models) == list(world.models)


def test_the_rows_do_not_hold_the_truth(tmp_path: Path) -> None:
    write_planted(RICH, tmp_path / "people.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "people.jsonl").open()]
    allowed = {
        "user", "conversation", "turn", "comparison", "question", "task", "query", "timestamp", "model_a", "model_b",
        "winner", "response_a", "response_b", "cost_a", "cost_b", "model", "rating", "response", "feedback", "cost",
    }  # fmt: skip
    assert set().union(*rows) <= allowed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"users": 0}, "users is 0; expected at least 1"),
        ({"topics": 99}, "topics is 99; expected 1 to 12"),
        ({"ties": 1.5}, "ties is 1.5; expected 0 to 1"),
        ({"drift_at": -1}, "drift_at is -1; expected 0 to 1"),
        ({"feedback": "stars"}, "feedback is 'stars'; expected one of votes, ratings"),
        ({"candidates": 11}, "candidates is 11; expected 1 to 5"),
        ({"strength_share": 0.6, "topical_share": 0.6}, "add up to more than 1"),
    ],
)
def test_settings_out_of_range_are_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(SMALL, **change)  # pyright: ignore[reportArgumentType]


def test_follow_ups_say_nothing_of_their_topic_and_are_felt_as_the_topic_before() -> None:
    table, world = planted_table(FOLLOWED)
    plain, _ = planted_table(replace(FOLLOWED, follow_ups=0.0))
    followed = table.task < 0
    assert 0.5 < followed[table.turn > 0].mean() < 0.7 and not followed[table.turn == 0].any()
    assert {table.texts[code] for code in table.query[followed]} <= set(FOLLOW_UPS)
    assert not {table.texts[code] for code in table.query[~followed]} & set(FOLLOW_UPS)
    # Each is a question of its own, about one of the topic before.
    assert len(np.unique(table.question[followed])) == followed.sum()
    topic = np.array([name.partition("-")[0] for name in table.questions])[table.question]
    assert (topic[1:] == topic[:-1])[followed[1:]].all()
    assert np.isfinite(world.table_scores(table)[table.mask]).all()
    # Nothing else is drawn anew: who asks, when, and which answers are shown.
    assert np.array_equal(table.user, plain.user) and np.array_equal(table.timestamp, plain.timestamp)
    assert np.array_equal(table.candidates, plain.candidates)
