"""Check score matrices and rows of people's rewards, and that what people weigh stays out of the table."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from data_prep.prepare import PrepOptions, prepare
from data_prep.sources.router_data import matrix_from, read_matrix
from data_prep.sources.score_matrix import EVERYBODY
from data_prep.sources.scores import read
from data_prep.sources.source import SourceOptions
from gmt.data.dataset import Dataset
from gmt.data.interactions import TEST, TRAIN, VALID
from gmt.errors import DataError
from tests.data_prep.samples import jsonl, real

OPTIONS = SourceOptions()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write 40 training and 10 test questions of two tasks, two of which stand in both files."""
    home = tmp_path / "scores"
    queries = [f"question {n} " + "x" * n for n in range(48)]
    train, test = queries[:40], queries[38:]
    jsonl(home / "default_query_train.jsonl", [{"query": q, "task_name": f"task{len(q) % 2}"} for q in queries])
    jsonl(home / "default_query_test.jsonl", [{"query": queries[0], "task_name": "another"}])
    prices = {"small": {"feature": "cheap", "input_price": 0.1, "output_price": 0.1}}
    prices["large"] = {"feature": "dear", "input_price": 1.0, "output_price": 2.0}
    (home / "default_llm.json").write_text(json.dumps(prices))
    for name, part in (("train", train), ("test", test)):
        rows = [{"question": q, "scores": {"small": 0.25, "large": 1}, "cluster_id": 0} for q in part]
        (home / f"dcrouter_{name}.json").write_text(json.dumps(rows))
    return home


def test_a_matrix_is_one_comparison_a_question(folder: Path) -> None:
    data = read(folder, OPTIONS)
    table = data.as_table()
    assert (table.users, table.models, len(table)) == ((EVERYBODY,), ("small", "large"), 46)
    assert (table.ratings == [0.25, 1]).all()
    assert data.models["large"].output_price == 2.0 and data.models["large"].description == "dear"
    assert table.tasks[table.task[0]] == "task1"  # the first of its two
    assert data.notes == ["2 of 10 test questions also stand in train; they were left out of both, 8 are asked"]
    assert (table.split == TEST).sum() == 8


def test_costs_are_scaled_within_a_task_over_both_files(folder: Path) -> None:
    matrix = read_matrix(folder, [])
    lengths = np.array([len(f"question {n} " + "x" * n) for n in range(48)])
    raw = {n: (length / 4 * 0.1 + 51.2, length / 4 + 1024) for n, length in enumerate(lengths)}
    for place, query in enumerate(matrix.queries):
        same = [n for n in range(48) if lengths[n] % 2 == len(query) % 2]  # the left-out ones count too
        low, high = min(raw[n][0] for n in same), max(raw[n][1] for n in same)
        own = int(query.split()[1])
        assert np.allclose(matrix.cost[place], [(value - low) / (high - low) for value in raw[own]])


def test_without_prices_there_are_no_costs(folder: Path) -> None:
    (folder / "default_llm.json").unlink()
    assert np.isnan(read_matrix(folder, []).cost).all()


def test_the_split_is_the_sources_own_unless_another_is_named(folder: Path, tmp_path: Path) -> None:
    card = prepare(PrepOptions("scores", tmp_path / "out", folder, "hash:32"))
    data = Dataset.load(tmp_path / "out")
    assert card["protocol"] == "given" and card["notes"][0].startswith("2 of 10")
    assert [(data.table.split == code).sum() for code in (TRAIN, VALID, TEST)] == [33, 5, 8]
    again = matrix_from(tmp_path / "out", [])
    assert np.array_equal(again.score, read_matrix(folder, []).score)
    assert np.array_equal(again.cost, data.table.cost.reshape(-1, 2))
    assert again.split is not None and (again.split == TEST).sum() == 8 and VALID not in again.split
    assert prepare(PrepOptions("scores", tmp_path / "other", folder, "hash:32", "seen"))["protocol"] == "seen"
    assert matrix_from(tmp_path / "other", []).split is None


def test_bad_matrix_rows_are_named(folder: Path) -> None:
    rows = [{"question": "q", "scores": {"small": 2}}, {"question": "q", "scores": [1]}, {"scores": {"small": 1}}]
    (folder / "dcrouter_more.json").write_text(json.dumps(rows))
    reasons = [str(row) for row in read(folder, OPTIONS).rejected]
    assert reasons == [
        "dcrouter_more.json line 1: the score of small is 2; expected 0 to 1",
        "dcrouter_more.json line 2: scores is list; expected model name -> score",
        "dcrouter_more.json line 3: question is empty; expected text",
    ]


