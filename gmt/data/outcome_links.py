"""Say who is joined to whom in the graph of a single-turn history: users, their tasks, their queries, and llms."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class OutcomeLinks:
    """Hold the links of a graph whose edges carry outcomes.

    A task node is one user's view of a task, and a query node one query of one user,
    so that outcomes of one user reach another through the llms alone.

    Args:
        task_user: (A,) the user of each task node.
        task_code: (A,) the text of its task.
        query_task: (B,) the task node of each query node.
        query_code: (B,) the text of its query.
        outcome_query, outcome_llm: (E,) the query node and the llm of each outcome.
        target_task: (C,) the task node of each question.
    """

    task_user: Tensor
    task_code: Tensor
    query_task: Tensor
    query_code: Tensor
    outcome_query: Tensor
    outcome_llm: Tensor
    target_task: Tensor

    @classmethod
    def of(
        cls,
        turn_user: Tensor,
        turn_query: Tensor,
        turn_task: Tensor,
        turn_llm: Tensor,
        target_user: Tensor,
        target_task: Tensor,
    ) -> OutcomeLinks:
        """Find the nodes that (T,) outcomes and (C,) questions need."""
        # 1. Questions as well as outcomes, for the task of a question may be one that its user has no history of.
        wanted = torch.stack([torch.cat([turn_user, target_user]), torch.cat([turn_task, target_task])], dim=1)
        tasks, task = torch.unique(wanted, dim=0, return_inverse=True)
        # 2. Sorted by `unique`, so that nodes are numbered alike in whatever order the outcomes come.
        turns = len(turn_user)
        queries, query = torch.unique(torch.stack([task[:turns], turn_query], dim=1), dim=0, return_inverse=True)
        return cls(tasks[:, 0], tasks[:, 1], queries[:, 0], queries[:, 1], query, turn_llm, task[turns:])
