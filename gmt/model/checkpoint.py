"""Keep a trained scorer as safetensors beside its settings, and read it back or refuse it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from gmt.errors import RunError
from gmt.files import replace_file
from gmt.model.saved_arrays import damaged, present_name, system_error


def save_tensors(path: Path, tensors: Mapping[str, Tensor], note: Mapping[str, str] | None = None) -> None:
    """Write tensors whole or not at all.

    Raises:
        OSError: The disk is full or broken, named as the system names it.
    """
    held = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}

    def write(part: Path) -> None:
        try:
            save_file(held, part, dict(note or {}))
        except SafetensorError as error:
            raise system_error(error) from error

    replace_file(path, write)


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read tensors written by `save_tensors`, under the names of today.

    Raises:
        RunError: The file is missing or no safetensors file.
    """
    if not path.is_file():
        raise RunError(f"{path} does not exist; train the run again")
    try:
        return {present_name(name): value for name, value in load_file(path).items()}
    except SafetensorError as error:
        raise damaged(path, error) from error


def load_weights(module: nn.Module, path: Path) -> None:
    """Fill a module from a file of weights.

    Raises:
        RunError: A name or shape differs; the first difference is named.
    """
    found, wanted = load_tensors(path), module.state_dict()
    for name in [*wanted, *found]:
        here, there = wanted.get(name), found.get(name)
        if here is None or there is None or here.shape != there.shape:
            shapes = ["absent" if value is None else str(tuple(value.shape)) for value in (there, here)]
            raise RunError(
                f"{path.name} does not fit config.yaml: {name} is {shapes[0]} in the file and {shapes[1]} by the "
                "settings; restore the config.yaml written with these weights"
            )
    module.load_state_dict(found)


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return an optimiser's state as named tensors (`index.field`)."""
    state = optimizer.state_dict()["state"]
    return {
        f"{index}.{name}": value if isinstance(value, Tensor) else torch.tensor(value)
        for index, values in state.items()
        for name, value in values.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` gave."""
    state: dict[int, dict[str, Tensor]] = {}
    for full, value in tensors.items():
        index, _, name = full.partition(".")
        state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
