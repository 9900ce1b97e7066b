"""Decide on VALID whether traits of models and queries are learned, how many, and whether they join the posterior."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from threadpoolctl import threadpool_limits

from gmt.config import RunConfig, TraitsConfig
from gmt.data.dataset import Dataset
from gmt.model.trait_network import TraitNetwork
from gmt.posterior.hierarchical import HierarchicalBradleyTerry
from gmt.routing.grid import best_setting, paired_gain
from gmt.routing.search_sample import search_sample
from gmt.training.train_traits import train_traits


def learn_traits(
    router: HierarchicalBradleyTerry, data: Dataset, config: RunConfig
) -> tuple[HierarchicalBradleyTerry, str]:
    """Join learned traits to a fitted posterior if they lower the log loss of the VALID votes.

    A quarter of the traits, trained for a quarter of the steps, must first gain anything at all. Then F, F / 2
    and F / 4 traits are trained in full, the best on VALID is trained again from other seeds, and the mean of
    their kernels must win by two standard errors of the paired difference, or the posterior stays as it is.

    Args:
        router: The fitted posterior.
        data: TRAIN and VALID comparisons; of very many those of a sample of users are read.
        config: Settings.

    Returns:
        The posterior with or without traits, and what there is to say about the choice.
    """
    traits, data = config.traits, search_sample(data)
    valid = router.validation(data)
    if valid is None:
        return router, "There is no vote to validate on: the learned traits are switched off."

    def train(choice: TraitsConfig, number: int = 0) -> TraitNetwork:
        return train_traits(router, data, choice, config.seed * traits.networks + number)

    def losses(network: TraitNetwork) -> np.ndarray:
        return valid.losses_of(router.with_learned_traits(network))

    with threadpool_limits(1):  # many small solves: threads cost more than they give
        base = valid.losses_of(router)
        best = probe = replace(traits, count=max(1, traits.count // 4), steps=max(1, traits.steps // 4))
        network = train(probe)
        gain, doubt = paired_gain(base, losses(network))
        # What a small and short probe gains nothing from is not worth the full training.
        if gain > 0:
            sizes = sorted({max(1, traits.count // share) for share in (1, 2, 4)}, reverse=True)
            tried = {probe: network} | {
                choice: train(choice) for choice in (replace(traits, count=size) for size in sizes)
            }
            best = best_setting(tried, lambda choice: losses(tried[choice]))
            # The kernels' mean over seeds varies less than one of them, at F traits each.
            others = [train(best, number) for number in range(1, traits.networks)]
            network = TraitNetwork.joined([tried[best], *others])
            gain, doubt = paired_gain(base, losses(network))
    found = f"on validation they lower the log loss by {gain:.4f} ± {doubt:.4f}"
    if gain <= doubt:
        return router, f"The learned traits are switched off: {found}."
    return router.with_learned_traits(network), f"{best.count} learned traits join: {found}."
