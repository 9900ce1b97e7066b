"""Check the script that counts and draws the house."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def house():
    found = importlib.util.spec_from_file_location("house", ROOT / "docs" / "house.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def made(root, files):
    """Write a tree of modules; return its root."""
    for name, text in files.items():
        path = root / f"{name.replace('.', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_circles_are_found_and_what_only_leads_to_them_is_not_in_them(house):
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": {"d"}, "f": {"a"}, "g": set()}
    assert sorted(house.circles(graph)) == [["a", "b", "c"], ["d", "e"]]
    assert house.circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_modules_count_to_their_room(house, tmp_path):
    files = {
        "gmt.errors": "x = 1\n",
        "gmt.data.table": "from gmt import errors\n", "gmt.data.store": "import gmt.data.table\n",
        "data_prep.pool": "import gmt.errors\n", "data_prep.read.row": "import data_prep.pool\n",
        "data_prep.splits": "from gmt.data import table\nfrom data_prep.read.row import x\n",
    }  # fmt: skip
    graph, sizes = house.rooms(made(tmp_path, files))
    assert sizes == {"ground": 1, "gmt.data": 2, "data_prep.read": 2, "data_prep": 1}
    assert graph["data_prep"] == {"gmt.data", "data_prep.read"} and graph["data_prep.read"] == {"ground"}


def test_an_arrow_that_another_room_brings_along_is_left_out(house):
    graph = {"top": {"middle", "ground"}, "middle": {"ground"}, "ground": set()}
    assert house.layers_of(graph) == [["ground"], ["middle"], ["top"]]
    assert house.needed_arrows(graph) == [("middle", "ground"), ("top", "middle")]
    with pytest.raises(ValueError, match="in a circle: ground, middle, top"):
        house.layers_of(graph | {"ground": {"top"}})


def test_a_long_arrow_goes_through_a_slot_of_its_own_in_every_row(house):
    layers = [["a"], ["b", "c"], ["d"]]
    ways = house.ways_of(layers, [("d", "b"), ("d", "c"), ("d", "a")])
    assert ways == [["d", "b"], ["d", "c"], ["d", "d>a>1", "a"]]
    rows, width = [["a"], ["b", "c", "d>a>1"], ["d"]], {"a": 1.0, "b": 1.0, "c": 2.0, "d": 1.0, "d>a>1": 0.2}
    x = house.placed(rows, ways, width)
    for one, right in zip(rows[1], rows[1][1:], strict=False):
        assert x[right] - x[one] >= (width[one] + width[right]) / 2 - 1e-9


def test_rooms_of_this_tree_import_each_other_in_no_circle(house):
    graph, sizes = house.rooms(ROOT)
    assert house.circles(graph) == []
    assert sum(sizes.values()) == len(house.modules(ROOT)) - 1  # `gmt` itself, which stands in no room
    assert set(graph) == set(sizes) and "gmt.routing" in graph


def test_the_picture_is_the_same_each_time(house, tmp_path):
    first, second = tmp_path / "a.svg", tmp_path / "b.svg"
    house.draw(ROOT, first)
    house.draw(ROOT, second)
    text = first.read_text()
    assert text == second.read_text() and "studies" in text
