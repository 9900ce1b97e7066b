"""Turn texts into unit-length vectors with the weights of a pretrained sentence encoder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gmt.data.encoders import CHUNK, Progress, clean, unit_length
from gmt.errors import UserError, one_line

MAX_TOKENS = 256
BATCH = 64
READ: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
"""A model is read from its folder alone, and none of its code is run."""


class TransformerEncoder:
    """Average the last hidden states of a transformer over the tokens of a text.

    Args:
        id: Name that `load_encoder` accepts.
        revision: Version of the weights.
        folder: Folder with `config.json`, safetensors weights and the tokenizer.
        max_tokens: Longer texts are cut here.
    """

    def __init__(self, id: str, revision: str, folder: Path, max_tokens: int = MAX_TOKENS) -> None:
        import torch
        from transformers import AutoModel, AutoTokenizer

        self.id, self.revision = id, revision
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            with silent_loading():
                self.tokenizer: Any = AutoTokenizer.from_pretrained(folder, **READ)
                model: Any = AutoModel.from_pretrained(folder, use_safetensors=True, **READ)
        except Exception as error:  # whatever a damaged or foreign folder makes the library raise
            raise _unreadable(folder, error) from error
        self.model = model.to(self.device).float().eval()
        self.width = int(model.config.hidden_size)
        # A token beyond the trained positions would fail.
        places = getattr(model.config, "max_position_embeddings", max_tokens)
        self.max_tokens = min(max_tokens, int(places), self.tokenizer.model_max_length)

    def encode(self, texts: list[str], progress: Progress | None = None) -> np.ndarray:
        """Return (T, D) float32 vectors of unit length."""
        import torch

        vectors = np.zeros((len(texts), self.width), dtype=np.float32)
        # Texts of like length share a batch, so that little of the work goes into padding.
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        for low in range(0, len(order), BATCH):
            batch = order[low : low + BATCH]
            tokens = self.tokenizer(
                [clean(texts[i]) for i in batch],
                padding=True,
                truncation=True,
                max_length=self.max_tokens,
                return_tensors="pt",
            ).to(self.device)
            with torch.inference_mode():
                hidden = self.model(**tokens).last_hidden_state
                mask = tokens["attention_mask"].unsqueeze(-1).float()
                # Padding is no part of the text, and batches are padded differently.
                mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1.0)
            vectors[batch] = mean.cpu().numpy()
            if progress is not None:
                progress(len(batch))
        return unit_length(vectors)


class SentenceEncoder:
    """Run a sentence-transformers model whose pooling is more than an average.

    Args:
        id: Name that `load_encoder` accepts.
        revision: Version of the weights.
        folder: Folder with `modules.json`.
    """

    def __init__(self, id: str, revision: str, folder: Path) -> None:
        from sentence_transformers import SentenceTransformer

        self.id, self.revision = id, revision
        try:
            self.model: Any = SentenceTransformer(
                str(folder), model_kwargs={"use_safetensors": True}, token=False, **READ
            )
        except Exception as error:  # as above
            raise _unreadable(folder, error) from error
        self.model.max_seq_length = min(self.model.max_seq_length or MAX_TOKENS, MAX_TOKENS)
        # Measured, for pooling and dense layers may give another width than the transformer's.
        self.width = len(self.model.encode([""], show_progress_bar=False)[0])

    def encode(self, texts: list[str], progress: Progress | None = None) -> np.ndarray:
        """Return (T, D) float32 vectors of unit length."""
        parts = [np.zeros((0, self.width), dtype=np.float32)]
        for low in range(0, len(texts), CHUNK):
            part = [clean(text) for text in texts[low : low + CHUNK]]
            parts.append(np.asarray(self.model.encode(part, show_progress_bar=False), dtype=np.float32))
            if progress is not None:
                progress(len(part))
        return unit_length(np.concatenate(parts))


@contextlib.contextmanager
def silent_loading() -> Iterator[None]:
    """Keep transformers from drawing a bar and from warning while a model is loaded."""
    from transformers.utils import logging

    # Settings of the whole process, so they are put back whatever happens.
    verbosity, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()


def _unreadable(folder: Path, error: Exception) -> UserError:
    """Return what is said of a folder that holds no encoder."""
    reason = one_line(str(error) or type(error).__name__, 120)
    return UserError(f"{folder} holds no text encoder gmt can read ({reason}); name another --encoder")
