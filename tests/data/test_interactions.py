import math
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmt.data.comparisons import Candidate, Comparison, text_id, winner_ratings
from gmt.data.interactions import SPLITS, TEST, TRAIN, VALID, InteractionTable
from gmt.data.table_arrow import IN_MEMORY, SCHEMA, arrow_parts, columns_of
from gmt.errors import DataError
from tests.data.strategies import comparisons, tables
from tests.factories import random_table


def vote(user="ana", conversation="c", turn=0, query="q", ratings=(1.0, 0.0), **more):
    pair = tuple(Candidate(name, f"{name} says", rating) for name, rating in zip("xyz", ratings, strict=False))
    return Comparison(user, conversation, turn, query, pair, **more)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"model": " "}, "no model name"),
        ({"model": "x", "rating": 1.01}, r"rating 1.01 of model x is outside \[0, 1\]"),
        ({"model": "x", "rating": -0.1}, "outside"),
        ({"model": "x", "rating": math.nan}, "outside"),
        ({"model": "x", "cost": math.inf}, "cost inf of model x is not finite"),
    ],
)
def test_a_candidate_refuses_what_cannot_be(values, words):
    with pytest.raises(DataError, match=words):
        Candidate(**values)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"user": ""}, "user is empty"),
        ({"conversation": ""}, "conversation is empty"),
        ({"turn": -1}, "turns count from 0"),
        ({"candidates": ()}, "no model answered"),
        ({"candidates": (Candidate("x"), Candidate("x"))}, "a model stands twice"),
    ],
)
def test_a_comparison_refuses_what_cannot_be(values, words):
    good = {"user": "u", "conversation": "c", "turn": 0, "query": "", "candidates": (Candidate("x"),)}
    assert Comparison(**good).query == ""
    with pytest.raises(DataError, match=words):
        Comparison(**(good | values))


@pytest.mark.parametrize(
    ("winner", "wanted"),
    [
        ("model_a", (1.0, 0.0, None)),
        ("model_b", (0.0, 1.0, None)),
        ("tie", (0.5, 0.5, None)),
        ("tie (bothbad)", (0.5, 0.5, "both bad")),
    ],
)
def test_a_verdict_becomes_two_ratings(winner, wanted):
    assert winner_ratings(winner) == wanted


def test_an_unknown_verdict_is_named_with_the_known_ones():
    with pytest.raises(DataError, match=r"'left'; expected one of model_a, model_b, tie, tie \(bothbad\)"):
        winner_ratings("left")


@given(comparisons())
def test_what_goes_in_comes_out_in_the_same_order(items):
    table = InteractionTable.from_comparisons(items)
    first = {}
    for item in items:
        first[item.conversation] = min(first.get(item.conversation, (9, "")), (item.turn, item.query))
    wanted = [replace(item, question=text_id(first[item.conversation][1])) for item in items]
    assert table.to_comparisons() == wanted
    assert table.comparison.tolist() == list(range(len(items))) and (table.split == TRAIN).all()


@given(tables(), st.randoms(use_true_random=False))
def test_parquet_gives_the_table_back(table, random):
    codes = np.array([random.randrange(3) for _ in table.conversations])
    table = table.with_split(codes[table.conversation])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "deep" / "t.parquet"
        table.write(path)
        assert [file.name for file in path.parent.iterdir()] == ["t.parquet"]
        again = InteractionTable.read(path, table.models)
        assert pq.read_schema(path).equals(SCHEMA)
    assert again.to_comparisons() == table.to_comparisons()
    assert again.models == table.models
    np.testing.assert_array_equal(again.model, table.model)
    np.testing.assert_array_equal(again.comparison, table.comparison)
    np.testing.assert_array_equal(again.split, table.split)
    assert again.to_arrow().equals(table.to_arrow())


def test_optional_columns_survive_parquet(tmp_path):
    candidate = Candidate("x", None, None, "too long", 0.25)
    item = Comparison("u", "c", 3, "", (candidate, Candidate("y", "")), "own id", "maths", 1.7e9)
    table = InteractionTable.from_comparisons([item], [VALID])
    table.write(tmp_path / "t.parquet")
    again = InteractionTable.read(tmp_path / "t.parquet")
    assert again.to_comparisons() == [item]
    row = again.to_arrow().to_pylist()[0]
    assert row["split"] == "valid" and row["timestamp"] == 1.7e9 and row["rating"] is None and row["cost"] == 0.25


def test_an_empty_table_is_a_table(tmp_path):
    table = InteractionTable.from_comparisons([])
    table.write(tmp_path / "t.parquet")
    again = InteractionTable.read(tmp_path / "t.parquet", ["x"])
    assert len(again) == 0 and again.models == ("x",) and again.to_comparisons() == []
    assert again.ratings.shape == again.candidates.shape == (0, 0) and again.rated.tolist() == []


