"""Learn the traits of models and queries through the posterior's own solve, on votes it was not fitted to."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from gmt.config import TraitsConfig
from gmt.data.dataset import Dataset
from gmt.data.interactions import TRAIN
from gmt.errors import DataError
from gmt.model.seeding import seeded
from gmt.model.trait_network import TraitNetwork
from gmt.posterior.differentiable_likelihood import log_likelihood
from gmt.posterior.hierarchical import HierarchicalBradleyTerry
from gmt.posterior.implicit_mode import implicit_mode
from gmt.posterior.user_batch import UserBatch
from gmt.routing.conversation_reading import ReadQueries
from gmt.training.trait_folds import FOLDS, Folds, fold_votes

SHOWN_WHOLE = 0.5
"""Chance that a user's history is shown whole in a step; else a random share of it, so that short ones serve too."""
SHARE_OF_COVARIANCE = 0.5
"""Share of S that the traits start with; the rest stays with the posterior's own kernel."""
MOST_VOTES_READ = 1500
"""Votes of one user that a step reads at most; T of them cost T² memory and T³ time."""
RESIDUAL_NOISE = 0.02
"""Deviation that keeps traits which start alike from learning alike."""
LEAST_QUERY_SCALE, LEAST_STYLE = 0.1, 0.01
"""Amplitudes are learned as logarithms, which cannot leave 0; these are where a term that fit chose as 0 starts."""


