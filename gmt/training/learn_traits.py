"""Decide on VALID whether traits of answers are learned, how many, whether by messages, and whether they join."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from accelerate import Accelerator

from gmt.config import RunConfig, TraitsConfig
from gmt.data.dataset import Dataset
from gmt.model.trait_ensemble import LearnedTraits, TraitEnsemble
from gmt.model.trait_network import TraitNetwork
from gmt.posterior.conditioned_posterior import ConditionedPosterior
from gmt.posterior.hierarchical import HierarchicalBradleyTerry
from gmt.routing.grid import ValidationVotes, best_setting, paired_gain
from gmt.routing.one_thread import one_thread
from gmt.routing.search_sample import search_sample
from gmt.training.accelerator import new_accelerator
from gmt.training.train_network import Report
from gmt.training.train_traits import Judge, train_traits, trait_loss
from gmt.training.trait_loss import TraitLoss

LADDER = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
"""How many traits are tried, from `PROBE` on up or down."""
PROBE = 4
"""Traits of the first network, where the settings allow so many."""
READ_FASTER = 4.0
"""Factor of the rate at which texts are learned to be read that is tried beside 1."""
PROBE_PATIENCE = 2
"""Validations without a gain after which a first network is given up, and with it all learning of traits."""
TRAIT_QUALITY_VARIANCES = (0.0, 0.03, 0.3)
"""What is tried on VALID of how much each trait adds to the quality of an answer."""


@dataclass(frozen=True, eq=False)
class TraitTrials:
    """Train traits for a fitted posterior, and measure what they gain on VALID.

    Args:
        router: The posterior.
        data: TRAIN and VALID comparisons.
        config: Settings of the run.
        valid: The VALID votes.
        accelerator: Says where to compute, how precisely, and in how many processes.
        report: Called with every step's numbers.
    """

    router: HierarchicalBradleyTerry
    data: Dataset
    config: RunConfig
    valid: ValidationVotes
    accelerator: Accelerator
    report: Report | None = None
    _shared: dict[int, TraitLoss] = field(default_factory=dict)

    @cached_property
    def base(self) -> np.ndarray:
        """(V,) losses of the posterior without traits."""
        return self.valid.losses_of(self.router)

    @cached_property
    def _fitted(self) -> ConditionedPosterior:
        """The posterior given TRAIN, whose f and thresholds traits of users do not change."""
        return self.router.condition(self.valid.history)

    def losses(self, traits: LearnedTraits) -> np.ndarray:
        """Return (V,) losses of the posterior whose users read the traits, as `losses_of` but with f fitted once."""
        joined = self.router.with_learned_traits(traits)
        prepared = joined.prepare(self.valid.history)
        fitted, votes = self._fitted, prepared.votes.under(self._fitted.votes.scales)
        conditioned = prepared.conditioned(joined.settings, fitted.quality, prepared.user_covariance, votes)
        return self.valid.losses(conditioned.score(self.valid.history, self.valid.questions), joined.logits)

    def train(self, choice: TraitsConfig, number: int = 0) -> TraitNetwork:
        """Return a network of some size, the best on VALID of what its training passed through."""
        seed = self.config.seed * self.config.traits.networks + number

        def tell(step: int, loss: float) -> None:
            if self.report is not None:
                self.report({"step": step, "loss": loss, "traits": choice.count})

        judge = Judge(lambda network: float(self.losses(network).mean()), float(self.base.mean()))
        return train_traits(self.router, self.data, choice, seed, self.accelerator, judge, tell, self._loss(seed))

    def _loss(self, seed: int) -> TraitLoss:
        """Return what networks of a seed are trained by; f without each fold costs more than many steps."""
        if seed not in self._shared:
            self._shared.clear()  # networks of a seed are trained one after the other
            self._shared[seed] = trait_loss(self.router, self.data, seed, self.accelerator)
        return self._shared[seed]

    def gain(self, traits: LearnedTraits) -> tuple[float, float]:
        """Return how much the traits lower the log loss, and two standard errors of that."""
        return paired_gain(self.base, self.losses(traits))


def learn_traits(
    router: HierarchicalBradleyTerry,
    data: Dataset,
    config: RunConfig,
    accelerator: Accelerator | None = None,
    report: Report | None = None,
) -> tuple[HierarchicalBradleyTerry, str]:
    """Join learned traits to a fitted posterior if they lower the log loss of the VALID votes.

    A first network must soon gain anything at all: one that reads texts alone, or else one that also hears messages.
    Then more and fewer traits are tried, and messages at the best size; the best choice is trained again from other
    seeds, and the mean of their kernels must win by two standard errors of the paired difference, or the posterior
    stays as it is. Last, VALID chooses how much the traits add to answer quality.

    Args:
        router: The fitted posterior.
        data: TRAIN and VALID comparisons; of very many those of a sample of users are read.
        config: Settings.
        accelerator, report: As in `TraitTrials`.

    Returns:
        The posterior with or without traits, and what there is to say about the choice.
    """
    data = search_sample(data)
    valid = router.validation(data)
    if valid is None:
        return router, "There is no vote to validate on: the learned traits are switched off."
    trials = TraitTrials(router, data, config, valid, accelerator or new_accelerator(config), report)
    with one_thread():  # many small solves: threads cost more than they give
        tried = _probes(trials)
        best = best_setting(tried, lambda choice: trials.losses(tried[choice]))
        traits: LearnedTraits = tried[best]
        gain, doubt = trials.gain(traits)
        # What a first network gains nothing from is not worth the others.
        if gain > 0:
            best, traits = _best_of_all(trials, tried)
            gain, doubt = trials.gain(traits)
        found = f"on validation they {'lower' if gain >= 0 else 'raise'} the log loss by {abs(gain):.4f} ± {doubt:.4f}"
        if gain <= doubt:
            return router, f"The learned traits are switched off: {found}."
        joined = _with_quality(router.with_learned_traits(traits), valid)
    heard = f", heard over {best.layers} layers of messages" if best.layers else ""
    return joined, f"{best.count} learned traits join{heard}: {found}."


def _probes(trials: TraitTrials) -> dict[TraitsConfig, TraitNetwork]:
    """Train one small network, and one that hears messages where it gained nothing and there is something to hear."""
    traits = trials.config.traits
    small = replace(
        traits,
        count=max(size for size in LADDER if size <= min(PROBE, traits.count)),
        patience=min(PROBE_PATIENCE, traits.patience),
    )
    tried = {replace(small, layers=0): trials.train(replace(small, layers=0))}
    shows = bool((trials.valid.history.table.response >= 0).any() or trials.valid.history.table.turn.any())
    if small.layers and shows and trials.gain(next(iter(tried.values())))[0] <= 0:
        # Messages cost most of a step's time and gained nothing on real votes so far: one validation decides.
        once = replace(small, patience=1)
        tried[once] = trials.train(once)
    return tried


def _best_of_all(
    trials: TraitTrials, probes: Mapping[TraitsConfig, TraitNetwork]
) -> tuple[TraitsConfig, LearnedTraits]:
    """Return the best size and depth on VALID, and networks of it that share a kernel."""
    traits = trials.config.traits
    tried = dict(probes)
    losses = {choice: trials.losses(network) for choice, network in tried.items()}

    def attempt(count: int, layers: int, rate: float = traits.text_rate) -> bool:
        """Train a choice that is new, and tell whether it is the best so far."""
        # Probes differ in their patience too, which counts only where nothing is gained.
        if any((known.count, known.layers, known.text_rate) == (count, layers, rate) for known in tried):
            return False
        choice = replace(traits, count=count, layers=layers, text_rate=rate)
        tried[choice] = trials.train(choice)
        losses[choice] = trials.losses(tried[choice])
        return best_setting(losses, losses.__getitem__) == choice

    # 1. Sizes from that of the probe on, up or down as long as each is better than the one before.
    place = LADDER.index(next(iter(probes)).count)
    for step in (-1, 1):
        at = place + step
        while 0 <= at < len(LADDER) and LADDER[at] <= traits.count and attempt(LADDER[at], 0):
            at += step
    # 2. Where no task says what a query is about, its text must, and soon.
    best = best_setting(losses, losses.__getitem__)
    attempt(best.count, best.layers, READ_FASTER * traits.text_rate)
    # 3. Messages at the best of them.
    best = best_setting(losses, losses.__getitem__)
    if traits.layers:
        attempt(best.count, traits.layers, best.text_rate)
    best = best_setting(losses, losses.__getitem__)
    # 4. The kernels' mean over seeds varies less than one of them, at F traits each.
    others = [trials.train(best, number) for number in range(1, traits.networks)]
    return best, TraitEnsemble.of([tried[best], *others])


def _with_quality(router: HierarchicalBradleyTerry, valid: ValidationVotes) -> HierarchicalBradleyTerry:
    """Choose on VALID how much the learned traits add to the quality of an answer, if anything."""
    tried = [router.with_trait_quality(variance) for variance in TRAIT_QUALITY_VARIANCES]
    found = [valid.losses_of(one) for one in tried]
    return tried[best_setting(range(len(tried)), lambda number: found[number])]
