import numpy as np
import pyarrow as pa
import pytest

from gmt.data.comparisons import Candidate, Comparison
from gmt.data.interactions import InteractionTable
from gmt.errors import DataError
from gmt.report.cost_numbers import quality_costs
from gmt.report.quality_cost import draw_quality_cost, upper_hull

# Two people and two questions; "good" costs .8 and is always right, "cheap" costs .1 and is right once in two.
ALPHA = {"thrifty": 0.5, "keen": 1.0}
COST, RIGHT = {"good": 0.8, "cheap": 0.1}, {"good": (1.0, 1.0), "cheap": (1.0, 0.0)}


def rounds():
    """Return the comparisons, rated by their rewards brought from [-1, 1] to [0, 1]."""
    items = []
    for user, alpha in ALPHA.items():
        for q in range(2):
            rewards = {m: alpha * RIGHT[m][q] - (1 - alpha) * COST[m] for m in COST}
            offers = tuple(Candidate(m, None, (rewards[m] + 1) / 2, cost=COST[m]) for m in COST)
            items.append(Comparison(user, f"{user}/{q}", 0, f"question {q}", offers))
    return InteractionTable.from_comparisons(items)


def predictions(table, scores):
    """Return rows of routers that score models as given, and of one that reads the ratings."""
    columns = table.to_arrow()
    parts = []
    for name, of_model in scores.items():
        score = [of_model[m] for m in columns["model"].to_pylist()]
        part = {key: columns[key] for key in ("user", "conversation", "turn", "model", "rating")}
        parts.append(pa.table({**part, "score": pa.array(score), "router": pa.repeat(name, len(score))}))
    return pa.concat_tables(parts)


def found(alpha=ALPHA):
    table = rounds()
    scores = {"gmt": {"good": 0.0, "cheap": 1.0}, "knn": {"good": 1.0, "cheap": 1.0}}
    return quality_costs(predictions(table, scores), table, ["gmt", "knn"], (-1.0, 1.0), alpha)


def test_quality_and_cost_are_told_apart_by_the_weights():
    data = found()
    assert data["routers"]["gmt"] == [{"cost": 0.1, "quality": 0.5}] * 2
    # Equal scores share the choice.
    assert data["routers"]["knn"][0] == {"cost": pytest.approx(0.45), "quality": 0.75}
    assert {one["name"]: (one["cost"], one["quality"]) for one in data["models"]} == {
        "cheap": (0.1, 0.5),
        "good": (0.8, 1.0),
    }


def test_no_router_is_above_the_oracle():
    data = found()
    assert {"cost": 0.45, "quality": 1.0} in data["oracle"], "the good one only where the cheap one fails"
    hull = upper_hull([(one["cost"], one["quality"]) for one in data["oracle"]])
    for one in [*data["models"], *(point for points in data["routers"].values() for point in points)]:
        assert one["quality"] <= np.interp(one["cost"], *zip(*hull, strict=True)) + 1e-9


def test_without_weights_all_people_are_one_point():
    assert len(found(None)["routers"]["gmt"]) == 1


def test_an_answer_without_a_known_cost_is_named():
    table = rounds()
    rows = predictions(table, {"gmt": {"good": 0.0, "cheap": 1.0}})
    with pytest.raises(DataError, match="no known cost"):
        quality_costs(rows, table.select(np.array([0])), ["gmt"])


def test_the_hull_is_concave_and_rises():
    hull = upper_hull([(0.0, 0.2), (0.1, 0.5), (0.2, 0.3), (0.5, 0.55), (0.6, 0.9), (0.9, 0.8)])
    assert hull == [(0.0, 0.2), (0.1, 0.5), (0.6, 0.9)]


def test_the_figure_draws_routers_models_and_hull():
    axes = draw_quality_cost(**found()).axes[0]
    labels = axes.get_legend_handles_labels()[1]
    assert "hull of the oracle: out of reach above" in labels and "gmt (ours)" in labels
    assert {text.get_text() for text in axes.texts} == {"good", "cheap"}
