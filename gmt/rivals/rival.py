"""Offer what all rivals share: chosen settings, a state of named arrays, and scores read at candidates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np

from gmt.data.dataset import Questions
from gmt.errors import RunError


class Rival:
    """Keep what `fit` chose or learned as named arrays, so that a fitted rival survives saving.

    A subclass names its numbers in `saved`; one that learns arrays, or holds another rival, extends
    `state_dict` and `load_state_dict`.
    """

    name: ClassVar[str]
    logits: bool = False
    """Whether score differences are log odds of a win by construction."""
    saved: ClassVar[tuple[str, ...]] = ()
    """Names of the attributes, each one number, that `fit` replaces."""

    def state_dict(self) -> dict[str, np.ndarray]:
        """Return everything `fit` found, as named arrays."""
        # Arrays of no dimension, for a safetensors file holds nothing but arrays.
        return {name: np.array(getattr(self, name)) for name in self.saved}

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> Self:
        """Take over what `state_dict` returned.

        Raises:
            RunError: A named array is missing.
        """
        for name in self.saved:
            setattr(self, name, entry(state, name, self.name).item())
        return self


def entry(state: Mapping[str, np.ndarray], name: str, router: str) -> np.ndarray:
    """Return one array of a saved state.

    Raises:
        RunError: It is missing.
    """
    if name not in state:
        found = ", ".join(state) or "nothing"
        raise RunError(f"the state of {router} holds {found} and no {name}; fit the router again")
    return state[name]


def at_candidates(scores: np.ndarray, questions: Questions) -> np.ndarray:
    """Read scores of models at the candidates of C questions.

    Args:
        scores: (M,) scores of all models, or (C, M), a row for each question.
        questions: C questions.

    Returns:
        (C, K) scores, -inf under padding.
    """
    # Padding is -1, which would read the last model; it reads model 0 and is masked below.
    candidates = np.maximum(questions.candidates, 0)
    read = scores[candidates] if scores.ndim == 1 else np.take_along_axis(scores, candidates, axis=1)
    return np.where(questions.mask, read, -np.inf)
