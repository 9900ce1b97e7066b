"""Learn the traits of answers through the posterior's own solve, on votes it was not fitted to."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from torch import Tensor

from gmt.config import RunConfig, TraitsConfig
from gmt.data.dataset import Dataset
from gmt.data.interactions import TRAIN
from gmt.errors import DataError
from gmt.model.answer_encoder import AnswerEncoder
from gmt.model.seeding import seeded
from gmt.model.trait_network import TraitNetwork
from gmt.posterior.hierarchical import HierarchicalBradleyTerry
from gmt.training.accelerator import new_accelerator
from gmt.training.trait_folds import FOLDS, Folds, fold_votes
from gmt.training.trait_loss import Shard, TraitLoss

SHARE_OF_COVARIANCE = 0.5
"""Share of S that the traits start with; the rest stays with the posterior's own kernel."""
RESIDUAL_NOISE = 0.02
"""Deviation that keeps traits which start alike from learning alike."""
LEAST_QUERY_SCALE, LEAST_STYLE = 0.1, 0.01
"""Amplitudes are learned as logarithms, which cannot leave 0; these are where a term that fit chose as 0 starts."""
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
    shard = Shard(accelerator.process_index, accelerator.num_processes)
    train = data.select(data.table.split == TRAIN)
    generator = np.random.default_rng([seed, 13])  # a stream apart from other draws of the seed
    with seeded(seed):
        network = initial_traits(router, train, config).to(accelerator.device)
    loss_of = loss_of or trait_loss(router, data, seed, accelerator)
    optimizer = accelerator.prepare(torch.optim.AdamW(_groups(network, config), lr=config.lr))
    mean = copy.deepcopy(network)
    best, kept, at = math.inf if judge is None else judge.least, mean, 0
    for step in range(config.steps):
        for group in optimizer.param_groups:
            group["lr"] = config.lr * _share_of_peak(step, config.steps) * group["share"]
        part, chosen = _draw(loss_of.folds, config.users, generator)
        # 1. The loss of this process's users, and the gradient of everybody's.
        loss, count = torch.zeros(()), 0
        with accelerator.autocast():
            for found, votes in loss_of.parts(network, part, chosen, generator, shard):
                loss, count = loss + found, count + votes
        total = accelerator.reduce(torch.tensor([float(loss.detach()), float(count)], device=accelerator.device), "sum")
        said, votes = total.tolist()  # pyright: ignore[reportAttributeAccessIssue]
        # A batch whose users have no vote in the fold teaches nothing.
        if votes:
            optimizer.zero_grad()
            if count:
                # Accelerate divides by the steps to accumulate, which are those of another network.
                accelerator.backward(loss / votes * accelerator.gradient_accumulation_steps)
            _sum_gradients(network, optimizer, accelerator)
            torch.nn.utils.clip_grad_norm_(network.parameters(), MOST_GRADIENT)
            optimizer.step()
        # 2. The running mean of the weights forgets the noise of single steps, and is what VALID judges.
        _follow(mean, network, min(config.averaging, step / (step + 10)))
        if tell is not None:
            tell(step + 1, said / max(votes, 1.0))
        if judge is not None and (step + 1) % config.eval_every == 0:
            # Of one process for all, for they must stop at the same step.
            found = torch.tensor(judge.loss(copy.deepcopy(mean).cpu().eval()), device=accelerator.device)
            found = float(broadcast(found))  # pyright: ignore[reportArgumentType]
            if found < best:
                best, kept, at = found, copy.deepcopy(mean), step + 1
            if step + 1 - at >= config.patience * config.eval_every:
                break
    return (mean if judge is None or not at else kept).cpu().eval()


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


def initial_traits(router: HierarchicalBradleyTerry, train: Dataset, config: TraitsConfig) -> TraitNetwork:
    """Start from what S already says of the models: half its strongest directions become traits.

    Raises:
        DataError: The posterior was not fitted.
    """
    if router.query_centre is None or router.model_centre is None:
        raise DataError("the posterior was not fitted; fit it before its traits are learned")
    vectors, models = train.vectors.shape[1], len(train.table.models)
    network = TraitNetwork(vectors, models, config.count, len(train.table.tasks))
    network.get_buffer("query_centre").copy_(torch.from_numpy(router.query_centre))
    network.get_buffer("model_centre").copy_(torch.from_numpy(router.model_centre))
    settings = router.settings
    # The last two rows of S are position bias and discrimination, which are no traits of models.
    size, basis = np.linalg.eigh(router.user_covariance(train)[:-2, :-2])
    kept = min(config.count, models)
    scale = np.sqrt(np.maximum(SHARE_OF_COVARIANCE * settings.prior_scale * size[-kept:], 0))
    own = torch.zeros(models, config.count)
    own[:, :kept] = torch.from_numpy(basis[:, -kept:] * scale)
    network.residual.data.copy_(own + RESIDUAL_NOISE * torch.randn(own.shape))
    # A term that is switched off starts at log 0 = -inf, which no step moves.
    query = max(settings.query_kernel_scale, LEAST_QUERY_SCALE) if router.start.query_kernel_scale else 0.0
    begin = torch.tensor([SHARE_OF_COVARIANCE * settings.prior_scale, query, max(settings.style_variance, LEAST_STYLE)])
    network.log_amplitudes.data.copy_(begin.log())
    # Drawn last, so that all else begins alike with and without messages.
    if config.layers:
        network.listen(AnswerEncoder(vectors, config.width, config.heads, config.layers))
    return network
