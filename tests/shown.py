"""Compare what a page shows with what a command printed: words alike, numbers to a unit of their last digit."""

import re
from collections.abc import Iterable

NUMBER = re.compile(r"(?<![A-Za-z_])[-+−]?(?:\d[\d,]*(?:\.\d+)?|\.\d+)")
GAP = "…"
"""Alone on a line it stands for any number of lines left out, at the end of one for the rest of it."""


def skeleton(line: str) -> str:
    """Return a line without its numbers and the widths of its columns; of a command its first words alone."""
    if line.startswith("$ "):
        return " ".join(line.split()[:3])
    return " ".join(NUMBER.sub("#", line).split())


def numbers(line: str) -> list[tuple[float, float]]:
    """Return the numbers of a line, each with the unit of its last digit."""
    if line.startswith("$ "):
        return []
    found = [text.replace(",", "").replace("−", "-") for text in NUMBER.findall(line)]
    return [(float(text), 10.0 ** -len(text.partition(".")[2])) for text in found]


def alike(wanted: str, found: str) -> bool:
    """Tell whether two lines say the same; numbers may differ by one unit of the last digit shown."""
    pairs = zip(numbers(wanted), numbers(found), strict=True)
    return skeleton(wanted) == skeleton(found) and all(abs(a - b) <= 1.001 * unit for (a, unit), (b, _) in pairs)


def cut_as(wanted: str, found: str) -> str:
    """Return a printed line, cut where a shown one is."""
    if not wanted.endswith(GAP) or wanted == GAP:
        return found.rstrip()
    words = list(re.finditer(r"\S+", found))
    count = len(wanted.removesuffix(GAP).split())
    return f"{found[: words[count - 1].end()]} {GAP}" if count <= len(words) else found


def renewed(shown: Iterable[str], printed: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the shown lines with the numbers that were printed, and those that were not printed at all.

    Args:
        shown: Lines of a page, in the order in which they are printed; `GAP` and empty lines are kept.
        printed: Lines of a command, more or as many.
    """
    left, lost, lines = list(printed), [], []
    for line in shown:
        if line.strip() in ("", GAP):
            lines.append(line)
            continue
        at = next((at for at, other in enumerate(left) if skeleton(cut_as(line, other)) == skeleton(line)), None)
        if at is None:
            lost.append(line)
            lines.append(line)
            continue
        # A shown command may leave out options that the program gives itself.
        lines.append(line if line.startswith("$ ") else cut_as(line, left[at]))
        del left[: at + 1]
    return lines, lost


def differences(shown: Iterable[str], printed: Iterable[str]) -> list[str]:
    """Return a line for everything that a page shows and a command prints otherwise or not at all."""
    shown = list(shown)
    lines, lost = renewed(shown, printed)
    said = [f"not printed: {line}" for line in lost]
    return said + [f"shown: {a}\nfound: {b}" for a, b in zip(shown, lines, strict=True) if a != b and not alike(a, b)]
