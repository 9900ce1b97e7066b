"""Bring targets and the votes of their users together, many users at once or one of many votes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gmt.posterior.hierarchical_settings import HierarchicalSettings
from gmt.posterior.kernel_terms import KernelTerms, blended, precision
from gmt.posterior.large_user import LargeUser
from gmt.posterior.targets import Targets
from gmt.posterior.user_batch import UserBatch


@dataclass(frozen=True, eq=False)
class TargetBatch:
    """Hold the targets of a batch of users, and what their votes say about them.

    Args:
        at: (C,) which of the targets.
        row: (C,) which of the users each is of.
        index: (B, T) positions of the users' votes, -1 under padding.
        users: The users.
        towards: (C, K, T) kernel between the targets and the votes of their users.
    """

    at: np.ndarray
    row: np.ndarray
    index: np.ndarray
    users: UserBatch
    towards: KernelTerms

    def _weights(self, alpha: np.ndarray) -> np.ndarray:
        """Return (B, T) weights of the votes, 0 under padding, given (V,) those of all."""
        return np.where(self.index >= 0, alpha[self.index], 0.0)

    def added(self, settings: HierarchicalSettings, alpha: np.ndarray) -> np.ndarray:
        """Return (C, K) what users add to the scores, given (V,) weights of all votes."""
        theirs = self._weights(alpha)[self.row]
        return (blended(self.towards, settings) @ theirs[:, :, None])[:, :, 0]

    def added_under(self, choices: Sequence[HierarchicalSettings]) -> Iterator[np.ndarray]:
        """Yield (C, K) what users add under each of the choices, for which they are solved."""
        among, alpha = self.users.among(), None
        for choice in choices:
            # The choice before is near, so its α saves Newton steps.
            alpha = self.users.solve(blended(among, choice), alpha)
            yield (blended(self.towards, choice) @ alpha[self.row][:, :, None])[:, :, 0]

    def by_vote(self, settings: HierarchicalSettings, alpha: np.ndarray) -> dict[str, np.ndarray]:
        """Return (T, K) what each vote adds to the candidates of the first target, its user being the only one.

        By term of the kernel, as `KernelTerms.parts` names them.
        """
        weights = self._weights(alpha)[0]
        return {name: (term[0] * weights).T for name, term in self.towards.parts(settings).items()}

    def observed(self, settings: HierarchicalSettings, alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the (C, K, K) variance that votes take off the scores, and (C,) the users' posterior mean of ρ."""
        # 1. How sharply each vote was decided at the mode: near-certain votes teach little more.
        kernel, theirs = blended(self.users.among(), settings), self._weights(alpha)
        weight = self.users.curvature((kernel @ theirs[:, :, None])[:, :, 0])
        # (I + W K)⁻¹ W equals (W⁻¹ + K)⁻¹ and exists under padding, where W is 0.
        inverse = np.linalg.solve(precision(kernel, weight), weight[:, :, None] * np.eye(weight.shape[1]))
        # 2. What these votes take off the candidates' prior variance.
        towards = blended(self.towards, settings)
        # `rows` is S x before the scale of the prior; ρ stands behind the models and the position bias.
        mean = settings.prior_scale * (theirs[:, None] @ self.users.rows)[:, 0, self.users.models + 1]
        return towards @ inverse[self.row] @ towards.swapaxes(1, 2), mean[self.row]


@dataclass(frozen=True, eq=False)
class LargeTargets:
    """Hold the targets of one user of many votes; it answers what `TargetBatch` answers.

    Args:
        at: (C,) which of the targets.
        index: (1, T) positions of the user's votes.
        user: The user.
        targets: All targets.
    """

    at: np.ndarray
    index: np.ndarray
    user: LargeUser
    targets: Targets

    @cached_property
    def _batch(self) -> UserBatch:
        user = self.user
        return UserBatch(user.votes, np.arange(len(user.votes))[None], user.offset, user.covariance)

    def _towards(self, target: int) -> KernelTerms:
        """Return the (1, K, T) kernel between one target and the votes."""
        at, targets = self.at[[target]], self.targets
        # The batch serves for this product alone: its kernel among the votes is never formed.
        return self._batch.towards(
            np.zeros(1, int),
            targets.models[at],
            targets.quality[at],
            targets.similarity[at],
            targets.features[at],
            targets.questions.conversation[at],
        )

    def added(self, settings: HierarchicalSettings, alpha: np.ndarray) -> np.ndarray:
        """Return (C, K) what the user adds to the scores, given (V,) weights of all votes."""
        return self.user.added(alpha[self.index[0]], settings, self.targets, self.at)

    def added_under(self, choices: Sequence[HierarchicalSettings]) -> Iterator[np.ndarray]:
        """Yield (C, K) what the user adds under each of the choices, for which they are solved."""
        for choice in choices:
            # Weights of another kernel may be far beyond where Newton's method converges from; 0 never is.
            alpha = self.user.solve(choice)
            yield self.user.added(alpha, choice, self.targets, self.at)

    def by_vote(self, settings: HierarchicalSettings, alpha: np.ndarray) -> dict[str, np.ndarray]:
        """Return (T, K) what each vote adds to the candidates of the first target, by term of the kernel."""
        weights = alpha[self.index[0]]
        return {name: (term[0] * weights).T for name, term in self._towards(0).parts(settings).items()}

    def observed(self, settings: HierarchicalSettings, alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the (C, K, K) variance that votes take off the scores, and (C,) the user's posterior mean of ρ."""
        theirs, kernel = alpha[self.index[0]], self.user.kernel(settings)
        weight = self.user.votes.observed.curvature(kernel.apply(theirs[:, None])[:, 0] + self.user.offset)
        root = np.sqrt(weight)[:, None]
        near = kernel.near(root)
        # One target at a time, for K · T numbers of each are large where T is.
        each = (blended(self._towards(target), settings)[0] for target in range(len(self.at)))
        found = [kernel.learned(towards, root, near) for towards in each]
        mean = settings.prior_scale * self.user.mean(theirs)[self.user.models + 1]
        return np.stack(found), np.full(len(self.at), mean)
