"""Learn a graph scorer from episodes: step, validate, keep the best, resume to the identical result."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator

from gmt.config import RunConfig, TrainConfig
from gmt.data.build_graph import build_graph
from gmt.data.dataset import Dataset, Questions
from gmt.data.episodes import EpisodeSampler
from gmt.data.graph_batch import GraphBatch
from gmt.data.interactions import TRAIN, VALID
from gmt.data.schema import graph_schema
from gmt.evaluation.metrics import pairs_of, weighted_auc
from gmt.files import write_text
from gmt.hybrid.network_router import NetworkRouter
from gmt.model.build import Scorer, scorer_for
from gmt.model.checkpoint import load_weights
from gmt.model.eager_adamw import EagerAdamW
from gmt.model.seeding import seeded
from gmt.routing.pairwise import choices
from gmt.runs import RunFolder
from gmt.training.accelerator import new_accelerator
from gmt.training.losses import loss_of
from gmt.training.prefetch import core_to_spare, prefetch
from gmt.training.training_progress import TrainingProgress, restore_progress, save_progress

Report = Callable[[Mapping[str, Any]], None]


def new_scorer(config: RunConfig, data: Dataset) -> Scorer:
    """Return an untrained scorer for this data, weights drawn from `config.seed`."""
    schema = graph_schema(config.graph)
    with seeded(config.seed):
        return scorer_for(config.model, schema, data.vectors.shape[1], len(data.table.models))


def learning_rate(step: int, config: TrainConfig) -> float:
    """Return the share of the peak learning rate at an optimiser step, from 0."""
    if step < config.warmup:
        return (step + 1) / config.warmup
    if config.schedule == "constant":
        return 1.0
    progress = (step - config.warmup) / max(config.steps - config.warmup, 1)
    # A cosine from the peak down to a tenth of it, so that the last steps still learn.
    return 0.1 + 0.45 * (1 + math.cos(math.pi * min(progress, 1.0)))


@dataclass(frozen=True, eq=False)
class Training:
    """Hold what every step of a training needs.

    Args:
        config: Settings.
        accelerator: Places tensors and joins processes.
        model: The scorer, as Accelerate wraps it.
        optimizer: Its optimiser, as Accelerate wraps it.
    """

    config: RunConfig
    accelerator: Accelerator
    model: Any
    optimizer: Any

    def step(self, number: int, batch: GraphBatch, share: float) -> float:
        """Take one step and return its loss per pair, over all processes.

        Args:
            number: The step, from 0; decides dropout and the learning rate.
            batch: This process's part of the graph.
            share: 1, or 0 where this process has no target.
        """
        accelerator, config = self.accelerator, self.config.train
        device = accelerator.device
        # 1. Dropout is a function of the step, so that a resumed run is identical.
        gpus = [device.index or 0] if device.type == "cuda" else []
        for group in self.optimizer.param_groups:
            group["lr"] = config.lr * learning_rate(number, config)
        with seeded(_mix(self.config.seed, number), gpus), accelerator.accumulate(self.model):
            # 2. The mean is over the pairs of all processes, so that their number does not matter:
            #    Accelerate averages gradients over processes, hence the factor.
            scores = self.model(batch.to(device))
            loss, pairs = loss_of(config, scores, batch.rating.to(device))
            total: Any = accelerator.reduce(torch.tensor(pairs * share, device=device), "sum")
            objective = loss * accelerator.num_processes / total.clamp_min(1.0) * share
            accelerator.backward(objective)
            # 3. An update only after the last of `accumulate` steps; Accelerate skips the others.
            if accelerator.sync_gradients:
                accelerator.clip_grad_norm_(self.model.parameters(), config.clip)
            self.optimizer.step()
            self.optimizer.zero_grad()
        summed: Any = accelerator.reduce(loss.detach() * share, "sum")
        return float(summed) / max(float(total), 1.0)


def train_scorer(
    data: Dataset, config: RunConfig, run: RunFolder, resume: bool = False, report: Report | None = None
) -> tuple[Scorer, TrainingProgress]:
    """Train on the TRAIN comparisons, choose the weights by the VALID ones, scored in eval mode.

    Every step's episode is drawn from (seed, step) alone; several processes draw the same
    episode and each works on its share of the users, so the losses do not depend on their number.

    Args:
        data: TRAIN and VALID comparisons; others are never read.
        config: Settings.
        run: Where checkpoints and metrics.jsonl go.
        resume: Go on from the last checkpoint of the run.
        report: Called with every step's numbers.

    Returns:
        The scorer with its best weights, and where training stopped.

    Raises:
        RunError: What is to be resumed was begun with other settings.
        DataError: Nobody in TRAIN rated anything.
    """
    accelerator = new_accelerator(config)
    shown = data.select(data.table.split == TRAIN)
    sampler = EpisodeSampler(shown.table, config.episode, config.seed)
    # 1. Weights and where to begin: at the first step, or behind the last checkpoint.
    scorer = new_scorer(config, data)
    optimizer = EagerAdamW(scorer.parameters(), config.train.lr, weight_decay=config.train.weight_decay)
    progress = restore_progress(run, config, scorer, optimizer) if resume else TrainingProgress()
    if not progress.step and accelerator.is_main_process:
        write_text(run.metrics, "")
    training = Training(config, accelerator, *accelerator.prepare(scorer, optimizer))
    validation = NetworkValidation.of(data)
    started = time.monotonic() - progress.seconds
    loss_sum, loss_count = 0.0, 0

    # A function of the step alone, which `prefetch` asks for: nothing that a step changes is read.
    def build(step: int) -> tuple[GraphBatch, float]:
        return episode_batch(shown, sampler, step, config, accelerator)

    # 2. Steps; the next batch is built in a thread where a core is free for it.
    steps = range(progress.step, 0 if progress.done else config.train.steps)
    for number, (batch, share) in prefetch(build, steps, core_to_spare(accelerator.device)):
        loss = training.step(number, batch, share)
        loss_sum, loss_count = loss_sum + loss, loss_count + 1
        progress.step += 1
        line: dict[str, Any] = {"step": progress.step, "loss": loss}
        # 3. Validation, which alone decides what is kept and when to stop.
        if progress.step % config.train.eval_every == 0 or progress.step == config.train.steps:
            line = {"step": progress.step, "loss": loss_sum / loss_count}
            loss_sum, loss_count = 0.0, 0
            progress.seconds = time.monotonic() - started
            scorer = accelerator.unwrap_model(training.model)
            router = NetworkRouter(scorer, config.graph, accelerator.device)
            line |= {} if validation is None else validation.measure(router, shown)
            line |= {"lr": training.optimizer.param_groups[0]["lr"], "seconds": round(progress.seconds, 3)}
            better = progress.validated(line, config.train)
            if accelerator.is_main_process:
                save_progress(run, config, scorer, training.optimizer, progress, line, better)
            accelerator.wait_for_everyone()
        if report:
            report(line)
        if progress.done:
            break
    # Loaded from disk rather than kept: the network of the last step may be a later, worse one.
    best = new_scorer(config, data)
    load_weights(best, run.weights)
    return best.to(accelerator.device), progress


def _mix(seed: int, step: int) -> int:
    # Not seed + step: runs of neighbouring seeds would share the draws of nearly all steps.
    return int(np.random.SeedSequence([seed, step]).generate_state(1)[0])


def episode_batch(
    shown: Dataset, sampler: EpisodeSampler, step: int, config: RunConfig, accelerator: Accelerator
) -> tuple[GraphBatch, float]:
    """Return this process's share of a step's graph, and 1 (0 where it has no target)."""
    episode = sampler.draw(step)
    near = shown.select(episode.rows)  # all that a step reads: its time does not grow with the table
    history, targets = (np.searchsorted(episode.rows, part) for part in (episode.history, episode.targets))
    count, rank = accelerator.num_processes, accelerator.process_index
    share = 1.0
    if count > 1:
        users = np.unique(near.table.user[targets])
        # By user and not by target: a user's history is built once, on one process.
        mine = users[rank::count]
        if len(mine):
            targets = targets[np.isin(near.table.user[targets], mine)]
            history = history[np.isin(near.table.user[history], mine)]
        else:  # every process must take part in the step; its loss counts nothing
            share = 0.0
    ratings = near.table.select(targets).ratings
    return build_graph(near.select(history), near.questions(targets), config.graph, ratings), share


@dataclass(frozen=True, eq=False)
class NetworkValidation:
    """Hold the rated VALID comparisons as questions, with the answers to them.

    Args:
        questions: C questions.
        ratings: (C, K) their ratings.
    """

    questions: Questions
    ratings: np.ndarray

    @classmethod
    def of(cls, data: Dataset) -> NetworkValidation | None:
        """Return the VALID comparisons of some data, or None where none is rated."""
        positions = np.flatnonzero((data.table.split == VALID) & data.table.rated)
        if not len(positions):
            return None
        return cls(data.questions(positions), data.table.select(positions).ratings)

    def measure(self, router: NetworkRouter, shown: Dataset) -> dict[str, float]:
        """Return AUC and accuracy over pairs, and the mean reward of the choices; nothing where there is no pair."""
        scores = router.score(shown, self.questions)
        gap = pairs_of(self.ratings).differences(scores)
        if not len(gap):
            return {}
        # One group for all pairs: the plain AUC, with a weight of one.
        together = np.zeros(len(gap), np.int64)
        return {
            "valid_auc": float(weighted_auc(gap, together, np.ones((1, 1)))[0]),
            "valid_accuracy": float(np.mean((gap > 0) + 0.5 * (gap == 0))),
            "valid_reward": float(choices(scores, self.ratings)[0].mean()),
        }
