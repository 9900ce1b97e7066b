"""Check that tables go to pandas, Arrow and datasets and come back the same, and that bad ones are one clear line."""

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmt.data.comparisons import Candidate, Comparison
from gmt.data.frames import arrow_table, dict_rows
from gmt.data.interactions import InteractionTable
from gmt.data.load_data import load_dataset
from gmt.data.signals import SIGNALS
from gmt.data.table_arrow import SCHEMA
from gmt.errors import LINE, DataError

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)  # halves of characters are refused elsewhere
NAME = TEXT.filter(lambda text: text.strip())
NUMBER = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def odd_tables(draw):
    """Draw tables whose every cell may be missing, and whose texts may be anything."""
    names = draw(st.lists(NAME, min_size=1, max_size=4, unique=True))
    rounds = []
    for number in range(draw(st.integers(0, 5))):
        shown = draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True))
        candidates = tuple(
            Candidate(
                name,
                draw(st.none() | TEXT),
                draw(st.none() | st.floats(0, 1)),
                draw(st.none() | TEXT),
                draw(NUMBER),
                draw(st.none() | st.sampled_from(SIGNALS)),
            )
            for name in shown
        )
        optional = draw(st.none() | TEXT), draw(st.none() | TEXT), draw(NUMBER)
        rounds.append(Comparison(draw(NAME), f"c{number}", draw(st.integers(0, 3)), draw(TEXT), candidates, *optional))
    split = draw(st.lists(st.integers(0, 2), min_size=len(rounds), max_size=len(rounds)))
    return InteractionTable.from_comparisons(rounds, split)


def same(one, other):
    """Tell whether two tables hold the same rows in the same order, bit by bit."""
    left, right = one.to_arrow(), other.to_arrow()
    return left.equals(right) and one.to_comparisons() == other.to_comparisons() and len(one) == len(other)


@given(odd_tables())
def test_every_way_there_and_back_is_exact(table):
    assert same(InteractionTable.from_pandas(table.to_pandas()), table)
    assert same(InteractionTable.from_dataset(table.to_dataset()), table)
    assert same(InteractionTable.from_frame(table.to_arrow()), table)
    assert table.to_pandas().columns.tolist() == table.to_dataset().column_names == SCHEMA.names


@given(odd_tables())
def test_rows_may_come_in_any_order_and_under_any_labels(table):
    frame = table.to_pandas()
    turned = frame.iloc[::-1].set_index(pd.Index(range(0, 7 * len(frame), 7)[: len(frame)], name="user id"))
    back = InteractionTable.from_pandas(turned)
    key = [(item.user, item.conversation, item.turn) for item in back.to_comparisons()]
    assert key == [(item.user, item.conversation, item.turn) for item in table.to_comparisons()]
    assert {c for item in back.to_comparisons() for c in item.candidates} == {
        c for item in table.to_comparisons() for c in item.candidates
    }


