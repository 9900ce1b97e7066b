"""Attend to what is gathered from long tables without ever holding it: forward gathers, backward gathers again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

BLOCK = 2048
"""Turns at once on a processor: 2,048 rows of 384 numbers are 3 MB."""
FEW = 64
"""Tables of up to so many rows are met by matrix products; what turns read of longer ones is gathered."""


def attend(weights: Sequence[Tensor], tables: Sequence[Tensor], indices: Sequence[Tensor | None]) -> Tensor:
    """Return (T, H, d), for every turn the weighed sum of what each of S parts says.

    Args:
        weights: S times (T, H) how much each head hears the part.
        tables: S times (N_s, H d) what is said.
        indices: S times the row that each turn reads, (T,) whole numbers; or (T, N_s) how much of every row; or None
            where all read the only row.
    """
    pieces, short, heard, long, rows = [], [], [], [], []
    for weight, table, index in zip(weights, tables, indices, strict=True):
        weight, table = _single(weight), _single(table)
        if index is None:
            pieces.append(weight.unsqueeze(-1))
        elif index.is_floating_point():
            pieces.append(weight.unsqueeze(-1) * index.unsqueeze(1))
        elif len(table) <= FEW:
            place = index.view(-1, 1, 1).expand(-1, weight.shape[1], 1)
            pieces.append(weight.new_zeros(*weight.shape, len(table)).scatter(2, place, weight.unsqueeze(-1)))
        else:
            heard, long, rows = [*heard, weight], [*long, table], [*rows, index]
            continue
        short.append(table)
    if not pieces:
        pieces, short = [heard[0].new_zeros(*heard[0].shape, 1)], [long[0].new_zeros(1, long[0].shape[1])]
    found = _Attend.apply(torch.cat(pieces, -1), torch.cat(short), len(long), *heard, *long, *rows)
    assert isinstance(found, Tensor)
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
    asked = query.unflatten(1, (heads, -1))
    found: dict[int, Tensor] = {}
    long, rows = [], []
    for slot, (table, index) in enumerate(zip(tables, indices, strict=True)):
        table = _single(table)
        if not index.is_floating_point() and len(table) > FEW:
            long, rows = [*long, table], [*rows, index]
            continue
        all_rows = torch.einsum("thd,nhd->thn", asked, table.unflatten(1, (heads, -1)))
        if index.is_floating_point():
            found[slot] = (all_rows * index.unsqueeze(1)).sum(-1)
        else:
            found[slot] = all_rows.gather(2, index.view(-1, 1, 1).expand(-1, heads, 1)).squeeze(2)
    gathered = iter(_Meet.apply(query, heads, *long, *rows)) if long else iter(())  # pyright: ignore[reportArgumentType]
    return [found[slot] if slot in found else next(gathered) for slot in range(len(tables))]


def pool(states: Tensor, asked: Sequence[Tensor], rows: Sequence[Tensor], hidden: Sequence[Tensor]) -> list[Tensor]:
    """Return for each of G groups (B, H, D): means of the states a member reads, weighed by how they meet `asked`.

    Args:
        states: (T, D).
        asked: G times (B, H, D), or (1, H, D) the same for all members.
        rows: G times (B, L) the states that each member reads.
        hidden: G times (B, L) true where nothing is read, or empty where all of it is.
    """
    return list(_Pool.apply(_single(states), len(rows), *map(_single, asked), *rows, *hidden))  # pyright: ignore[reportGeneralTypeIssues]


class _Attend(torch.autograd.Function):
    """Go through turns in blocks that stay in the processor's cache."""

    @staticmethod
    def forward(ctx: Any, met: Tensor, short: Tensor, count: int, *parts: Tensor) -> Tensor:
        """Return (T, H, d).

        Args:
            ctx: What the backward pass is told.
            met: (T, H, M) weights of the rows of all short tables.
            short: (M, H d).
            count: C, how many long tables there are.
            parts: C weights, C tables and C rows, as in `attend`.
        """
        ctx.save_for_backward(met, short, *parts)
        ctx.count = count
        heard, tables, rows = _thirds(parts, count)
        said = short.view(len(short), met.shape[1], -1).transpose(0, 1)
        out = met.new_empty(*met.shape[:2], said.shape[2])
        with torch.autocast(met.device.type, enabled=False):
            for low, high in _blocks(out):
                part = out[low:high]
                part.copy_((met[low:high].transpose(0, 1) @ said).transpose(0, 1))
                for weight, table, row in zip(heard, tables, rows, strict=True):
                    told = _read(table, row[low:high]).view_as(part)
                    part.addcmul_(told, weight[low:high].unsqueeze(-1))
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of what `forward` was given."""
        met, short, *parts = ctx.saved_tensors
        heard, tables, rows = _thirds(parts, ctx.count)
        grad = grads[0].contiguous()
        said = short.view(len(short), met.shape[1], -1).transpose(0, 1)
        met_grad, said_grad = torch.empty_like(met), torch.zeros_like(said)
        weight_grads = [torch.empty_like(weight) for weight in heard]
        table_grads = [torch.zeros_like(table) for table in tables]
        for low, high in _blocks(grad):
            part = grad[low:high]
            turned = part.transpose(0, 1)
            met_grad[low:high] = (turned @ said.transpose(1, 2)).transpose(0, 1)
            said_grad += met[low:high].permute(1, 2, 0) @ turned
            for slot, (weight, table, row) in enumerate(zip(heard, tables, rows, strict=True)):
                told = _read(table, row[low:high]).view_as(part)
                weight_grads[slot][low:high] = (told * part).sum(-1)
                _add(table_grads[slot], row[low:high], (part * weight[low:high].unsqueeze(-1)).flatten(1))
        short_grad = said_grad.transpose(0, 1).reshape(short.shape)
        return met_grad, short_grad, None, *weight_grads, *table_grads, *(None for _ in rows)


class _Meet(torch.autograd.Function):
    """Multiply in blocks of turns; the query's gradient is summed over the parts where it is made."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, heads: int, *parts: Tensor) -> Tensor:
        """Return (C, T, H); `parts` are C long tables and C rows, as in `meet`."""
        ctx.save_for_backward(query, *parts)
        ctx.heads = heads
        count, asked = len(parts) // 2, query.unflatten(1, (heads, -1))
        out = query.new_empty(count, len(query), heads)
        for low, high in _blocks(query):
            part = asked[low:high]
            for slot in range(count):
                told = _read(parts[slot], parts[count + slot][low:high]).view_as(part)
                out[slot, low:high] = (told * part).sum(-1)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of query and tables."""
        query, *parts = ctx.saved_tensors
        count, asked = len(parts) // 2, query.unflatten(1, (ctx.heads, -1))
        query_grad, table_grads = torch.empty_like(asked), [torch.zeros_like(table) for table in parts[:count]]
        for low, high in _blocks(query):
            part, total = asked[low:high], torch.zeros_like(asked[low:high])
            for slot in range(count):
                row, grad = parts[count + slot][low:high], grads[0][slot, low:high].unsqueeze(-1)
                total.addcmul_(_read(parts[slot], row).view_as(part), grad)
                _add(table_grads[slot], row, (part * grad).flatten(1))
            query_grad[low:high] = total
        return query_grad.flatten(1), None, *table_grads, *(None for _ in range(count))


class _Pool(torch.autograd.Function):
    """Go through members a few at a time, so that what they read stays in the cache."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, count: int, *parts: Tensor) -> tuple[Tensor, ...]:
        """Return G times (B, H, D); `parts` are G queries, G rows and G masks, as in `pool`."""
        ctx.save_for_backward(states, *parts)
        out = []
        with torch.autocast(states.device.type, enabled=False):
            for asked, rows, hidden in zip(*_thirds(parts, count), strict=True):
                found = [torch.matmul(*_heard(states, *one)) for one in _members(asked, rows, hidden)]
                out.append(torch.cat(found))
        return tuple(out)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of states and queries."""
        states, *parts = ctx.saved_tensors
        states_grad, asked_grads = torch.zeros_like(states), []
        for grad, asked, rows, hidden in zip(grads, *_thirds(parts, len(grads)), strict=True):
            found, low = [], 0
            for query, read, masked in _members(asked, rows, hidden):
                share, told = _heard(states, query, read, masked)
                back = grad[low : (low := low + len(read))]
                share_grad = back @ told.transpose(1, 2)
                logits_grad = share * (share_grad - (share_grad * share).sum(-1, keepdim=True))
                found.append((logits_grad @ told).sum_to_size(query.shape))
                told_grad = share.transpose(1, 2) @ back
                told_grad = torch.baddbmm(told_grad, logits_grad.transpose(1, 2), query.expand_as(back))
                _add(states_grad, read.flatten(), told_grad.flatten(0, 1))
            asked_grads.append(torch.cat(found) if len(asked) == len(rows) else torch.stack(found).sum(0))
        return states_grad, None, *asked_grads, *(None for _ in range(2 * len(grads)))


def _members(asked: Tensor, rows: Tensor, hidden: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield the queries, rows and masks of some members after the other, who read about `BLOCK` states."""
    size = max(BLOCK // max(rows.shape[1], 1), 1) if rows.device.type == "cpu" else max(len(rows), 1)
    for low in range(0, len(rows), size):
        some = slice(low, low + size)
        yield asked if len(asked) < len(rows) else asked[some], rows[some], hidden[some] if len(hidden) else hidden


def _heard(states: Tensor, asked: Tensor, rows: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
    """Return (B, H, L) how much of each state is heard, and the (B, L, D) states."""
    told = _read(states, rows.flatten()).view(*rows.shape, -1)
    logits = asked @ told.transpose(1, 2)
    if hidden.numel():
        logits = logits.masked_fill_(hidden.unsqueeze(1), float("-inf"))
    return logits.softmax(-1), told


def _single(values: Tensor) -> Tensor:
    """Return halves as single precision, in which sums are taken; others as they are."""
    return values.float() if values.dtype in (torch.bfloat16, torch.float16) else values


def _read(table: Tensor, rows: Tensor) -> Tensor:
    """Return the rows of a table; those that stand in a row on a processor are not copied."""
    low = _run(rows)
    return table.index_select(0, rows) if low is None else table[low : low + len(rows)]


def _add(table: Tensor, rows: Tensor, values: Tensor) -> None:
    """Add to the rows of a table."""
    low = _run(rows)
    if low is None:
        table.index_add_(0, rows, values)
    else:
        table[low : low + len(rows)] += values


def _run(rows: Tensor) -> int | None:
    """Return where the rows begin if each is the one after the last; a GPU is not asked, for it would have to wait."""
    if rows.device.type != "cpu" or not len(rows):
        return None
    low, high = int(rows[0]), int(rows[-1])
    return low if high - low == len(rows) - 1 and bool((rows.diff() == 1).all()) else None


def _thirds(parts: Sequence[Tensor], count: int) -> tuple[Sequence[Tensor], Sequence[Tensor], Sequence[Tensor]]:
    return parts[:count], parts[count : 2 * count], parts[2 * count :]


def _blocks(rows: Tensor) -> Iterator[tuple[int, int]]:
    size = BLOCK if rows.device.type == "cpu" else max(len(rows), 1)
    for low in range(0, len(rows), size):
        yield low, min(low + size, len(rows))
