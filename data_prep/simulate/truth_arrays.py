"""Write the arrays of a truth beside the rows that were drawn from it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gmt.files import replace_file


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write named arrays as a compressed `.npz`, whole or not at all."""

    def write(part: Path) -> None:
        with part.open("wb") as file:  # by its name alone, numpy would add a suffix
            np.savez_compressed(file, **arrays)

    replace_file(path, write)
