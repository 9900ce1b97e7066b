"""Encode a few texts with ONNX Runtime, which uses wider products of some processors than NumPy and torch do."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from gmt.data.encoders import clean
from gmt.data.local_encoder import LocalEncoder
from gmt.data.onnx_export import GraphFacts, exported_graph, require_onnx
from gmt.errors import UserError
from gmt.threads import settle_threads


class OnnxAverage:
    """Average the last hidden states of a transformer over the tokens of a text, one text at a time.

    Vectors are those of `TransformerEncoder` up to rounding: `exported_graph` refuses a graph that differs by more.

    Args:
        graph: The ONNX graph.
        facts: What is known of it.
        folder: Folder with `tokenizer.json`.
    """

    def __init__(self, graph: bytes, facts: GraphFacts, folder: Path) -> None:
        from tokenizers import Tokenizer

        onnxruntime: Any = import_module("onnxruntime")  # an extra, so that no checker of types needs it

        self.width = facts.width
        self.tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(facts.max_tokens)
        options: Any = onnxruntime.SessionOptions()
        # As many threads as every other library here, and they sleep while they wait, as those do.
        options.intra_op_num_threads, options.inter_op_num_threads = settle_threads(dict(os.environ)), 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        self._session: Any = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    @classmethod
    def of(cls, source: LocalEncoder) -> OnnxAverage:
        """Return an encoder's, its graph from the cache or made now.

        Raises:
            UserError: A package is missing, or the encoder cannot be run this way.
        """
        require_onnx()
        if not (source.folder / "tokenizer.json").is_file():
            raise UserError(f"encoder {source.id} has no tokenizer.json; leave the encoder runtime out")
        graph, facts = exported_graph(source, lambda graph, facts: cls(graph, facts, source.folder).vector)
        return cls(graph, facts, source.folder)

    def vector(self, text: str) -> np.ndarray:
        """Return the (D,) mean of a text's last hidden states, before it is scaled."""
        tokens = np.array([self.tokenizer.encode(clean(text)).ids], np.int64)
        return self._session.run(None, {"input_ids": tokens})[0][0]
