"""Draw every figure that the folders of runs allow: routers with intervals, cold start, training, one user's graph."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from gmt.data.interactions import InteractionTable
from gmt.errors import RunError
from gmt.report.look import STYLE, save_figure
from gmt.report.result_values import shots_of
from gmt.report.router_figures import cold_start_figure, results_figure
from gmt.report.training_curve import training_figure
from gmt.report.user_graph import longest_talk, picture_of, user_graph_figure
from gmt.runs import RunFolder, read_jsonl, read_run_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def make_figures(runs: Iterable[Path], out: Path) -> list[Path]:
    """Draw everything that the folders of runs hold.

    Args:
        runs: Run folders with `results/*.json`, `metrics.jsonl` or `history.parquet`.
        out: Folder for the figures; it is made where missing.

    Returns:
        The PNG and PDF files written.

    Raises:
        RunError: A run holds nothing that can be drawn.
    """
    import matplotlib

    paths: list[Path] = []
    # In a context: a notebook that draws figures of its own keeps its look.
    with matplotlib.rc_context(STYLE):
        for run in map(Path, runs):
            figures = _figures_of(run)
            if not figures:
                raise RunError(f"{run} holds no results to draw; run gmt eval --run {run} first")
            for name, figure in figures.items():
                paths += save_figure(figure, Path(out) / name)
    return paths


def _figures_of(run: Path) -> dict[str, Figure]:
    """Return name -> figure for all that one run holds."""
    folder, name = RunFolder(run), run.resolve().name
    figures = {}
    for path in sorted(folder.results.glob("*.json")):
        result = read_run_json(path)
        # The folder may hold results of another shape; only those by number of shots are drawn.
        if not isinstance(result, dict) or not result.get("shots"):
            continue
        figures[f"{name}-{path.stem}-routers"] = results_figure([result])
        # One number of shots is a point and not a curve.
        if len(shots_of(result)) > 1:
            figures[f"{name}-{path.stem}-cold-start"] = cold_start_figure(result)
    if lines := list(read_jsonl(folder.metrics)):
        figures[f"{name}-training"] = training_figure(lines)
    if folder.history.is_file():
        table = InteractionTable.read(folder.history)
        if len(table):
            figures[f"{name}-user-graph"] = user_graph_figure(picture_of(table, longest_talk(table)))
    return figures
