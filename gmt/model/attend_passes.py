"""Attend in blocks that never hold all that is gathered: each pass equals its function in `attend_reference`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

BLOCK = 2048
"""Turns at once on a processor: 2,048 rows of 384 numbers are 3 MB."""


class AttendPass(torch.autograd.Function):
    """Run `plain_attend` in blocks of turns that stay in the processor's cache.

    Saves the (T, S, D) values of all neighbours: forward gathers block by block, backward gathers them again.
    """

    @staticmethod
    def forward(ctx: Any, met: Tensor, short: Tensor, count: int, *parts: Tensor) -> Tensor:
        """Return (T, H, d).

        Args:
            ctx: What is kept for the backward pass.
            met: (T, H, M) weights of the rows of all short tables.
            short: (M, H d).
            count: C, how many long tables there are.
            parts: C weights, C tables and C rows, as in `attend`.
        """
        ctx.save_for_backward(met, short, *parts)
        ctx.count = count
        weights, tables, rows = _thirds(parts, count)
        values = short.view(len(short), met.shape[1], -1).transpose(0, 1)
        out = met.new_empty(*met.shape[:2], values.shape[2])
        # Sums are taken in single precision, which autocast would halve inside the pass.
        with torch.autocast(met.device.type, enabled=False):
            for low, high in _blocks(out):
                part = out[low:high]
                # 1. Short tables: one batched product over heads writes the block.
                part.copy_((met[low:high].transpose(0, 1) @ values).transpose(0, 1))
                # 2. Long tables are added in place, so that only one gathered block exists at a time.
                for weight, table, row in zip(weights, tables, rows, strict=True):
                    gathered = _read(table, row[low:high]).view_as(part)
                    part.addcmul_(gathered, weight[low:high].unsqueeze(-1))
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of what `forward` was given."""
        met, short, *parts = ctx.saved_tensors
        weights, tables, rows = _thirds(parts, ctx.count)
        grad = grads[0].contiguous()
        values = short.view(len(short), met.shape[1], -1).transpose(0, 1)
        met_grad, value_grad = torch.empty_like(met), torch.zeros_like(values)
        weight_grads = [torch.empty_like(weight) for weight in weights]
        table_grads = [torch.zeros_like(table) for table in tables]
        for low, high in _blocks(grad):
            part = grad[low:high]
            turned = part.transpose(0, 1)
            # 1. Short tables: one batched product each for weights and values.
            met_grad[low:high] = (turned @ values.transpose(1, 2)).transpose(0, 1)
            # All blocks read the same short tables, so their gradient is summed over blocks.
            value_grad += met[low:high].permute(1, 2, 0) @ turned
            # 2. Long tables: gathered once more, and their gradients added to the rows that were read.
            for slot, (weight, table, row) in enumerate(zip(weights, tables, rows, strict=True)):
                gathered = _read(table, row[low:high]).view_as(part)
                weight_grads[slot][low:high] = (gathered * part).sum(-1)
                _add(table_grads[slot], row[low:high], (part * weight[low:high].unsqueeze(-1)).flatten(1))
        short_grad = value_grad.transpose(0, 1).reshape(short.shape)
        return met_grad, short_grad, None, *weight_grads, *table_grads, *(None for _ in rows)


