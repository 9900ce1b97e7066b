"""Check that votes are read from whatever holds them in memory, and that what holds none is one clear line."""

import datasets
import pandas as pd
import pyarrow as pa
import pytest

from gmt.data.comparisons import Candidate, Comparison
from gmt.errors import LINE, DataError
from gmt.serving.pretrained import Router
from gmt.serving.rounds_given import read_rounds

ROWS = [
    {"user": "ana", "query": "one", "model_a": "x", "model_b": "y", "winner": "model_a"},
    {"user": "ana", "query": "two", "model": "x", "rating": 0.25, "cost": 1.5},
    {"user": "bo", "query": "two", "model": "y", "rating": 1.0, "task": "maths"},
]


def columns(rows):
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


@pytest.mark.parametrize(
    "held",
    [
        ROWS,
        tuple(ROWS),
        (row for row in ROWS),
        columns(ROWS),
        pd.DataFrame(ROWS),
        pd.DataFrame(ROWS, index=[7, 7, 9]),
        pa.table(columns(ROWS)),
        datasets.Dataset.from_dict(columns(ROWS)),
    ],
    ids=["list", "tuple", "generator", "columns", "pandas", "labels", "arrow", "datasets"],
)
def test_the_same_rows_are_the_same_rounds_in_every_shape(held):
    assert read_rounds(held) == read_rounds([dict(row) for row in ROWS])
    assert [len(item.candidates) for item in read_rounds(ROWS)] == [2, 1, 1]


def test_one_row_alone_and_rounds_themselves_are_taken():
    assert read_rounds(ROWS[0]) == read_rounds(ROWS[:1])
    item = Comparison("ana", "c", 0, "q", (Candidate("x", None, 1.0),))
    assert read_rounds(item) == read_rounds([item]) == [item]
    assert read_rounds([]) == read_rounds(pd.DataFrame()) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("why is the sky blue?", "'why is the sky blue.*' is a str; expected rows with query and either"),
        (7, "7 is a int; expected rows"),
        (None, "None is a NoneType; expected rows"),
        (["one", "two"], r"row 1 is a str \('one'\); expected rows with query"),
        ([ROWS[0], ["two"]], "row 2 is a list"),
        ({"query": ["a", "b"], "model": ["x"]}, "the columns have different lengths .query 2, model 1."),
        (pd.DataFrame({"text": ["a"]}), "row line 1: .*query is empty"),
        (pd.DataFrame({"query": ["a"], "model": ["x"], "rating": [9]}), "row line 1: rating is 9"),
        ([{"query": ["a"], "model": "x", "rating": 1}], "query is a list"),
        (datasets.DatasetDict(), "DatasetDict has splits"),
    ],
)
def test_what_holds_no_rounds_is_one_clear_line(given, said):
    with pytest.raises(DataError, match=said) as error:
        read_rounds(given, "ana")
    assert len(str(error.value).splitlines()) == 1 and len(str(error.value)) < LINE


def test_a_router_takes_them_too_and_adds_nothing_where_one_is_wrong(good_copy):
    router = Router.from_pretrained(good_copy)
    told = pd.DataFrame(
        [{"query": f"q{n}", "model_a": "atlas-90b", "model_b": "telegram-8b", "winner": "tie"} for n in range(3)]
    )
    assert router.add("guest", told)["votes"] == 3
    assert router.add("guest", told.iloc[0].to_dict())["repeats"] == 1
    for wrong in ("hello", ["hello"], told.assign(winner="Left"), pd.DataFrame([1])):
        with pytest.raises(DataError):
            router.add("guest", wrong)
    assert router.votes("guest") == 3
    with pytest.raises(DataError, match="user is 'ana'; expected guest, whose history this is"):
        router.add("guest", told.assign(user="ana"))
