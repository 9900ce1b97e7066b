"""Keep where training stands beside its weights, so that a run that stopped goes on to the identical result."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from gmt.config import RunConfig, TrainConfig, build_config
from gmt.errors import RunError
from gmt.files import write_json, write_text
from gmt.model.build import Scorer
from gmt.model.checkpoint import load_tensors, load_weights, optimizer_tensors, restore_optimizer, save_tensors
from gmt.runs import RunFolder, read_jsonl, read_run_json


@dataclass
class TrainingProgress:
    """Hold where training stands; written with every validation so that it can go on from there."""

    step: int = 0
    best_step: int = 0
    best: float = -math.inf
    best_auc: float = -math.inf
    best_accuracy: float = math.nan
    stale: int = 0
    done: bool = False
    seconds: float = 0.0

    def validated(self, line: Mapping[str, Any], config: TrainConfig) -> bool:
        """Record a validation; return whether these weights are to be kept."""
        found = line.get(f"valid_{config.select}", math.nan)
        if math.isnan(found):  # nothing to validate on: the last weights are the best known
            self.best_step = self.step
            return True
        if found > self.best:
            self.best, self.best_step, self.stale = found, self.step, 0
            self.best_auc, self.best_accuracy = line["valid_auc"], line["valid_accuracy"]
            return True
        self.stale += 1
        self.done = bool(config.patience) and self.stale >= config.patience
        return False


def save_progress(
    run: RunFolder,
    config: RunConfig,
    scorer: Scorer,
    optimizer: Any,
    progress: TrainingProgress,
    line: Mapping[str, Any],
    better: bool,
) -> None:
    """Write weights, optimiser, metrics and progress; the last of them makes the others count.

    Args:
        run: Where to.
        config: Settings of the run.
        scorer: The network as it stands.
        optimizer: Its optimiser, or what Accelerate wraps it in.
        progress: Where training stands.
        line: This validation's line of metrics.jsonl.
        better: These weights are the best so far.
    """
    weights: dict[str, Tensor] = scorer.state_dict()
    if better:
        save_tensors(run.weights, weights)
    inner = getattr(optimizer, "optimizer", optimizer)
    save_tensors(run.last / "model.safetensors", weights)
    save_tensors(run.last / "optimizer.safetensors", optimizer_tensors(inner))
    # Lines behind the last checkpoint are of steps that an interrupted run will take again.
    kept = [item for item in read_jsonl(run.metrics) if item["step"] < progress.step]
    write_text(run.metrics, "".join(json.dumps(item) + "\n" for item in [*kept, line]))
    write_json(run.last / "state.json", {"progress": asdict(progress), "config": config.to_dict()})


def resumable(run: RunFolder, config: RunConfig) -> TrainingProgress:
    """Return where a run stopped.

    Raises:
        RunError: There is nothing to resume, or it was made with other settings.
    """
    path = run.last / "state.json"
    if not path.is_file():
        raise RunError(f"{run.root} holds nothing to resume; leave --resume out to start")
    state = read_run_json(path)
    wanted, found = config.to_dict(), build_config(state["config"], str(path)).to_dict()  # also of earlier names
    for section in wanted:
        if wanted[section] != found.get(section):
            raise RunError(
                f"{run.root} was trained with {section} = {found.get(section)}, now {wanted[section]}; "
                "resume with the settings it was started with"
            )
    return TrainingProgress(**state["progress"])


def restore_progress(
    run: RunFolder, config: RunConfig, scorer: Scorer, optimizer: torch.optim.Optimizer
) -> TrainingProgress:
    """Fill network and optimiser from the last checkpoint, and return where training stands.

    Raises:
        RunError: There is nothing to resume, or it was made with other settings.
    """
    progress = resumable(run, config)
    load_weights(scorer, run.last / "model.safetensors")
    restore_optimizer(optimizer, load_tensors(run.last / "optimizer.safetensors"))
    return progress
