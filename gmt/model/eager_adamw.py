"""Take the steps of AdamW without loading the compiler of PyTorch, which takes a second and is not used."""

from __future__ import annotations

from collections.abc import Callable
from inspect import unwrap
from typing import Any

import torch


class EagerAdamW(torch.optim.AdamW):
    """Do to the last digit what AdamW does, in processes that compile nothing.

    PyTorch wraps what a compiled program must not trace, and the wrapper imports `torch._dynamo` when it is first
    called. Each method here calls what is inside the wrapper.

    Source: Loshchilov and Hutter, Decoupled weight decay regularization (arXiv 1711.05101).

    Limitations: a step is not to be called in what `torch.compile` compiles, and takes no gradient of itself.
    """

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        unwrap(torch.optim.Optimizer.add_param_group)(self, param_group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        unwrap(torch.optim.Optimizer.zero_grad)(self, set_to_none)

    def state_dict(self) -> dict[str, Any]:
        return unwrap(torch.optim.Optimizer.state_dict)(self)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        unwrap(torch.optim.Optimizer.load_state_dict)(self, state_dict)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return unwrap(torch.optim.AdamW.step)(self, closure)
