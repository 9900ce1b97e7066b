"""Score candidates for a user and a query."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class PreferenceHead(nn.Module):
    """Score candidates by letting each read the user and the query.

    Source: GMTRouter (arXiv 2511.08590), preference prediction; scored here as one padded batch.

    Args:
        width: D, the width of the node embeddings.
        query_width: W, the width of the query's own embedding.
        hidden: H, the width inside the head; a multiple of `heads`.
        heads: Attention heads.
        dropout: Share of activations dropped in training.
    """

    def __init__(self, width: int, query_width: int, hidden: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.user = nn.Linear(width, hidden)
        self.query = nn.Linear(query_width, hidden)
        self.candidate = nn.Linear(width, hidden)
        self.attention = nn.MultiheadAttention(hidden, heads, dropout=dropout, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.score = nn.Linear(2 * hidden, 1)

    def forward(self, user: Tensor, query: Tensor, candidates: Tensor, mask: Tensor) -> Tensor:
        """Score every candidate of every comparison.

        Args:
            user: (C, D) embedding of the user.
            query: (C, W) text embedding of the question.
            candidates: (C, K, D) embeddings of the models on offer.
            mask: (C, K) true where a candidate exists.

        Returns:
            (C, K) unbounded scores, higher is preferred; -inf under padding.
        """
        context = torch.stack([self.user(user), self.query(query)], dim=1)  # (C, 2, H)
        offered = self.candidate(candidates)  # (C, K, H)
        # Candidates read user and query and not each other, so a score does not depend on who else is on offer.
        read, _ = self.attention(offered, context, context, need_weights=False)
        joined = self.dropout(torch.cat([read, offered], dim=-1).relu())
        return self.score(joined).squeeze(-1).masked_fill(~mask, float("-inf"))


class ProductHead(nn.Module):
    """Score candidates by the product of one vector of user, task and query with each of them.

    Source: PersonalizedRouter (arXiv 2511.16883), h_uqt = MLP([h_u; h_t; h_q]); score = h_uqt · h_m.

    Args:
        width: D, the width of the node states.
        hidden: H, the width inside.
        dropout: Share of activations dropped in training.
    """

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.join = nn.Sequential(
            nn.Linear(3 * width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, width)
        )

    def forward(self, user: Tensor, task: Tensor, query: Tensor, candidates: Tensor) -> Tensor:
        """Return (C, K) unbounded scores, of (C, D) states and (C, K, D) candidates."""
        joined = self.join(torch.cat([user, task, query], dim=1))
        # Scaled as in attention, for products grow with the width.
        return torch.einsum("cd,ckd->ck", joined, candidates) / candidates.shape[2] ** 0.5
