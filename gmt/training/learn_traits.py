"""Learn the traits of models and queries through the posterior's own solve, on votes it was not fitted to."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from gmt.config import RunConfig, TraitsConfig
from gmt.data.dataset import Dataset
from gmt.data.interactions import TRAIN, InteractionTable
from gmt.model.trait_network import TraitNetwork
from gmt.posterior.hierarchical import ROUNDS, HierarchicalBradleyTerry, settle
from gmt.posterior.learned_features import implicit_mode, with_traits
from gmt.posterior.user_effects import Past, People
from gmt.routing.grid import ValidationVotes, best_setting, paired_gain

FOLDS = 5
WHOLE = 0.5
"""Chance that a person's history is shown whole in a step; else a random share of it, so that short ones serve too."""


@dataclass(frozen=True, eq=False)
class Folds:
    """Hold the TRAIN votes cut by conversation, and what everybody's f says of them when fitted without each fold."""

    past: Past
    fold: np.ndarray  # (V,)
    shift: np.ndarray  # (FOLDS, V) differences of f


def folds_of(table: InteractionTable, generator: np.random.Generator) -> np.ndarray:
    """Return (C,) one of `FOLDS` folds of every comparison, the same within a conversation."""
    return generator.permutation(np.arange(len(table.conversations)) % FOLDS)[table.conversation]


def fold_votes(router: HierarchicalBradleyTerry, train: Dataset, generator: np.random.Generator) -> Folds:
    """Cut the TRAIN votes of a fitted posterior by conversation, and fit f without each fold."""
    read = router.read(train)
    past, prior = read.past, router.prior(train, read, router.settings)
    fold = folds_of(train.table, generator)[past.comparison]
    shifts = []
    for part in range(FOLDS):
        shared, _ = settle(prior, past.select(fold != part), read.people, ROUNDS)
        shifts.append(shared.differences(past.query, past.a, past.b))
    return Folds(past, fold, np.stack(shifts))


