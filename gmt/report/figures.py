"""Turn the results of runs into figures: rivals with intervals, cold start, training, one person's graph."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmt.data.interactions import InteractionTable
from gmt.errors import RunError
from gmt.report.user_graph import longest_talk, picture_of, user_graph_figure
from gmt.runs import RunFolder, read_jsonl, read_run_json

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe-Ito, told apart by marker and dash as well, so that a print in grey still reads.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (3, 3)), (0, (1, 1)))
STYLE: dict[Any, Any] = {
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.labelsize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "pdf.fonttype": 42,
    "svg.hashsalt": "gmt",
}
NAMES = {"auc": "AUC", "user_auc": "AUC within a user", "accuracy": "pairwise accuracy", "log_loss": "log loss"}
OURS = "gmt"
# The oracle reads the answer; a dot at 1 would only squeeze the others together.
LEFT_OUT = ("oracle",)


def results_figure(results: Sequence[Mapping[str, Any]], metrics: Sequence[str] = ("auc", "accuracy")) -> Figure:
    """Draw every router as a dot with its 95 % interval, best on top: a row per result, a column per metric.

    Args:
        results: Objects in the shape of `results/<protocol>.json`; of several shots the most are drawn.
        metrics: Names of metrics in those objects.
    """
    from matplotlib.figure import Figure

    tables = [_table(result, _shots(result)[-1]) for result in results]
    heights = [0.19 * len(table) + 0.55 for table in tables]
    figure = Figure(figsize=(6.8, sum(heights)), layout="constrained")
    grid = figure.subplots(len(results), len(metrics), squeeze=False, gridspec_kw={"height_ratios": heights})
    for row, result, table in zip(grid, results, tables, strict=True):
        order = sorted(table, key=lambda name: _number(table[name], metrics[0], "value"))
        for column, (axes, metric) in enumerate(zip(row, metrics, strict=True)):
            for place, name in enumerate(order):
                ours = name == OURS
                value, low, high = (_number(table[name], metric, end) for end in ("value", "low", "high"))
                colour = COLOURS[0] if ours else "#555555"
                axes.plot([low, high], [place, place], color=colour, linewidth=2.2 if ours else 1.2)
                face = colour if ours else "white"
                axes.plot([value], [place], "D" if ours else "o", color=colour, markerfacecolor=face, markersize=4.5)
            axes.set_yticks(range(len(order)), [_label(name) for name in order] if column == 0 else [""] * len(order))
            axes.set_ylim(-0.6, len(order) - 0.4)
            axes.set_xlabel(f"{NAMES.get(metric, metric)} (95 % interval over users)")
            axes.grid(axis="y", visible=False)
            axes.tick_params(axis="y", length=0)
        if OURS in order:
            row[0].get_yticklabels()[order.index(OURS)].set_fontweight("bold")
        row[0].set_title(_title(result), loc="left")
    return figure


def cold_start_figure(
    result: Mapping[str, Any], metrics: Sequence[str] = ("auc", "accuracy"), routers: Sequence[str] | None = None
) -> Figure:
    """Draw how routers gain from the first votes of somebody new: a line per router, a panel per metric.

    Args:
        result: A result with several shots.
        metrics: Names of metrics.
        routers: Which routers to draw; by default gmt and the five strongest rivals at the most shots.
    """
    from matplotlib.figure import Figure

    shots = _shots(result)
    tables = [_table(result, shot) for shot in shots]
    if routers is None:
        strength = {name: _number(tables[-1][name], metrics[0], "value") for name in tables[-1] if name != OURS}
        rivals = sorted((name for name in strength if not math.isnan(strength[name])), key=lambda n: -strength[n])[:5]
        routers = [OURS] * (OURS in tables[-1]) + rivals
    figure = Figure(figsize=(6.8, 2.9), layout="constrained")
    grid = figure.subplots(1, len(metrics), squeeze=False)[0]
    for axes, metric in zip(grid, metrics, strict=True):
        for i, name in enumerate(routers):
            # A few hundredths apart, so that equal values do not hide each other.
            places = [place + 0.05 * (i - (len(routers) - 1) / 2) for place in range(len(shots))]
            value, low, high = (
                [_number(table.get(name, {}), metric, end) for table in tables] for end in ("value", "low", "high")
            )
            colour, j = COLOURS[i % len(COLOURS)], i % len(MARKERS)
            axes.fill_between(places, low, high, color=colour, alpha=0.18 if name == OURS else 0.07, linewidth=0)
            axes.plot(
                places,
                value,
                color=colour,
                linestyle=DASHES[j],
                marker=MARKERS[j],
                markersize=4,
                linewidth=2.0 if name == OURS else 1.1,
                zorder=3 if name == OURS else 2,
                label=_label(name),
            )
        axes.set_xticks(range(len(shots)), shots)
        axes.set_xlabel("rated comparisons known (shots)")
        axes.set_ylabel(NAMES.get(metric, metric))
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, handlelength=3.2)
    grid[0].set_title(_title(result, with_shots=False), loc="left")
    return figure


def training_figure(lines: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the loss and the validation AUC over the steps, the best step marked.

    Args:
        lines: The objects of `metrics.jsonl`, one per evaluation.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.4, 3.2), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    steps = [line["step"] for line in lines]
    for axes, key, colour, marker in ((upper, "loss", COLOURS[1], "s"), (lower, "valid_auc", COLOURS[0], "o")):
        axes.plot(
            steps, [_float(line.get(key)) for line in lines], color=colour, marker=marker, markersize=3, linewidth=1.3
        )
    upper.set_ylabel("training loss")
    lower.set_ylabel("validation AUC")
    lower.set_xlabel("step")
    scored = [(_float(line.get("valid_auc")), line["step"]) for line in lines]
    scored = [pair for pair in scored if not math.isnan(pair[0])]
    if scored:
        auc, step = max(scored, key=lambda pair: pair[0])
        lower.axvline(step, color="#555555", linestyle=":", linewidth=1.0)
        side = "right" if step > sum(steps[:1] + steps[-1:]) / 2 else "left"
        text = f" best {auc:.3f} at step {step} "
        lower.text(step, min(pair[0] for pair in scored), text, ha=side, va="bottom", fontsize=8)
    return figure


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
    with matplotlib.rc_context(STYLE):
        for run in map(Path, runs):
            figures = _figures_of(run)
            if not figures:
                raise RunError(f"{run} holds no results to draw; run gmt eval --run {run} first")
            for name, figure in figures.items():
                paths += save_figure(figure, Path(out) / name)
    return paths


def save_figure(figure: Figure, stem: Path) -> list[Path]:
    """Write a figure as PNG and PDF beside each other; equal figures give equal files."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    written = []
    for kind, metadata in (("png", {"Software": None}), ("pdf", {"CreationDate": None})):
        path = stem.with_name(f"{stem.name}.{kind}")
        temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
        figure.savefig(temporary, format=kind, dpi=200, metadata=metadata)
        os.replace(temporary, path)
        written.append(path)
    return written


