"""Hold what every user adds to answer quality: their votes, the kernel between them, and its solution."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from gmt.posterior.hierarchical_settings import HierarchicalSettings
from gmt.posterior.kernel_terms import blended
from gmt.posterior.large_user import MOST_DENSE_VOTES, LargeUser
from gmt.posterior.processes import own_share, total
from gmt.posterior.target_batch import LargeTargets, TargetBatch
from gmt.posterior.targets import Targets
from gmt.posterior.user_batch import UserBatch
from gmt.posterior.vote_history import VoteHistory

FEW_VOTES = 100
"""Votes up to which one more of a user is solved with the kernel among all of them."""


@dataclass(frozen=True, eq=False)
class UserEffects:
    """Hold the votes of all users, and solve for what each adds when it is first needed.

    A user's part of a score is k_*ᵀ α, α = y - p at the mode of their own votes.

    Args:
        settings: The variances.
        covariance: (M + 2, M + 2) S; (M + 3, M + 3) with leniency.
        votes: The votes.
        offset: (V,) Δf, what everybody's f says of each vote.
        solved: (V,) α where it is known already.
        behind: Codes of users who voted since; what `solved` has of them is where their solve begins.
    """

    settings: HierarchicalSettings
    covariance: np.ndarray
    votes: VoteHistory
    offset: np.ndarray
    solved: np.ndarray | None = None
    behind: tuple[int, ...] = ()

    @cached_property
    def alpha(self) -> np.ndarray:
        """(V,) weight α of every vote in what its voter adds."""
        if self.solved is not None:
            # A copy, for the effects before may be asked while this is written into.
            return self._solved_for(np.array(self.behind), self.solved.copy()) if self.behind else self.solved
        # Several processes solve for a share of the users each; an α of 0 is what the others' votes have here.
        users = np.unique(self.votes.user)
        return total(self._solved_for(users[own_share(len(users))], np.zeros(len(self.votes))))

    def settled(self) -> UserEffects:
        """Return the same with α solved, from which effects of other votes may be made."""
        return replace(self, solved=self.alpha, behind=())

    @cached_property
    def most_votes(self) -> int:
        """Votes of the user with most among whom the kernel is formed."""
        return min(int(np.bincount(self.votes.user).max(initial=0)), MOST_DENSE_VOTES)

    def batch(self, index: np.ndarray) -> UserBatch:
        """Return the users whose votes stand at (B, T) positions."""
        return UserBatch(self.votes, index, self.offset, self.covariance)

    def large(self, index: np.ndarray) -> LargeUser:
        """Return the user of many votes whose stand at (T,) positions."""
        return LargeUser(self.votes, index, self.offset, self.covariance)

    def batches(self, targets: Targets) -> Iterator[TargetBatch | LargeTargets]:
        """Bring targets and the votes of their users together; who has no vote is left out."""
        user = targets.questions.user
        for users, index in self._user_batches(user):
            at = np.flatnonzero(np.isin(user, users))
            if index.shape[1] > MOST_DENSE_VOTES:
                yield LargeTargets(at, index, self.large(index[0]), targets)
                continue
            # Batches come ordered by their numbers of votes, not by code, as a sorted search wants it.
            order = np.argsort(users)
            row = order[np.searchsorted(users, user[at], sorter=order)]
            batch = self.batch(index)
            towards = batch.towards(
                row,
                targets.models[at],
                targets.quality[at],
                targets.similarity[at],
                targets.features[at],
                targets.questions.conversation[at],
            )
            yield TargetBatch(at, row, index, batch, towards)

    def with_votes(self, more: VoteHistory, offset: np.ndarray, since: np.ndarray, rated: np.ndarray) -> UserEffects:
        """Put new votes behind those of their users, for whom alone it is solved when somebody next asks.

        Of votes that come one behind the other without a question between them only the last is solved for.

        Args:
            more: The new votes, ordered by user; their `queries` hold the known ones and those new with them.
            offset: (N,) Δf of the new votes.
            since: (C,) how many comparisons the user of each of `rated` rated later.
            rated: (C,) ascending positions of all comparisons of these users.
        """
        # Behind the user's own votes, so that these stay side by side.
        place, users = np.searchsorted(self.votes.user, more.user, side="right"), np.unique(more.user)
        votes = replace(self.votes, queries=more.queries).inserted(place, more)
        # What was rated before is now older by the new rounds; only their own users' votes are.
        own = np.flatnonzero(np.isin(votes.user, users))
        votes.since[own] = since[np.searchsorted(rated, votes.comparison[own])]
        # Everybody else's α is taken over: their votes are the same, and f did not move. Nobody asked since the votes
        # before where these are not solved for yet.
        known, behind = self.solved, self.behind
        if known is None or not behind or "alpha" in vars(self):
            known, behind = self.alpha, ()
        return replace(
            self,
            votes=votes,
            offset=np.insert(self.offset, place, offset),
            solved=np.insert(known, place, 0.0),
            behind=tuple(sorted({*behind, *users.tolist()})),
        )

    def _solved_for(self, users: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        """Return (V,) α with that of some users solved anew; `alpha` is written into."""
        theirs, before = np.flatnonzero(np.isin(self.votes.user, users)), alpha.copy()
        # Votes that are too old to be solved for must not keep what they had.
        alpha[theirs] = 0.0
        for _, index in self._user_batches(users):
            # Who was solved before is near their mode.
            start = before[index[0]] if before[index[0]].any() else None
            if index.shape[1] > MOST_DENSE_VOTES:
                alpha[index[0]] = self.large(index[0]).solve(self.settings, start)
                continue
            # Products find the mode of one user alone from there; a batch shares its solves, and the kernel of effects
            # that drift has no products.
            alone = len(users) == 1 and index.shape[1] > FEW_VOTES and not self.votes.half_life
            if alone and start is not None:
                alpha[index[0]] = self.large(index[0]).solve(self.settings, start)
                continue
            batch = self.batch(index)
            alpha[index[index >= 0]] = batch.solve(blended(batch.among(), self.settings))[index >= 0]
        return alpha

    def _user_batches(self, users: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Cut users into batches; of one of very many votes only the newest count where effects drift.

        Of what was rated forty half-lives ago one part in a million millions is left.
        """
        for batch, index in self.votes.batches(users, self.votes.models):
            if self.votes.half_life and index.shape[1] > MOST_DENSE_VOTES:
                newest = np.argsort(self.votes.since[index[0]], kind="stable")[:MOST_DENSE_VOTES]
                index = index[:, np.sort(newest)]
            yield batch, index