def learn_traits(
    router: HierarchicalBradleyTerry, data: Dataset, config: RunConfig
) -> tuple[HierarchicalBradleyTerry, str]:
    """Join learned traits to a fitted posterior if they lower the log loss of the VALID votes.

    A quarter of the traits, trained for a quarter of the steps, must first gain anything at all. Then F, F / 2
    and F / 4 traits are trained in full, the best on VALID is trained again from other seeds, and the mean of
    their kernels must win by two standard errors of the paired difference, or the posterior stays as it is.

    Args:
        router: The fitted posterior.
        data: TRAIN and VALID comparisons.
        config: Settings.

    Returns:
        The posterior with or without traits, and what there is to say about the choice.
    """
    traits = config.traits
    valid = ValidationVotes.of(data)
    if valid is None:
        return router, "There is no vote to validate on: the learned traits are switched off."

    def train(choice: TraitsConfig, number: int = 0) -> TraitNetwork:
        return train_traits(router, data, choice, config.seed * traits.networks + number)

    def losses(network: TraitNetwork) -> np.ndarray:
        return valid.losses_of(with_traits(router, network))

    with threadpool_limits(1):  # many small solves: threads cost more than they give
        base = valid.losses_of(router)
        best = probe = replace(traits, count=max(1, traits.count // 4), steps=max(1, traits.steps // 4))
        network = train(probe)
        gain, doubt = paired_gain(base, losses(network))
        if gain > 0:
            sizes = sorted({max(1, traits.count // share) for share in (1, 2, 4)}, reverse=True)
            tried = {probe: network} | {
                choice: train(choice) for choice in (replace(traits, count=size) for size in sizes)
            }
            best = best_setting(tried, lambda choice: losses(tried[choice]))
            others = [train(best, number) for number in range(1, traits.networks)]
            network = TraitNetwork.joined([tried[best], *others])
            gain, doubt = paired_gain(base, losses(network))
    found = f"on validation they lower the log loss by {gain:.4f} ± {doubt:.4f}"
    if gain <= doubt:
        return router, f"The learned traits are switched off: {found}."
    return with_traits(router, network), f"{best.count} learned traits join: {found}."


def train_traits(router: HierarchicalBradleyTerry, data: Dataset, config: TraitsConfig, seed: int) -> TraitNetwork:
    """Learn traits so that a person's shown votes foretell their others.

    Each step shows some of a batch of people's votes and asks those of one fold, given what everybody
    else's and their shown votes say without that fold; the gradient goes through the solve.

    Args:
        router: The fitted posterior that the traits will join; it is not changed.
        data: Its TRAIN comparisons are learned from; others are not read.
        config: Sizes and steps.
        seed: Of weights, folds and draws.
    """
    train = data.select(data.table.split == TRAIN)
    generator = np.random.default_rng([seed, 11])
    torch.manual_seed(seed)
    folds = fold_votes(router, train, generator)
    network = _initial(router, train, config)
    covariance = router.people(train)
    groups = [
        {"params": [network.residual, network.read_model.weight], "weight_decay": config.weight_decay},
        {"params": [network.read_query.weight, network.task], "weight_decay": config.query_decay},
        {"params": [network.log_amplitudes], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=config.lr)
    everybody = np.unique(folds.past.user)
    for step in range(config.steps):
        for group in optimizer.param_groups:
            group["lr"] = config.lr * _share_of_peak(step, config.steps)
        part = int(generator.integers(FOLDS))
        chosen = generator.choice(everybody, min(config.users, len(everybody)), replace=False)
        loss, count = torch.zeros(()), 0
        for found, votes in _losses(network, train, folds, part, chosen, covariance, generator):
            loss, count = loss + found, count + votes
        if count:
            optimizer.zero_grad()
            (loss / count).backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
    return network.eval()


def _share_of_peak(step: int, steps: int) -> float:
    """Return the share of the peak learning rate: up over a tenth of the steps, then down to nothing."""
    rise = max(0.1 * steps, 1.0)
    place = step + 1
    return place / rise if place <= rise else 0.5 * (1 + math.cos(math.pi * (place - rise) / (steps - rise + 1)))


def _initial(router: HierarchicalBradleyTerry, train: Dataset, config: TraitsConfig) -> TraitNetwork:
    """Start from what S already says of the models: half its strongest directions become traits."""
    vectors = train.vectors.shape[1]
    models = len(train.table.models)
    network = TraitNetwork(vectors, models, config.count, len(train.table.tasks))
    assert router.query_centre is not None and router.model_centre is not None
    network.get_buffer("query_centre").copy_(torch.from_numpy(router.query_centre))
    network.get_buffer("model_centre").copy_(torch.from_numpy(router.model_centre))
    size, basis = np.linalg.eigh(router.people(train)[:-2, :-2])
    kept = min(config.count, models)
    start = basis[:, -kept:] * np.sqrt(np.maximum(0.5 * router.settings.spread * size[-kept:], 0))
    own = torch.zeros(models, config.count)
    own[:, :kept] = torch.from_numpy(start)
    network.residual.data.copy_(own + 0.02 * torch.randn(own.shape))
    settings = router.settings
    memory = max(settings.memory, 0.1) if router.start.memory else 0.0  # its log is -inf, which no step moves
    begin = torch.tensor([0.5 * settings.spread, memory, max(settings.style, 0.01)])
    network.log_amplitudes.data.copy_(begin.log())
    return network


def _losses(
    network: TraitNetwork,
    train: Dataset,
    folds: Folds,
    part: int,
    chosen: np.ndarray,
    covariance: np.ndarray,
    generator: np.random.Generator,
) -> Iterator[tuple[Tensor, int]]:
    """Yield the summed log loss of the votes of a fold, batch of people by batch, and how many they are."""
    past, shift = folds.past, folds.shift[part]
    queries, tasks = past.queries.keys.query, past.queries.keys.task
    traits = network.of_models(torch.as_tensor(train.model_vectors, dtype=torch.float32))
    for _, index in past.people(chosen):
        people = People(past, index, shift, covariance)
        at = np.maximum(index, 0)
        target = torch.from_numpy((folds.fold[at] == part) & people.mask)
        shown = people.mask & (folds.fold[at] != part)
        keep = np.where(generator.random(len(at)) < WHOLE, 1.0, generator.random(len(at)))
        shown &= generator.random(shown.shape) < keep[:, None]
        if not target.any():
            continue
        parts = people.among()
        liking, memory, style = network.log_amplitudes.exp()
        asked, code = np.unique(people.query, return_inverse=True)
        texts = torch.as_tensor(train.vectors[queries[asked]], dtype=torch.float32)
        weights = network.weights(texts, torch.as_tensor(tasks[asked]))
        gap = (traits[people.a] - traits[people.b]) * weights[code.reshape(people.query.shape)]
        kernel = liking * _tensor(parts.linear) + memory * liking * _tensor(parts.memory)
        if parts.features:
            kernel = kernel + style * _tensor(parts.features[0])
        kernel = kernel + gap @ gap.transpose(1, 2)
        y, offset = _tensor(people.y), _tensor(people.shift)
        alpha = implicit_mode(kernel.double(), offset.double(), y.double(), torch.from_numpy(shown)).float()
        logit = (kernel @ alpha[:, :, None])[:, :, 0] + offset
        found = torch.nn.functional.binary_cross_entropy_with_logits(logit[target], y[target], reduction="sum")
        yield found, int(target.sum())


def _tensor(values: np.ndarray) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float32)
