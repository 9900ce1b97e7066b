"""Read LiteLLM's price file: $ per token there, $ per million tokens here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data_prep.read.cells import number
from gmt.errors import DataError

INPUT, OUTPUT = "input_cost_per_token", "output_cost_per_token"
SAMPLE = "sample_spec"
"""An entry of the file that explains its fields in words."""
MILLION = 1_000_000


def is_price_file(found: Any) -> bool:
    """Tell whether a JSON value is such a file: entries with costs per token."""
    return isinstance(found, Mapping) and any(
        isinstance(one, Mapping) and (INPUT in one or OUTPUT in one) for one in found.values()
    )


def million_prices(found: Mapping[str, Any]) -> dict[str, dict[str, float | None]]:
    """Return name -> `{input_price, output_price}`, $ per million tokens.

    A model that stands under its provider (`openai/gpt-x`) is also known by its bare name, unless the file has that
    name itself or providers ask different prices.

    Raises:
        DataError: A cost is no number from 0.
    """
    prices: dict[str, dict[str, float | None]] = {}
    bare: dict[str, list[dict[str, float | None]]] = {}
    for name, one in found.items():
        # Models of images and sounds are priced by other units.
        if name == SAMPLE or not isinstance(one, Mapping) or not {INPUT, OUTPUT} & set(one):
            continue
        stated: dict[str, float | None] = {}
        for ours, theirs in (("input_price", INPUT), ("output_price", OUTPUT)):
            cost = number(one.get(theirs), f"{theirs} of {name}")
            if cost is not None and cost < 0:
                raise DataError(f"{theirs} of {name} is {cost:g}; expected $ per token from 0")
            # Rounded at a billionth of a dollar, for 1.5e-07 · 10⁶ is no 0.15 in binary.
            stated[ours] = None if cost is None else round(cost * MILLION, 9)
        prices[name] = stated
        if "/" in name:
            bare.setdefault(name.rpartition("/")[2], []).append(stated)
    for name, ones in bare.items():
        if name not in prices and all(one == ones[0] for one in ones):
            prices[name] = ones[0]
    return prices
