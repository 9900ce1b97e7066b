"""Check that the numbers shipped with the parts are those of the pages that they are taken from."""

import json
import re
from pathlib import Path

import gmt.reproduce

ROOT = Path(__file__).parents[2]


def written(value):
    """Return a number as the tables write it, without its sign: a gain of one row is a loss of another."""
    return f"{abs(value):.3f}".removeprefix("0")


def test_every_recorded_interval_stands_in_the_pages():
    recorded = json.loads((Path(gmt.reproduce.__file__).parent / "recorded.json").read_text("utf-8"))
    pages = "".join((ROOT / "docs" / name).read_text("utf-8") for name in ("results.md", "performance.md"))
    pages = re.sub(r"[+−-](?=\.\d)", "", pages)
    found = {
        (part, metric): one["ours"]
        for part, metrics in recorded.items()
        for metric, one in metrics.items()
        if (one.get("ours") or {}).get("low") is not None and abs(one["ours"]["value"]) < 1
    }
    assert len(found) > 30
    ends = {key: sorted((abs(one["low"]), abs(one["high"]))) for key, one in found.items()}
    cells = {
        key: {
            f"{written(one['value'])} [{written(low)}, {written(high)}]" for low, high in (ends[key], ends[key][::-1])
        }
        for key, one in found.items()
    }
    assert [key for key, either in cells.items() if not any(cell in pages for cell in either)] == []
