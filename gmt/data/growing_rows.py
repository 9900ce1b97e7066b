"""Hold rows of numbers that more are put behind, at a cost that does not depend on how many there are."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np


class GrowingRows:
    """Hold an array with room at its end.

    What was handed out stays as it is: rows that are taken are never written again, and a longer array is a new one.
    One thread at a time may put rows behind; any number may read.

    Args:
        first: (N, ...) rows to begin with, which are copied.
    """

    def __init__(self, first: np.ndarray) -> None:
        self.taken = len(first)
        self._buffer = np.empty((max(16, self.taken + self.taken // 4), *first.shape[1:]), first.dtype)
        self._buffer[: self.taken] = first

    def put(self, rows: np.ndarray) -> None:
        """Put rows behind the others."""
        needed = self.taken + len(rows)
        if needed > len(self._buffer):
            # Room for half as many again, so that a row is copied two times on average.
            longer = np.empty((needed + needed // 2, *self._buffer.shape[1:]), self._buffer.dtype)
            longer[: self.taken] = self._buffer[: self.taken]
            self._buffer = longer
        self._buffer[self.taken : needed] = rows
        self.taken = needed

    def view(self, count: int | None = None) -> np.ndarray:
        """Return the first `count` rows, all by default, without copying them."""
        return self._buffer[: self.taken if count is None else count]


class LayeredVectors:
    """Hold N vectors in layers that are never joined: of a file, of what came since, and of one question alone.

    Layers grown from one another share their rows; an older one does not see what came later.

    Args:
        first: (A, D) vectors that stay as they are, e.g. mapped from a file.
        later: Those behind them, shared with what is grown from this.
        count: How many of `later` are this one's.
        behind: (B, D) vectors that this one alone has behind all others.
    """

    __slots__ = ("_behind", "_count", "_first", "_later")

    def __init__(self, first: np.ndarray, later: GrowingRows, count: int, behind: np.ndarray) -> None:
        self._first, self._later, self._count, self._behind = first, later, count, behind

    @classmethod
    def of(cls, vectors: Vectors) -> LayeredVectors:
        """Return vectors in layers."""
        if isinstance(vectors, LayeredVectors):
            return vectors
        nothing = np.empty((0, vectors.shape[1]), vectors.dtype)
        return cls(vectors, GrowingRows(nothing), 0, nothing)

    def grown(self, rows: np.ndarray) -> LayeredVectors:
        """Return the vectors with more behind them; the newest of those that share rows grows in place."""
        if not len(rows):
            return self
        if len(self._behind) or self._later.taken > self._count:
            return LayeredVectors.of(self[np.arange(len(self))]).grown(rows)
        self._later.put(rows)
        return LayeredVectors(self._first, self._later, self._later.taken, self._behind)

    def beside(self, rows: np.ndarray) -> LayeredVectors:
        """Return the vectors with more behind them that nobody else ever sees, for one question."""
        behind = np.concatenate([self._behind, np.asarray(rows, self.dtype)])
        return LayeredVectors(self._first, self._later, self._count, behind)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self), self._first.shape[1]

    @property
    def dtype(self) -> np.dtype:
        return self._first.dtype

    def __len__(self) -> int:
        return len(self._first) + self._count + len(self._behind)

    def __getitem__(self, index: Any) -> np.ndarray:
        """Return the vectors at an index of whole numbers, of any shape, as an array of its own."""
        if isinstance(index, slice):
            index = np.arange(*index.indices(len(self)))
        at = np.asarray(index)
        if at.dtype == bool:
            at = np.flatnonzero(at)
        at = np.where(at < 0, at + len(self), at)
        if at.size and (at.min() < 0 or at.max() >= len(self)):
            raise IndexError(f"an index reaches outside 0..{len(self) - 1}")
        out, begin = np.empty((*at.shape, self._first.shape[1]), self.dtype), 0
        for layer in (self._first, self._later.view(self._count), self._behind):
            here = (at >= begin) & (at < begin + len(layer))
            if here.any():
                out[here] = layer[at[here] - begin]
            begin += len(layer)
        return out

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[np.arange(len(self))].astype(dtype or self.dtype, copy=False)


Vectors: TypeAlias = np.ndarray | LayeredVectors
