"""Read PRISM as reward models see it: answers without models."""

from __future__ import annotations

from pathlib import Path

from data_prep.sources.prism import read_prism
from data_prep.sources.source import RawData, SourceOptions


def read(input: str | Path | None, options: SourceOptions) -> RawData:
    """Read as the source `prism`, all answers named by their places and shown where they are ranked."""
    return read_prism(input, by_place=True)
