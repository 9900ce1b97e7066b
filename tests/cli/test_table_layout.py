"""Check that a table loses nothing, however narrow the terminal."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from gmt.cli.console import Terminal, _table
from gmt.cli.table_layout import GAP, blocks_of

WORD = st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), max_size=30)


@st.composite
def tables(draw):
    columns = draw(st.integers(1, 7))
    rows = draw(st.lists(st.lists(WORD, min_size=columns, max_size=columns), min_size=1, max_size=4))
    return rows, frozenset(draw(st.sets(st.integers(0, columns - 1))))


@given(tables(), st.integers(1, 90))
def test_every_column_stands_once_beside_the_first_and_no_line_is_too_long(table, width):
    rows, texts = table
    blocks = blocks_of(rows, texts, width)
    shown = [at for block in blocks for at in block.columns[1:]]
    assert shown == list(range(1, len(rows[0]))) and all(block.columns[0] == 0 for block in blocks)
    for block in blocks:
        assert min(block.widths) >= 1
        # A line of less than the least that a name needs cannot be kept.
        assert sum(block.widths) + GAP * (len(block.widths) - 1) <= max(width, 11)


@given(tables())
def test_a_pipe_has_one_line_for_each_row(table):
    (block,) = blocks_of(table[0], table[1], None)
    assert block.columns == tuple(range(len(table[0][0])))
    assert all(width >= cell_len(row[at]) for row in table[0] for at, width in enumerate(block.widths))


@given(tables(), st.integers(12, 60))
def test_every_sign_of_every_cell_is_printed(table, width):
    rows, texts = table
    out = io.StringIO()
    console = Console(file=out, width=width, highlight=False, markup=False, emoji=False)
    for block in blocks_of(rows, texts, width):
        console.print(_table(rows, block, texts))
    printed = sorted(out.getvalue().replace("\n", "").replace(" ", ""))
    for sign in set("".join("".join(row[1:]) for row in rows)):
        assert printed.count(sign) >= sum("".join(row[1:]).count(sign) for row in rows)
    assert "…" not in printed or any("…" in cell for row in rows for cell in row)


@pytest.mark.parametrize("width", [40, 60])
def test_a_stated_width_holds_in_a_pipe_too(width, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(width))
    rows = [["gmt", *["0.856 [0.807, 0.899]"] * 4], ["owners_shuffled", *["0.528 [0.447, 0.616]"] * 4]]
    Terminal().table("", ["router", "AUC", "accuracy", "AUC per user (46 users)", "log loss"], rows)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width and "…" not in "".join(lines)
    assert sum(line.count("0.856 [0.807, 0.899]") for line in lines) == 4
    # Each block says again of which router its numbers are.
    assert sum(line.startswith("owners_shuffled") for line in lines) == sum(line.startswith("router") for line in lines)
