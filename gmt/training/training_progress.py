"""Keep where training stands beside its weights, so that a run that stopped goes on to the identical result."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from gmt.artefacts import CHECKPOINT
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
        # Only a strict gain counts, so that the earliest of equal weights is kept.
        if found > self.best:
            self.best, self.best_step, self.stale = found, self.step, 0
            self.best_auc, self.best_accuracy = line["valid_auc"], line["valid_accuracy"]
            return True
        self.stale += 1
        # A patience of 0 never stops early.
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
    # The plain optimiser, for `restore_progress` fills one before Accelerate wraps it.
    inner = getattr(optimizer, "optimizer", optimizer)
    # 1. Under names of this step, so that the last checkpoint is whole until the new one counts.
    save_tensors(run.last / _at("model", progress), weights)
    save_tensors(run.last / _at("optimizer", progress), optimizer_tensors(inner))
    # Lines behind the last checkpoint are of steps that an interrupted run will take again.
    kept = [item for item in read_jsonl(run.metrics) if item["step"] < progress.step]
    write_text(run.metrics, "".join(json.dumps(item) + "\n" for item in [*kept, line]))
    # 2. This line makes the new checkpoint count; what stopped before it goes on from the last one.
    write_json(run.root / CHECKPOINT, {"progress": asdict(progress), "config": config.to_dict()})
    # 3. Only now may the files of the last checkpoint go.
    for path in run.last.glob("*.safetensors"):
        if path.name not in (_at("model", progress), _at("optimizer", progress)):
            path.unlink(missing_ok=True)


def resumable(made: RunFolder, config: RunConfig) -> TrainingProgress | None:
    """Return where a training stopped, None where it stopped before its first checkpoint.

    Args:
        made: The folder it worked in.
        config: Settings it must have been begun with.

    Raises:
        RunError: It was begun with other settings, or its checkpoint is damaged.
    """
    path = made.root / CHECKPOINT
    if not path.is_file():
        return None
    state = read_run_json(path)
    try:
        progress, begun = TrainingProgress(**state["progress"]), build_config(state["config"], str(path))
    except (KeyError, TypeError) as error:
        raise RunError(f"{path} is damaged ({error}); leave --resume out to start again") from error
    check_settings(begun, config)
    return progress


def check_settings(found: RunConfig, wanted: RunConfig) -> None:
    """Check that a training is gone on with as it was begun.

    Raises:
        RunError: Settings differ; the first section that does is named.
    """
    before, now = found.to_dict(), wanted.to_dict()
    before["train"]["tracker"] = now["train"]["tracker"]  # where it is logged makes no difference to what is trained
    for section in now:
        if now[section] != before.get(section):
            raise RunError(
                f"the run was trained with {section} = {before.get(section)}, now {now[section]}; "
                "resume with the settings it was started with"
            )


def restore_progress(
    made: RunFolder, config: RunConfig, scorer: Scorer, optimizer: torch.optim.Optimizer
) -> TrainingProgress:
    """Fill network and optimiser from the last checkpoint, and return where training stands; without one, at its start.

    Raises:
        RunError: It was begun with other settings.
    """
    progress = resumable(made, config)
    if progress is None:
        return TrainingProgress()
    load_weights(scorer, made.last / _at("model", progress))
    restore_optimizer(optimizer, load_tensors(made.last / _at("optimizer", progress)))
    return progress


def _at(part: str, progress: TrainingProgress) -> str:
    """Return the file of a checkpoint, named by its step so that none is replaced before the next one counts."""
    return f"{part}-{progress.step}.safetensors"
