"""Attend to what is gathered from long tables without ever holding it: forward gathers, backward gathers again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gmt.model.attend_passes import AttendPass, MeetPass, PoolPass

FEW = 64
"""Tables of up to so many rows are met by matrix products; what turns read of longer ones is gathered."""


def attend(weights: Sequence[Tensor], tables: Sequence[Tensor], indices: Sequence[Tensor | None]) -> Tensor:
    """Return (T, H, d), for every turn the weighed sum of the values of S parts.

    Args:
        weights: S times (T, H) how much each head attends to the part.
        tables: S times (N_s, H d) values.
        indices: S times the row that each turn reads, (T,) whole numbers; or (T, N_s) how much of every row; or None
            where all read the only row.
    """
    pieces, short, shares, long, rows = [], [], [], [], []
    for weight, table, index in zip(weights, tables, indices, strict=True):
        weight, table = _single(weight), _single(table)
        if index is None:
            pieces.append(weight.unsqueeze(-1))
        elif index.is_floating_point():
            # Shares of every row: weighed by the head, they are already rows of a matrix product.
            pieces.append(weight.unsqueeze(-1) * index.unsqueeze(1))
        elif len(table) <= FEW:
            # A short table: one-hot weights let a single product read all short tables.
            place = index.view(-1, 1, 1).expand(-1, weight.shape[1], 1)
            pieces.append(weight.new_zeros(*weight.shape, len(table)).scatter(2, place, weight.unsqueeze(-1)))
        else:
            # A long table: one-hot weights over its rows would be larger than what is gathered.
            shares, long, rows = [*shares, weight], [*long, table], [*rows, index]
            continue
        short.append(table)
    if not pieces:
        # The pass begins with the product of short tables; where there is none, one of zeros stands in.
        pieces, short = [shares[0].new_zeros(*shares[0].shape, 1)], [long[0].new_zeros(1, long[0].shape[1])]
    found: Any = AttendPass.apply(torch.cat(pieces, -1), torch.cat(short), len(long), *shares, *long, *rows)
    return found


def meet(query: Tensor, tables: Sequence[Tensor], indices: Sequence[Tensor], heads: int) -> list[Tensor]:
    """Return S times (T, H), how well each turn's query meets what it reads of each part, head by head.

    Args:
        query: (T, H d).
        tables: S times (N_s, H d).
        indices: S times the row that each turn reads, or (T, N_s) how much of every row.
        heads: H.
    """
    query = _single(query)
    queries = query.unflatten(1, (heads, -1))
    found: dict[int, Tensor] = {}
    long, rows = [], []
    for slot, (table, index) in enumerate(zip(tables, indices, strict=True)):
        table = _single(table)
        if not index.is_floating_point() and len(table) > FEW:
            long, rows = [*long, table], [*rows, index]
            continue
        # Meeting all rows of a short table costs less than gathering a row for every turn.
        all_rows = torch.einsum("thd,nhd->thn", queries, table.unflatten(1, (heads, -1)))
        if index.is_floating_point():
            found[slot] = (all_rows * index.unsqueeze(1)).sum(-1)
        else:
            found[slot] = all_rows.gather(2, index.view(-1, 1, 1).expand(-1, heads, 1)).squeeze(2)
    # In the order of their slots, to be put between those that products gave.
    gathered = iter(MeetPass.apply(query, heads, *long, *rows)) if long else iter(())  # pyright: ignore[reportArgumentType]
    return [found[slot] if slot in found else next(gathered) for slot in range(len(tables))]


def pool(states: Tensor, queries: Sequence[Tensor], rows: Sequence[Tensor], hidden: Sequence[Tensor]) -> list[Tensor]:
    """Return for each of G groups (B, H, D): means of the states a member reads, weighed by how they meet `queries`.

    Args:
        states: (T, D).
        queries: G times (B, H, D), or (1, H, D) the same for all members.
        rows: G times (B, L) the states that each member reads.
        hidden: G times (B, L) true where nothing is read, or empty where all of it is.
    """
    return list(PoolPass.apply(_single(states), len(rows), *map(_single, queries), *rows, *hidden))  # pyright: ignore[reportGeneralTypeIssues]


def _single(values: Tensor) -> Tensor:
    """Return halves as single precision, in which sums are taken; others as they are."""
    return values.float() if values.dtype in (torch.bfloat16, torch.float16) else values
