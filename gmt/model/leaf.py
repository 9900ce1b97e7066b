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
    that the rows, which mostly need no gradient, are read once.

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
        return self.rows if self.weight is None else nn.functional.linear(self.rows, self.weight, self.bias)

    def project(self, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Return (N, O) `state @ weight.T + bias`.

        Args:
            weight: (O, D).
            bias: (O,) or None.
        """
        if self.weight is None or len(self.rows) <= len(weight):
            return nn.functional.linear(self.state, weight, bias)
        if self.bias is not None:
            bias = weight @ self.bias if bias is None else bias + weight @ self.bias
        return nn.functional.linear(self.rows, weight @ self.weight, bias)

    def send(self, weight: Tensor, bias: Tensor | None, relation: Tensor) -> Tensor:
        """Return (N, D): the projected states, each head times its relation.

        Args:
            weight: (D, D).
            bias: (D,) or None.
            relation: (H, d, d).
        """
        if len(self.rows) > len(weight):
            return self.project(relate(weight, relation), None if bias is None else relate(bias, relation))
        heads, size, _ = relation.shape
        sent = self.project(weight, bias).view(len(self.rows), heads, size).transpose(0, 1) @ relation
        return sent.transpose(0, 1).reshape(len(self.rows), heads * size)
