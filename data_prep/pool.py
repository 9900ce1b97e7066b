"""Read the descriptions and prices of the models on offer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from data_prep.read.file_formats import read_json
from gmt.data.dataset import ModelInfo
from gmt.errors import DataError


def read_models(path: Path) -> dict[str, ModelInfo]:
    """Read model descriptions and prices.

    Args:
        path: JSON of name -> `{description or feature, input_price, output_price}`; other keys,
            such as GraphRouter's `size`, are ignored.

    Raises:
        DataError: The file is no such JSON.
    """
    found = read_json(path)
    if not isinstance(found, dict) or not all(isinstance(info, dict) for info in found.values()):
        raise DataError(f"{path} is not JSON of model name -> {{description, input_price, output_price}}; see --help")
    models = {}
    for name, info in found.items():
        description = info.get("description") or info.get("feature") or name
        prices = info.get("input_price"), info.get("output_price")
        for price in prices:
            if price is not None and (isinstance(price, bool) or not isinstance(price, int | float) or price < 0):
                raise DataError(f"{path}: a price of {name} is {price!r}; expected $ per million tokens or null")
        if not isinstance(description, str):
            raise DataError(f"{path}: the description of {name} is {description!r}; expected text")
        models[name] = ModelInfo(description, *(None if price is None else float(price) for price in prices))
    return models


def describe_models(names: Sequence[str], known: Mapping[str, ModelInfo], path: Path | None) -> dict[str, ModelInfo]:
    """Describe every model of the table; the file says more than the source, the name is the last resort.

    Raises:
        DataError: The file describes none of these models.
    """
    stated = {} if path is None else read_models(Path(path))
    if stated and not set(stated) & set(names):
        raise DataError(
            f"{path} describes {', '.join(list(stated)[:3])} … and none of the models here "
            f"({', '.join(list(names)[:3])} …); use the same names"
        )
    return {name: stated.get(name) or known.get(name) or ModelInfo(name) for name in names}
