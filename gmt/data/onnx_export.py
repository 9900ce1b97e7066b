"""Write a text encoder as an ONNX graph once, beside the cached vectors, and only where it gives the same vectors."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import re
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from gmt.data.encoders import unit_length
from gmt.data.local_encoder import LocalEncoder, weights_sha256
from gmt.data.pretrained_encoders import READ, TransformerEncoder, silent_loading
from gmt.errors import UserError, one_line
from gmt.files import locked, replace_file, write_json

NEEDED = ("onnxruntime", "onnx")
OPSET = 17
FORM = 1
"""Changes where a file of before would not do, so that it is not found."""
EQUAL = 1e-5
"""Largest difference of any number of a unit-length vector that counts as rounding."""
PROBES = ("", "How do I reverse a list?", "naïve café, 東京", "one two three four five " * 12, "word " * 600)
"""Texts of every length on which both ways are compared."""


@dataclass(frozen=True)
class GraphFacts:
    """Say what is known of a graph.

    Args:
        width: D, the length of its vectors.
        max_tokens: Longer texts are cut here.
    """

    width: int
    max_tokens: int


GraphRun = Callable[[bytes, GraphFacts], Callable[[str], np.ndarray]]
"""Loads a graph into what gives the (D,) mean of a text's last hidden states."""


def require_onnx() -> None:
    """Refuse where the packages of the extra `onnx` are missing.

    Raises:
        UserError: One is.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise UserError(
            f"the encoder runtime onnx needs {missing[0]}, which is not installed; run pip install 'gmt-router[onnx]', "
            "or leave the runtime out"
        )


def exported_graph(source: LocalEncoder, run: GraphRun) -> tuple[bytes, GraphFacts]:
    """Return an encoder's graph, from the cache or made now.

    Args:
        source: The encoder.
        run: Runs a graph, to compare its vectors with the encoder's own.

    Raises:
        UserError: It cannot be exported, or its graph gives other vectors.
    """
    root = os.environ.get("GMT_CACHE") or os.path.expanduser("~/.cache/gmt")
    slug = re.sub(r"[^\w.-]+", "--", source.id).strip("-")[-60:]
    path = (
        None if root.lower() == "off" else Path(root) / "onnx" / f"{slug}-{weights_sha256(source.folder)}-{FORM}.onnx"
    )
    found = None if path is None else _read(path)
    if found is not None or path is None:
        return found or _made(source, run)
    try:
        # Processes of one gateway start together; the first one makes it and the others read it.
        with locked(path):
            found = _read(path) or _made(source, run)
            replace_file(path, lambda part: part.write_bytes(found[0]))
            write_json(path.with_suffix(".json"), asdict(found[1]) | {"sha256": _digest(*found)})
    except OSError:  # a cache that cannot be written costs the work again, never the run
        return found or _made(source, run)
    return found


def _read(path: Path) -> tuple[bytes, GraphFacts] | None:
    """Read a graph, or None where it is not there whole."""
    try:
        facts = json.loads(path.with_suffix(".json").read_text("utf-8"))
        # Read once: the very bytes that are hashed are those that run.
        sha256, found = facts.pop("sha256"), (path.read_bytes(), GraphFacts(**facts))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return found if _digest(*found) == sha256 else None


def _digest(graph: bytes, facts: GraphFacts) -> str:
    """Return the sha256 of a graph and of what is known of it."""
    digest = hashlib.sha256(graph)
    digest.update(repr(facts).encode())
    return digest.hexdigest()


def _made(source: LocalEncoder, run: GraphRun) -> tuple[bytes, GraphFacts]:
    """Export an encoder and compare."""
    encoder = source.load()
    with tempfile.TemporaryDirectory() as folder:
        _export(source, encoder, Path(folder) / "encoder.onnx")
        graph = (Path(folder) / "encoder.onnx").read_bytes()
    facts = GraphFacts(encoder.width, encoder.max_tokens)
    # Vectors of both ways come to stand beside each other in one run, so a graph that differs is not used.
    wanted, vector = encoder.encode(list(PROBES)), run(graph, facts)
    apart = float(np.abs(unit_length(np.stack([vector(text) for text in PROBES])) - wanted).max())
    if not apart <= EQUAL:
        raise UserError(
            f"the ONNX graph of encoder {source.id} gives vectors that differ by {apart:.1e} from its own, and "
            f"{EQUAL:.0e} is allowed; leave the encoder runtime out"
        )
    return graph, facts


def _export(source: LocalEncoder, encoder: TransformerEncoder, path: Path) -> None:
    """Write the mean of the last hidden states as a graph of one text's tokens."""
    import torch
    from transformers import AutoModel

    class Averaged(torch.nn.Module):
        """Average over the tokens of one text, which has no padding."""

        def __init__(self, model: torch.nn.Module) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
            """Return (1, D) means of (1, T) tokens."""
            return self.model(input_ids=input_ids, attention_mask=torch.ones_like(input_ids)).last_hidden_state.mean(1)

    tokens = encoder.tokenizer(["a text to trace"], return_tensors="pt")["input_ids"]
    # The tracing exporter, where torch offers two: the other one needs a third package.
    which: dict[str, Any] = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
    try:
        with warnings.catch_warnings(), silent_loading():
            warnings.simplefilter("ignore")  # of every branch that tracing makes constant; vectors are compared instead
            # Written out as products: the fused attention is traced wrongly by some versions.
            model = AutoModel.from_pretrained(source.folder, use_safetensors=True, attn_implementation="eager", **READ)
            torch.onnx.export(
                Averaged(model.float().eval()), (tokens,), str(path), input_names=["input_ids"], output_names=["mean"],
                dynamic_axes={"input_ids": {1: "tokens"}}, opset_version=OPSET, **which,
            )  # fmt: skip
    except Exception as error:  # whatever an architecture makes the exporter raise
        reason = one_line(str(error) or type(error).__name__, 120)
        raise UserError(
            f"encoder {source.id} cannot be written as an ONNX graph ({reason}); leave the encoder runtime out"
        ) from error