@given(tables(), st.randoms(use_true_random=False))
def test_select_keeps_codes_and_takes_what_it_is_told_in_that_order(table, random):
    positions = np.array(random.choices(range(len(table)), k=4))
    part = table.select(positions)
    all_items = table.to_comparisons()
    assert part.to_comparisons() == [all_items[position] for position in positions]
    assert (part.users, part.models, part.texts) == (table.users, table.models, table.texts)
    np.testing.assert_array_equal(part.comparison, table.comparison[positions])
    mask = np.array([random.random() < 0.5 for _ in range(len(table))])
    assert table.select(mask).to_comparisons() == table.select(np.flatnonzero(mask)).to_comparisons()


@given(comparisons(), comparisons())
def test_append_keeps_codes_already_given_out(first, second):
    second = [replace(item, conversation=f"later {item.conversation}") for item in second]
    table = InteractionTable.from_comparisons(first)
    grown = table.append(second, split=TEST)
    for name in ("users", "models", "texts", "conversations", "questions", "tasks"):
        known = getattr(table, name)
        assert getattr(grown, name)[: len(known)] == known
    for name in ("user", "conversation", "question", "query", "split", "comparison", "turn"):
        np.testing.assert_array_equal(getattr(grown, name)[: len(table)], getattr(table, name))
    for name in ("model", "response", "feedback", "rating"):
        np.testing.assert_array_equal(getattr(grown, name)[: len(table.model)], getattr(table, name))
    assert (grown.split[len(table) :] == TEST).all() and len(np.unique(grown.comparison)) == len(grown)
    alone = InteractionTable.from_comparisons(second).to_comparisons()
    assert grown.to_comparisons() == table.to_comparisons() + alone


def test_a_later_round_keeps_the_question_its_conversation_opened_with_also_when_appended():
    opening, later = vote(query="hello"), vote(turn=1, query="go on")
    together = InteractionTable.from_comparisons([later, opening])
    apart = InteractionTable.from_comparisons([opening]).append([later])
    assert together.questions == apart.questions == (text_id("hello"),)
    assert together.question.tolist() == apart.question.tolist() == [0, 0]


def test_rows_keep_the_order_the_answers_were_shown_in():
    items = [vote(conversation="1"), replace(vote(conversation="2"), candidates=(Candidate("y"), Candidate("x")))]
    table = InteractionTable.from_comparisons(items, models=["x", "y"])
    assert table.candidates.tolist() == [[0, 1], [1, 0]]


def test_padding_has_no_model_and_no_rating():
    table = InteractionTable.from_comparisons([vote(ratings=(1.0,)), vote(conversation="d", ratings=(0.0, 0.5, 1.0))])
    assert table.padded_rows.tolist() == [[0, -1, -1], [1, 2, 3]]
    assert table.candidates.tolist() == [[0, -1, -1], [0, 1, 2]]
    np.testing.assert_array_equal(table.ratings, [[1.0, np.nan, np.nan], [0.0, 0.5, 1.0]])


@given(tables())
def test_a_comparison_is_rated_if_any_candidate_is(table):
    wanted = [any(c.rating is not None for c in item.candidates) for item in table.to_comparisons()]
    assert table.rated.tolist() == wanted
    blank = table.without_ratings()
    assert not blank.rated.any() and (blank.feedback == -1).all()
    np.testing.assert_array_equal(blank.response, table.response)


def test_a_conversation_stands_in_one_split():
    items = [vote(turn=0), vote(turn=1, query="more")]
    with pytest.raises(DataError, match="two splits"):
        InteractionTable.from_comparisons(items, [TRAIN, TEST])
    with pytest.raises(DataError, match="two splits"):
        InteractionTable.from_comparisons(items[:1]).append(items[1:], split=VALID)


def test_a_conversation_belongs_to_one_person(tmp_path):
    items = [vote("ana", "1"), vote("bo", "1", turn=1)]
    with pytest.raises(DataError, match="conversation 1 belongs to bo and ana|conversation 1 belongs to ana and bo"):
        InteractionTable.from_comparisons(items)
    with pytest.raises(DataError, match="names of their own"):
        InteractionTable.from_comparisons(items[:1]).append(items[1:])
    rows = InteractionTable.from_comparisons([items[0], replace(items[1], conversation="2")]).to_arrow()
    place = rows.column_names.index("conversation")
    with pytest.raises(DataError, match="names of their own"):
        InteractionTable.from_arrow(rows.set_column(place, "conversation", pa.array(["1"] * len(rows))))


@pytest.mark.parametrize("value", [-0.01, 1.01, math.inf])
def test_ratings_outside_zero_and_one_are_refused_wherever_they_come_from(value):
    table = random_table(0, users=2)
    rating = table.rating.copy()
    rating[3] = value
    with pytest.raises(DataError, match=r"expected \[0, 1\]"):
        replace(table, rating=rating)


@pytest.mark.parametrize("name", ["user", "conversation", "question", "task", "query", "model", "response", "split"])
@pytest.mark.parametrize("code", [-2, 10_000])
def test_codes_outside_their_vocabulary_are_refused(name, code):
    table = random_table(0, users=2)
    codes = getattr(table, name).astype(np.int64).copy()
    codes[0] = code
    with pytest.raises(DataError, match=f"{name} codes reach outside"):
        replace(table, **{name: codes})