def _figures_of(run: Path) -> dict[str, Figure]:
    folder, name = RunFolder(run), run.resolve().name
    figures = {}
    for path in sorted(folder.results.glob("*.json")):
        result = read_run_json(path)
        if not isinstance(result, dict) or not result.get("shots"):
            continue
        figures[f"{name}-{path.stem}-routers"] = results_figure([result])
        if len(_shots(result)) > 1:
            figures[f"{name}-{path.stem}-cold-start"] = cold_start_figure(result)
    if lines := list(read_jsonl(folder.metrics)):
        figures[f"{name}-training"] = training_figure(lines)
    if folder.history.is_file():
        table = InteractionTable.read(folder.history)
        if len(table):
            figures[f"{name}-user-graph"] = user_graph_figure(picture_of(table, longest_talk(table)))
    return figures


def _shots(result: Mapping[str, Any]) -> list[str]:
    return sorted(result["shots"], key=lambda key: float(key) if key.isdigit() else math.inf)


def _table(result: Mapping[str, Any], shots: str) -> dict[str, Mapping[str, Any]]:
    routers = result["shots"][shots]["routers"]
    return {name: metrics for name, metrics in routers.items() if name not in LEFT_OUT}


def _number(metrics: Mapping[str, Any], metric: str, end: str) -> float:
    return _float((metrics.get(metric) or {}).get(end))


def _float(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _label(router: str) -> str:
    return router.replace("_", " ").replace("bradley terry", "Bradley–Terry")


def _title(result: Mapping[str, Any], with_shots: bool = True) -> str:
    shots = _shots(result)
    parts = [str(result.get("protocol", "")), f"{shots[-1]} shots" if with_shots and shots[-1].isdigit() else ""]
    if result.get("users"):
        parts.append(f"{result['users']} users, {result.get('pairs', 0):,} pairs")
    return ", ".join(part for part in parts if part)
