"""Solve with a matrix that is an identity, small blocks and a few shared directions."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.linalg import cho_factor, cho_solve


class BlockLowRank:
    """Hold A = I + D + U Uᵀ, D zero outside of small blocks on its diagonal, and multiply by A⁻¹.

    A⁻¹ = B - B U (I + Uᵀ B U)⁻¹ Uᵀ B with B = (I + D)⁻¹, block by block.

    Source: Woodbury, Inverting modified matrices (1950).

    Args:
        blocks: Index (N, s) of the rows of N blocks, each row in one block at most, and their (N, s, s) entries of D.
        basis: (T, R) U.
    """

    def __init__(self, blocks: Iterable[tuple[np.ndarray, np.ndarray]], basis: np.ndarray) -> None:
        self._inverses, self._alone = [], np.ones((len(basis), 1))
        for index, entries in blocks:
            if index.shape[1] == 1:
                # A block of one row is a number. Where most queries have one vote, a million products of 1 × 1 matrices
                # would take far longer than the product of a column.
                self._alone[index[:, 0]] = 1 / (1 + entries[:, 0])
            else:
                # Small, symmetric and with eigenvalues from 1 on, so that an inverse loses no digits.
                self._inverses.append((index, np.linalg.inv(entries + np.eye(index.shape[1]))))
        self._through = self._without_basis(basis)
        self._factor = cho_factor(np.eye(basis.shape[1]) + basis.T @ self._through)

    def solve(self, right: np.ndarray) -> np.ndarray:
        """Return A⁻¹ times (T, N) numbers."""
        return self._without_basis(right) - self._through @ cho_solve(self._factor, self._through.T @ right)

    def _without_basis(self, right: np.ndarray) -> np.ndarray:
        out = self._alone * right
        for index, inverse in self._inverses:
            # (N, s, s) times (N, s, columns); rows outside of all blocks stay as they are.
            out[index] = inverse @ right[index]
        return out
