"""Learn the traits of answers through the posterior's own solve, on votes it was not fitted to."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from torch import Tensor

from gmt.config import RunConfig, TraitsConfig
from gmt.data.dataset import Dataset
from gmt.data.interactions import TRAIN
from gmt.model.eager_adamw import EagerAdamW
from gmt.model.seeding import seeded
from gmt.model.trait_network import TraitNetwork
from gmt.posterior.hierarchical import HierarchicalBradleyTerry
from gmt.training.accelerator import new_accelerator
from gmt.training.trait_folds import FOLDS, Folds, fold_votes
from gmt.training.trait_loss import Shard, TraitLoss
from gmt.training.trait_start import initial_traits

MOST_GRADIENT = 1.0
"""Largest gradient norm."""

Told = Callable[[int, float], None]
"""Takes a step's number, from 1, and its loss."""


@dataclass(frozen=True)
class Judge:
    """Say what VALID makes of a network.

    Args:
        loss: Returns its loss.
        least: The loss to be below; a network that never is counts as none better than the one it began as.
    """

    loss: Callable[[TraitNetwork], float]
    least: float = math.inf


def train_traits(
    router: HierarchicalBradleyTerry,
    data: Dataset,
    config: TraitsConfig,
    seed: int,
    accelerator: Accelerator | None = None,
    judge: Judge | None = None,
    tell: Told | None = None,
    loss_of: TraitLoss | None = None,
) -> TraitNetwork:
    """Learn traits so that a user's shown votes predict their others.

    Each step shows some of a batch of users' votes and predicts those of one fold, given what everybody
    else's and their shown votes say without that fold; the gradient goes through the solve. What is handed back is the
    running mean of the weights, where it was best on VALID.

    Args:
        router: The fitted posterior that the traits will join; it is not changed.
        data: Its TRAIN comparisons are learned from; others are not read.
        config: Sizes and steps.
        seed: Of weights, folds and draws.
        accelerator: Says where to compute, how precisely, and in how many processes; each solves for its share of the
            users, and the gradient is that of all.
        judge: Chooses when to stop; without it the last step does.
        tell: Called after every step.
        loss_of: What `trait_loss` returned for this seed, which networks of other sizes share.

    Raises:
        DataError: The posterior was not fitted.
    """
    accelerator = accelerator or new_accelerator(RunConfig())
    generator = np.random.default_rng([seed, 13])  # a stream apart from other draws of the seed
    with seeded(seed):
        network = initial_traits(router, data.select(data.table.split == TRAIN), config).to(accelerator.device)
    loss_of = loss_of or trait_loss(router, data, seed, accelerator)
    optimizer = accelerator.prepare(EagerAdamW(_groups(network, config), lr=config.lr))
    training = TraitTraining(config, accelerator, network, optimizer, loss_of)
    mean = copy.deepcopy(network)
    best, kept, at = math.inf if judge is None else judge.least, mean, 0
    for step in range(config.steps):
        loss = training.step(step, generator)
        # The running mean of the weights forgets the noise of single steps, and is what VALID judges.
        _follow(mean, network, min(config.averaging, step / (step + 10)))
        if tell is not None:
            tell(step + 1, loss)
        if judge is not None and (step + 1) % config.eval_every == 0:
            # Of one process for all, for they must stop at the same step.
            found = torch.tensor(judge.loss(copy.deepcopy(mean).cpu().eval()), device=accelerator.device)
            found = float(broadcast(found))  # pyright: ignore[reportArgumentType]
            if found < best:
                best, kept, at = found, copy.deepcopy(mean), step + 1
            if step + 1 - at >= config.patience * config.eval_every:
                break
    return (mean if judge is None or not at else kept).cpu().eval()


