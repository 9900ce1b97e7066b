"""Check that figures are written whole and equal."""

import json

import pytest

from gmt.errors import RunError
from gmt.report import figures
from tests.report.test_router_figures import result
from tests.report.test_user_graph import talk


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


def test_a_run_without_results_is_named(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match="gmt eval --run"):
        figures.make_figures([tmp_path / "empty"], tmp_path / "out")