def train_traits(router: HierarchicalBradleyTerry, data: Dataset, config: TraitsConfig, seed: int) -> TraitNetwork:
    """Learn traits so that a user's shown votes predict their others.

    Each step shows some of a batch of users' votes and predicts those of one fold, given what everybody
    else's and their shown votes say without that fold; the gradient goes through the solve.

    Args:
        router: The fitted posterior that the traits will join; it is not changed.
        data: Its TRAIN comparisons are learned from; others are not read.
        config: Sizes and steps.
        seed: Of weights, folds and draws.

    Raises:
        DataError: The posterior was not fitted.
    """
    train = data.select(data.table.split == TRAIN)
    generator = np.random.default_rng([seed, 11])  # a stream apart from other draws of the seed
    folds = fold_votes(router, train, generator)
    with seeded(seed):
        network = _initial(router, train, config)
    covariance = router.user_covariance(train)
    # What is read from texts is decayed by a setting of its own; amplitudes not at all, for decay would pull them to 1.
    groups = [
        {"params": [network.residual, network.read_model.weight], "weight_decay": config.weight_decay},
        {"params": [network.read_query.weight, network.task], "weight_decay": config.query_decay},
        {"params": [network.log_amplitudes], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=config.lr)
    users = np.unique(folds.votes.user)
    for step in range(config.steps):
        for group in optimizer.param_groups:
            group["lr"] = config.lr * _share_of_peak(step, config.steps)
        part = int(generator.integers(FOLDS))
        chosen = generator.choice(users, min(config.users, len(users)), replace=False)
        loss, count = torch.zeros(()), 0
        for found, votes in _losses(network, train, folds, part, chosen, covariance, generator):
            loss, count = loss + found, count + votes
        # A batch whose users have no vote in the fold teaches nothing.
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
    if router.query_centre is None or router.model_centre is None:
        raise DataError("the posterior was not fitted; fit it before its traits are learned")
    vectors = train.vectors.shape[1]
    models = len(train.table.models)
    network = TraitNetwork(vectors, models, config.count, len(train.table.tasks))
    network.get_buffer("query_centre").copy_(torch.from_numpy(router.query_centre))
    network.get_buffer("model_centre").copy_(torch.from_numpy(router.model_centre))
    settings = router.settings
    # Behind the models S has position bias, discrimination and leniency, which are no traits of models.
    size, basis = np.linalg.eigh(router.user_covariance(train)[:models, :models])
    kept = min(config.count, models)
    scale = np.sqrt(np.maximum(SHARE_OF_COVARIANCE * settings.prior_scale * size[-kept:], 0))
    own = torch.zeros(models, config.count)
    own[:, :kept] = torch.from_numpy(basis[:, -kept:] * scale)
    network.residual.data.copy_(own + RESIDUAL_NOISE * torch.randn(own.shape))
    # A term that is switched off starts at log 0 = -inf, which no step moves.
    query = max(settings.query_kernel_scale, LEAST_QUERY_SCALE) if router.start.query_kernel_scale else 0.0
    begin = torch.tensor([SHARE_OF_COVARIANCE * settings.prior_scale, query, max(settings.style_variance, LEAST_STYLE)])
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
    """Yield the summed log loss of the votes of a fold, batch of users by batch, and how many they are."""
    votes, offset = folds.votes, folds.offset[part]
    traits = network.of_models(torch.as_tensor(train.model_vectors, dtype=torch.float32))
    for _, index in votes.batches(chosen):
        # Of a user of very many votes each step reads some, drawn anew; nothing is drawn for others.
        if index.shape[1] > MOST_VOTES_READ:
            index = np.sort(generator.choice(index, MOST_VOTES_READ, replace=False, axis=1), axis=1)
        batch = UserBatch(votes, index, offset, covariance)
        at = np.maximum(index, 0)
        # 1. The votes of the fold are predicted; of the others a random share is shown.
        target = torch.from_numpy((folds.fold[at] == part) & batch.mask)
        shown = batch.mask & (folds.fold[at] != part)
        # Histories of all lengths are shown, since users come with few votes as well as with many.
        keep = np.where(generator.random(len(at)) < SHOWN_WHOLE, 1.0, generator.random(len(at)))
        shown &= generator.random(shown.shape) < keep[:, None]
        if not target.any():
            continue
        # 2. The posterior's own kernel with learned amplitudes, and the kernel of the traits.
        kernel = _own_kernel(network, batch, folds.conversation_scale)
        kernel = kernel + _trait_kernel(network, traits, folds.queries, batch)
        # 3. The mode given the shown votes, found in double precision, predicts the hidden ones.
        y, known = _tensor(batch.outcomes.y), _tensor(batch.offset)
        alpha = implicit_mode(kernel.double(), known.double(), batch.outcomes, torch.from_numpy(shown)).float()
        logit = (kernel @ alpha[:, :, None])[:, :, 0] + known
        if batch.outcomes.lower is None and batch.outcomes.weight is None:
            found = torch.nn.functional.binary_cross_entropy_with_logits(logit[target], y[target], reduction="sum")
        else:
            found = -log_likelihood(batch.outcomes, logit)[target].sum()
        yield found, int(target.sum())


def _own_kernel(network: TraitNetwork, batch: UserBatch, conversation: float) -> Tensor:
    """Return (B, T, T) the terms of the posterior's kernel under the learned amplitudes, and that of conversations."""
    terms = batch.among()
    user, query, style = network.log_amplitudes.exp()
    kernel = user * _tensor(terms.linear) + query * user * _tensor(terms.query)
    if terms.conversation is not None:
        kernel = kernel + conversation * user * _tensor(terms.conversation)
    return kernel + style * _tensor(terms.features[0]) if terms.features else kernel


def _trait_kernel(network: TraitNetwork, traits: Tensor, read: ReadQueries, batch: UserBatch) -> Tensor:
    """Return (B, T, T) products of the traits of a's answer less those of b's, if there is one."""
    queries, code = np.unique(batch.query, return_inverse=True)
    asked = read.select(queries)
    texts = torch.as_tensor(asked.vectors, dtype=torch.float32)
    weights = network.weights(texts, torch.as_tensor(asked.keys.task))
    # An answer judged alone has no second one.
    second = traits[batch.b] * torch.from_numpy(~batch.lone)[:, :, None]
    gap = (traits[batch.a] - second) * weights[code.reshape(batch.query.shape)]
    return gap @ gap.transpose(1, 2)


def _tensor(values: np.ndarray) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float32)
