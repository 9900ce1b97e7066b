"""Say what a text encoder is, and be the one that needs no weights: counts of hashed words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

CHUNK = 512
"""Texts that are encoded, and remembered, at once."""

Progress = Callable[[int], None]


@dataclass(frozen=True)
class EncoderCard:
    """Name the encoder that made a set of vectors.

    Args:
        id: Name that `load_encoder` accepts.
        revision: Version of the weights or of the algorithm.
        width: D, the length of a vector.
    """

    id: str
    revision: str
    width: int

    @property
    def full_name(self) -> str:
        """Name the encoder with its whole revision, as states of runs name whose vectors they keep."""
        return f"{self.id}@{self.revision}"

    def __str__(self) -> str:
        return f"{self.id}@{self.revision[:12]} (width {self.width})"


class TextEncoder(Protocol):
    """Map texts to vectors; equal texts give equal vectors in every process."""

    @property
    def id(self) -> str: ...

    @property
    def revision(self) -> str: ...

    @property
    def width(self) -> int: ...

    def encode(self, texts: list[str], progress: Progress | None = None) -> np.ndarray:
        """Return (T, D) float32 vectors of unit length; `progress` is called with how many texts were just done."""
        ...


def card_of(encoder: TextEncoder) -> EncoderCard:
    """Return the card of an encoder."""
    return EncoderCard(encoder.id, encoder.revision, encoder.width)


class HashEncoder:
    """Count words and word pairs in signed hash buckets: no weights, no download, no meaning beyond shared words.

    Args:
        width: D, the number of buckets.
    """

    revision = "1"

    def __init__(self, width: int = 384) -> None:
        self.width = width
        self.id = "hash" if width == 384 else f"hash:{width}"

    def encode(self, texts: list[str], progress: Progress | None = None) -> np.ndarray:
        """Return (T, D) float32 vectors of unit length."""
        from sklearn.feature_extraction.text import HashingVectorizer

        # Not scaled here: length is taken after the logarithm. Signs let words that collide cancel on average.
        untyped: Any = {"norm": None, "alternate_sign": True}
        counter: Any = HashingVectorizer(
            n_features=self.width, ngram_range=(1, 2), token_pattern=r"(?u)\w+|[^\w\s]", **untyped
        )
        vectors = np.zeros((len(texts), self.width), dtype=np.float32)
        for low in range(0, len(texts), CHUNK):
            part = [clean(text) for text in texts[low : low + CHUNK]]
            counts = counter.transform(part).toarray()
            # Logarithms, so that a word said very often does not drown all others.
            vectors[low : low + len(part)] = np.sign(counts) * np.log1p(np.abs(counts))
            if progress is not None:
                progress(len(part))
        return unit_length(vectors)


def clean(text: str) -> str:
    """Return a text that every tokenizer takes."""
    # Half a surrogate pair, common in scraped text, is not valid UTF-8 and stops tokenizers.
    return text.encode("utf-8", "replace").decode("utf-8")


def unit_length(vectors: np.ndarray) -> np.ndarray:
    """Return (T, D) float32 vectors of unit length; a vector of nothing becomes the diagonal."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    empty = lengths[:, 0] < 1e-12
    vectors = vectors / np.where(lengths < 1e-12, 1.0, lengths)
    vectors[empty] = 1.0 / np.sqrt(vectors.shape[1])
    return vectors.astype(np.float32)