class MeetPass(torch.autograd.Function):
    """Run `plain_meet` in blocks of turns, the query's gradient summed over the parts where it is made.

    Saves the (T, S, D) keys of all neighbours, and S gradients of the query's size.
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, heads: int, *parts: Tensor) -> Tensor:
        """Return (C, T, H); `parts` are C long tables and C rows, as in `meet`."""
        ctx.save_for_backward(query, *parts)
        ctx.heads = heads
        count, queries = len(parts) // 2, query.unflatten(1, (heads, -1))
        out = query.new_empty(count, len(query), heads)
        for low, high in _blocks(query):
            part = queries[low:high]
            for slot in range(count):
                gathered = _read(parts[slot], parts[count + slot][low:high]).view_as(part)
                out[slot, low:high] = (gathered * part).sum(-1)
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of query and tables."""
        query, *parts = ctx.saved_tensors
        count, queries = len(parts) // 2, query.unflatten(1, (ctx.heads, -1))
        query_grad, table_grads = torch.empty_like(queries), [torch.zeros_like(table) for table in parts[:count]]
        for low, high in _blocks(query):
            part, total = queries[low:high], torch.zeros_like(queries[low:high])
            for slot in range(count):
                row, grad = parts[count + slot][low:high], grads[0][slot, low:high].unsqueeze(-1)
                # Summed within the block, so that S gradients of the query never exist together.
                total.addcmul_(_read(parts[slot], row).view_as(part), grad)
                _add(table_grads[slot], row, (part * grad).flatten(1))
            query_grad[low:high] = total
        return query_grad.flatten(1), None, *table_grads, *(None for _ in range(count))


class PoolPass(torch.autograd.Function):
    """Run `plain_pool` for a few members at a time, so that what they read stays in the cache.

    Saves the (B, L, D) states that members read and their (B, H, L) shares: backward computes both again.
    """

    @staticmethod
    def forward(ctx: Any, states: Tensor, count: int, *parts: Tensor) -> tuple[Tensor, ...]:
        """Return G times (B, H, D); `parts` are G queries, G rows and G masks, as in `pool`."""
        ctx.save_for_backward(states, *parts)
        out = []
        with torch.autocast(states.device.type, enabled=False):
            for queries, rows, hidden in zip(*_thirds(parts, count), strict=True):
                found = [torch.matmul(*_attention(states, *one)) for one in _members(queries, rows, hidden)]
                out.append(torch.cat(found))
        return tuple(out)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of states and queries."""
        states, *parts = ctx.saved_tensors
        states_grad, query_grads = torch.zeros_like(states), []
        for grad, queries, rows, hidden in zip(grads, *_thirds(parts, len(grads)), strict=True):
            found, low = [], 0
            for query, read, masked in _members(queries, rows, hidden):
                share, gathered = _attention(states, query, read, masked)
                back = grad[low : (low := low + len(read))]
                share_grad = back @ gathered.transpose(1, 2)
                # The derivative of a softmax: its output times the gradient less their mean under it.
                logits_grad = share * (share_grad - (share_grad * share).sum(-1, keepdim=True))
                # A query that all members share gets the sum of their gradients.
                found.append((logits_grad @ gathered).sum_to_size(query.shape))
                # A state is read as value and as key, and gets a gradient from both.
                read_grad = share.transpose(1, 2) @ back
                read_grad = torch.baddbmm(read_grad, logits_grad.transpose(1, 2), query.expand_as(back))
                _add(states_grad, read.flatten(), read_grad.flatten(0, 1))
            query_grads.append(torch.cat(found) if len(queries) == len(rows) else torch.stack(found).sum(0))
        return states_grad, None, *query_grads, *(None for _ in range(2 * len(grads)))


def _members(queries: Tensor, rows: Tensor, hidden: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield the queries, rows and masks of some members after the other, who read about `BLOCK` states."""
    # Blocks are for the cache of a processor; a GPU takes all members at once.
    size = max(BLOCK // max(rows.shape[1], 1), 1) if rows.device.type == "cpu" else max(len(rows), 1)
    for low in range(0, len(rows), size):
        some = slice(low, low + size)
        yield (
            queries if len(queries) < len(rows) else queries[some],
            rows[some],
            hidden[some] if len(hidden) else hidden,
        )


def _attention(states: Tensor, queries: Tensor, rows: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
    """Return (B, H, L) the share of each state, and the (B, L, D) states."""
    gathered = _read(states, rows.flatten()).view(*rows.shape, -1)
    logits = queries @ gathered.transpose(1, 2)
    if hidden.numel():
        logits = logits.masked_fill_(hidden.unsqueeze(1), float("-inf"))
    return logits.softmax(-1), gathered


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
    """Return where the rows begin if each is the one after the last; a GPU is not read, it would have to wait."""
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
