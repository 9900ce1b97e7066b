"""List what training made with size and hash, and find what is missing, damaged or not listed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from gmt.errors import RunError
from gmt.files import write_json

MANIFEST = "manifest.json"
FORMAT = 2
CHANGING = ("state.db", "state.db-wal", "state.db-shm", "results", "users", "last")
"""What stands beside the artefacts and belongs to no build."""
READ = (".json", ".jsonl", ".yaml", ".safetensors", ".parquet", ".npy")
"""Endings a run is read from; a note or a picture that somebody lays beside them does not matter."""
BLOCK = 1 << 22


@dataclass(frozen=True)
class Mark:
    """Say what a file must be.

    Args:
        bytes: Its size.
        sha256: The hash of its content, in hex.
    """

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """List the artefacts of one build of a run.

    Args:
        run: Name of the run for the database of its state; it outlives retraining.
        build: Name of this build alone, by which a reader sees that the artefacts were replaced.
        made: When, as ISO 8601 in UTC.
        files: Path inside the run -> what the file must be.
    """

    run: str
    build: str
    made: str
    files: Mapping[str, Mark]

    def to_json(self) -> dict[str, Any]:
        """Return what `manifest.json` holds."""
        files = {name: {"bytes": mark.bytes, "sha256": mark.sha256} for name, mark in sorted(self.files.items())}
        return {"format": FORMAT, "run": self.run, "build": self.build, "made": self.made, "files": files}


def artefacts_of(folder: Path) -> list[str]:
    """Return the paths, inside a folder, of all files that a run is read from and that do not change."""
    found = []
    for place, folders, files in os.walk(folder):
        inside = Path(place).relative_to(folder)
        top = not inside.parts
        # What changes may hold any number of files, which are not walked over.
        folders[:] = [name for name in folders if not name.startswith(".") and not (top and name in CHANGING)]
        for name in files:
            if not name.startswith(".") and Path(name).suffix in READ and not (top and name in (*CHANGING, MANIFEST)):
                found.append((inside / name).as_posix())
    return sorted(found)


def seal(folder: Path, run: str | None = None) -> Manifest:
    """Write the manifest of a finished folder, with all of its artefacts on the disk first.

    Args:
        folder: Holds the artefacts.
        run: The name of the run they are for; a new one by default.
    """
    files = {name: mark_of(folder / name, sync=True) for name in artefacts_of(folder)}
    manifest = Manifest(run or str(uuid.uuid4()), str(uuid.uuid4()), datetime.now(UTC).isoformat("T", "seconds"), files)
    write_json(folder / MANIFEST, manifest.to_json())
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a run.

    Raises:
        RunError: There is none, it is damaged, or a newer gmt wrote it.
    """
    path = folder / MANIFEST
    try:
        found = json.loads(path.read_text("utf-8"))
        if found["format"] > FORMAT:
            raise RunError(f"{path} has format {found['format']} and this gmt reads {FORMAT}; install a newer gmt")
        files = {str(name): Mark(int(mark["bytes"]), str(mark["sha256"])) for name, mark in found["files"].items()}
        manifest = Manifest(str(found["run"]), str(found["build"]), str(found["made"]), files)
    except FileNotFoundError:
        raise RunError(f"{folder} holds no {MANIFEST}; write it with gmt runs upgrade {folder}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise RunError(f"{path} is damaged; restore it, or train the run again") from None
    outside = [name for name in files if not is_inside(name)]
    if outside:
        raise RunError(f"{path} lists {outside[0][:100]!r}, which is outside the run; restore it")
    return manifest


def has_manifest(folder: Path) -> bool:
    """Tell whether a run has a manifest; those of earlier versions have none.

    Raises:
        RunError: There is none, and the run's card says that there was one.
    """
    if (folder / MANIFEST).is_file():
        return True
    card = folder / "card.json"
    with contextlib.suppress(OSError, ValueError, RecursionError):
        found = json.loads(card.read_text("utf-8"))
        if isinstance(found, dict) and "format" in found:
            raise RunError(f"{folder / MANIFEST} is missing; restore it, or write it with gmt runs upgrade {folder}")
    return False


def name_of(folder: Path) -> str | None:
    """Return the name of a run for the database of its state, None where there is no run yet.

    That of a run without a manifest follows from its card, so that it is the same before and after an upgrade.

    Raises:
        RunError: The manifest is damaged, and what users added to the run would be lost with the name.
    """
    card = folder / "card.json"
    if (folder / MANIFEST).is_file():
        try:
            return read_manifest(folder).run
        except RunError:
            if (folder / "state.db").is_file():
                raise
    return str(uuid.uuid5(uuid.NAMESPACE_OID, mark_of(card).sha256)) if card.is_file() else None


def verify(folder: Path, hashes: bool = True) -> Manifest:
    """Check that every artefact is what the manifest says, and that no other one lies beside them.

    Args:
        folder: The run.
        hashes: Also read the files and compare their hashes; sizes are compared always.

    Raises:
        RunError: An artefact is missing, damaged or not listed; the first one is named.
    """
    manifest = read_manifest(folder)
    repair = "restore it from a copy, or train the run again"
    for name, mark in manifest.files.items():
        path = folder / name
        if not path.is_file():
            raise RunError(f"{path} is missing, and {MANIFEST} lists it; {repair}")
        size = path.stat().st_size
        if size != mark.bytes:
            raise RunError(f"{path} has {size:,} bytes and {MANIFEST} says {mark.bytes:,}; {repair}")
        if hashes and mark_of(path).sha256 != mark.sha256:
            raise RunError(f"{path} is not what training wrote (another SHA-256 than in {MANIFEST}); {repair}")
    for name in artefacts_of(folder):
        if name not in manifest.files:
            raise RunError(f"{folder / name} is not listed in {MANIFEST}; move it out of the run")
    return manifest


def is_inside(name: str) -> bool:
    """Tell whether a path that a file names leads to a place inside its folder."""
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts


def mark_of(path: Path, sync: bool = False) -> Mark:
    """Return what a file is, read block by block; `sync` brings it to the disk."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
            size += len(block)
        if sync:
            os.fsync(file.fileno())
    return Mark(size, digest.hexdigest())
