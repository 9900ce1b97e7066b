"""Check that a table read in blocks, its texts on disk, is the table read whole."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gmt.data.encoders import EncoderCard
from gmt.data.interactions import InteractionTable
from gmt.data.round_hashes import content_hashes, owner_hashes, round_hashes
from gmt.data.store import EmbeddingStore, key_of
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
    for hashes in (round_hashes, owner_hashes, content_hashes):
        assert np.array_equal(hashes(found), hashes(whole))
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
        (lambda rows: with_column(rows, "signal", "winked"), "signal is .?winked"),
        (lambda rows: with_first(rows, "query", "another query"), "differ in query"),
    ],
)
def test_what_is_no_table_is_refused_in_the_same_words(whole, tmp_path, monkeypatch, change, said):
    pq.write_table(change(whole.to_arrow()), tmp_path / "rows.parquet")
    for limit in (1 << 30, 0):
        monkeypatch.setattr("gmt.data.table_blocks.TEXTS_IN_MEMORY", limit)
        with pytest.raises(DataError, match=said):
            InteractionTable.read(tmp_path / "rows.parquet")


def test_signals_are_read_in_blocks_and_their_column_may_be_missing(whole, in_blocks, tmp_path):
    marks = ["copied", None, "edited"] * len(whole.model)
    rows = whole.to_arrow()
    place = rows.column_names.index("signal")
    rows = rows.set_column(place, "signal", pa.array(marks[: len(rows)], pa.string()))
    pq.write_table(rows, tmp_path / "marked.parquet")
    found = InteractionTable.read(tmp_path / "marked.parquet")
    assert isinstance(found.texts, StoredTexts)
    assert found.signal.tolist() == InteractionTable.from_arrow(rows).signal.tolist() and set(found.signal) == {
        -1,
        0,
        3,
    }
    pq.write_table(rows.drop_columns(["signal"]), tmp_path / "earlier.parquet")
    earlier = InteractionTable.read(tmp_path / "earlier.parquet")
    assert isinstance(earlier.texts, StoredTexts) and (earlier.signal == -1).all()


def test_stand_ins_on_disk_find_the_vectors_of_what_they_stand_for(whole, in_blocks, tmp_path):
    store = EmbeddingStore.create(tmp_path / "store", EncoderCard("test", "1", 3))
    store.add(list(whole.texts), np.random.default_rng(0).normal(size=(len(whole.texts), 3)).astype(np.float32))
    whole.without_texts().write(tmp_path / "withheld.parquet")
    found = InteractionTable.read(tmp_path / "withheld.parquet")
    assert isinstance(found.texts, StoredTexts) and found.texts[0].startswith("text:")
    wanted = store.vectors([whole.texts[code] for code in whole.text_order])
    assert np.array_equal(store.vectors(found.texts), wanted)


def with_column(rows, name, value):
    place = rows.column_names.index(name)
    return rows.set_column(place, name, pa.array([value] * len(rows), rows.schema.field(name).type))


def with_first(rows, name, value):
    place, values, of = rows.column_names.index(name), rows[name].to_pylist(), rows["comparison"].to_pylist()
    # The first row of the first comparison that has a second one to differ from.
    at = next(i for i in range(len(of) - 1) if of[i] == of[i + 1])
    values[at] = value
    return rows.set_column(place, name, pa.array(values, rows.schema.field(name).type))


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
