"""Fit a trained run to one user: append their rounds and, with `steps`, learn a vector of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from data_prep.sources.histories import HistoryForm, user_rounds
from gmt.data.build_graph import build_graph
from gmt.data.comparisons import Comparison
from gmt.data.dataset import Dataset
from gmt.data.feedback_counts import FeedbackCounts
from gmt.data.interactions import InteractionTable
from gmt.errors import UserError
from gmt.hybrid.network_router import NetworkRouter
from gmt.model.eager_adamw import EagerAdamW
from gmt.serving.pretrained import Router
from gmt.training.losses import loss_of

HELD_OUT = 0.3
LEARNING_RATE = 0.02
SHRINKAGE = 0.05


def adapt_user(
    run: Path,
    user: str,
    history: Path | None = None,
    shots: int | None = None,
    replace: bool = False,
    steps: int = 0,
    state: str | None = None,
    allow_download: bool = False,
    form: HistoryForm | None = None,
) -> dict[str, Any]:
    """Append a user's rounds to a run.

    Args:
        run: Run folder.
        user: Name of the user.
        history: Rows, or what `form` describes; by default `histories/<user>.jsonl` of the data the run was trained on.
        shots: Read rounds up to the N-th rated one only.
        replace: Drop the user's earlier rounds first.
        steps: Gradient steps on a vector added to the user's state; all other weights stay. It is learned first, from
            the rounds as they will be, and kept in one transaction with them.
        state, allow_download: As in `Router.from_pretrained`.
        form: How the history is written; rows with the table's own names where left out.

    Returns:
        What `Router.add` says, the forms of feedback `used`, and the user's ranking `before` and `after`.

    Raises:
        UserError: There is no history to read, or `steps` are asked of a run whose network is switched off.
        DataError: A row of it cannot be read.
    """
    router = Router.from_pretrained(run, state, allow_download)
    graph = router.router.graph if router.router.weight else None
    if steps and graph is None:
        raise UserError("this run's network is switched off, so --steps has nothing to learn; leave it out")
    path = history or _shipped(router, user)
    observed = _first(user_rounds(path, user, form or HistoryForm()), shots)
    before = router.preferences(user)
    offset = None
    if steps and graph is not None:
        offset = _learned_offset(router, graph, router.run_data.with_rounds(user, observed, replace), user, steps)
    found = router.add(user, observed, replace_history=replace, source="adapt", offset=offset)
    router.live.read_again()  # what is shown must be what the run, loaded by the next command, will say
    table = InteractionTable.from_comparisons(observed)
    used = str(FeedbackCounts.of(table)) if len(table) else "nothing"
    return found | {"user": user, "used": used, "before": before, "after": router.preferences(user)}


def _shipped(router: Router, user: str) -> Path:
    path = Path(router.card["data"]["path"]) / "histories" / f"{user}.jsonl"
    if Path(user).name != user or not path.is_file():
        raise UserError(f"no history of {user} ships with this run's data; name a JSONL file with --history")
    return path


def _first(comparisons: list[Comparison], shots: int | None) -> list[Comparison]:
    """Return the rounds up to the `shots`-th rated one."""
    if shots is None:
        return comparisons
    kept: list[Comparison] = []
    rated = 0
    for item in comparisons:
        is_rated = any(candidate.rating is not None for candidate in item.candidates)
        if is_rated and rated == shots:
            break
        rated += is_rated
        kept.append(item)
    return kept


def _learned_offset(router: Router, graph: NetworkRouter, data: Dataset, user: str, steps: int) -> np.ndarray:
    """Learn a (D,) vector added to the user's state, from some of their own rounds as targets with the others shown."""
    table = data.table
    if user not in table.users:
        raise UserError(f"{user} has no rated round; --steps needs some in at least 2 conversations")
    mine = np.flatnonzero((table.user == table.users.index(user)) & table.rated)
    talks = np.unique(table.conversation[mine])
    if len(talks) < 2:
        raise UserError(f"{user} has rated rounds in {len(talks)} conversations; --steps needs at least 2")
    config, scorer = router.config, graph.scorer
    offset = torch.zeros(config.model.width, requires_grad=True)
    # Adam, which is AdamW without decay.
    optimizer = EagerAdamW([offset], LEARNING_RATE, weight_decay=0.0)
    generator = np.random.default_rng([config.seed, len(mine)])
    scorer.eval()  # no dropout, so that nothing is drawn but the held-out rounds
    for _ in range(steps):
        held_out = generator.choice(talks, max(1, round(HELD_OUT * len(talks))), replace=False)
        targets = mine[np.isin(table.conversation[mine], held_out)]
        shown = np.flatnonzero((table.user == table.users.index(user)) & ~np.isin(table.conversation, held_out))
        batch = build_graph(data.select(shown), data.questions(targets), config.graph, table.select(targets).ratings)
        loss, pairs = loss_of(config.train, scorer(batch, offset.expand(len(batch.user_code), -1)), batch.rating)
        optimizer.zero_grad()
        (loss / max(pairs, 1) + SHRINKAGE * offset.square().sum()).backward()
        optimizer.step()
    return offset.detach().numpy()
