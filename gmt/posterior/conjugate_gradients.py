"""Solve several symmetric positive definite systems at once, given nothing but products with their matrix."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

MOST_STEPS = 400
"""Steps after which a system is left as it is; a Newton step forgives a solve that is not exact."""


Product = Callable[[np.ndarray], np.ndarray]


def conjugate_gradients(
    apply: Product, right: np.ndarray, tolerance: float, precondition: Product | None = None
) -> np.ndarray:
    """Solve N symmetric positive definite systems at once.

    Source: Hestenes and Stiefel, Methods of conjugate gradients for solving linear systems (1952).

    Args:
        apply: Product of the matrix with (V, N) numbers.
        right: (V, N) right-hand sides.
        tolerance: Norm of a residual, relative to its right-hand side, that is good enough; with `precondition` in
            the norm of that.
        precondition: Product with the inverse of a matrix near it, symmetric and positive definite too.
    """
    near = precondition or (lambda rest: rest)
    x, rest, direction = np.zeros_like(right), right, near(right)
    size = (rest * direction).sum(axis=0)
    # Sizes are squared norms, hence the squared tolerance; each system is measured by its own.
    enough = tolerance**2 * size
    for _ in range(MOST_STEPS):
        # Systems share every product, so all go on until the slowest is solved.
        if (size <= enough).all():
            break
        along = apply(direction)
        # A system that is solved has a direction of zero; the floor keeps its step 0 and not NaN.
        step = size / np.maximum((direction * along).sum(axis=0), 1e-300)
        x, rest = x + step * direction, rest - step * along
        turned = near(rest)
        before, size = size, (rest * turned).sum(axis=0)
        direction = turned + size / np.maximum(before, 1e-300) * direction
    return x
