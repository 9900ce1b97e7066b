"""Name an encoder whose files lie on this machine."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from gmt.data.pretrained_encoders import TransformerEncoder
from gmt.errors import UserError


@dataclass(frozen=True)
class LocalEncoder:
    """Name an encoder and its files.

    Args:
        id: Name that `load_encoder` accepts.
        revision: Version of its weights.
        folder: Folder with its settings, weights and tokenizer.
    """

    id: str
    revision: str
    folder: Path

    def load(self) -> TransformerEncoder:
        """Load it with torch, as one that averages its tokens."""
        return TransformerEncoder(self.id, self.revision, self.folder)


def weights_sha256(folder: Path) -> str:
    """Return the sha256 of an encoder's weights, those of all files together.

    Raises:
        UserError: There are none as safetensors.
    """
    digest = hashlib.sha256()
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise UserError(f"{folder} holds no safetensors weights; name another --encoder")
    for file in files:
        with file.open("rb") as stream:
            # By the megabyte, so that weights are never held whole.
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
