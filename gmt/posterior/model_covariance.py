"""Multiply by a covariance between models, given as a matrix or by the texts of the models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

ROOT_AXES = 32
"""Axes of the texts that a root of a `TextCovariance` keeps."""


class ModelCovariance(Protocol):
    """Multiply by a covariance C between M models, and read single entries of it."""

    def times(self, values: np.ndarray) -> np.ndarray:
        """Return (M, N) C · values."""
        ...

    def at(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Return the (N,) entries C[left, right]."""
        ...

    def root(self) -> np.ndarray:
        """Return (M, R) of which R Rᵀ is C, or what of it models share."""
        ...


@dataclass(frozen=True, eq=False)
class MatrixCovariance:
    """Hold an (M, M) covariance as it is."""

    matrix: np.ndarray

    def times(self, values: np.ndarray) -> np.ndarray:
        """Return (M, N) C · values."""
        return self.matrix @ values

    def at(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Return the (N,) entries C[left, right]."""
        return self.matrix[left, right]

    def root(self) -> np.ndarray:
        """Return (M, M) R of which R Rᵀ is C."""
        size, basis = np.linalg.eigh(self.matrix)
        return basis * np.sqrt(np.maximum(size, 0.0))


@dataclass(frozen=True, eq=False)
class TextCovariance:
    """Hold own · I + shared · U Uᵀ + constant · 1 1ᵀ.

    It costs the width of the texts where the matrix costs the number of models.

    Args:
        own: Variance that a model has for itself.
        shared: Variance that goes with the texts.
        unit: (M, D) unit vectors U.
        constant: Variance that all models share; differences of two models do not see it.
    """

    own: float
    shared: float
    unit: np.ndarray
    constant: float = 0.0

    def times(self, values: np.ndarray) -> np.ndarray:
        """Return (M, N) C · values."""
        out = self.own * values + self.shared * (self.unit @ (self.unit.T @ values))
        return out + self.constant * values.sum(axis=0) if self.constant else out

    def at(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Return the (N,) entries C[left, right]."""
        # Row by row, for the M × M cosines are what this class is there to avoid.
        out = self.own * (left == right) + self.shared * np.einsum("nd,nd->n", self.unit[left], self.unit[right])
        return out + self.constant if self.constant else out

    def root(self) -> np.ndarray:
        """Return (M, ROOT_AXES) the largest axes of what goes with the texts."""
        # The root only preconditions conjugate gradients, so axes cut off cost steps and change no result; what a model
        # has for itself has no low rank and is left out.
        basis = np.linalg.eigh(self.unit.T @ self.unit)[1]
        return np.sqrt(self.shared) * (self.unit @ basis[:, -ROOT_AXES:])
