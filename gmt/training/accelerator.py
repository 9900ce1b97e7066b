"""Make what places tensors, joins processes and keeps the precision of a training."""

from __future__ import annotations

from accelerate import Accelerator
from accelerate.state import AcceleratorState, is_initialized
from accelerate.utils import DistributedDataParallelKwargs

from gmt.config import RunConfig


def new_accelerator(config: RunConfig) -> Accelerator:
    """Return what places tensors and joins the processes of a training."""
    let_precision_change(config.train.precision)
    return Accelerator(
        mixed_precision=config.train.precision,
        gradient_accumulation_steps=config.train.accumulate,
        # feedback in words and turn edges are not in every batch
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
    )


def let_precision_change(wanted: str) -> None:
    """Forget the precision of an earlier training of this process if it was another one.

    Accelerate (1.15) holds one precision per process and raises where a second `Accelerator` names another; it has no
    public way to change it, and what clears the state is private. `gmt train` trains once and never comes to
    that line; studies and tests that train in several precisions do. Processes and devices are kept.
    """
    if is_initialized() and AcceleratorState().mixed_precision != wanted:
        AcceleratorState._reset_state()
