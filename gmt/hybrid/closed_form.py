"""Make, save and load the half of the router that answers without a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from gmt.config import RunConfig
from gmt.errors import RunError
from gmt.model.saved_arrays import load_arrays, save_arrays
from gmt.posterior.answer_aware import TIE_RATE, AnswerAwareBradleyTerry, CostAwareBradleyTerry
from gmt.posterior.hierarchical import HierarchicalBradleyTerry
from gmt.routing.protocol import ClosedForm
from gmt.runs import RunFolder

REPAIR = "restore it or train the run again"
FITTED = ("covariance", "query_centre", "model_centre")
"""What a fitted hierarchical posterior holds beside its settings."""
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
    # A variance of 0 takes a term out of every kernel, so a switch needs no code of its own.
    off = [name for switch, names in TERMS.items() if not getattr(config.posterior, switch) for name in names]
    # Ties are read alike whether or not answers are, so the share to start from is no part of the kind.
    tie_rate = TIE_RATE if config.posterior.tie_widths else 0.0
    settings = replace(kind.initial, tie_rate=tie_rate, **dict.fromkeys(off, 0.0))
    # Without user effects nothing could drift, and VALID would choose among equals.
    drift = config.posterior.drift and config.posterior.user_effects
    return kind(settings, drift=drift, conversation=config.posterior.conversation)


def new_posterior(config: RunConfig) -> ClosedForm | None:
    """Return the unfitted closed form that the settings ask for, None where they ask for none."""
    if not config.posterior.enabled:
        return None
    if not config.utility.enabled:
        return new_hierarchical(config)
    # Here, for it needs torch, which takes seconds to load.
    from gmt.utility.utility_router import UtilityRouter

    return UtilityRouter(config.utility.half_life)


def save_posterior(posterior: ClosedForm, folder: RunFolder) -> None:
    """Write all that a fitted closed form needs to answer."""
    save_arrays(folder.posterior, posterior.state_dict())


def load_posterior(
    config: RunConfig, folder: RunFolder, width: int | None = None, models: int | None = None
) -> ClosedForm | None:
    """Read what `save_posterior` wrote; None where the settings have no closed form.

    Args:
        config: Settings of the run.
        folder: The run.
        width: D of the run's text vectors, where the state is to be checked against it.
        models: How many models the run was trained on, likewise.

    Raises:
        RunError: The file is missing, or does not fit the settings, the vectors or itself.
    """
    posterior = new_posterior(config)
    if posterior is None:
        return None
    state, _ = load_arrays(folder.posterior)
    # 1. NaN would reach every score without an error, so it is looked for here.
    for name, value in state.items():
        if value.dtype.kind == "f" and np.isnan(value).any():
            raise RunError(f"{folder.posterior} is damaged: {name} holds numbers that are none; {REPAIR}")
    # 2. Its parts may be missing without an error: they would be fitted anew, to another answer.
    if isinstance(posterior, HierarchicalBradleyTerry):
        _check_shapes(state, folder.posterior, width, models)
    try:
        return posterior.load_state_dict(state)
    # 3. A missing entry has its own message, for it is mended by training and not by restoring.
    except KeyError as error:
        raise RunError(f"{folder.posterior} holds no {error.args[0]}; train the run again") from error
    except (ValueError, TypeError, IndexError, RuntimeError) as error:
        what = " ".join(str(error).split())[:120]
        raise RunError(f"{folder.posterior} does not fit config.yaml ({what}); {REPAIR}") from error


def _check_shapes(state: Mapping[str, np.ndarray], path: Path, width: int | None, models: int | None) -> None:
    """Check the parts that would be fitted anew, to another answer, where they are missing."""
    shapes = {name: state[name].shape for name in FITTED if name in state}
    for name in FITTED:
        if name not in state:
            raise RunError(f"{path} holds no {name}; {REPAIR}")
    # Position bias and discrimination stand behind the models; the two centres are vectors of text.
    size = shapes["covariance"][0] if models is None and shapes["covariance"] else (models or 0) + 2
    length = shapes["query_centre"][0] if width is None and shapes["query_centre"] else (width or 0)
    wanted = {"covariance": (size, size), "query_centre": (length,), "model_centre": (length,)}
    for name, shape in wanted.items():
        if shapes[name] != shape:
            raise RunError(f"{path} is damaged: {name} has shape {shapes[name]}, expected {shape}; {REPAIR}")