def frame(**changed):
    """Two rounds of two answers as a data frame; a list replaces a column, None drops it."""
    rounds = [
        Comparison(
            "ana", f"c{n}", n, f"query {n}", (Candidate("x", "yes", 1.0), Candidate("y", None, 0.0)), None, "maths", 5.0
        )
        for n in range(2)
    ]
    found = InteractionTable.from_comparisons(rounds).to_pandas()
    for name, values in changed.items():
        found = found.drop(columns=name) if values is None else found.assign(**{name: pd.Series(values, dtype=object)})
    return found


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"user": ["a", None, "a", "a"]}, "the column user is empty in row 1, counted from 0"),
        ({"user": ["a", "a", "  ", "a"]}, "the column user is empty in row 2"),
        ({"model": ["x", "", "x", "y"]}, "the column model is empty in row 1"),
        ({"query": [None, None, "q", "q"]}, "the column query is empty in row 0"),
        ({"comparison": [0, 0, 1, None]}, "the column comparison is empty in row 3"),
        ({"user": None, "query": None}, "the table lacks the columns user, query; .* gmt.read_rounds"),
        ({"rating": [1, 0, 5, 0]}, r"ratings span 0.0..5.0; expected \[0, 1\]"),
        ({"rating": [1, 0, float("inf"), 0]}, "the column rating is inf in row 2, counted from 0; expected a finite"),
        ({"rating": ["good", "bad", "1", "0"]}, "the column rating is no double .*(good|bad)"),
        ({"rating": ["good", 1, 0, 0]}, "the DataFrame cannot be read as columns .*; give every column one type"),
        ({"turn": [0, 0, -1, -1]}, "the column turn is -1 in row 2, counted from 0; expected a whole number from 0"),
        ({"turn": [0, 0, 1.5, 1.5]}, "the column turn is no int32"),
        ({"turn": [0, 0, 2**40, 2**40]}, "the column turn is no int32"),
        ({"user": ["a", "b", "a", "a"]}, "rows of comparison 0 differ in user"),
        ({"model": ["x", "x", "x", "y"]}, "a model stands twice in one comparison"),
        ({"split": ["train", "train", "dev", "dev"]}, "split is 'dev'; expected one of train, valid, test"),
        ({"signal": [None, "liked", None, None]}, "signal is 'liked'; expected one of copied"),
        ({"query": ["\ud800"] * 2 + ["q"] * 2}, "surrogates not allowed"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_one_clear_line(changed, said):
    with pytest.raises(DataError, match=said) as error:
        InteractionTable.from_pandas(frame(**changed))
    assert len(str(error.value).splitlines()) == 1 and len(str(error.value)) < LINE


def test_columns_of_other_types_are_read_where_they_say_the_same():
    wanted = InteractionTable.from_pandas(frame())
    found = frame(turn=[0.0, 0.0, 1.0, 1.0], comparison=["0", "0", "1", "1"])
    found["user"] = found["user"].astype("category")
    found["timestamp"] = pd.to_datetime([5] * 4, unit="s", utc=True).tz_convert("Asia/Tokyo")
    assert same(InteractionTable.from_pandas(found), wanted)
    assert same(InteractionTable.from_pandas(frame().drop(columns=["split", "signal", "feedback", "cost"])), wanted)
    missing = frame()
    missing["timestamp"] = pd.to_datetime([None] * 4)
    assert np.isnan(InteractionTable.from_pandas(missing).timestamp).all()


def test_models_given_take_the_first_codes():
    assert InteractionTable.from_pandas(frame(), ["late", "y"]).models == ("late", "y", "x")


@pytest.mark.parametrize("value", [[1, 2], "votes.csv", {"user": "ana"}, None, 7])
def test_what_is_no_table_at_all_is_named(value):
    assert arrow_table(value) is None
    with pytest.raises(
        DataError, match=f"{type(value).__name__} is no table; expected one of pandas, Arrow or datasets"
    ):
        InteractionTable.from_frame(value)


def test_splits_and_streams_of_datasets_are_named():
    data = InteractionTable.from_pandas(frame()).to_dataset()
    with pytest.raises(DataError, match=r"DatasetDict has splits \('train'\); hand over one, e.g. data\['train'\]"):
        InteractionTable.from_dataset(datasets.DatasetDict(train=data))
    with pytest.raises(DataError, match="IterableDataset streams; hand over one in memory"):
        InteractionTable.from_dataset(data.to_iterable_dataset())
    assert len(InteractionTable.from_dataset(data.select([0, 1]))) == 1


def test_batches_and_whatever_speaks_arrow_are_tables():
    rows = InteractionTable.from_pandas(frame()).to_arrow()

    class Speaks:
        def __arrow_c_stream__(self, requested_schema=None):
            return rows.__arrow_c_stream__(requested_schema)

    assert arrow_table(rows.to_batches()[0]).equals(rows) and arrow_table(Speaks()).equals(rows)


def test_rows_leave_out_what_is_missing():
    assert dict_rows(pa.table({"a": [1, None], "b": [None, "x"]})) == [{"a": 1}, {"b": "x"}]


def test_a_data_folder_is_loaded_and_nothing_else(demo_data):
    data = load_dataset(str(demo_data))
    assert len(data.vectors) == len(data.table.texts) and set(data.table.models) <= set(data.models)
    with pytest.raises(DataError, match="DataFrame is no folder; rows in memory are read by gmt.read_rounds"):
        load_dataset(frame())
    with pytest.raises(DataError, match="holds no interactions.parquet"):
        load_dataset("nowhere")
