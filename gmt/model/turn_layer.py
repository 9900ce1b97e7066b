"""Apply an HGT layer to a turn graph: dense attention over a turn's few neighbours, users pooled over their turns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gmt.data.turn_links import TurnLinks
from gmt.model.attend import attend, meet, pool
from gmt.model.hgt import HGTLayer
from gmt.model.leaf import Leaf, relate

OPENS, ANSWERS, WRITES = (("query", "opens", "turn"), ("response", "answers", "turn"), ("llm", "writes", "turn"))
ASKS, PRECEDES, UPDATES = (("user", "asks", "turn"), ("turn", "precedes", "turn"), ("turn", "updates", "user"))


@dataclass(frozen=True)
class TurnStates:
    """Hold the states of a turn graph's nodes.

    Args:
        user, turn: (V, D) and (T, D); None where all are zero.
        query, llm: The Q and M leaves.
        response: The R distinct answers; the user's rating and words of it are added per turn.
        feedback: (T, F) features of each turn's rating.
        feedback_weight: (D, F) what they add to the response.
        written: The distinct feedback texts, the first of them adding nothing; None if there is none.
        turn_written: (T,) the text of each turn.
    """

    user: Tensor | None
    turn: Tensor | None
    query: Leaf
    llm: Leaf
    response: Leaf
    feedback: Tensor | None = None
    feedback_weight: Tensor | None = None
    written: Leaf | None = None
    turn_written: Tensor | None = None

    def responses(self, links: TurnLinks) -> Tensor:
        """Return (T, D) the whole state of each turn's response."""
        state = nn.functional.embedding(links.response, self.response.state)
        if self.feedback is not None and self.feedback_weight is not None:
            state = state + self.feedback @ self.feedback_weight.T
        if self.written is not None and self.turn_written is not None:
            state = state + nn.functional.embedding(self.turn_written, self.written.state)
        return state


@dataclass(frozen=True)
class Slot:
    """Hold one neighbour of every turn, the sum of parts that share its projections; of no part, it is zero.

    Args:
        edge: The edge type it comes by.
        parts: What is added up: rows and the row of each turn, or (F, D) rows and (T, F) shares.
        present: (T, 1) true where the turn has this neighbour; None where every turn has.
    """

    edge: Any
    parts: list[tuple[Leaf, Tensor]]
    present: Tensor | None = None

    def offset(self, weight: Tensor, bias: Tensor) -> Tensor:
        """Return (D,) what every turn's neighbour is projected to beside its rows."""
        moved = [found for leaf, _ in self.parts if (found := leaf.offset(weight)) is not None]
        return torch.stack([bias, *moved]).sum(0)


def _slots(states: TurnStates, links: TurnLinks, layer: HGTLayer) -> list[Slot]:
    """Return what the turns read."""
    # 1. A response is a sum; its parts stay apart, so that equal answers are projected once.
    answers = [(states.response, links.response)]
    if states.feedback is not None and states.feedback_weight is not None:
        answers.append((Leaf(states.feedback_weight.T), states.feedback))
    if states.written is not None and states.turn_written is not None:
        answers.append((states.written, states.turn_written))
    slots = [
        # 2. Users start at zero, and a zero state sends its bias alone.
        Slot(ASKS, [] if states.user is None else [(Leaf(states.user), links.user)]),
        Slot(OPENS, [(states.query, links.query)]),
        Slot(ANSWERS, answers),
        Slot(WRITES, [(states.llm, links.llm)]),
    ]
    if PRECEDES in layer.schema.edge_types and links.precedes.shape[1]:
        # 3. A first round has no turn before it, and masks that slot.
        before, after = links.precedes
        present = torch.zeros(len(links), 1, dtype=torch.bool, device=after.device).index_fill(0, after, True)
        parts = []
        if states.turn is not None:
            place = links.user.new_zeros(len(links)).index_copy(0, after, torch.arange(len(after), device=after.device))
            parts = [(Leaf(nn.functional.embedding(before, states.turn)), place)]
        slots.append(Slot(PRECEDES, parts, present))
    return slots


def _spread(table: Tensor, index: Tensor) -> Tensor:
    """Return (T, X) rows of a table, or sums of its rows where the index holds shares."""
    return index @ table if index.is_floating_point() else nn.functional.embedding(index, table)


