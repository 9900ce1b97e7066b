"""Measure how well shown votes predict hidden ones through the users' solve, as a function of the traits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from gmt.data.dataset import Dataset
from gmt.model.trait_network import TraitNetwork
from gmt.posterior.asked_queries import AskedQueries
from gmt.posterior.differentiable_likelihood import log_likelihood
from gmt.posterior.implicit_mode import implicit_mode
from gmt.posterior.trait_features import answer_traits
from gmt.posterior.user_batch import UserBatch
from gmt.posterior.visible_answers import VisibleAnswers
from gmt.training.trait_folds import FOLDS, Folds

SHOWN_WHOLE = 0.5
"""Chance that a user's history is shown whole in a step; else a random share of it, so that short ones serve too."""
MOST_VOTES_READ = 128
"""Votes of one user that a step reads at most; T of them cost T² memory and T³ time."""


@dataclass(frozen=True)
class Shard:
    """Say which users of a batch this process solves for: every `count`-th from `rank` on."""

    rank: int = 0
    count: int = 1


@dataclass(frozen=True, eq=False)
class UserVotes:
    """Hold the votes of B users: (B, T) places, -1 under padding, and which are shown and which are predicted."""

    index: np.ndarray
    shown: np.ndarray
    target: Tensor


@dataclass(frozen=True, eq=False)
class TraitLoss:
    """Hold what the loss of a step is made of.

    Args:
        train: The TRAIN comparisons.
        folds: Their votes in parts, and what f says without each part.
        covariance: (M + 2, M + 2) S, (M + 3, M + 3) where answers were judged alone.
        device: Where the network computes; users are solved for on the CPU, in double precision.
    """

    train: Dataset
    folds: Folds
    covariance: np.ndarray
    device: torch.device | str = "cpu"

    @cached_property
    def visible(self) -> list[VisibleAnswers]:
        """What answers are visible where a fold is hidden: one entry for each fold."""
        # An answer of the fold itself is not: that to a target is never read from the target.
        hidden = [np.unique(self.folds.votes.comparison[self.folds.fold == part]) for part in range(FOLDS)]
        every = np.arange(len(self.train.table))
        return [VisibleAnswers.of(self.train.select(np.setdiff1d(every, part))) for part in hidden]

    def parts(
        self,
        network: TraitNetwork,
        part: int,
        chosen: np.ndarray,
        generator: np.random.Generator,
        shard: Shard | None = None,
    ) -> Iterator[tuple[Tensor, int]]:
        """Yield the summed log loss of the votes of a fold, batch of users by batch, and how many they are.

        Args:
            network: The traits.
            part: The fold.
            chosen: Codes of the users.
            generator: Of what is shown; every process draws for all users, so that their number changes nothing.
            shard: Which users are solved for.
        """
        shard, batches = shard or Shard(), []
        for _, index in self.folds.votes.batches(chosen):
            # Of a user of many votes each step reads some, drawn anew; nothing is drawn for others.
            if index.shape[1] > MOST_VOTES_READ:
                index = np.sort(_some(index, MOST_VOTES_READ, generator), axis=1)
            real, hidden = index >= 0, self.folds.fold[np.maximum(index, 0)] == part
            # 1. The votes of the fold are predicted; of the others a random share is shown. Histories of all lengths
            #    are, since users come with few votes as well as with many.
            keep = np.where(generator.random(len(index)) < SHOWN_WHOLE, 1.0, generator.random(len(index)))
            shown = real & ~hidden & (generator.random(index.shape) < keep[:, None])
            own = np.arange(len(index))[shard.rank :: shard.count]
            target = (hidden & real)[own]
            if target.any():
                batches.append((index[own], shown[own], torch.from_numpy(target)))
        if not batches:
            return
        # 2. One graph for all users of the step: what they were shown is much the same.
        votes = np.unique(np.concatenate([index[index >= 0] for index, _, _ in batches]))
        gaps = self._gaps(network, part, votes)
        for index, shown, target in batches:
            real = index >= 0
            gap = gaps.new_zeros(*index.shape, gaps.shape[1])
            place = tuple(torch.from_numpy(at) for at in np.nonzero(real))
            gap = gap.index_put(place, gaps[torch.from_numpy(np.searchsorted(votes, index[real]))])
            yield self._predicted(network, part, gap, UserVotes(index, shown, target))

    def _predicted(self, network: TraitNetwork, part: int, gap: Tensor, users: UserVotes) -> tuple[Tensor, int]:
        """Return the summed log loss of the targets given what is shown, and how many they are."""
        batch, target = UserBatch(self.folds.votes, users.index, self.folds.offset[part], self.covariance), users.target
        # 1. The posterior's own kernel with learned amplitudes, and the kernel of the traits.
        own = _own_kernel(network, batch, self.folds.conversation_scale)
        kernel = (own + gap @ gap.transpose(1, 2)).double()
        # 2. The mode given the shown votes, found in double precision, predicts the hidden ones.
        outcomes, known = batch.outcomes, _tensor(batch.offset)
        alpha = implicit_mode(kernel, known.double(), outcomes, torch.from_numpy(users.shown)).float()
        logit = (kernel.float() @ alpha[:, :, None])[:, :, 0] + known
        if outcomes.lower is None and outcomes.weight is None:
            y = _tensor(outcomes.y)
            found = torch.nn.functional.binary_cross_entropy_with_logits(logit[target], y[target], reduction="sum")
        else:
            found = -log_likelihood(outcomes, logit)[target].sum()
        return found, int(target.sum())

    def _gaps(self, network: TraitNetwork, part: int, at: np.ndarray) -> Tensor:
        """Return (V, F) traits of a's answer less those of b's, of the votes at (V,) places."""
        votes = self.folds.votes
        # The comparison says where in a conversation a vote stands; its texts alone are read.
        asked = AskedQueries.rounds(self.train.table, votes.comparison[at], self.folds.queries)
        both = np.stack([votes.a[at], votes.b[at]], axis=1)
        drawn = self.visible[part].draw(asked, both, network.encoder is not None).to(self.device)
        traits = answer_traits(network, drawn, torch.from_numpy(np.maximum(both, 0)).to(self.device)).float().cpu()
        # A lone rating is compared with no answer.
        return traits[:, 0] - traits[:, 1] * torch.from_numpy(both[:, 1:] >= 0)


def _some(index: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """Return (B, count) of the (B, T) votes of each user, drawn at random, padding last."""
    order = np.argsort(np.where(index >= 0, generator.random(index.shape), 2.0), axis=1)[:, :count]
    return np.take_along_axis(index, order, axis=1)


def _own_kernel(network: TraitNetwork, batch: UserBatch, conversation: float) -> Tensor:
    """Return (B, T, T) the terms of the posterior's kernel under the learned amplitudes, and that of conversations."""
    terms = batch.among()
    user, query, style = network.log_amplitudes.exp().cpu()
    kernel = user * _tensor(terms.linear) + query * user * _tensor(terms.query)
    if terms.conversation is not None:
        kernel = kernel + conversation * user * _tensor(terms.conversation)
    return kernel + style * _tensor(terms.features[0]) if terms.features else kernel


def _tensor(values: np.ndarray) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float32)
