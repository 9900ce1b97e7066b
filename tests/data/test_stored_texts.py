"""Check that a table read in blocks, its texts on disk, is the table read whole."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gmt.data.interactions import InteractionTable
from gmt.data.round_hashes import round_hashes
from gmt.data.store import key_of
from gmt.data.stored_texts import StoredTexts, TextWriter
from gmt.data.table_columns import PER_COMPARISON, PER_ROW, VOCABULARIES
from gmt.errors import DataError


@pytest.fixture
def in_blocks(monkeypatch):
    monkeypatch.setattr("gmt.data.table_blocks.TEXTS_IN_MEMORY", 0)
    monkeypatch.setattr("gmt.data.table_blocks.MOST_ROWS", 7)


@pytest.fixture
def whole(demo_data):
    return InteractionTable.read(demo_data / "interactions.parquet")


def test_both_are_the_same_table(whole, in_blocks, demo_data, tmp_path):
    found = InteractionTable.read(demo_data / "interactions.parquet")
    assert isinstance(found.texts, StoredTexts) and not isinstance(whole.texts, StoredTexts)
    for name in VOCABULARIES:
        assert tuple(getattr(found, name)) == tuple(getattr(whole, name)), name
    for name in (*PER_COMPARISON, *PER_ROW, "start"):
        one, other = getattr(found, name), getattr(whole, name)
        assert np.array_equal(one, other, equal_nan=one.dtype.kind == "f"), name
    assert np.array_equal(round_hashes(found), round_hashes(whole))
    assert found.to_comparisons() == whole.to_comparisons()
    # Written again it is the file it was read from.
    found.write(tmp_path / "again.parquet")
    assert pq.read_table(tmp_path / "again.parquet").equals(pq.read_table(demo_data / "interactions.parquet"))


def test_models_that_are_given_come_first(in_blocks, demo_data):
    names = ["unmet", *reversed(InteractionTable.read(demo_data / "interactions.parquet").models)]
    assert list(InteractionTable.read(demo_data / "interactions.parquet", names).models) == names


def test_rows_in_any_order_are_read_too(whole, in_blocks, tmp_path):
    rows = whole.to_arrow()
    pq.write_table(rows.take(pa.array(np.arange(len(rows))[::-1])), tmp_path / "turned.parquet")
    found = InteractionTable.read(tmp_path / "turned.parquet")
    assert np.array_equal(found.comparison, whole.comparison)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows.drop_columns(["rating"]), "lacks the columns rating"),
        (lambda rows: with_column(rows, "split", "later"), "split is .?later"),
        (lambda rows: with_column(rows, "turn", None), "turn"),
        (lambda rows: with_first(rows, "query", "another query"), "differ in query"),
    ],
)
def test_what_is_no_table_is_refused_in_the_same_words(whole, tmp_path, monkeypatch, change, said):
    pq.write_table(change(whole.to_arrow()), tmp_path / "rows.parquet")
    for limit in (1 << 30, 0):
        monkeypatch.setattr("gmt.data.table_blocks.TEXTS_IN_MEMORY", limit)
        with pytest.raises(DataError, match=said):
            InteractionTable.read(tmp_path / "rows.parquet")


def with_column(rows, name, value):
    place = rows.column_names.index(name)
    return rows.set_column(place, name, pa.array([value] * len(rows), rows.schema.field(name).type))


def with_first(rows, name, value):
    place, values = rows.column_names.index(name), rows[name].to_pylist()
    return rows.set_column(place, name, pa.array([value, *values[1:]], rows.schema.field(name).type))


def test_texts_are_read_from_disk_and_measured_once(tmp_path):
    writer, texts = TextWriter(tmp_path), ["b", "", "東京", "a\nb", "b"]
    assert [writer.code(text) for text in [*texts, None]] == [0, 1, 2, 3, 0, -1]
    found, read = writer.finished(np.array([3, 0, 2, 1])), []
    assert list(found) == ["a\nb", "b", "東京", ""] and found[-1] == "" and found[1:3] == ("b", "東京")
    assert found.keys() == [key_of(text) for text in found] and found.keys([2]) == [key_of("東京")]

    def length(text):
        read.append(text)
        return (float(len(text)),)

    assert found.measured(length, np.array([2, 0, 2])).tolist() == [[2.0], [3.0], [2.0]]
    assert found.measured(length, np.array([0, 1])).tolist() == [[3.0], [1.0]]
    assert sorted(read[1:]) == ["a\nb", "b", "東京"]
    assert list(tmp_path.iterdir()) == []  # the file has no name
