"""Check votes and ratings from any table, with joins."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from data_prep.sources.source import SourceOptions
from data_prep.sources.votes import read
from gmt.errors import DataError
from tests.data_prep.samples import jsonl, real

VOTES = SourceOptions(user="u", query="q", winner="w", model_a="l", model_b="r", labels=("left", "right", "tie"))
RATINGS = SourceOptions(user="u", query="q", model="m", rating="s", rating_scale=(1, 5))
LLMFAO = SourceOptions(
    user="worker",
    query="text",
    winner="winner",
    model_a="left",
    model_b="right",
    labels=("left", "right", "tie"),
    question="prompt",
    response_a="a.result",
    response_b="b.result",
    join=(
        "prompts.jsonl:id=prompt",
        "a=results.jsonl:prompt=prompt,name=left",
        "b=results.jsonl:prompt=prompt,name=right",
    ),
)


def table(folder: Path, text: str, name: str = "votes.csv") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def with_(options: SourceOptions, **more: Any) -> SourceOptions:
    return dataclasses.replace(options, **more)


def test_labels_and_names_of_models_decide(tmp_path: Path) -> None:
    path = table(tmp_path, "u,q,w,l,r\nann,why?,left,x,y\nann,why?,tie,x,y\nbob,why?,y,x,y\n")
    found = read(path, VOTES).comparisons
    assert [[c.rating for c in item.candidates] for item in found] == [[1, 0], [0.5, 0.5], [0, 1]]
    assert len({item.conversation for item in found}) == 3
    assert {item.turn for item in found} == {0}


def test_bad_rows_are_named_by_the_line_they_begin_on(tmp_path: Path) -> None:
    rows = 'ann,"two\nlines",left,x,y\nann,why?,Left,x,y\nann,why?,left,x,x\n,why?,left,x,y\nann,why?,,x,y\nann,why?\n'
    data = read(table(tmp_path, "u,q,w,l,r\n" + rows), VOTES)
    assert len(data.comparisons) == 1
    found = {row.line: row.reason for row in data.rejected}
    assert found[4] == "w is 'Left'; expected one of left, right, tie"
    assert "against itself" in found[5]
    assert found[6] == "u is empty; expected text"
    assert found[7].startswith("w is ''")
    assert found[8] == "2 fields; the header names 5"


def test_an_unknown_column_names_the_nearest(tmp_path: Path) -> None:
    path = table(tmp_path, "u,query_text,w,l,r\nann,why?,left,x,y\n")
    with pytest.raises(DataError, match="no column 'query' in votes.csv; the nearest are query_text"):
        read(path, with_(VOTES, query="query"))
    with pytest.raises(DataError, match="votes needs --winner --model-a"):
        read(path, SourceOptions(user="u", query="query_text", model_b="r"))


def test_conversations_order_their_turns_and_may_lack_votes(tmp_path: Path) -> None:
    text = "u,q,w,l,r,c,t,at\nann,one,,x,y,k,1,2024-05-01T00:00:00Z\nann,two,right,x,y,k,2,1714521600000\n"
    path = table(tmp_path, text + "bob,one,left,x,y,k,1,\n")
    first, second, other = read(path, with_(VOTES, conversation="c", turn="t", timestamp="at")).comparisons
    assert (first.turn, second.turn, first.conversation == second.conversation) == (0, 1, True)
    assert [c.rating for c in first.candidates] == [None, None]
    assert first.timestamp == second.timestamp == 1714521600.0
    assert other.conversation != first.conversation


def test_ratings_of_one_query_are_one_comparison_until_a_model_repeats(tmp_path: Path) -> None:
    path = table(tmp_path, "u,q,m,s\nann,why?,x,5\nann,why?,y,1\nbob,why?,x,2\nann,why?,x,3\nann,why?,z,9\n")
    data = read(path, RATINGS)
    assert [[(c.model, c.rating) for c in item.candidates] for item in data.comparisons] == [
        [("x", 1.0), ("y", 0.0)],
        [("x", 0.25)],
        [("x", 0.5)],
    ]
    assert [str(row) for row in data.rejected] == ["votes.csv line 6: s is 9; expected a number from 1 to 5"]
    assert data.rating_scale == "1..5"


def test_ratings_outside_0_to_1_need_their_scale(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 2: s is 4, outside 0 to 1; state the scale"):
        read(table(tmp_path, "u,q,m,s\nann,why?,x,4\n"), with_(RATINGS, rating_scale=None))


@pytest.fixture
def joined(tmp_path: Path) -> Path:
    jsonl(tmp_path / "prompts.jsonl", [{"id": 8, "text": "why?"}])
    answers = [{"prompt": 8, "name": name, "result": f"{name} says", "u": 0} for name in "xy"]
    jsonl(tmp_path / "results.jsonl", answers)
    return table(tmp_path, "u,prompt,w,l,r\nann,8,left,x,y\nann,9,left,x,y\nann,8,left,x,z\n")


def test_joins_bring_texts_and_answers(joined: Path) -> None:
    options = with_(
        VOTES,
        query="text",
        response_a="a.result",
        response_b="b.result",
        join=(
            "prompts.jsonl:id=prompt",
            "a=results.jsonl:prompt=prompt,name=l",
            "b=results.jsonl:prompt=prompt,name=r",
        ),
    )
    data = read(joined, with_(options, user="votes.u"))
    assert [[c.response for c in item.candidates] for item in data.comparisons] == [
        ["x says", "y says"],
        ["x says", None],
    ]
    assert data.comparisons[0].query == "why?"
    assert data.rejected[0].reason == "text is missing: prompts.jsonl has no row with id 9"


def test_a_file_joined_on_both_models_needs_no_prefix(joined: Path) -> None:
    join = ("prompts.jsonl:id=prompt", "results.jsonl:prompt=prompt,name=l", "results.jsonl:prompt=prompt,name=r")
    options = with_(VOTES, user="votes.u", query="text", response_a="result", response_b="result", join=join)
    first = read(joined, options).comparisons[0]
    assert [candidate.response for candidate in first.candidates] == ["x says", "y says"]


def test_a_column_that_both_files_have_alike_needs_no_prefix(joined: Path) -> None:
    jsonl(joined.parent / "more.jsonl", [{"id": 8, "u": "ann", "text": "why?"}])
    data = read(joined, with_(VOTES, query="text", join=("more.jsonl:id=prompt",)))
    assert [item.user for item in data.comparisons] == ["ann", "ann"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"join": ("prompts.jsonl",)}, "expected .PREFIX=.FILE"),
        ({"join": ("nowhere.jsonl:id=prompt",)}, "nowhere.jsonl does not exist"),
        ({"join": ("prompts.jsonl:ident=prompt",)}, "no column 'ident' to join on; the nearest are id"),
        ({"join": ("results.jsonl:prompt=prompt",)}, "two rows with prompt = 8 .lines 1 and 2"),
        ({"join": ("prompts.jsonl:id=l",)}, "no row with id x, nor for any other row"),
        (
            {"join": ("prompts.jsonl:id=prompt", "results.jsonl:prompt=prompt,name=l"), "user": "u"},
            "column 'u' stands in votes.csv and results.jsonl; name it votes.u or results.u",
        ),
        (
            {"join": ("results.jsonl:prompt=prompt,name=l", "results.jsonl:prompt=prompt,name=r"), "query": "result"},
            "give the joins prefixes",
        ),
    ],
)
def test_bad_joins_say_what_to_do(joined: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(joined, with_(VOTES, **{"user": "votes.u", "query": "text", **change}))


@pytest.mark.parametrize(
    ("labels", "row"),
    [
        (("left", "right", "tie"), "left,x,left"),
        (("left", "right", "tie"), "right,right,x"),
        (("A", "B", "tie"), "B,B,A"),
        (("left", "right", "tie"), "tie,tie,x"),
        (None, "model_b,model_b,x"),
    ],
)
def test_a_label_that_is_the_name_of_the_other_model_is_refused(
    tmp_path: Path, labels: tuple[str, ...] | None, row: str
) -> None:
    path = table(tmp_path, f"u,q,w,l,r\nann,why?,{row}\nann,why?,x,x,y\n")
    with pytest.raises(DataError, match=r"line 2: w is '\w+', which is a label and the name of a model") as error:
        read(path, with_(VOTES, labels=labels))
    assert "\n" not in str(error.value)


def test_a_label_that_is_the_name_of_its_own_model_is_read(tmp_path: Path) -> None:
    (found,) = read(table(tmp_path, "u,q,w,l,r\nann,why?,left,left,right\n"), VOTES).comparisons
    assert [c.rating for c in found.candidates] == [1, 0]


def test_labels_that_no_row_uses_are_asked_for_before_ties_alone_are_kept(tmp_path: Path) -> None:
    path = table(tmp_path, "u,q,w,l,r\nann,why?,1,x,y\nann,why?,2,x,y\nann,why?,tie,x,y\n")
    with pytest.raises(DataError, match="line 2: w is '1'.* --labels A,B,TIE"):
        read(path, with_(VOTES, labels=None))
    assert len(read(path, with_(VOTES, labels=("1", "2", "tie"))).comparisons) == 3
    # One word that nobody knows among votes that are read is a bad row as ever.
    path = table(tmp_path, "u,q,w,l,r\nann,why?,model_a,x,y\nann,why?,nobody,x,y\n")
    assert len(read(path, with_(VOTES, labels=None)).rejected) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (with_(VOTES, cost="c"), "--cost is not read beside --winner"),
        (with_(VOTES, rating="s"), "--rating is not read beside --winner"),
        (with_(RATINGS, response_a="c"), "--response-a is not read beside --rating"),
        (with_(RATINGS, labels=("a", "b")), "--rating-scale is not read beside --labels"),
    ],
)
def test_an_option_that_is_not_read_is_refused(tmp_path: Path, options: SourceOptions, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read(table(tmp_path, "u,q,w,l,r,m,s,c\nann,why?,left,x,y,x,5,3\n"), options)


def test_turns_may_be_times(tmp_path: Path) -> None:
    path = table(tmp_path, "u,q,w,l,r,c,t\nann,two,left,x,y,k,1714521600001\nann,one,left,x,y,k,1714521600000\n")
    found = read(path, with_(VOTES, conversation="c", turn="t")).comparisons
    assert [(item.query, item.turn) for item in found] == [("two", 1), ("one", 0)]


def test_real_crowd_votes() -> None:
    data = read(real("llmfao") / "crowd-comparisons.csv", LLMFAO)
    assert (len(data.comparisons), data.rejected) == (5792, [])
    assert len({item.user for item in data.comparisons}) == 89
    assert len({candidate.model for item in data.comparisons for candidate in item.candidates}) == 52
    assert all(candidate.response is not None for item in data.comparisons for candidate in item.candidates)
