"""Read the compared numbers of a part from what its steps wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gmt.errors import DataError
from gmt.files import read_json
from gmt.report.markdown import turned
from gmt.reproduce.part import ComparedNumber, Part

NO_RIVALS = ("gmt", "oracle", "random", "owners_shuffled", "unknown_user", "trained on them", "trained with it",
             "personalized_network.yaml")  # fmt: skip
"""Never the strongest rival: ourselves, bounds of what can be reached, and controls."""


def collect_numbers(part: Part, work: Path, quick: bool = False) -> dict[str, dict[str, Any]]:
    """Return name of a number -> ours, the strongest rival and how far ours is ahead of it.

    Args:
        part: The part.
        work: Its folder.
        quick: Leave out what a quick run does not measure.

    Raises:
        DataError: A file or a path is missing.
    """
    sizes = {f"{{{name}}}": values[int(quick)] for name, values in part.sizes.items()}
    return {
        number.name: _collected(_filled(number, sizes), work) for number in part.numbers if number.quick or not quick
    }


def _filled(number: ComparedNumber, sizes: Mapping[str, str]) -> ComparedNumber:
    """Return a number whose file and paths hold sizes in place of their names."""

    def fill(text: str) -> str:
        for name, size in sizes.items():
            text = text.replace(name, size)
        return text

    texts = {name: getattr(number, name) for name in ("file", "ours", "rivals", "gaps", "share_of")}
    return replace(number, **{name: fill(text) for name, text in texts.items() if text is not None})


def _collected(number: ComparedNumber, work: Path) -> dict[str, Any]:
    values = read_json(work / number.file, DataError, "run the part again")
    ours = _interval(_at(values, number.ours), number.scale)
    if number.share_of:
        # Without an interval: the whole is as uncertain as the part, and both come from the same people.
        return {"ours": {"value": ours["value"] / _interval(_at(values, number.share_of), number.scale)["value"]}}
    found: dict[str, Any] = {"ours": ours}
    if number.named:
        found["named"] = str(_at(values, number.named))
    own = _own_name(number)
    rivals = {name: _interval(of, number.scale) for name, of in _named(values, number.rivals)}
    # The path of ours may meet the star of the rivals' path too.
    if "*" in (number.rivals or ""):
        rivals = {name: of for name, of in rivals.items() if name not in (*NO_RIVALS, own)}
    if rivals:
        best = (max if number.better == "higher" else min)(rivals, key=lambda name: rivals[name]["value"])
        found["rival"] = {"name": best, **rivals[best]}
        found["rivals"] = rivals
        gaps = dict(_named(values, number.gaps))
        ahead = gaps.get(f"{own} - {best}") or turned(gaps.get(f"{best} - {own}"))
        found["gap"] = (
            {"value": ours["value"] - rivals[best]["value"]} if ahead is None else _interval(ahead, number.scale)
        )
    return found


def _own_name(number: ComparedNumber) -> str:
    """Return what ours is called where rivals stand beside it: the key at the place of their star."""
    ours, rivals = number.ours.split("/"), (number.rivals or "").split("/")
    if len(ours) != len(rivals):
        return "gmt"
    return next((own for own, rival in zip(ours, rivals, strict=True) if own != rival), "gmt")


def _at(values: Any, path: str) -> Any:
    """Return what a path leads to.

    Raises:
        DataError: It leads nowhere.
    """
    for key in path.split("/"):
        if isinstance(values, Mapping) and key in values:
            values = values[key]
        elif isinstance(values, list) and key.lstrip("-").isdigit() and -len(values) <= int(key) < len(values):
            values = values[int(key)]
        else:
            raise DataError(f"the results hold no {path}; they lack {key!r}")
    return values


def _named(values: Any, path: str | None) -> list[tuple[str, Any]]:
    """Return (name, what the path leads to) wherever it leads anywhere; a path without a star names one thing."""
    if path is None:
        return []
    before, star, after = path.partition("*")
    if not star:
        # A single rival is called what stands where ours has its own name.
        return [(path.split("/")[-2 if "/" in path else 0], _at(values, path))]
    try:
        group = _at(values, before.rstrip("/")) if before else values
    except DataError:
        return []  # nothing to compare with, e.g. a single router
    found = []
    for name, below in group.items() if isinstance(group, Mapping) else ():
        try:
            found.append((str(name), _at(below, after.lstrip("/")) if after else below))
        except DataError:
            continue  # a rival that was not measured under this metric
    return [(name, of) for name, of in found if of is not None]


def _interval(found: Any, scale: float = 1.0) -> dict[str, float]:
    """Return value, low and high of what stands in results files.

    Raises:
        DataError: It is no number.
    """
    if isinstance(found, (int, float)) and not isinstance(found, bool):
        return {"value": scale * float(found)}
    if isinstance(found, Mapping):
        # Times stand with their median, scores with their value.
        value = found.get("value", found.get("median"))
        if isinstance(value, (int, float)):
            ends = {key: scale * found[key] for key in ("low", "high") if found.get(key) is not None}
            return {"value": scale * float(value)} | ends
    raise DataError(f"the results hold {str(found)[:60]!r} where a number is expected")