def _logits(slots: list[Slot], layer: HGTLayer, query: Tensor) -> list[Tensor]:
    """Return for each slot (T, H) or (1, H), how well each turn's query meets its neighbour's key.

    Args:
        slots: What the turns read.
        layer: Makes the keys.
        query: (T, D), or (1, D) the same for all turns; then a node's logits are a scalar per head.
    """
    heads, size = layer.heads, layer.head_width
    by_head = query.unflatten(1, (heads, size))
    sums, tables, indices, places = [], [], [], []
    for place, slot in enumerate(slots):
        weight, bias, relation = layer.keys(slot.edge)
        offset = relate(slot.offset(weight, bias), relation).view(heads, size)
        total = torch.einsum("thd,hd->th", by_head, offset)
        if len(query) == 1:
            # One query for all turns: folded into the projection, it makes a node's logits a matrix product.
            one = (relation @ by_head.view(heads, size, 1)).transpose(1, 2)  # (H, 1, d)
            direct = (one @ weight.view(heads, size, -1)).squeeze(1)  # (H, D)
            total = sum((_spread(leaf.project(direct), index) for leaf, index in slot.parts), start=total)
        else:
            tables += [leaf.send(weight, relation) for leaf, _ in slot.parts]
            indices += [index for _, index in slot.parts]
            places += [place] * len(slot.parts)
        sums.append(total)
    for place, found in zip(places, meet(query, tables, indices, heads), strict=True):
        sums[place] = sums[place] + found
    return [
        total if slot.present is None else total.masked_fill(~slot.present, float("-inf"))
        for total, slot in zip(sums, slots, strict=True)
    ]


def update_turns(layer: HGTLayer, states: TurnStates, links: TurnLinks) -> Tensor:
    """Return the turns' next states, (T, D)."""
    asks: Any = layer.query["turn"]
    query = asks.bias.unsqueeze(0) if states.turn is None else asks(states.turn)
    slots = _slots(states, links, layer)
    logits = [found.expand(len(links), -1) for found in _logits(slots, layer, query)]
    shares, tables, indices = [], [], []
    for slot, share in zip(slots, torch.stack(logits).softmax(0), strict=True):
        weight, bias, relation = layer.values(slot.edge)
        # What biases add is one row, which all turns read.
        messages = [(relate(slot.offset(weight, bias), relation).unsqueeze(0), None)]
        messages += [(leaf.send(weight, relation), index) for leaf, index in slot.parts]
        for table, index in messages:
            shares, tables, indices = [*shares, share], [*tables, table], [*indices, index]
    return _next_state(layer, "turn", attend(shares, tables, indices).flatten(1), states.turn)


def update_users(layer: HGTLayer, states: TurnStates, links: TurnLinks) -> Tensor:
    """Return the user nodes' next states, (V, D)."""
    heads, size = layer.heads, layer.head_width
    matrix, bias, relation = layer.values(UPDATES)
    value_bias = relate(bias, relation)
    if states.turn is None:  # every turn sends the same
        pooled = (links.turn_count > 0).to(bias.dtype).unsqueeze(1) * value_bias
        return _next_state(layer, "user", pooled, states.user)
    if not links.groups:
        return _next_state(layer, "user", value_bias.new_zeros(links.users, layer.width), states.user)
    key, _, key_relation = layer.keys(UPDATES)  # the bias of the key is the same for all turns: it cancels
    asks: Any = layer.query["user"]
    queries = []
    for group in links.groups:
        query = asks.bias.view(1, -1) if states.user is None else asks(states.user[group.users])
        related = query.unflatten(1, (heads, size)).transpose(0, 1) @ key_relation.transpose(1, 2)
        queries.append((related @ key.view(heads, size, -1)).transpose(0, 1))  # (B or 1, H, D): met by the state itself
    rows, none = [group.turns for group in links.groups], links.user.new_zeros(0, dtype=torch.bool)
    hidden = [none if group.padding is None else group.padding for group in links.groups]
    read = torch.cat(pool(states.turn, queries, rows, hidden)).transpose(0, 1)  # (H, V, D)
    read = read @ matrix.view(heads, size, -1).transpose(1, 2) @ relation
    sent = read.transpose(0, 1).reshape(-1, layer.width) + value_bias
    users = torch.cat([group.users for group in links.groups])
    pooled = sent.new_zeros(links.users, layer.width).index_copy(0, users, sent)
    return _next_state(layer, "user", pooled, states.user)


def _next_state(layer: HGTLayer, kind: str, pooled: Tensor, state: Tensor | None) -> Tensor:
    """Return the gated mean of the message and the state it meets."""
    out: Any = layer.out[kind]
    gate = layer.gate(kind)
    message = nn.functional.linear(nn.functional.gelu(pooled), gate * out.weight, gate * out.bias)
    return message if state is None else torch.addcmul(message, 1 - gate, state)
