"""Hold node states as rows yet to be projected, and project them in the order that costs least."""

from __future__ import annotations

from functools import cached_property

from torch import Tensor, nn


def relate(weight: Tensor, relation: Tensor) -> Tensor:
    """Fold a relation into a projection: heads of `x @ weight.T`, each times its own matrix.

    Args:
        weight: (D, W), or (D,) for a bias.
        relation: (H, d, d) with H d = D.
    """
    heads, size, _ = relation.shape
    return (relation.transpose(1, 2) @ weight.view(heads, size, -1)).reshape(weight.shape)


class Leaf:
    """Stand for N states `rows @ weight.T + bias`.

    With many rows all matrices a state is multiplied with are first multiplied with each other, so
    that the rows, which mostly need no gradient, are read once. What biases add is the same for every
    row: `offset` gives it apart, so that no row is touched for it.

    Args:
        rows: (N, W).
        weight: (D, W); the rows are the states where it is None.
        bias: (D,) or None.
    """

    def __init__(self, rows: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> None:
        self.rows, self.weight, self.bias = rows, weight, bias

    @cached_property
    def state(self) -> Tensor:
        """(N, D) the states themselves."""
        return self._unmoved if self.bias is None else self._unmoved + self.bias

    @cached_property
    def _unmoved(self) -> Tensor:
        """(N, D) the states less their bias."""
        return self.rows if self.weight is None else nn.functional.linear(self.rows, self.weight)

    def project(self, weight: Tensor) -> Tensor:
        """Return (N, O) `(state - bias) @ weight.T`.

        Args:
            weight: (O, D).
        """
        # For few rows the product of both matrices costs more than projecting the rows twice.
        if self.weight is None or len(self.rows) <= len(weight):
            return nn.functional.linear(self._unmoved, weight)
        return nn.functional.linear(self.rows, weight @ self.weight)

    def send(self, weight: Tensor, relation: Tensor) -> Tensor:
        """Return (N, D): the states less their bias projected, each head times its relation.

        Args:
            weight: (D, D).
            relation: (H, d, d).
        """
        # For many rows all matrices are multiplied first; for few the small (d, d) product comes last.
        if len(self.rows) > len(weight):
            return self.project(relate(weight, relation))
        heads, size, _ = relation.shape
        sent = self.project(weight).view(len(self.rows), heads, size).transpose(0, 1) @ relation
        return sent.transpose(0, 1).reshape(len(self.rows), heads * size)

    def offset(self, weight: Tensor) -> Tensor | None:
        """Return (O,) `weight @ bias`, what the bias adds to every projected row; None if there is no bias."""
        return None if self.bias is None else weight @ self.bias