@dataclass(frozen=True, eq=False)
class TraitTraining:
    """Hold what every step of a training of traits needs.

    Args:
        config: Sizes and steps.
        accelerator: Says where to compute, and joins processes.
        network: The traits; a step changes their weights.
        optimizer: Its optimiser, as Accelerate wraps it.
        loss_of: The loss.
    """

    config: TraitsConfig
    accelerator: Accelerator
    network: TraitNetwork
    optimizer: Any
    loss_of: TraitLoss

    def step(self, number: int, generator: np.random.Generator) -> float:
        """Take one step and return its loss per vote, over all processes.

        Args:
            number: The step, from 0; decides the learning rate.
            generator: Of the fold, the users and what is shown, the same in every process.
        """
        accelerator, config = self.accelerator, self.config
        for group in self.optimizer.param_groups:
            group["lr"] = config.lr * _share_of_peak(number, config.steps) * group["share"]
        # 1. The loss of this process's users.
        part, chosen = _draw(self.loss_of.folds, config.users, generator)
        shard = Shard(accelerator.process_index, accelerator.num_processes)
        loss, count = torch.zeros(()), 0
        with accelerator.autocast():
            for found, votes in self.loss_of.parts(self.network, part, chosen, generator, shard):
                loss, count = loss + found, count + votes
        own = torch.tensor([float(loss.detach()), float(count)], device=accelerator.device)
        total, votes = accelerator.reduce(own, "sum").tolist()  # pyright: ignore[reportAttributeAccessIssue]
        # A batch whose users have no vote in the fold teaches nothing.
        if not votes:
            return 0.0
        # 2. The gradient of everybody's, as the mean over the votes of all processes.
        self.optimizer.zero_grad()
        if count:
            # Accelerate divides by the steps to accumulate, which are those of another network.
            accelerator.backward(loss / votes * accelerator.gradient_accumulation_steps)
        _sum_gradients(self.network, self.optimizer, accelerator)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), MOST_GRADIENT)
        self.optimizer.step()
        return total / votes


def trait_loss(router: HierarchicalBradleyTerry, data: Dataset, seed: int, accelerator: Accelerator) -> TraitLoss:
    """Cut the TRAIN votes into folds, and fit f without each of them."""
    train = data.select(data.table.split == TRAIN)
    folds = fold_votes(router, train, np.random.default_rng([seed, 11]))
    return TraitLoss(train, folds, router.user_covariance(train), accelerator.device)


def _draw(folds: Folds, count: int, generator: np.random.Generator) -> tuple[int, np.ndarray]:
    """Return the fold that a step predicts, and the users whose votes it reads."""
    users = np.unique(folds.votes.user)
    part = int(generator.integers(FOLDS))
    return part, generator.choice(users, min(count, len(users)), replace=False)


def _groups(network: TraitNetwork, config: TraitsConfig) -> list[dict[str, object]]:
    """Return the weights with what decays them."""
    # What is read from texts is decayed by a setting of its own; amplitudes not at all, for decay would pull them to 1.
    texts = [network.read_model.weight, network.read_query.weight]
    groups: list[dict[str, object]] = [
        {"params": [network.residual, network.task], "weight_decay": config.weight_decay, "share": 1.0},
        {"params": texts, "weight_decay": config.text_decay, "share": config.text_rate},
        {"params": [network.log_amplitudes], "weight_decay": 0.0, "share": 1.0},
    ]
    if network.encoder is not None:
        deep = [*network.encoder.parameters(), *network.hear.parameters()]
        # Weights behind one another want smaller steps than those that are read at once.
        groups.append({"params": deep, "weight_decay": config.text_decay, "share": config.text_rate})
    return groups


def _sum_gradients(network: TraitNetwork, optimizer: torch.optim.Optimizer, accelerator: Accelerator) -> None:
    """Give every process the gradient of all, added up, in the units of the loss."""
    accelerator.unscale_gradients(optimizer)
    # One vector for all weights, those without a gradient here too: another process may have one, and a weight without
    # any would not be decayed.
    weights = list(network.parameters())
    flat = torch.cat([(torch.zeros_like(w) if w.grad is None else w.grad).reshape(-1) for w in weights])
    summed: Tensor = accelerator.reduce(flat, "sum")  # pyright: ignore[reportAssignmentType]
    for weight, part in zip(weights, summed.split([weight.numel() for weight in weights]), strict=True):
        weight.grad = part.view_as(weight).clone()


def _follow(mean: TraitNetwork, network: TraitNetwork, kept: float) -> None:
    """Move the mean of the weights towards the weights, in place."""
    with torch.no_grad():
        for average, weight in zip(mean.parameters(), network.parameters(), strict=True):
            # A term that is switched off has the log amplitude -inf, and -inf less itself is no number.
            average.copy_(torch.where(average == weight, weight, torch.lerp(average, weight, 1 - kept)))


def _share_of_peak(step: int, steps: int) -> float:
    """Return the share of the peak learning rate: up over a tenth of the steps, then down to nothing."""
    rise = max(0.1 * steps, 1.0)
    place = step + 1
    return place / rise if place <= rise else 0.5 * (1 + math.cos(math.pi * (place - rise) / (steps - rise + 1)))
