"""Fit the parts of the router that the settings ask for, and let VALID decide what joins."""

from __future__ import annotations

from typing import Any

import numpy as np

from gmt.config import RunConfig
from gmt.data.dataset import Dataset
from gmt.hybrid.closed_form import new_hierarchical
from gmt.hybrid.gmt_router import GmtRouter
from gmt.hybrid.network_router import NetworkRouter
from gmt.posterior.hierarchical_model import HierarchicalModel
from gmt.routing.grid import ValidationVotes, best_setting, paired_gain
from gmt.routing.protocol import ClosedForm
from gmt.runs import RunFolder
from gmt.training.learn_traits import learn_traits
from gmt.training.train_network import Report, train_scorer
from gmt.utility.utility_router import UtilityRouter, check_costs

# About even steps on a log scale around 1, with 0 for a network that is switched off.
WEIGHTS = (0.0, 0.1, 0.2, 0.4, 0.7, 1.0, 2.0, 5.0)
"""What the network's scores may be multiplied by beside the posterior."""


def fit_parts(
    learn: Dataset, config: RunConfig, run: RunFolder, resume: bool = False, report: Report | None = None
) -> tuple[GmtRouter, dict[str, Any]]:
    """Fit whatever parts of the router the settings ask for, and join them.

    Args:
        learn: TRAIN and VALID comparisons.
        config: Settings.
        run: Where the network's checkpoints go.
        resume, report: As in `train_run`.

    Returns:
        The router, and what its run's card says of the fit.

    Raises:
        DataError: The data lack what a part needs; nothing is trained then.
    """
    # The network takes minutes or hours, so what the closed form will refuse is refused before it.
    if config.utility.enabled:
        check_costs(learn)
    # Without texts every part is fitted blind to them, not the network alone.
    learn = learn if config.graph.texts else learn.without_vectors()
    graph, card = _fit_network(learn, config, run, resume, report)
    posterior, notes = fit_closed_form(learn, config, report)
    if posterior is not None:
        card["posterior"] = posterior.summary()
    router, said = join_parts(posterior, graph, learn)
    router.texts = config.graph.texts
    card["notes"] = [*notes, *said]
    card["network_weight"] = router.weight
    return router, card


def _fit_network(
    learn: Dataset, config: RunConfig, run: RunFolder, resume: bool, report: Report | None
) -> tuple[NetworkRouter | None, dict[str, Any]]:
    """Train the graph network where the settings ask for it; return it and what the card says of its training."""
    if not config.posterior.network:
        return None, {}
    scorer, progress = train_scorer(learn, config, run, resume, report)
    best = {
        "step": progress.best_step,
        # Without a pair to validate on there is no best AUC, and JSON knows no infinity.
        "valid_auc": None if np.isinf(progress.best_auc) else progress.best_auc,
        "valid_accuracy": None if np.isnan(progress.best_accuracy) else progress.best_accuracy,
        "steps": progress.step,
        "seconds": round(progress.seconds, 1),
    }
    return NetworkRouter(scorer, config.graph, next(scorer.parameters()).device), {"best": best}


def fit_closed_form(
    learn: Dataset, config: RunConfig, report: Report | None = None
) -> tuple[ClosedForm | None, list[str]]:
    """Fit the closed form that the settings ask for; return it and what there is to say about its fit.

    Traits are learned for the hierarchical posterior; a utility has the weight of quality in their place.
    """
    if not config.posterior.enabled:
        return None, []
    if config.utility.enabled:
        utility = UtilityRouter(config.utility.half_life).fit(learn)
        return utility, utility.notes
    # Traits are learned on top of a fitted posterior, whose kernel and answer quality they start from.
    posterior = new_hierarchical(config).fit(learn)
    if not config.traits.enabled:
        return posterior, posterior.notes
    with_traits, note = learn_traits(posterior, learn, config, report=report)
    return with_traits, [*posterior.notes, note]


def join_parts(posterior: ClosedForm | None, graph: NetworkRouter | None, data: Dataset) -> tuple[GmtRouter, list[str]]:
    """Choose how much the network adds to the posterior, on the VALID votes given the TRAIN ones.

    The network must lower the log loss by more than two standard errors of the paired difference,
    for its weights were chosen on the same votes; else it is switched off.

    Returns:
        The router, and what there is to say about the choice.
    """
    # One half alone has nothing to choose.
    if posterior is None or graph is None:
        return GmtRouter(posterior, graph, 0.0 if graph is None else 1.0), []
    valid = posterior.validation(data) if isinstance(posterior, HierarchicalModel) else ValidationVotes.of(data)
    if valid is None:
        return GmtRouter(posterior, graph, 0.0), ["There is no vote to validate on: the network is switched off."]
    # Each half scores once; every weight is a sum of the two.
    scores = (router.score(valid.history, valid.questions) for router in (posterior, graph))
    # Padding has -inf, and 0 times -inf is NaN.
    base, extra = (np.where(valid.questions.mask, found, 0.0) for found in scores)
    losses = {weight: valid.losses(base + weight * extra, posterior.logits) for weight in WEIGHTS}
    best = best_setting(WEIGHTS, lambda weight: losses[weight])
    gain, doubt = paired_gain(losses[0.0], losses[best])
    found = f"on validation it {'lowers' if gain >= 0 else 'raises'} the log loss by {abs(gain):.4f} ± {doubt:.4f}"
    if gain <= doubt:
        return GmtRouter(posterior, graph, 0.0), [f"The network is switched off: {found}."]
    return GmtRouter(posterior, graph, best), [f"The network joins with weight {best:g}: {found}."]
