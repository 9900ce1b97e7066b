"""Let several trait networks share one kernel, whose encoders need not have one shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from gmt.model.trait_network import TraitNetwork

MEMBERS = "members."
"""Begins the names of the members' weights."""


class TraitEnsemble(nn.Module):
    """Hold N trait networks; the kernel is the mean of theirs, as if their traits stood side by side, each by 1/√N.

    Args:
        networks: The members; all know the same models and tasks.
    """

    def __init__(self, networks: Sequence[TraitNetwork]) -> None:
        super().__init__()
        self.members = nn.ModuleList(networks)

    @classmethod
    def of(cls, networks: Sequence[TraitNetwork]) -> LearnedTraits:
        """Return what shares the kernel of several networks; those that read texts alone become one network."""
        if all(network.encoder is None for network in networks):
            return TraitNetwork.joined(networks)
        return networks[0] if len(networks) == 1 else cls(networks).eval()

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> LearnedTraits:
        """Rebuild from what `state_dict` of an ensemble or of a single network returned."""
        if not any(name.startswith(MEMBERS) for name in state):
            return TraitNetwork.from_state(state)
        parts: dict[int, dict[str, Tensor]] = {}
        for name, value in state.items():
            number, _, own = name.removeprefix(MEMBERS).partition(".")
            parts.setdefault(int(number), {})[own] = value
        return cls([TraitNetwork.from_state(parts[number]) for number in sorted(parts)]).eval()

    @property
    def log_amplitudes(self) -> Tensor:
        """(3,) logs of the mean amplitudes."""
        return torch.stack([network.log_amplitudes.exp() for network in networks_of(self)]).mean(dim=0).log()


LearnedTraits = TraitNetwork | TraitEnsemble


def networks_of(traits: LearnedTraits) -> list[TraitNetwork]:
    """Return the networks whose kernels are averaged."""
    if isinstance(traits, TraitNetwork):
        return [traits]
    return [network for network in traits.members if isinstance(network, TraitNetwork)]
