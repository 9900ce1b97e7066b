"""Say in plain operations what the passes of `attend` compute, for tests and readers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def plain_attend(weights: Sequence[Tensor], tables: Sequence[Tensor], indices: Sequence[Tensor | None]) -> Tensor:
    """Return (T, H, d), for every turn the weighed sum of the values of S parts; arguments as in `attend`."""
    parts = []
    for weight, table, index in zip(weights, tables, indices, strict=True):
        values = plain_rows(table, index, len(weight)).unflatten(1, (weight.shape[1], -1))
        parts.append(weight.unsqueeze(-1) * values)
    return torch.stack(parts).sum(0)


def plain_meet(query: Tensor, tables: Sequence[Tensor], indices: Sequence[Tensor], heads: int) -> list[Tensor]:
    """Return S times (T, H), how well each turn's query meets what it reads; arguments as in `meet`."""
    by_head = query.unflatten(1, (heads, -1))
    read = [plain_rows(table, index, len(query)) for table, index in zip(tables, indices, strict=True)]
    return [(by_head * rows.unflatten(1, (heads, -1))).sum(-1) for rows in read]


def plain_pool(
    states: Tensor, queries: Sequence[Tensor], rows: Sequence[Tensor], hidden: Sequence[Tensor]
) -> list[Tensor]:
    """Return G times (B, H, D), a masked softmax attention of each member; arguments as in `pool`."""
    found = []
    for query, read, masked in zip(queries, rows, hidden, strict=True):
        gathered = states[read]  # (B, L, D)
        logits = query @ gathered.transpose(1, 2)
        if masked.numel():
            logits = logits.masked_fill(masked.unsqueeze(1), float("-inf"))
        found.append(logits.softmax(-1) @ gathered)
    return found


def plain_rows(table: Tensor, index: Tensor | None, count: int) -> Tensor:
    """Return (T, H d), what each of T turns reads of a table: its only row, a mixture of its rows, or one row."""
    if index is None:
        return table.expand(count, -1)
    return index @ table if index.is_floating_point() else table[index]
