"""Make, save and load the half of the router that answers without a network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from gmt.config import RunConfig
from gmt.errors import RunError
from gmt.model.checkpoint import load_tensors, save_tensors
from gmt.posterior.answer_aware import AnswerAwareBradleyTerry, CostAwareBradleyTerry
from gmt.posterior.hierarchical import HierarchicalBradleyTerry
from gmt.routing.protocol import ClosedForm
from gmt.runs import RunFolder
from gmt.utility.utility_router import UtilityRouter

TERMS = {
    "query_quality": ("quality_variance",),
    "query_kernel": ("query_kernel_scale",),
    "discrimination": ("discrimination_variance",),
    "user_effects": (
        "user_variance",
        "position_bias_variance",
        "discrimination_variance",
        "query_kernel_scale",
        "style_variance",
    ),
}
"""Which variances each switch of `posterior` sets to 0."""


def new_hierarchical(config: RunConfig) -> HierarchicalBradleyTerry:
    """Return the unfitted hierarchical posterior that the settings ask for."""
    aware = CostAwareBradleyTerry if config.posterior.cost else AnswerAwareBradleyTerry
    kind = aware if config.posterior.answers else HierarchicalBradleyTerry
    off = [name for switch, names in TERMS.items() if not getattr(config.posterior, switch) for name in names]
    settings = replace(kind.initial, **dict.fromkeys(off, 0.0))
    return kind(settings, drift=config.posterior.drift and config.posterior.user_effects)


def new_posterior(config: RunConfig) -> ClosedForm | None:
    """Return the unfitted closed form that the settings ask for, None where they ask for none."""
    if not config.posterior.enabled:
        return None
    return UtilityRouter(config.utility.half_life) if config.utility.enabled else new_hierarchical(config)


def save_posterior(posterior: ClosedForm, folder: RunFolder) -> None:
    """Write all that a fitted closed form needs to answer."""
    state = {name: torch.from_numpy(np.asarray(value)) for name, value in posterior.state_dict().items()}
    save_tensors(folder.posterior, state)


def load_posterior(config: RunConfig, folder: RunFolder) -> ClosedForm | None:
    """Read what `save_posterior` wrote; None where the settings have no closed form.

    Raises:
        RunError: The file is missing or does not fit the settings.
    """
    posterior = new_posterior(config)
    if posterior is None:
        return None
    state = {name: value.numpy() for name, value in load_tensors(folder.posterior).items()}
    try:
        return posterior.load_state_dict(state)
    except KeyError as error:
        raise RunError(f"{folder.posterior} holds no {error.args[0]}; train the run again") from error
