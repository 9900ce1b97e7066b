"""Time how long one query takes to encode, by every way that is at hand, one query at a time."""

from __future__ import annotations

import logging
import math
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from gmt.data.encoder_by_name import MINILM, MINILM_PACKAGE, local_encoder
from gmt.data.encoders import unit_length
from gmt.data.local_encoder import LocalEncoder
from gmt.data.onnx_encoder import OnnxAverage
from gmt.data.onnx_export import NEEDED, GraphFacts, exported_graph
from gmt.data.pretrained_encoders import MAX_TOKENS
from gmt.data.quick_encoder import QuickBert

Way = Callable[[str], np.ndarray]
"""Gives a text's (D,) vector of unit length."""

TORCH, NUMPY, ONNX, INT8 = "torch", "NumPy", "ONNX Runtime", "ONNX Runtime, int8"
SENTENCE = "how do I write a short letter to my friend about the garden and what should it say of the weather in spring"


def ways_to_encode(source: LocalEncoder) -> dict[str, Way]:
    """Return every way to run an encoder that averages its tokens; torch's own is the first.

    Single precision alone is offered to users; the others are here to be measured: half of it in torch, and weights and
    activations of 8 bits in ONNX Runtime (dynamic, a scale for every column of a weight).

    Args:
        source: The encoder.
    """
    full, half = source.load(), source.load()
    half.model = half.model.bfloat16()
    ways: dict[str, Way] = {
        TORCH: lambda text: full.encode([text])[0],
        f"{TORCH}, bfloat16": lambda text: half.encode([text])[0],
    }
    if source.id == MINILM:
        ways[NUMPY] = _unit(QuickBert(source.folder, MAX_TOKENS).vector)
    if all(find_spec(name) is not None for name in NEEDED):
        graph, facts = exported_graph(source, lambda graph, facts: OnnxAverage(graph, facts, source.folder).vector)
        ways[ONNX] = _unit(OnnxAverage(graph, facts, source.folder).vector)
        ways[INT8] = _unit(_in_8_bits(graph, facts, source.folder).vector)
    return ways


def _in_8_bits(graph: bytes, facts: GraphFacts, folder: Path) -> OnnxAverage:
    """Return a graph with its products in whole numbers."""
    quantization: Any = import_module("onnxruntime.quantization")
    with tempfile.TemporaryDirectory() as made:
        before, after = Path(made) / "before.onnx", Path(made) / "after.onnx"
        before.write_bytes(graph)
        logging.disable(logging.WARNING)  # of steps that gain nothing here
        try:
            quantization.quantize_dynamic(before, after, per_channel=True, weight_type=quantization.QuantType.QInt8)
        finally:
            logging.disable(logging.NOTSET)
        return OnnxAverage(after.read_bytes(), facts, folder)


def _unit(mean: Way) -> Way:
    return lambda text: unit_length(mean(text)[None])[0]


def made_queries(count: int, seed: int = 0) -> list[str]:
    """Return queries with lengths spread as those of MT-Bench: half of them under 25 tokens, one in ten over 98."""
    rng = np.random.default_rng(seed)
    sizes = np.exp(rng.normal(math.log(23), 1.08, count)).clip(3, 600).astype(int)
    return [" ".join(rng.choice(SENTENCE.split(), size)) for size in sizes]


def encoding(texts: Sequence[str], repeats: int, source: LocalEncoder | None = None) -> dict[str, Any] | None:
    """Time every way on every text, way after way so that a busy machine slows all alike.

    Args:
        texts: Each is encoded by itself.
        repeats: Times each is encoded by each way.
        source: The encoder; MiniLM by default.

    Returns:
        Way -> percentiles of the clock and of the process's processor time in milliseconds, times as fast as torch and
        the least cosine to torch's vector; None where MiniLM is not installed.
    """
    if source is None:
        if find_spec(MINILM_PACKAGE) is None:
            return None
        source = local_encoder(MINILM)
    ways = ways_to_encode(source)
    wanted = [ways[TORCH](text) for text in texts]
    cosines = {name: min(float(way(text) @ one) for text, one in zip(texts, wanted, strict=True))
               for name, way in ways.items()}  # fmt: skip
    clock: dict[str, list[float]] = {name: [] for name in ways}
    worked: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for text in texts:
            for name, way in ways.items():
                started, used = time.perf_counter(), time.process_time()
                way(text)
                worked[name].append(time.process_time() - used)
                clock[name].append(time.perf_counter() - started)
    middle = {name: float(np.median(found)) for name, found in worked.items()}
    return {
        name: {
            "clock, ms": _percentiles(clock[name]),
            # Says the same on a busy machine, where the clock also counts the queue for a core.
            "processor, ms": _percentiles(worked[name]),
            "times torch": middle[TORCH] / middle[name],
            "cosine": cosines[name],
        }
        for name in ways
    }


def _percentiles(seconds: Sequence[float]) -> dict[str, float]:
    found = np.quantile(np.asarray(seconds) * 1e3, [0.5, 0.9, 0.99])
    return dict(zip(("p50", "p90", "p99"), found.tolist(), strict=True))


def encoding_rows(found: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return (part, what, value) lines."""
    out = []
    for name, one in found.items():
        clock, worked = (
            " / ".join(f"{value:.1f}" for value in one[kind].values()) for kind in ("clock, ms", "processor, ms")
        )
        rest = f"{one['times torch']:.1f} times torch, cosine {one['cosine']:.6f} or more"
        out.append(("encode", f"{name}, one query, ms, p50 / p90 / p99", f"{clock} ({worked} of processor), {rest}"))
    return out
