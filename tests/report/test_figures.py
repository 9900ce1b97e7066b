"""Check that figures say what the results say, and are written whole and equal."""

import json

import numpy as np
import pytest

from gmt.data.interactions import Candidate, Comparison, InteractionTable
from gmt.errors import DataError, RunError
from gmt.report import figures, user_graph


def cell(value):
    return {"value": value, "low": value - 0.02, "high": value + 0.02}


def result(protocol="seen", shots=("all",)):
    routers = {"random": 0.5, "gmt": 0.87, "user_bradley_terry": 0.8, "oracle": 1.0}
    tables = {
        shot: {"routers": {name: {"auc": cell(v), "accuracy": cell(v - 0.05)} for name, v in routers.items()}}
        for shot in shots
    }
    return {"protocol": protocol, "users": 36, "pairs": 1235, "shots": tables}


def talk(turns=3):
    return InteractionTable.from_comparisons(
        [
            Comparison(
                "bo", "c1", t, f"question {t} costs $5?", (Candidate("a", "yes", 1.0), Candidate("b", None, 0.0))
            )
            for t in range(turns)
        ]
        + [Comparison("kim", "c2", 0, "hello", (Candidate("a", "hi"), Candidate("c", "hey")))]
    )


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "demo"
    (folder / "results").mkdir(parents=True)
    (folder / "results" / "seen.json").write_text(json.dumps(result()))
    (folder / "results" / "new-users.json").write_text(json.dumps(result("new-users", ("0", "2", "10"))))
    lines = [{"step": s, "loss": 1 / (s + 1), "valid_auc": 0.5 + s / 100, "seconds": s} for s in range(0, 30, 10)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    talk().write(folder / "history.parquet")
    return folder


def test_every_figure_is_written_as_png_and_pdf(run, tmp_path):
    paths = figures.make_figures([run], tmp_path / "out")
    stems = ["new-users-routers", "new-users-cold-start", "seen-routers", "training", "user-graph"]
    assert sorted(path.name for path in paths) == sorted(f"demo-{s}.{kind}" for s in stems for kind in ("png", "pdf"))
    assert all(path.stat().st_size > 5000 for path in paths)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(path.name for path in paths)


def test_equal_results_give_equal_files(run, tmp_path):
    first, second = (figures.make_figures([run], tmp_path / name) for name in ("one", "two"))
    for a, b in zip(first, second, strict=True):
        assert a.read_bytes() == b.read_bytes(), a.name


def test_routers_are_sorted_and_the_oracle_is_left_out():
    axes = figures.results_figure([result()]).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["random", "user Bradley–Terry", "gmt"]
    assert axes.get_title(loc="left") == "seen, 36 users, 1,235 pairs"


def test_an_unknown_metric_value_is_no_error():
    broken = result()
    broken["shots"]["all"]["routers"]["random"]["auc"] = {"value": None, "low": None, "high": None}
    assert len(figures.results_figure([broken, result()]).axes) == 4


def test_cold_start_orders_shots_by_number_and_keeps_markers_apart():
    figure = figures.cold_start_figure(result("new-users", ("10", "0", "2")))
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "2", "10"]
    looks = [(line.get_marker(), line.get_linestyle()) for line in axes.get_lines()]
    assert len(set(looks)) == len(looks) == 3
    assert axes.get_lines()[0].get_label() == "gmt"


def test_training_marks_the_best_step():
    lines = [{"step": s, "loss": 1.0, "valid_auc": auc} for s, auc in ((0, 0.5), (10, 0.8), (20, None))]
    texts = [text.get_text() for text in figures.training_figure(lines).axes[1].texts]
    assert texts == [" best 0.800 at step 10 "]


def test_a_run_without_results_is_named(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match="gmt eval --run"):
        figures.make_figures([tmp_path / "empty"], tmp_path / "out")


def test_turn_edges_run_forward_along_one_model():
    picture = user_graph.picture_of(talk(), "bo")
    kinds = [node.kind for node in picture.nodes]
    assert {kind: kinds.count(kind) for kind in user_graph.KINDS} == {
        "user": 1,
        "turn": 6,
        "query": 3,
        "response": 3,
        "llm": 2,
    }
    between = [(a, b) for a, b in picture.edges if kinds[a] == kinds[b] == "turn"]
    assert len(between) == 4 and all(a < b for a, b in between)
    for a, b in between:
        models = [{y for x, y in picture.edges if x == turn and kinds[y] == "llm"} for turn in (a, b)]
        assert models[0] == models[1]


def test_the_longest_conversation_is_drawn():
    table = talk()
    assert user_graph.longest_talk(table) == "bo"
    drawn = [text.get_text() for text in user_graph.user_graph_figure(user_graph.picture_of(table, "bo")).axes[0].texts]
    assert set(user_graph.KINDS) <= set(drawn)
    assert drawn.count("turn 0\nrated 1") == 1
    assert "unrated" in " ".join(node.label for node in user_graph.picture_of(table, "kim").nodes)


def test_odd_pictures_are_refused():
    with pytest.raises(DataError, match="'cat'"):
        user_graph.GraphPicture((user_graph.Node("cat", "x"),), ())
    with pytest.raises(DataError, match="outside"):
        user_graph.GraphPicture((user_graph.Node("user", "x"),), ((0, 1),))
    with pytest.raises(DataError, match="'nobody'"):
        user_graph.picture_of(talk(), "nobody")
    with pytest.raises(DataError, match="no comparison"):
        user_graph.longest_talk(talk().select(np.zeros(0, np.int64)))