def test_row_offsets_and_doubled_models_are_refused():
    table = random_table(0, users=2)
    with pytest.raises(DataError, match="row offsets"):
        replace(table, start=table.start[:-1])
    doubled = table.model.copy()
    doubled[1] = doubled[0]
    with pytest.raises(DataError, match="twice"):
        replace(table, model=doubled)


@pytest.mark.parametrize(("column", "value"), [("user", "eve"), ("turn", 7), ("query", "other"), ("split", "test")])
def test_rows_of_a_comparison_share_person_turn_query_and_split(column, value):
    rows = InteractionTable.from_comparisons([vote(), vote("eve", "d")]).to_arrow()
    changed = rows[column].to_pylist()
    changed[1] = value
    rows = rows.set_column(
        rows.column_names.index(column), SCHEMA.field(column), pa.array(changed, SCHEMA.field(column).type)
    )
    with pytest.raises(DataError, match=f"rows of comparison 0 differ in {column}"):
        InteractionTable.from_arrow(rows)


@pytest.mark.parametrize("value", ["dev", None])
def test_a_split_of_another_name_is_refused(value):
    rows = InteractionTable.from_comparisons([vote()]).to_arrow()
    rows = rows.set_column(rows.column_names.index("split"), "split", pa.array([value, "train"], pa.string()))
    with pytest.raises(DataError, match=f"split is {value!r}; expected one of {', '.join(SPLITS)}"):
        InteractionTable.from_arrow(rows)


def test_rows_may_come_in_any_order():
    table = random_table(1, users=2, max_candidates=3)
    rows = table.to_arrow()
    shuffled = rows.take(pa.array(np.random.default_rng(0).permutation(len(rows))))
    again = InteractionTable.from_arrow(shuffled)
    assert [{c.model for c in item.candidates} for item in again.to_comparisons()] == [
        {c.model for c in item.candidates} for item in table.to_comparisons()
    ]
    assert [item.query for item in again.to_comparisons()] == [item.query for item in table.to_comparisons()]


def test_missing_columns_and_files_are_named(tmp_path):
    rows = InteractionTable.from_comparisons([vote()]).to_arrow()
    with pytest.raises(DataError, match="lacks the columns rating, split"):
        InteractionTable.from_arrow(rows.drop_columns(["rating", "split"]))
    with pytest.raises(DataError, match="does not exist; make it with gmt prep"):
        InteractionTable.read(tmp_path / "none.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 not at all")
    with pytest.raises(DataError, match="not a readable interaction table"):
        InteractionTable.read(tmp_path / "bad.parquet")


def test_a_grown_table_has_more_names_the_same_rows_and_is_not_laid_out_again():
    table = random_table(0, users=2)
    laid_out = table.ratings
    grown = table.grown(texts=(*table.texts, "new"))
    assert grown.texts[-1] == "new" and len(table.texts) == len(grown.texts) - 1
    assert grown.ratings is laid_out and grown.to_comparisons() == table.to_comparisons()
    assert len(grown.select(np.array([1, 2]))) == 2
    with pytest.raises(DataError, match="texts hold 1 names instead of .* behind the old ones"):
        table.grown(texts=("only this",))


def test_other_rows_are_laid_out_anew():
    table = random_table(0, users=2, max_candidates=3)
    assert table.mask.tolist() == (table.candidates >= 0).tolist()
    blank = table.without_ratings()
    assert np.isnan(blank.ratings).all() and not np.isnan(table.ratings[table.mask]).all()
    assert table.select(np.array([3])).candidates.tolist() == [table.candidates[3][table.mask[3]].tolist()]


def test_long_texts_are_written_in_parts_and_read_back(tmp_path, monkeypatch):
    table = random_table(0, users=4, comparisons_per_user=10, max_turns=2)
    table.write(tmp_path / "whole.parquet")
    monkeypatch.setattr("gmt.data.table_arrow.TEXT_BYTES", 100)
    parts = list(arrow_parts(table, 30))
    assert len(parts) > 5 and sum(len(part) for part in parts) == len(table.model)
    table.write(tmp_path / "parts.parquet")
    whole, cut = (pq.read_table(tmp_path / f"{name}.parquet") for name in ("whole", "parts"))
    assert whole.equals(cut)
    assert InteractionTable.read(tmp_path / "parts.parquet").to_comparisons() == table.to_comparisons()


def test_a_column_of_more_chunks_than_one_string_array_can_hold_is_read_with_64_bit_offsets():
    table = random_table(0, users=2)
    columns = columns_of(table.to_arrow(), table.models)
    large = table.to_arrow().cast(IN_MEMORY)
    assert {large[name].type for name in ("query", "response", "user")} == {pa.large_string()}
    again = columns_of(large, table.models)
    assert all(np.array_equal(columns[name], again[name], equal_nan=True) for name in ("query", "response", "rating"))
