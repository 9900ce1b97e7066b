"""Fit a table to the width of a terminal: texts fold, then columns go below each other; no cell is cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

GAP = 2
"""Blanks between two columns."""
LEAST_TEXT = 20
"""Characters of a column of texts, below which columns rather go below each other."""
LEAST_KEY = 8
"""Characters that are left to the first column beside one that hardly fits."""


@dataclass(frozen=True)
class Block:
    """Hold which columns of a table stand beside each other.

    Args:
        columns: Their numbers; the first column of the table is always among them.
        widths: Characters of each; what is longer folds.
    """

    columns: tuple[int, ...]
    widths: tuple[int, ...]


def blocks_of(cells: Sequence[Sequence[str]], texts: frozenset[int], width: int | None) -> list[Block]:
    """Say which columns stand beside each other, and how wide each is.

    Args:
        cells: The head and the rows, equally long.
        texts: Numbers of columns that hold running text, which may fold.
        width: Characters of a line; None where lines have no end.
    """
    count = len(cells[0])
    natural = [max(max(map(cell_len, (row[at] for row in cells))), 1) for at in range(count)]
    every = tuple(range(count))
    if width is None or _total(natural) <= width:
        return [Block(every, tuple(natural))]
    # 1. Running text folds as long as enough of it stays on a line.
    least = [min(wide, LEAST_TEXT) if at in texts else wide for at, wide in enumerate(natural)]
    if _total(least) <= width:
        return [Block(every, _spread(least, natural, width))]
    # 2. Else columns go below each other, the first one with every block, so that each line still says what it is of.
    blocks, own = [], [0]
    for at in range(1, count):
        if len(own) > 1 and _total([least[one] for one in (*own, at)]) > width:
            blocks.append(_block(own, least, natural, width))
            own = [0]
        own.append(at)
    return [*blocks, _block(own, least, natural, width)]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)


def _block(columns: list[int], least: list[int], natural: list[int], width: int) -> Block:
    """Return columns beside each other; where even two do not fit, both fold."""
    wide = [least[at] for at in columns]
    if _total(wide) <= width:
        return Block(tuple(columns), _spread(wide, [natural[at] for at in columns], width))
    if len(columns) == 1:
        return Block(tuple(columns), (max(1, width),))
    key = min(wide[0], max(LEAST_KEY, width - GAP - wide[1]))
    return Block(tuple(columns), (key, max(1, width - GAP - key)))


def _spread(least: Sequence[int], natural: Sequence[int], width: int) -> tuple[int, ...]:
    """Share what is left of a line among the columns that would be wider, the narrowest wish first."""
    out, left = list(least), width - _total(least)
    wishes = sorted((natural[at] - least[at], at) for at in range(len(least)) if natural[at] > least[at])
    for number, (wish, at) in enumerate(wishes):
        given = min(wish, left // (len(wishes) - number))
        out[at], left = out[at] + given, left - given
    return tuple(out)
