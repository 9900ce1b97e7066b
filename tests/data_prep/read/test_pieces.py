"""Check that pieces of a file hold all of its rows, under the lines that the whole file gives them."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.read import pieces
from data_prep.read.parallel import parse_input
from data_prep.read.pieces import Piece, split_input
from data_prep.read.row import RatedRow
from data_prep.read.row_files import read_input
from gmt.data.comparisons import Candidate
from gmt.errors import DataError


def parse(file, line, row):
    if row["n"] == 13:
        raise DataError("unlucky")
    return [RatedRow(file, line, "ana", f"query {row['n']}", [Candidate("M"), Candidate("N")])]


def whole(path):
    refused = []
    lines = [line for _, line, row in read_input(path, refused) if row["n"] != 13]
    return lines, sorted(bad.line for bad in refused)


def in_pieces(path):
    lines, refused = [], []
    for found in parse_input(path, parse):
        lines += [row.line + found.before for row in found.rows]
        refused += [bad.line for bad in found.rejected if bad.reason != "unlucky"]
    return lines, sorted(refused)


def cut(path):
    return list(split_input(path, hand_over=False))


@given(
    st.lists(st.sampled_from(['{"n": 1}', '{"n": 13}', '{"n": 2, "é": "ü"}', "", "  ", "{", "[]"]), max_size=12),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.integers(1, 60),
)
@settings(deadline=None, max_examples=80)
def test_no_line_is_lost_or_renamed(tmp_path_factory, lines, ending, closed, size):
    path = tmp_path_factory.mktemp("cut") / "rows.jsonl"
    path.write_bytes((ending.join(lines) + (ending if closed else "")).encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "PIECE_BYTES", size)
        patch.setattr(pieces, "ROWS_AT_ONCE", 2)
        assert in_pieces(path) == whole(path)
        parts = [piece.part for piece in cut(path)]
        assert all(one[1] == other[0] for one, other in zip(parts, parts[1:], strict=False))


def test_row_groups_and_several_files_keep_their_lines(tmp_path, monkeypatch):
    monkeypatch.setattr(pieces, "PIECE_BYTES", 100)
    pq.write_table(pa.table({"n": list(range(50))}), tmp_path / "a.parquet", row_group_size=10)
    (tmp_path / "b.jsonl").write_text('{"n": 1}\n' * 30)
    (tmp_path / "c.csv").write_text("n\n" + "7\n" * 30)
    found = cut(tmp_path)
    assert [piece.file for piece in found].count("a.parquet") > 1 < [piece.file for piece in found].count("b.jsonl")
    assert found[-1] == Piece(str(tmp_path / "c.csv"))
    assert in_pieces(tmp_path) == whole(tmp_path)


def test_a_file_that_is_not_what_its_name_says_is_named(tmp_path):
    (tmp_path / "rows.parquet").write_text("no")
    with pytest.raises(DataError, match="rows.parquet is not readable Parquet"):
        cut(tmp_path / "rows.parquet")
