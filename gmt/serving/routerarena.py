"""Write what RouterArena evaluates: the model that a run picks for each of its prompts, for nobody in particular."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_prep.read.cells import label, text
from data_prep.read.file_formats import read_json
from gmt.errors import DataError
from gmt.files import write_json
from gmt.serving.pretrained import Router

PARTS = {"full": "router_data.json", "sub_10": "router_data_10.json"}
ROBUSTNESS = "router_robustness.json"
INDEX, PROMPTS = "global index", ("prompt_formatted", "prompt")


@dataclass(frozen=True)
class ArenaFiles:
    """Name the files that were written; `robustness` is None where its prompts were not there."""

    predictions: Path
    robustness: Path | None
    prompts: int


def export_routerarena(
    router: Router,
    dataset: Path,
    out: Path,
    name: str = "gmt",
    part: str = "full",
    progress: Callable[[int], object] | None = None,
) -> ArenaFiles:
    """Write `NAME.json` and `NAME-robustness.json` in the form of RouterArena's prediction files.

    Each entry holds `global index`, `prompt`, `prediction` (a model's name) and the empty `generated_result, cost,
    accuracy` that RouterArena's own scripts fill in. The user is unknown: what a person likes has no place there.

    Source: RouterArena (arXiv 2510.00202), `router_inference/generate_prediction_file.py`.

    Args:
        router: A loaded run; its models must bear the names that RouterArena knows.
        dataset: RouterArena's `dataset` folder.
        out: Where the files go, such as RouterArena's `router_inference/predictions`.
        name: Name of the router there.
        part: `full` or `sub_10`.
        progress: Called with 1 for every prompt.

    Raises:
        DataError: The part is unknown, or a file is missing or has no prompts.
    """
    if part not in PARTS:
        raise DataError(f"the part is {part!r}; expected one of {', '.join(PARTS)}")
    predictions = _predicted(router, dataset / PARTS[part], progress)
    write_json(out / f"{name}.json", predictions)
    shaken = None
    if (dataset / ROBUSTNESS).is_file():
        shaken = out / f"{name}-robustness.json"
        write_json(shaken, _predicted(router, dataset / ROBUSTNESS, progress))
    return ArenaFiles(out / f"{name}.json", shaken, len(predictions))


def _predicted(router: Router, path: Path, progress: Callable[[int], object] | None) -> list[dict[str, Any]]:
    rows = read_json(path)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError(f"{path} is no list of objects; expected RouterArena's data with {INDEX!r} and a prompt")
    found = []
    for number, row in enumerate(rows, start=1):
        index = label(row.get(INDEX), INDEX)
        prompt = next((said for key in PROMPTS if (said := text(row.get(key), key)) is not None), None)
        if index is None or prompt is None:
            raise DataError(f"{path.name} entry {number} has no {INDEX!r} or no prompt; prepare the data set again")
        # Uncertainty takes a hundred times as long, and nothing of it is written.
        decision = router.rank(None, prompt, with_uncertainty=False)
        found.append(
            {
                INDEX: row[INDEX],
                "prompt": prompt,
                "prediction": decision.model,
                "generated_result": None,
                "cost": None,
                "accuracy": None,
                "for_optimality": False,
            }
        )
        if progress is not None:
            progress(1)
    if not found:
        raise DataError(f"{path} holds no prompt; prepare RouterArena's data set first")
    return found