def table_file(path: Path, rows: list[dict[str, object]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def people(alpha: dict[str, float]) -> list[dict[str, object]]:
    """Return rows in the shape of PersonaRoute-Bench, embeddings over several lines of text."""
    vector = "[0.1\n 0.2\n 0.3]"
    return [
        {"user_id": user, "performance_preference": a, "task_id": f"t{q % 2}", "query": f"q{q}",
         "query_embedding": vector, "llm": f"m{m}", "effect": m / 2, "cost": m / 4,
         "reward": a * m / 2 - (1 - a) * m / 4, "best_llm": 2}
        for user, a in alpha.items() for q in range(4) for m in range(3)
    ]  # fmt: skip


def test_rewards_are_scaled_by_a_fixed_rule_and_preferences_stay_outside(tmp_path: Path) -> None:
    alpha = {"1": 0.2, "2": 0.9}
    data = read(table_file(tmp_path / "rows.csv", people(alpha)), OPTIONS)
    table = data.as_table()
    assert (len(table), table.models, data.rating_scale, data.rows) == (8, ("m0", "m1", "m2"), "-1..1", 24)
    weight = np.array([alpha[table.users[user]] for user in table.user])[:, None]
    effect, cost = np.arange(3) / 2, np.arange(3) / 4
    assert np.allclose(2 * table.ratings - 1, weight * effect - (1 - weight) * cost)
    assert np.allclose(table.cost.reshape(-1, 3), cost)
    assert json.loads(data.extras["truth.json"])["alpha"] == alpha
    assert "performance_preference" not in table.to_arrow().column_names
    assert "[0.1" not in "".join(table.texts)


def test_a_reward_that_is_not_stated_is_computed(tmp_path: Path) -> None:
    rows = people({"1": 0.4})
    stated = read(table_file(tmp_path / "a.csv", rows), OPTIONS).as_table()
    bare = [{name: value for name, value in row.items() if name != "reward"} for row in rows]
    computed = read(table_file(tmp_path / "b.csv", bare), OPTIONS).as_table()
    assert np.allclose(stated.rating, computed.rating)


def test_scattered_rows_of_a_question_meet_and_a_model_met_again_starts_anew(tmp_path: Path) -> None:
    rows = [{"query": q, "llm": m, "effect": e} for q, m, e in
            [("a", "x", 0), ("b", "x", 1), ("a", "y", 1), ("a", "x", 0.5), ("b", "y", 0)]]  # fmt: skip
    items = read(table_file(tmp_path / "rows.csv", rows), OPTIONS).as_table().to_comparisons()
    assert [(item.query, [(c.model, c.rating) for c in item.candidates]) for item in items] == [
        ("a", [("x", 0), ("y", 1)]),
        ("b", [("x", 1), ("y", 0)]),
        ("a", [("x", 0.5)]),
    ]
    assert len({item.conversation for item in items}) == 3


@pytest.mark.parametrize("best", ["m1", "1"])
def test_the_chosen_model_is_a_rating_where_nothing_else_is(tmp_path: Path, best: str) -> None:
    rows = [{"user_id": 1, "query": "a", "llm": f"m{m}", "effect": 0.3, "best_llm": best} for m in range(3)]
    assert read(table_file(tmp_path / "rows.csv", rows), OPTIONS).as_table().rating.tolist() == [0, 1, 0]


def test_bad_rows_of_a_csv_are_named(tmp_path: Path) -> None:
    good = people({"1": 0.4})[0]
    rows = [good, good | {"reward": 3}, good | {"effect": "high"}, good | {"llm": ""}]
    rejected = read(table_file(tmp_path / "rows.csv", rows), OPTIONS).rejected
    assert [(row.line, row.reason) for row in rejected] == [
        (5, "reward is 3; expected a number from -1 to 1"),
        (8, "effect is 'high'; expected a number"),
        (11, "llm is empty; expected text"),
    ]
    with pytest.raises(DataError, match="there is no column llm; expected query, llm and effect"):
        prepare(PrepOptions("scores", tmp_path / "out", table_file(tmp_path / "no.csv", [{"query": "q"}]), "hash"))


def test_real_scores_keep_381_clean_questions() -> None:
    matrix = read_matrix(real("routerdata"), [])
    test = matrix.split == TEST
    assert (test.sum(), len(matrix.queries), matrix.score.shape[1]) == (381, 381 + 5489, 9)
    alpha = np.arange(2, 11)[:, None, None] / 10
    reward = alpha * matrix.score[test] - (1 - alpha) * matrix.cost[test]
    assert reward.mean() == pytest.approx(0.110, abs=5e-4)
    assert reward.max(axis=2).mean() == pytest.approx(0.423, abs=5e-4)


def test_scores_that_are_null_are_left_out_and_a_question_without_any_is_a_bad_row(folder: Path) -> None:
    rows = [
        {"question": "a", "scores": {"small": 0.5, "large": None}},
        {"question": "b", "scores": {"small": None, "large": None}},
        {"question": "c", "scores": {"half \ud800": 1}},
        {"question": ["d"], "scores": {"small": 1, "large": 10**400}},
    ]
    (folder / "dcrouter_train.json").write_text(json.dumps(rows))
    data = read(folder, OPTIONS)
    assert [row.line for row in data.rejected] == [2, 3, 4]
    assert "scores are null for every model" in data.rejected[0].reason
    table = data.as_table()
    assert np.diff(table.start).tolist()[0] == 1 and len(table) == 11


@pytest.mark.parametrize("price", ["NaN", "Infinity", "-1", '"1"'])
def test_prices_of_a_matrix_are_finite(folder: Path, price: str) -> None:
    (folder / "default_llm.json").write_text(f'{{"small": {{"input_price": {price}}}}}')
    with pytest.raises(DataError, match="input_price of small is .*; expected"):
        read(folder, OPTIONS)


@pytest.mark.parametrize(
    "rows", [[], [{"question": None, "scores": {"m": 1}}], [{"question": "q", "scores": {}}], [{"question": "q"}]]
)
def test_scores_of_which_nothing_can_be_read_are_one_line(tmp_path: Path, rows: list[dict[str, object]]) -> None:
    (tmp_path / "dcrouter_train.json").write_text(json.dumps(rows))
    (tmp_path / "dcrouter_test.json").write_text(json.dumps(rows))
    for drop in (False, True):
        with pytest.raises(DataError) as caught:
            prepare(PrepOptions("scores", tmp_path / "out", tmp_path, "hash:16", drop_bad_rows=drop))
        assert "\n" not in str(caught.value)
