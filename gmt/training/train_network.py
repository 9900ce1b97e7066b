"""Learn a graph scorer from episodes: step, validate, keep the best, resume to the identical result."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs, set_seed
from torch import Tensor

from gmt.config import RunConfig, TrainConfig
from gmt.data.build_graph import build_graph
from gmt.data.dataset import Dataset
from gmt.data.episodes import EpisodeSampler
from gmt.data.graph_batch import GraphBatch
from gmt.data.interactions import TRAIN, VALID
from gmt.data.schema import graph_schema
from gmt.errors import RunError
from gmt.evaluation.metrics import pairs_of, weighted_auc
from gmt.files import write_json, write_text
from gmt.hybrid.graph_router import GraphRouter
from gmt.model.build import Scorer, scorer_for
from gmt.model.checkpoint import load_tensors, load_weights, optimizer_tensors, restore_optimizer, save_tensors
from gmt.routing.pairwise import choices
from gmt.runs import RunFolder, read_json, read_jsonl
from gmt.training.allocator import keep_freed_memory
from gmt.training.losses import loss_of
from gmt.training.prefetch import ahead, core_to_spare

Report = Callable[[Mapping[str, Any]], None]


@dataclass
class Progress:
    """Hold where training stands; written with every validation so that it can go on from there."""

    step: int = 0
    best_step: int = 0
    best: float = -math.inf
    best_auc: float = -math.inf
    best_accuracy: float = math.nan
    stale: int = 0
    done: bool = False
    seconds: float = 0.0


def new_scorer(config: RunConfig, data: Dataset) -> Scorer:
    """Return an untrained scorer for this data, weights drawn from `config.seed`."""
    set_seed(config.seed)
    schema = graph_schema(config.graph)
    return scorer_for(config.model, schema, data.vectors.shape[1], len(data.table.models))


def new_accelerator(config: RunConfig) -> Accelerator:
    """Return what places tensors and joins the processes of a training."""
    AcceleratorState._reset_state()  # an earlier training of this process may have had another precision
    return Accelerator(
        mixed_precision=config.train.precision,
        gradient_accumulation_steps=config.train.accumulate,
        # feedback in words and turn edges are not in every batch
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
    )


def learning_rate(step: int, config: TrainConfig) -> float:
    """Return the share of the peak learning rate at an optimiser step, from 0."""
    if step < config.warmup:
        return (step + 1) / config.warmup
    if config.schedule == "constant":
        return 1.0
    progress = (step - config.warmup) / max(config.steps - config.warmup, 1)
    return 0.1 + 0.45 * (1 + math.cos(math.pi * min(progress, 1.0)))


def train_scorer(
    data: Dataset, config: RunConfig, run: RunFolder, resume: bool = False, report: Report | None = None
) -> tuple[Scorer, Progress]:
    """Train on the TRAIN comparisons, choose the weights by the VALID ones, asked in eval mode.

    Every step's episode is drawn from (seed, step) alone; several processes draw the same
    episode and each works on its share of the people, so the losses do not depend on their number.

    Args:
        data: TRAIN and VALID comparisons; others are never read.
        config: Settings.
        run: Where checkpoints and metrics.jsonl go.
        resume: Go on from the last checkpoint of the run.
        report: Called with every step's numbers.

    Returns:
        The scorer with its best weights, and where training stopped.

    Raises:
        RunError: There is nothing to resume, or it was made with other settings.
        DataError: Nobody in TRAIN rated anything.
    """
    accelerator = new_accelerator(config)
    shown = data.select(data.table.split == TRAIN)
    sampler = EpisodeSampler(shown.table, config.episode, config.seed)
    scorer = new_scorer(config, data)
    optimizer = torch.optim.AdamW(scorer.parameters(), config.train.lr, weight_decay=config.train.weight_decay)
    progress = Progress()
    if resume:
        progress = _restore(run, config, scorer, optimizer)
    elif accelerator.is_main_process:
        write_text(run.metrics, "")
    model, optimizer = accelerator.prepare(scorer, optimizer)
    validation = _validation(data)
    started = time.monotonic() - progress.seconds
    loss_sum, loss_count = 0.0, 0

    def build(step: int) -> tuple[GraphBatch, float]:
        return episode_batch(shown, sampler, step, config, accelerator)

    keep_freed_memory()
    spare = core_to_spare(accelerator.device)
    for step, (batch, share) in ahead(build, range(progress.step, 0 if progress.done else config.train.steps), spare):
        set_seed(_mix(config.seed, step))  # dropout is a function of the step, so a resumed run is identical
        for group in optimizer.param_groups:
            group["lr"] = config.train.lr * learning_rate(step, config.train)
        with accelerator.accumulate(model):
            scores = model(batch.to(accelerator.device))
            loss, pairs = loss_of(config.train, scores, batch.rating.to(accelerator.device))
            total: Any = accelerator.reduce(torch.tensor(pairs * share, device=accelerator.device), "sum")
            objective = loss * accelerator.num_processes / total.clamp_min(1.0) * share
            accelerator.backward(objective)
            if accelerator.sync_gradients:
                accelerator.clip_grad_norm_(model.parameters(), config.train.clip)
            optimizer.step()
            optimizer.zero_grad()
        summed: Any = accelerator.reduce(loss.detach() * share, "sum")
        value = float(summed) / max(float(total), 1.0)
        loss_sum, loss_count = loss_sum + value, loss_count + 1
        progress.step += 1
        line: dict[str, Any] = {"step": progress.step, "loss": value}
        if progress.step % config.train.eval_every == 0 or progress.step == config.train.steps:
            line = {"step": progress.step, "loss": loss_sum / loss_count}
            loss_sum, loss_count = 0.0, 0
            progress.seconds = time.monotonic() - started
            scorer = accelerator.unwrap_model(model)
            line |= _validate(scorer, shown, validation, config, accelerator.device)
            line |= {"lr": optimizer.param_groups[0]["lr"], "seconds": round(progress.seconds, 3)}
            better = _note(progress, line, config.train)
            if accelerator.is_main_process:
                _save(run, config, scorer, optimizer, progress, line, better)
            accelerator.wait_for_everyone()
        if report:
            report(line)
        if progress.done:
            break
    best = new_scorer(config, data)
    load_weights(best, run.weights)
    return best.to(accelerator.device), progress


def _mix(seed: int, step: int) -> int:
    return int(np.random.SeedSequence([seed, step]).generate_state(1)[0])


def episode_batch(
    shown: Dataset, sampler: EpisodeSampler, step: int, config: RunConfig, accelerator: Accelerator
) -> tuple[GraphBatch, float]:
    """Return this process's share of a step's graph, and 1 (0 where it has nothing to ask)."""
    episode = sampler.draw(step)
    near = shown.select(episode.rows)  # all that a step reads: its time does not grow with the table
    history, targets = (np.searchsorted(episode.rows, part) for part in (episode.history, episode.targets))
    count, rank = accelerator.num_processes, accelerator.process_index
    share = 1.0
    if count > 1:
        people = np.unique(near.table.user[targets])
        mine = people[rank::count]
        if len(mine):
            targets = targets[np.isin(near.table.user[targets], mine)]
            history = history[np.isin(near.table.user[history], mine)]
        else:  # every process must take part in the step; its loss counts nothing
            share = 0.0
    asked = near.questions(targets)
    return build_graph(near.select(history), asked, config.graph, near.table.select(targets).ratings), share


def _validation(data: Dataset) -> tuple[Any, np.ndarray] | None:
    positions = np.flatnonzero((data.table.split == VALID) & data.table.rated)
    if not len(positions):
        return None
    return data.questions(positions), data.table.select(positions).ratings


def _validate(
    scorer: Scorer, shown: Dataset, validation: tuple[Any, np.ndarray] | None, config: RunConfig, device: Any
) -> dict[str, float]:
    if validation is None:
        return {}
    questions, ratings = validation
    scores = GraphRouter(scorer, config.graph, device).score(shown, questions)
    gap = pairs_of(ratings).differences(scores)
    if not len(gap):
        return {}
    everybody = np.zeros(len(gap), np.int64)
    return {
        "valid_auc": float(weighted_auc(gap, everybody, np.ones((1, 1)))[0]),
        "valid_accuracy": float(np.mean((gap > 0) + 0.5 * (gap == 0))),
        "valid_reward": float(choices(scores, ratings)[0].mean()),
    }


def _note(progress: Progress, line: Mapping[str, Any], config: TrainConfig) -> bool:
    """Record a validation; return whether these weights are to be kept."""
    found = line.get(f"valid_{config.select}", math.nan)
    if math.isnan(found):  # nothing to validate on: the last weights are the best known
        progress.best_step = progress.step
        return True
    if found > progress.best:
        progress.best, progress.best_step, progress.stale = found, progress.step, 0
        progress.best_auc, progress.best_accuracy = line["valid_auc"], line["valid_accuracy"]
        return True
    progress.stale += 1
    progress.done = bool(config.patience) and progress.stale >= config.patience
    return False


def _save(
    run: RunFolder,
    config: RunConfig,
    scorer: Scorer,
    optimizer: Any,
    progress: Progress,
    line: Mapping[str, Any],
    better: bool,
) -> None:
    weights: dict[str, Tensor] = scorer.state_dict()
    if better:
        save_tensors(run.weights, weights)
    inner = getattr(optimizer, "optimizer", optimizer)
    save_tensors(run.last / "model.safetensors", weights)
    save_tensors(run.last / "optimizer.safetensors", optimizer_tensors(inner))
    kept = [item for item in read_jsonl(run.metrics) if item["step"] < progress.step]
    write_text(run.metrics, "".join(json.dumps(item) + "\n" for item in [*kept, line]))
    write_json(run.last / "state.json", {"progress": vars(progress), "config": config.to_dict()})


def resumable(run: RunFolder, config: RunConfig) -> Progress:
    """Return where a run stopped.

    Raises:
        RunError: There is nothing to resume, or it was made with other settings.
    """
    path = run.last / "state.json"
    if not path.is_file():
        raise RunError(f"{run.root} holds nothing to resume; leave --resume out to start")
    state = read_json(path)
    wanted, found = config.to_dict(), state["config"]
    for section in wanted:
        if wanted[section] != found.get(section):
            raise RunError(
                f"{run.root} was trained with {section} = {found.get(section)}, now {wanted[section]}; "
                "resume with the settings it was started with"
            )
    return Progress(**state["progress"])


def _restore(run: RunFolder, config: RunConfig, scorer: Scorer, optimizer: torch.optim.Optimizer) -> Progress:
    progress = resumable(run, config)
    load_weights(scorer, run.last / "model.safetensors")
    restore_optimizer(optimizer, load_tensors(run.last / "optimizer.safetensors"))
    return progress
