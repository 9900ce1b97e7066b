"""Check that two evaluations are compared on the same targets alone, and that their intervals are paired."""

import numpy as np
import pyarrow as pa
import pytest

from gmt.data.interactions import TEST
from gmt.evaluation.evaluate import evaluate
from gmt.evaluation.intervals import Estimates
from gmt.evaluation.paired_runs import pair_results
from gmt.evaluation.predictions import blocks_of
from gmt.evaluation.results import Result
from gmt.evaluation.score_blocks import bootstrap
from gmt.rivals.registry import make_router
from tests.factories import random_dataset

NAMES = ("bradley_terry", "user_bradley_terry")


def measured(seed=0, protocol="seen", **options):
    data = random_dataset(seed, users=10, comparisons_per_user=25, protocol=protocol)
    routers = [make_router(name).fit(data.select(data.table.split != TEST)) for name in NAMES]
    return evaluate(data, routers, reference=NAMES[0], draws=2, **options)


def changed(result, change):
    """Return the same targets with other scores."""
    table = result.predictions
    scores = np.array(table["score"].to_numpy(zero_copy_only=False), float)
    at = table.column_names.index("score")
    table = table.set_column(at, "score", pa.array(change(scores), mask=np.isnan(scores)))
    return Result(result.summary, table)


@pytest.fixture(scope="module")
def first():
    return measured()


def test_the_same_scores_differ_by_nothing(first):
    found = pair_results(first, first)["all"]
    targets = first.summary["comparisons"]
    assert found["same"] and found["asked"] == {"first": targets, "second": targets, "both": targets}
    assert list(found["routers"]) == [*NAMES, "oracle"]
    gap = found["routers"][NAMES[0]]["difference"]["auc"]
    assert gap == {"value": 0.0, "low": 0.0, "high": 0.0}
    alone = first.summary["shots"]["all"]["routers"][NAMES[0]]
    assert found["routers"][NAMES[0]]["first"] == alone


def test_intervals_are_those_of_one_bootstrap_of_both(first):
    rng = np.random.default_rng(3)
    other = changed(first, lambda scores: scores + rng.normal(size=len(scores)))
    found = pair_results(first, other, seed=5)["all"]["routers"][NAMES[1]]
    (one,), (two,) = (
        blocks_of(side.predictions, side.summary["temperatures"])["all"][NAMES[1]] for side in (first, other)
    )
    both: Estimates = bootstrap({"one": [one], "two": [two]}, 5)
    wanted = both.difference("two", "one", "auc")
    assert wanted is not None and found["difference"]["auc"] == wanted.to_json()
    assert wanted.low < wanted.value < wanted.high
    assert found["difference"]["auc"]["value"] == pytest.approx(
        found["second"]["auc"]["value"] - found["first"]["auc"]["value"]
    )


def test_targets_are_known_by_what_they_are_and_not_by_their_number(first):
    table = first.predictions
    at = table.column_names.index("comparison")
    # Another folder numbers them otherwise, in another order.
    numbers = 1000 - table["comparison"].to_numpy()
    renamed = table.set_column(at, "comparison", pa.array(numbers))
    order = np.lexsort((numbers, table["router"].to_numpy(zero_copy_only=False).astype(str)))
    found = pair_results(first, Result(first.summary, renamed.take(order)))["all"]
    assert found["same"] and found["routers"][NAMES[0]]["difference"]["auc"]["value"] == pytest.approx(0.0)


def test_only_targets_of_both_are_compared(first):
    table = first.predictions
    numbers = np.unique(table["comparison"].to_numpy())
    kept = np.isin(table["comparison"].to_numpy(), numbers[: len(numbers) // 2])
    found = pair_results(first, Result(first.summary, table.filter(pa.array(kept))))["all"]
    half = len(numbers) // 2
    assert not found["same"] and found["asked"] == {"first": len(numbers), "second": half, "both": half}
    of_half = pair_results(Result(first.summary, table.filter(pa.array(kept))), first)["all"]
    one, other = (side["routers"][NAMES[1]]["first"]["auc"] for side in (found, of_half))
    assert one == other  # of the run that asked more, too, only these count


def test_another_rating_is_another_target(first):
    table = first.predictions
    at = table.column_names.index("rating")
    ratings = 1.0 - table["rating"].to_numpy(zero_copy_only=False)
    turned = table.set_column(at, "rating", pa.array(ratings))
    found = pair_results(first, Result(first.summary, turned))["all"]
    ties = len({row["comparison"] for row in table.to_pylist() if row["rating"] == 0.5})
    assert found["asked"]["both"] == ties and not found["same"]


def test_nothing_is_paired_where_nothing_is_shared(first):
    found = pair_results(first, measured(seed=9))["all"]
    assert found["asked"]["both"] == 0 and found["routers"] == {}


def test_draws_and_shots_are_kept_apart():
    one = measured(protocol="new-users", shots=[0, 3])
    found = pair_results(one, measured(protocol="new-users", shots=[0, 3, 5]))
    assert list(found) == ["0", "3"]  # five shots leave other targets in both halves, and stand in one run alone
    for shots in found.values():
        assert shots["asked"]["first"] == shots["asked"]["second"]
