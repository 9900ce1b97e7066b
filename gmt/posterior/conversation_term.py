"""Multiply by the part of a user's kernel that only votes of one conversation share, for users of many votes."""

from __future__ import annotations

import numpy as np

from gmt.posterior.model_covariance import ModelCovariance
from gmt.posterior.vote_kernel import answers_of, signed


class ConversationTerm:
    """Multiply by the (T, T) kernel δ_iᵀ C δ_j · [one conversation] between votes, δ = e_a - e_b, without forming it.

    Of an answer judged alone, b = -1, δ = e_a.

    Args:
        conversation, a, b: (T,) codes of the votes.
        own: C.
        models: M.
    """

    def __init__(
        self, conversation: np.ndarray, a: np.ndarray, b: np.ndarray, own: ModelCovariance, models: int
    ) -> None:
        self.codes, at = np.unique(conversation, return_inverse=True)
        self.own, self.models = own, models
        # Votes of one conversation meet in its M answers: a column for each model that it could show.
        self.answers = signed(at * models + a, answers_of(at, b, models), len(self.codes) * models)

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Multiply (T, N) numbers."""
        shaped = (self.answers.T @ x).reshape(len(self.codes), self.models, -1)
        wide = shaped.transpose(1, 0, 2).reshape(self.models, -1)
        shared = self.own.times(wide).reshape(self.models, len(self.codes), -1).transpose(1, 0, 2)
        return self.answers @ shared.reshape(-1, x.shape[1])

    def added(self, alpha: np.ndarray, conversation: np.ndarray) -> np.ndarray:
        """Return (C, M) what (T,) weights of the votes add to every model in C conversations, -1 for none."""
        weights = self.own.times((self.answers.T @ alpha).reshape(len(self.codes), self.models).T).T
        place = np.minimum(np.searchsorted(self.codes, conversation), len(self.codes) - 1)
        known = (self.codes[place] == conversation) & (conversation >= 0)
        return np.where(known[:, None], weights[place], 0.0)
