"""State how likely outcomes are in torch, on whichever device the solves run."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from gmt.posterior.likelihood import Outcomes
from gmt.posterior.placement import placed


@dataclass(frozen=True, eq=False)
class PlacedOutcomes:
    """Hold outcomes as tensors; formulas and fields are those of `Outcomes`."""

    y: Tensor
    lower: Tensor | None
    upper: Tensor | None
    weight: Tensor | None

    @classmethod
    def of(cls, outcomes: Outcomes, device: torch.device) -> PlacedOutcomes:
        """Bring outcomes to a device."""
        fields = (outcomes.y, outcomes.lower, outcomes.upper, outcomes.weight)
        y, *others = (None if field is None else placed(field, device) for field in fields)
        return cls(torch.zeros(0) if y is None else y, *others)

    def log_likelihood(self, z: Tensor) -> Tensor:
        """Return (…) ℓ at latent scores."""
        if self.lower is None or self.upper is None:
            return self._weighted(self.y * z - torch.logaddexp(torch.zeros_like(z), z))
        exact = self.lower == self.upper
        moved = z - torch.where(exact, self.lower, 0.0)
        # An interval of no width has log 0 here, which `where` leaves out.
        width = torch.log1p(-torch.exp(self.lower - self.upper))
        between = width + logsigmoid(self.upper - z) + logsigmoid(z - self.lower)
        single = self.y * moved - torch.logaddexp(torch.zeros_like(z), moved)
        return self._weighted(torch.where(exact, single, between))

    def residual(self, z: Tensor) -> Tensor:
        """Return (…) dℓ/dz: y - p of a vote."""
        if self.lower is None or self.upper is None:
            return self._weighted(self.y - torch.sigmoid(z))
        exact = self.lower == self.upper
        single = self.y - torch.sigmoid(z - torch.where(exact, self.lower, 0.0))
        between = torch.sigmoid(self.upper - z) + torch.sigmoid(self.lower - z) - 1
        return self._weighted(torch.where(exact, single, between))

    def curvature(self, z: Tensor) -> Tensor:
        """Return (…) -d²ℓ/dz²: p (1 - p) of a vote."""
        if self.lower is None or self.upper is None:
            chance = torch.sigmoid(z)
            return self._weighted(chance * (1 - chance))
        low, high = torch.sigmoid(self.lower - z), torch.sigmoid(self.upper - z)
        one = high * (1 - high)
        return self._weighted(torch.where(self.lower == self.upper, one, one + low * (1 - low)))

    def _weighted(self, values: Tensor) -> Tensor:
        return values if self.weight is None else self.weight * values
