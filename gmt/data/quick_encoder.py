"""Encode a few texts with a BERT encoder's weights in NumPy, for loading torch takes longer than encoding them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from gmt.data.encoders import Progress, TextEncoder, clean, unit_length
from gmt.errors import UserError
from gmt.files import read_json

FEW = 16
"""Texts up to which they are encoded one by one; more are worth loading torch for."""


class QuickBert:
    """Average the last hidden states of a BERT encoder over the tokens of a text, one text at a time.

    Vectors are those of `TransformerEncoder` up to rounding (1e-6), as they are there between batches of one text and
    of several.

    Source: Devlin, Chang, Lee and Toutanova, BERT (2019), for the network.

    Args:
        folder: Folder with `config.json`, `tokenizer.json` and `model.safetensors`.
        max_tokens: Longer texts are cut here.
    """

    def __init__(self, folder: Path, max_tokens: int) -> None:
        from safetensors import safe_open
        from tokenizers import Tokenizer

        config = read_json(folder / "config.json", UserError, "name another --encoder")
        self.heads, self.layers = int(config["num_attention_heads"]), int(config["num_hidden_layers"])
        self.epsilon, self.width = float(config["layer_norm_eps"]), int(config["hidden_size"])
        self.tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(min(max_tokens, int(config["max_position_embeddings"])))
        file: Any = safe_open(folder / "model.safetensors", framework="np")
        # Half of the weights are vectors of words, of which a text needs a few.
        words = "embeddings.word_embeddings.weight"
        self._words = file.get_slice(words)
        self._weights = {name: file.get_tensor(name) for name in file.keys() if name != words}  # noqa: SIM118

    def vector(self, text: str) -> np.ndarray:
        """Return the (D,) mean of a text's last hidden states, before it is scaled."""
        tokens = self.tokenizer.encode(clean(text)).ids
        words = np.concatenate([self._words[token : token + 1] for token in tokens])
        places = self._weights["embeddings.position_embeddings.weight"][: len(tokens)]
        kinds = self._weights["embeddings.token_type_embeddings.weight"][0]
        states = self._normalised(words + kinds + places, "embeddings.LayerNorm")
        for layer in range(self.layers):
            states = self._layer(states, f"encoder.layer.{layer}")
        return states.mean(axis=0)

    def _layer(self, states: np.ndarray, name: str) -> np.ndarray:
        """Return (T, D) states after one more layer."""
        from scipy.special import erf

        # 1. Every token reads all tokens, in each head by products of a share of the width.
        query, key, value = (
            self._linear(states, f"{name}.attention.self.{part}").reshape(len(states), self.heads, -1).swapaxes(0, 1)
            for part in ("query", "key", "value")
        )
        logits = query @ key.swapaxes(1, 2) / np.float32(np.sqrt(query.shape[2]))
        share = np.exp(logits - logits.max(axis=2, keepdims=True))
        share /= share.sum(axis=2, keepdims=True)
        read = (share @ value).swapaxes(0, 1).reshape(states.shape)
        read = self._linear(read, f"{name}.attention.output.dense")
        states = self._normalised(states + read, f"{name}.attention.output.LayerNorm")
        # 2. Then each token alone.
        inner = self._linear(states, f"{name}.intermediate.dense")
        inner = inner * np.float32(0.5) * (1 + erf(inner / np.float32(np.sqrt(2))))
        return self._normalised(states + self._linear(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def _linear(self, states: np.ndarray, name: str) -> np.ndarray:
        return states @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]

    def _normalised(self, states: np.ndarray, name: str) -> np.ndarray:
        centred = states - states.mean(axis=1, keepdims=True)
        scale = np.sqrt((centred**2).mean(axis=1, keepdims=True) + np.float32(self.epsilon))
        return centred / scale * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]


class OneByOne(Protocol):
    """Average the last hidden states over the tokens of a text."""

    @property
    def width(self) -> int: ...

    def vector(self, text: str) -> np.ndarray:
        """Return the (D,) mean, before it is scaled."""
        ...


class QuickEncoder:
    """Encode a few texts one by one, and many with an encoder that is loaded when they come.

    Args:
        id: Name that `load_encoder` accepts.
        revision: Version of the weights.
        quick: Encodes a few.
        full: Loads what encodes many.
    """

    def __init__(self, id: str, revision: str, quick: OneByOne, full: Callable[[], TextEncoder]) -> None:
        self.id, self.revision, self.width = id, revision, quick.width
        self._quick, self._load = quick, full

    @cached_property
    def _full(self) -> TextEncoder:
        return self._load()

    def encode(self, texts: list[str], progress: Progress | None = None) -> np.ndarray:
        """Return (T, D) float32 vectors of unit length."""
        if len(texts) > FEW:
            return self._full.encode(texts, progress)
        vectors = np.array([self._quick.vector(text) for text in texts], np.float32).reshape(-1, self.width)
        if progress is not None:
            progress(len(texts))
        return unit_length(vectors)
