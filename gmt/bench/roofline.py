"""Count what every operator computes and moves, and say how fast a machine could run them one behind the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry


@dataclass
class OperatorWork:
    """Hold what the calls of one operator did together.

    Args:
        calls: How often it ran.
        flops: Floating-point operations, of matrix products alone.
        bytes: Bytes of the tensors that it read and wrote.
        each: (flops, bytes) of every call.
    """

    calls: int = 0
    flops: float = 0.0
    bytes: float = 0.0
    each: list[tuple[float, float]] = field(default_factory=list)

    def add(self, flops: float, moved: float) -> None:
        """Count one more call."""
        self.calls, self.flops, self.bytes = self.calls + 1, self.flops + flops, self.bytes + moved
        self.each.append((flops, moved))


class OperatorCounter(TorchDispatchMode):
    """Watch the operators that run below it; `work` holds what each of them did, by name.

    Views move nothing and are left out. Whatever an operator needs for itself is not seen, so that the bytes are the
    fewest it can do with, but for what stays in a cache from one operator to the next.
    """

    def __init__(self) -> None:
        super().__init__()
        self.work: dict[str, OperatorWork] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        named = dict(kwargs or {})
        out = func(*args, **named)
        # 1. A view names its input's memory without writing to it.
        if any(one.alias_info is not None and not one.alias_info.is_write for one in func._schema.returns):
            return out
        counter = flop_registry.get(func._overloadpacket)
        flops = 0.0 if counter is None else float(counter(*args, **named, out_val=out))
        # 2. What is written in place stands among inputs and outputs, and is one tensor.
        moved = float(sum({(one.data_ptr(), one.shape): _bytes(one) for one in _tensors((args, named, out))}.values()))
        self.work.setdefault(str(func._overloadpacket), OperatorWork()).add(flops, moved)
        return out


def counted(work: Callable[[], object]) -> dict[str, OperatorWork]:
    """Run something and return what its operators did, by name."""
    counter = OperatorCounter()
    with counter:
        work()
    return counter.work


def bound(work: Mapping[str, OperatorWork], peak: float, bandwidth: float) -> float:
    """Return the seconds under which operators that run one behind the other cannot be: Σ max(flops / π, bytes / β).

    Source: Williams, Waterman and Patterson, Roofline: an insightful visual performance model (2009), call by call.

    Args:
        work: As counted.
        peak: π, floating-point operations a second.
        bandwidth: β, bytes a second.
    """
    return sum(max(flops / peak, moved / bandwidth) for one in work.values() for flops, moved in one.each)


def copying(rows: int, columns: int, device: torch.device) -> tuple[Callable[[], object], float]:
    """Return what copies an array of this size, and the bytes that it reads and writes."""
    source = torch.randn(rows, columns, device=device)
    target = torch.empty_like(source)
    return lambda: target.copy_(source), 2.0 * source.nbytes


def _tensors(parts: object) -> Iterator[Tensor]:
    return (leaf for leaf in tree_leaves(parts) if isinstance(leaf, Tensor))


def _bytes(tensor: Tensor) -> int:
    # An expanded tensor has fewer numbers than its shape says.
    return min(tensor.nbytes, tensor.untyped_storage().nbytes())
