"""Hold vectors in layers: those of a file, those that came since, and those of one question, without copying any."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np


class LayeredVectors:
    """Hold N rows of vectors that are read by index; growing costs the same beside any number of rows.

    Layers grown from one another share their rows; an older one does not see what came later.

    Args:
        first: (A, D) rows that stay as they are, e.g. mapped from a file.
    """

    __slots__ = ("_base", "_behind", "_count", "_room")

    def __init__(self, first: np.ndarray) -> None:
        self._base, self._count = first, 0
        self._room = [np.empty((0, first.shape[1]), first.dtype), 0]  # a buffer and how many of its rows are taken
        self._behind = np.empty((0, first.shape[1]), first.dtype)

    @classmethod
    def of(cls, vectors: Vectors) -> LayeredVectors:
        """Return vectors in layers."""
        return vectors if isinstance(vectors, LayeredVectors) else cls(vectors)
