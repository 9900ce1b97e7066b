"""Check that figures are written whole and equal, and are drawn again from their own results files."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gmt.data.interactions import TEST
from gmt.errors import DataError, RunError
from gmt.evaluation.evaluate import evaluate
from gmt.report import figures
from gmt.report.figure_file import FigureFile
from gmt.report.figure_kinds import KINDS
from gmt.rivals.registry import make_router
from tests.factories import random_dataset
from tests.report.test_router_figures import result
from tests.report.test_user_graph import talk


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "demo"
    (folder / "results").mkdir(parents=True)
    (folder / "results" / "seen.json").write_text(json.dumps(result()))
    lines = [{"step": s, "loss": 1 / (s + 1), "valid_auc": 0.5 + s / 100, "seconds": s} for s in range(0, 30, 10)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    talk().write(folder / "history.parquet")
    return folder


def test_every_figure_is_written_as_png_and_pdf(run, tmp_path):
    drawn = figures.make_figures([run], tmp_path / "out")
    stems = ["seen-routers", "training", "user-graph"]
    assert sorted(path.name for path in drawn.paths) == sorted(
        f"demo-{s}.{kind}" for s in stems for kind in ("png", "pdf")
    )
    assert all(path.stat().st_size > 5000 for path in drawn.paths)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(path.name for path in drawn.paths)
    assert "predictions" in drawn.notes[0], "what is left out is said"


def test_equal_results_give_equal_files_also_from_their_own_results_files(run, tmp_path):
    first = figures.make_figures([run], tmp_path / "one", ("one", "two"), save=tmp_path / "kept").paths
    second = figures.redraw(tmp_path / "kept", tmp_path / "two", ("one", "two")).paths
    assert sorted(a.name for a in first) == sorted(b.name for b in second)
    for a in first:
        assert a.read_bytes() == (tmp_path / "two" / a.name).read_bytes(), a.name


def test_a_run_without_results_is_named(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match="gmt eval --run"):
        figures.make_figures([tmp_path / "empty"], tmp_path / "out")
    with pytest.raises(RunError, match="does not exist"):
        figures.make_figures([tmp_path / "none.json"], tmp_path / "out")
    with pytest.raises(DataError, match="--save"):
        figures.redraw(tmp_path / "empty", tmp_path / "out")


def test_without_pairs_a_sentence_stands_in_for_an_empty_picture(tmp_path):
    without = {**result(), "comparisons": 12, "pairs": 0, "ties": 12}
    (tmp_path / "seen.json").write_text(json.dumps(without))
    drawn = figures.make_figures([tmp_path / "seen.json"], tmp_path / "out")
    assert not drawn.paths
    assert "12 asked" in drawn.notes[0] and "nothing to draw" in drawn.notes[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "holds no figure"),
        ('{"figure": "pie", "data": {}}', "no figure 'pie'"),
        ('{"figure": "routers", "data": {}}', "lacks results"),
        ('{"figure": "routers", "data": {"results": [], "wings": 2}}', "unknown wings"),
    ],
)
def test_what_is_no_results_file_of_a_figure_is_refused(tmp_path, text, said):
    (tmp_path / "odd.json").write_text(text)
    with pytest.raises(DataError, match=said):
        figures.redraw(tmp_path, tmp_path / "out")


def test_every_kind_draws_by_a_function_that_takes_a_width():
    import inspect

    from gmt.report.figure_kinds import drawing

    for kind in KINDS:
        assert "width" in inspect.signature(drawing(kind)).parameters, kind


def test_a_results_file_keeps_what_a_reader_needs(tmp_path):
    one = FigureFile("routers", "x", {"results": [result()]}, "What it shows.", "gmt eval --run RUN", "Paper, Figure 2")
    assert FigureFile.read(one.save(tmp_path)) == one


def test_a_reference_that_was_not_measured_is_named(tmp_path):
    pq.write_table(pa.table({"x": [1]}), tmp_path / "seen.predictions.parquet")
    (tmp_path / "seen.json").write_text(json.dumps({**result(), "comparisons": 12}))
    drawn = figures.make_figures([tmp_path / "seen.json"], tmp_path / "out")
    assert len(drawn.paths) == 2 and "bradley_terry was not measured" in drawn.notes[0]


def split(folder, seed, ours="user_bradley_terry"):
    """Write the results of one split of new people, with a router of another name in our place."""
    data = random_dataset(seed, users=12, comparisons_per_user=25, protocol="new-users")
    known = data.select(data.table.split != TEST)
    gmt = make_router(ours).fit(known)
    gmt.name = "gmt"
    path = folder / f"{ours}-{seed}.json"
    rivals = [make_router("bradley_terry").fit(known)]
    evaluate(data, [gmt, *rivals], seed=seed, shots=[0, 5], draws=2, out=path)
    return path


def test_splits_are_joined_and_another_design_is_drawn_beside_ours(tmp_path):
    ours = [split(tmp_path, seed) for seed in (0, 1)]
    other = [split(tmp_path, seed, "model_mean") for seed in (0, 1)]
    drawn = figures.make_figures(
        ours, tmp_path / "out", save=tmp_path / "kept", join="set-new-users", beside={"paper": other}
    )
    assert not drawn.notes
    kinds = {path.stem.removeprefix("set-new-users-"): FigureFile.read(path) for path in (tmp_path / "kept").iterdir()}
    assert set(kinds) == {"routers", "cold-start", "calibration", "user-gains"}
    assert "set: new people" in kinds["routers"].caption and "2 splits" in kinds["routers"].caption
    (gains,) = kinds["cold-start"].data["sets"]
    assert list(gains["gains"]) == ["0", "5"] and set(gains["gains"]["5"]) == {"gmt", "paper"}
    assert gains["gains"]["5"]["paper"]["auc"]["low"] is not None
    # One split each: the router is drawn once whichever it was.
    alone = figures.make_figures(ours[:1], tmp_path / "alone", save=tmp_path / "one")
    assert (
        len(alone.paths) == 8
        and "splits" not in FigureFile.read(tmp_path / "one" / f"{ours[0].stem}-routers.json").caption
    )
