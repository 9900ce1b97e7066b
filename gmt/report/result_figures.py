"""Collect what the figures of results files show: routers, gains of new people, calibration, each person's gain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gmt.errors import UserError
from gmt.evaluation.results import predictions_path
from gmt.evaluation.summary import summarise
from gmt.report.figure_file import FigureFile
from gmt.report.prediction_numbers import blocks_of_files, calibration_of, gain_routers, gains_over, user_gains_of
from gmt.report.result_values import OURS, PROTOCOLS, measured_on, routers_of, shots_of
from gmt.runs import read_run_json

OVER = "bradley_terry"
DRAWN = ("auc", "accuracy", "lone_auc")
Found = tuple[list[FigureFile], list[str]]
"""Figures, and a sentence for each that has nothing to show."""


def files_of_results(name: str, paths: Sequence[Path], beside: Mapping[str, Sequence[Path]] | None = None) -> Found:
    """Return the figures of results files: one for each split of a protocol.

    Args:
        name: Begins the names of the files.
        paths: Results files.
        beside: Name of another design -> its results files on the same splits.
    """
    # The folder may hold results of another shape; only those by number of shots are drawn.
    results = [(path, read_run_json(path)) for path in paths]
    results = [(path, one) for path, one in results if isinstance(one, dict) and one.get("shots")]
    if not results:
        return [], []
    head = results[0][1]
    made = f"gmt train DATA --run RUN; gmt eval --run RUN ({len(results)} split{'s' * (len(results) > 1)})"
    if not any(one.get("pairs") or one.get("lone_ratings") for _, one in results):
        asked = f"among the {head.get('comparisons', 0):,} asked"
        what = f"{name}: no two answers of a comparison were rated differently {asked}"
        return [], [f"{what}, so there is nothing to draw; ask with more votes, or another split"]
    joined = _joined([path for path, _ in results]) if len(results) > 1 else dict(head)
    joined |= {"protocol": head.get("protocol", ""), "data": _set_of(name, head)}
    files = [_routers(name, joined, made)]
    missing = _missing(head, joined, [path for path, _ in results])
    if missing:
        return files, [f"{name}: {missing}, so gains and calibration are left out"]
    return files + _of_predictions(name, joined, [path for path, _ in results], made, beside or {}), []


def _missing(head: Mapping[str, Any], joined: Mapping[str, Any], paths: Sequence[Path]) -> str:
    """Say what the figures of predictions lack; empty where they lack nothing."""
    if not head.get("pairs"):
        return "no two answers of a comparison were rated differently"
    if gone := [path for path in paths if not predictions_path(path).is_file()]:
        return f"{predictions_path(gone[0]).name} is not beside {gone[0].name}"
    there = joined["shots"][shots_of(joined)[-1]]["routers"]
    absent = [one for one in (OURS, OVER) if one not in there]
    return f"{absent[0]} was not measured (gmt eval --baselines all)" if absent else ""


def _routers(name: str, result: Mapping[str, Any], made: str) -> FigureFile:
    shots = shots_of(result)
    # The oracle reads the answer: left out of the figure, and of its file.
    routers = routers_of(result, shots[-1])
    metrics = [m for m in DRAWN if any((cells.get(m) or {}).get("value") is not None for cells in routers.values())][:2]
    kept = {key: result[key] for key in ("protocol", "data", "users", "pairs", "seeds") if key in result}
    cells = {r: {metric: found.get(metric) for metric in metrics} for r, found in routers.items()}
    data = {"results": [{**kept, "shots": {shots[-1]: {"routers": cells}}}], "metrics": metrics}
    caption = (
        f"{measured_on(result)}. Every router with its 95 % interval over people, ours in bold; the dotted line is "
        "a coin's. The oracle, which reads the answers, is left out."
    )
    return FigureFile("routers", f"{name}-routers", data, caption, made)


def _of_predictions(
    name: str, result: Mapping[str, Any], paths: Sequence[Path], made: str, beside: Mapping[str, Sequence[Path]]
) -> list[FigureFile]:
    shots = shots_of(result)
    there = result["shots"][shots[-1]]["routers"]
    blocks = blocks_of_files(paths, gain_routers(there, OVER))
    what, files = measured_on(result, with_shots=False), []
    if len(shots) > 1:
        gains = gains_over(blocks, OVER)
        # Another design was measured in its own runs, beside the same reference on the same votes.
        for design, own in beside.items():
            found = gains_over(blocks_of_files(own, [OURS, OVER]), OVER)
            for shot, cells in found.items():
                gains.setdefault(shot, {})[design] = cells[OURS]
        caption = (
            f"{what}. How far routers are ahead of Bradley–Terry, which ranks models alike for all, by how many rated "
            "rounds of a new person they know. Gains are paired: taken on the same people and votes, with 95 % "
            "intervals over people."
        )
        if beside:
            counts = " and ".join(f"{len(own)} splits of {design}" for design, own in beside.items())
            caption += f" Of the other designs {counts} were run."
        files.append(
            FigureFile(
                "gains", f"{name}-cold-start", {"sets": [{"label": what, "over": OVER, "gains": gains}]}, caption, made
            )
        )
    last = blocks[shots[-1]]
    routers = [one for one in (OURS, "hierarchical_bradley_terry", "knn", OVER) if one in last]
    bins = {one: found for one, found in calibration_of(last, routers).items() if found}
    errors = {one: round((there[one].get("calibration_error") or {"value": 0.0})["value"], 4) for one in bins}
    if bins:
        caption = (
            f"{what}. How often the answer that a router favours is in fact preferred, against the chance it promised: "
            "on the dotted line promises are kept. Pairs in eight bins of equal count, 95 % intervals over people."
        )
        files.append(
            FigureFile("calibration", f"{name}-calibration", {"routers": bins, "errors": errors}, caption, made)
        )
    # One split: the test votes of several overlap, and a pair must not count twice for its person.
    first = blocks_of_files(paths[:1], [OURS, OVER])[shots[-1]]
    if len(users := user_gains_of(first, OURS, OVER)) > 1:
        split = "; first split" if len(paths) > 1 else ""
        caption = (
            f"{what}{split}. What every person gains by gmt over Bradley–Terry, which ranks models alike for all: log "
            "loss saved per pair, people with five pairs or more, sorted; thin lines are 95 % intervals over a "
            "person's own pairs."
        )
        data = {"sets": [{"label": what, "users": users}], "over": OVER}
        files.append(FigureFile("user-gains", f"{name}-user-gains", data, caption, made))
    return files


def _joined(paths: Sequence[Path]) -> dict[str, Any]:
    """Return the summary of one protocol over its splits."""
    found = summarise(paths)
    if len(found) > 1:
        raise UserError(f"these are results of {', '.join(found)}; join files of one protocol")
    return next(iter(found.values()))


def _set_of(name: str, head: Mapping[str, Any]) -> str:
    """Return what to call the data: the file's name without its protocol."""
    protocol = str(head.get("protocol", ""))
    return head.get("data") or name.removesuffix(f"-{protocol}") if protocol in PROTOCOLS else name
