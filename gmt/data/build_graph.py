"""Draw visible history as a typed graph: users, turns, queries, responses and llms, in one fixed order."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gmt.config import GraphConfig
from gmt.data.dataset import Dataset, Questions
from gmt.data.graph_batch import GraphBatch
from gmt.data.schema import graph_schema
from gmt.data.turn_columns import TurnColumns, VisibleRounds
from gmt.data.user_nodes import UserNodes, newest_of_each


def build_graph(
    history: Dataset, questions: Questions, config: GraphConfig, rating: np.ndarray | None = None
) -> GraphBatch:
    """Draw what `questions` may see of `history`.

    A user's history joins the user's own views only; the llm nodes are shared. Earlier rounds of
    a target's conversation join its view, their ratings as `questions.earlier` gives them.

    Args:
        history: The visible comparisons.
        questions: C questions in the vocabularies of `history`.
        config: What to show.
        rating: (C, K) ratings to learn from; left out when nothing is learned.
    """
    # 1. Who looks, and at which rounds: the newest of the history, and earlier rounds through views alone.
    nodes = UserNodes.collect(questions, config.conversation)
    shown, owner = newest_of_each(history.table.user, nodes.code[: nodes.users], config.history_limit)
    visible = [VisibleRounds(history.table, shown, owner)]
    if len(nodes.code) > nodes.users:
        visible.append(VisibleRounds(questions.earlier, *nodes.earlier_rounds(questions)))
    turns = TurnColumns.collect(visible)
    # 2. Equal texts share a node, numbered by first appearance so that other codes give the same graph.
    texts, turn_query = _distinct(turns.query)
    tasks, task = _distinct(np.concatenate([questions.task, turns.task]))
    answers, turn_response = _distinct(turns.response)
    written, turn_written = _distinct(np.concatenate([[-1], turns.feedback]))
    # 3. Vectors, of which only those of texts that somebody sees are read.
    history = history if config.texts else history.without_vectors()
    mask = questions.mask
    if rating is None:
        rating = np.full(mask.shape, np.nan)
    return GraphBatch(
        schema=graph_schema(config),
        query=_vectors(history, texts),
        response=_vectors(history, answers),
        feedback=torch.from_numpy(turns.features),
        written=_vectors(history, written) if len(written) > 1 else None,
        llm=torch.from_numpy(np.ascontiguousarray(history.model_vectors, np.float32)),
        task=torch.from_numpy(_task_vectors(history, tasks)),
        turn_user=_whole(turns.owner),
        turn_query=_whole(turn_query),
        turn_response=_whole(turn_response),
        turn_llm=_whole(turns.model),
        turn_written=_whole(turn_written[1:]),
        turn_task=_whole(task[len(questions) :]),
        updates=_whole(nodes.updates(turns.owner)),
        precedes=_whole(turns.precedes() if config.turn_edges else np.zeros((2, 0))),
        user_code=_whole(nodes.code),
        target_user=_whole(nodes.target),
        target_query=_vectors(history, questions.query),
        target_task=_whole(task[: len(questions)]),
        # Padding reads node 0, for an index must exist; the mask hides what comes of it.
        candidates=_whole(np.where(mask, questions.candidates, 0)),
        mask=torch.from_numpy(mask),
        rating=torch.from_numpy(np.where(mask, rating, np.nan).astype(np.float32)),
    )


def _whole(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.int64))


def _vectors(data: Dataset, codes: np.ndarray) -> Tensor:
    """Return (N, W) text vectors of (N,) codes, zero for code -1."""
    width = data.vectors.shape[1]
    found = data.vectors[np.maximum(codes, 0)] if len(data.vectors) else np.zeros((len(codes), width))
    return torch.from_numpy(np.where((codes >= 0)[:, None], found, 0.0).astype(np.float32))


def _task_vectors(history: Dataset, tasks: np.ndarray) -> np.ndarray:
    """Return (A, W) means of the distinct visible queries of each task; zero where there is none."""
    table = history.table
    # Distinct queries, or one that is asked often would stand for the whole task.
    pairs = np.unique(np.stack([table.task, table.query], axis=1), axis=0)
    out = np.zeros((len(tasks), history.vectors.shape[1]), np.float32)
    for place, task in enumerate(tasks.tolist()):
        queries = pairs[pairs[:, 0] == task, 1]
        if len(queries):
            out[place] = history.vectors[queries].mean(axis=0)
    return out


def _distinct(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct codes by first appearance, whatever their numbers, and the place of each code among them."""
    values, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return values[order], place[inverse]
