import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from gmt.data.interactions import TEST
from gmt.errors import DataError
from gmt.evaluation.evaluate import evaluate
from gmt.evaluation.predictions import COLUMNS
from gmt.evaluation.results import Result
from gmt.evaluation.score_blocks import METRICS
from gmt.rivals.registry import RIVALS, make_router
from tests.factories import random_dataset

PROTOCOLS = ("seen", "new-users", "new-models")


def fitted(data, names=tuple(RIVALS)):
    known = data.select(data.table.split != TEST)
    return [make_router(name).fit(known) for name in names]


def scores_of(result):
    return np.array(result.predictions["score"].to_pylist(), dtype=float)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_results_have_the_promised_shape_and_columns(tmp_path, protocol):
    data = random_dataset(0, users=8, models=9, comparisons_per_user=16, protocol=protocol)
    path = tmp_path / "results" / f"{protocol}.json"
    result = evaluate(data, fitted(data, ("random", "knn")), shots=[0, 2], draws=2, reference="knn", out=path)
    assert sorted(file.name for file in path.parent.iterdir()) == [
        f"{protocol}.json",
        f"{protocol}.predictions.parquet",
    ]
    written = json.loads(path.read_text())
    assert written == result.summary and Result.read(path).summary == written
    assert {"protocol", "split", "seed", "comparisons", "pairs", "ties", "unrated", "users"} <= set(written)
    assert list(written["shots"]) == (["all"] if protocol == "seen" else ["0", "2"])
    for found in written["shots"].values():
        assert list(found["routers"]) == ["random", "knn", "oracle"]
        assert list(found["differences"]) == ["knn - random", "knn - oracle"]
        for metrics in [*found["routers"].values(), *found["differences"].values()]:
            assert set(metrics) == set(METRICS)
        assert set(found["routers"]["knn"]["auc"]) == {"value", "low", "high"}
        assert found["routers"]["oracle"]["log_loss"] is None
        assert (
            found["routers"]["oracle"]["accuracy"]["value"] == 1 and found["routers"]["oracle"]["regret"]["value"] == 0
        )
    rows = pq.read_table(path.with_name(f"{protocol}.predictions.parquet"))
    assert tuple(rows.column_names) == COLUMNS
    assert set(rows["shots"].to_pylist()) == set(written["shots"])


def test_accuracy_can_be_recomputed_from_the_predictions():
    data = random_dataset(0, models=6, max_candidates=3, unrated=0.2)
    result = evaluate(data, fitted(data, ("bradley_terry",)), oracle=False)
    rows = [row for row in result.predictions.to_pylist() if row["rating"] is not None]
    right = pairs = 0
    for one in rows:
        for other in rows:
            if one["comparison"] == other["comparison"] and one["rating"] > other["rating"]:
                pairs += 1
                right += (one["score"] > other["score"]) + 0.5 * (one["score"] == other["score"])
    found = result.summary["shots"]["all"]["routers"]["bradley_terry"]["accuracy"]["value"]
    assert (pairs, found) == (result.summary["pairs"], pytest.approx(right / pairs))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_flipping_what_is_asked_or_its_answers_changes_no_score(protocol):
    data = random_dataset(3, users=8, models=9, comparisons_per_user=16, max_turns=3, protocol=protocol)
    table, routers = data.table, fitted(data)
    before = evaluate(data, routers, shots=[0], draws=1, oracle=False)
    asked = (table.split == TEST)[table.row_comparison]  # at no shots nothing of test is visible
    flipped = replace(table, rating=np.where(asked, 1 - table.rating, table.rating))
    assert (
        scores_of(evaluate(data.with_table(flipped), routers, shots=[0], draws=1, oracle=False)) == scores_of(before)
    ).all()
    swapped = replace(table, response=np.where(asked, 0, table.response))
    assert (
        scores_of(evaluate(data.with_table(swapped), routers, shots=[0], draws=1, oracle=False)) == scores_of(before)
    ).all()


def test_shots_change_personal_scores():
    data = random_dataset(0, users=16, comparisons_per_user=40, personal=3.0, protocol="new-users")
    shots = evaluate(data, fitted(data, ("user_bradley_terry",)), shots=[0, 20], draws=2).summary["shots"]
    cold, warm = (shots[key]["routers"]["user_bradley_terry"]["auc"]["value"] for key in ("0", "20"))
    assert warm > cold + 0.02
    assert shots["20"]["visible"] > shots["0"]["visible"] and shots["20"]["short_users"] == 0


class Spy:
    """Remember what it is shown."""

    name = "spy"

    def __init__(self):
        self.seen = []

    def fit(self, data):
        return self

    def score(self, history, questions):
        self.seen.append((history, questions))
        return np.where(questions.candidates >= 0, 0.0, -np.inf)


def test_earlier_turns_are_text_only_unless_revealed():
    data = random_dataset(0, max_turns=3)
    spy = Spy()
    evaluate(data, [spy])
    assert all(np.isnan(questions.earlier.rating).all() for _, questions in spy.seen)
    spy = Spy()
    assert evaluate(data, [spy], reveal_turns=True).summary["reveal_turns"] is True
    revealed = [questions for _, questions in spy.seen]
    assert any((~np.isnan(questions.earlier.rating)).any() for questions in revealed)
    for questions in revealed:  # no rating of a question asked, nor of a later round, is shown beside it
        assert not np.isin(questions.comparison, questions.earlier.comparison).any()
        assert len(np.unique(questions.turn)) == 1
        assert not len(questions.earlier) or questions.earlier.turn.max() < questions.turn[0]


def test_a_router_with_unfit_scores_is_refused():
    data = random_dataset(0)

    class Silent(Spy):
        def score(self, history, questions):
            return np.full(questions.candidates.shape, np.nan)

    with pytest.raises(DataError, match="finite score"):
        evaluate(data, [Silent()])
    with pytest.raises(DataError, match="share a name"):
        evaluate(data, [Spy(), Spy()])


def test_equal_seeds_give_equal_results():
    data = random_dataset(0, protocol="new-users")
    first, second = (evaluate(data, fitted(data, ("random", "knn")), draws=2, seed=4) for _ in range(2))
    assert first.summary == second.summary and first.predictions.equals(second.predictions)
