"""Check that the files of a data folder are those that its card was written for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from gmt.errors import DataError
from gmt.files import read_json

READ = (
    "interactions.parquet",
    "models.json",
    "embeddings/encoder.json",
    "embeddings/keys.parquet",
    "embeddings/vectors.npy",
)
"""What is read of a data folder; other files on its card may change, as `rejected.csv` does when prep refuses."""


def check_files(folder: Path) -> None:
    """Compare the SHA-256 of every file that is read with the one on the card, where the card states any.

    A changed bit inside a number or a text would else only show as other scores. Hashing reads about 1 GB a second,
    once in a process for each file, unless its size or time of change are others.

    Args:
        folder: The data folder.

    Raises:
        DataError: A file is not what `gmt prep` wrote; it is named.
    """
    repair = "bring back the folder that gmt prep wrote, or run gmt prep again"
    card = read_json(folder / "card.json", DataError, "run gmt prep again")
    stated = card.get("files", {}) if isinstance(card, dict) else {}
    if not isinstance(stated, Mapping):
        raise DataError(f"{folder / 'card.json'}: files is {str(stated)[:60]!r}; expected names and hashes; {repair}")
    # Names are ours and not the card's: a stranger's card must not have files elsewhere read.
    for name in READ:
        path = folder / name
        if name in stated and path.is_file() and sha256_of(path) != stated[name]:
            raise DataError(f"{path} is not what gmt prep wrote (another SHA-256 than in card.json); {repair}")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hex; it is read again only when its size or time of change differ."""
    found = path.stat()
    return _sha256(path.resolve(), found.st_size, found.st_mtime_ns, found.st_ino)


@lru_cache(maxsize=256)
def _sha256(path: Path, size: int, changed: int, inode: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
