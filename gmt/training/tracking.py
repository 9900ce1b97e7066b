"""Send what training reports to a tracker, through Accelerate."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.utils import is_mlflow_available, is_tensorboard_available, is_wandb_available

from gmt.config import RunConfig
from gmt.errors import ConfigError
from gmt.runs import RunFolder
from gmt.training.accelerator import let_precision_change
from gmt.training.train_network import Report

FOLDER = "tracking"
"""Beside the runs, so that one tracker shows all of them; a run folder holds what it is read from alone."""
PROJECT = "gmt"
"""The project of W&B and the experiment of MLflow; TensorBoard knows folders alone."""


def check_tracker(config: RunConfig) -> None:
    """Check, before anything is trained, that the package of a tracker is there.

    Raises:
        ConfigError: It is not.
    """
    wanted = config.train.tracker
    # Accelerate's own question, for a folder of that name, as W&B makes one, looks like a package to Python.
    there = {"tensorboard": is_tensorboard_available, "wandb": is_wandb_available, "mlflow": is_mlflow_available}
    if wanted != "none" and not there[wanted]():
        raise ConfigError(
            f"train.tracker is {wanted}, and that package is not installed; pip install {wanted}, or set "
            "train.tracker=none"
        )


def tracking_folder(run: RunFolder) -> Path:
    """Return where a tracker on this machine writes: one folder beside the run, for all runs there."""
    return run.root.resolve().parent / FOLDER


class Tracked:
    """Take lines that training reports, log their numbers, and hand them on.

    Args:
        accelerator: Holds the tracker that was begun.
        report: Called with every line too.
    """

    def __init__(self, accelerator: Accelerator, report: Report | None) -> None:
        self.accelerator, self.report, self.step = accelerator, report, 0

    def __call__(self, line: Mapping[str, Any]) -> None:
        """Log one line under the part it is of: the network, or the learned traits."""
        if self.report is not None:
            self.report(line)
        of_traits = "traits" in line
        # Networks are trained one after the other, each from its first step, and trackers want steps that go on.
        self.step = self.step + 1 if of_traits else max(self.step + 1, int(line["step"]))
        self.log(line, "traits" if of_traits else "network")

    def log(self, values: Mapping[str, Any], part: str) -> None:
        """Log the numbers among some values."""
        numbers = {
            f"{part}/{name}": value
            for name, value in values.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
        if numbers:
            self.accelerator.log(numbers, step=self.step)


@contextlib.contextmanager
def tracked(config: RunConfig, run: RunFolder) -> Iterator[Accelerator | None]:
    """Begin the tracker that the settings name, and end it with the block; without one, give None.

    Only the first of several processes of a training writes.

    Args:
        config: Settings; `train.tracker` names the tracker, and all of them are kept with what is logged.
        run: The run that is trained.
    """
    name = config.train.tracker
    if name == "none":
        yield None
        return
    folder, title = tracking_folder(run), f"{run.root.resolve().name}-{time.strftime('%Y%m%d-%H%M%S')}"
    let_precision_change(config.train.precision)
    accelerator = Accelerator(mixed_precision=config.train.precision, log_with=name, project_dir=folder)
    if accelerator.is_main_process:
        folder.mkdir(parents=True, exist_ok=True)
    options: dict[str, dict[str, Any]] = {
        "wandb": {"name": title, "dir": str(folder)},
        "mlflow": {"run_name": title},
        "tensorboard": {},
    }
    project = title if name == "tensorboard" else PROJECT
    accelerator.init_trackers(project, _flat(config), {name: options[name]})
    try:
        yield accelerator
    finally:
        # Not `end_training`, which also ends the group of processes, and these still wait for each other.
        for one in accelerator.trackers:
            one.finish()


def where_tracked(config: RunConfig, run: RunFolder) -> list[str]:
    """Return a sentence on where what was logged can be seen; none without a tracker."""
    folder = tracking_folder(run)
    said = {
        "none": [],
        "tensorboard": [f"Logged for TensorBoard: tensorboard --logdir {folder}"],
        "wandb": [f"Logged for W&B, project {PROJECT}; what was logged offline lies in {folder}."],
        "mlflow": [f"Logged for MLflow, experiment {PROJECT}."],
    }
    return said[config.train.tracker]


def _flat(config: RunConfig) -> dict[str, Any]:
    """Return all settings as `section.key`, in types that every tracker takes; where a database is stays out."""
    found: dict[str, Any] = {}
    for section, values in config.to_dict().items():
        parts = values.items() if isinstance(values, dict) else [("", values)]
        found |= {f"{section}.{key}" if key else section: value for key, value in parts}
    found.pop("state.url", None)
    return {name: "none" if value is None else value for name, value in found.items()}
