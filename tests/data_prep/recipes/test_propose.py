"""Check what is proposed for files that nobody described, and that the command it prints reads them the same way."""

import shlex
from pathlib import Path
from typing import Any

import pytest

from data_prep.recipes.column_facts import ColumnFacts
from data_prep.recipes.guess import scale_of, verdict_words
from data_prep.recipes.propose import command_of, propose
from data_prep.recipes.read_recipe import read_by_recipe
from data_prep.sources.source import SourceOptions
from data_prep.sources.votes import recipe_of
from gmt.errors import DataError
from tests.data_prep.samples import chat, jsonl


def write(folder: Path, text: str, name: str = "log.csv", encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def ratings(path: Path) -> list[dict[str, float | None]]:
    found = read_by_recipe(path, propose(path).recipe)
    assert not found.rejected
    return [{one.model: one.rating for one in item.candidates} for item in found.grouped.comparisons()]


@pytest.mark.parametrize(
    ("words", "read"),
    [
        (("up", "down"), (1, 0)),
        (("true", "false"), (1, 0)),
        (("True", "False"), (1, 0)),
        (("👍", "👎"), (1, 0)),
        (("thumbs_up", "thumbs_down"), (1, 0)),
        (("Yes", "No"), (1, 0)),
        (("5", "1"), (1, 0)),
        (("1", "-1"), (1, 0)),
        (("9", "0"), (0.9, 0)),
        (("0.25", "1.0"), (0.25, 1)),
    ],
)
@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
def test_thumbs_stars_and_numbers_are_read_whatever_separates_them(
    tmp_path: Path, words: Any, read: Any, sign: str
) -> None:
    rows = [
        ("user_email", "prompt", "model", "feedback"),
        ("a@x", "why?", "m1", words[0]),
        ("a@x", "why?", "m2", words[1]),
    ]
    path = write(tmp_path, "".join(sign.join(row) + "\n" for row in rows))
    assert ratings(path) == [{"m1": read[0], "m2": read[1]}]


def test_places_in_a_ranking_count_down(tmp_path: Path) -> None:
    path = write(tmp_path, "user,prompt,model,rank\na,why?,x,1\na,why?,y,3\na,why?,z,2\n")
    assert ratings(path) == [{"x": 1, "y": 0, "z": 0.5}]


@pytest.mark.parametrize(
    ("columns", "verdicts", "read"),
    [
        ("model_a,model_b", "model_a,model_b,tie,tie (bothbad)", (1, 0, 0.5, 0.5)),
        ("left_model,right_model", "left,right,tie,neither", (1, 0, 0.5, 0.5)),
        ("model1,model2", "1,2,0,1", None),
        ("model_1,model_2", "1,2,0,1", (1, 0, 0.5, 1)),
        ("system_A,system_B", "A,B,N,A", (1, 0, 0.5, 1)),
        ("modelA,modelB", "x,y,x,tie", (1, 0, 1, 0.5)),
    ],
)
def test_words_of_a_verdict_and_names_of_models_decide(tmp_path: Path, columns: str, verdicts: str, read: Any) -> None:
    rows = "".join(f"ann,Why is the sky of colour {word!r}?,x,y,{word}\n" for word in verdicts.split(","))
    path = write(tmp_path, f"worker,question,{columns},winner\n" + rows)
    if read is None:  # `model1` is one word: nothing in it says which side it is
        with pytest.raises(DataError, match="found user=worker, query=question"):
            propose(path)
        return
    assert [found["x"] for found in ratings(path)] == list(read)


def test_zero_and_one_say_not_which_side(tmp_path: Path) -> None:
    assert verdict_words(["0", "1"], ()) is None
    path = write(tmp_path, "user,prompt,model_a,model_b,winner\na,why?,x,y,0\na,why?,x,y,1\n")
    found = propose(path)
    assert found.recipe.labels is None and "--labels A,B,TIE" in found.open[0]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_the_encoding_is_seen(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path, "user,prompt,model,stars\nJosé,¿por qué?,m1,5\nJosé,¿por qué?,m2,2\n", encoding=encoding)
    (found,) = read_by_recipe(path, propose(path).recipe).grouped.comparisons()
    assert (found.user, found.query) == ("José", "¿por qué?")


@pytest.mark.parametrize(
    ("when", "form", "asked"),
    [
        ("2024-05-01T10:00:00Z", None, False),
        ("1714521600000", None, False),
        ("24.12.2024 10:00", "%d.%m.%Y %H:%M", False),
        ("12/24/2024", "%m/%d/%Y", False),
        ("01/02/2024", None, True),
        ("soon", None, True),
    ],
)
def test_the_form_of_times_is_seen_or_asked_for(tmp_path: Path, when: str, form: str | None, asked: bool) -> None:
    path = write(tmp_path, f"created_at,user,prompt,model,thumbs\n{when},a,why?,m1,up\n{when},a,why?,m2,down\n")
    found = propose(path)
    assert found.recipe.time_format == form
    assert any("--time-format" in line for line in found.open) == asked
    (item,) = read_by_recipe(path, found.recipe).grouped.comparisons()
    assert (item.timestamp is None) == asked


def test_files_of_other_formats_are_known_by_their_content(tmp_path: Path) -> None:
    rows = [{"user": "a", "prompt": "why?", "model": name, "rating": n} for n, name in enumerate(("x", "y"))]
    (tmp_path / "odd.json").write_bytes(jsonl(tmp_path / "rows.jsonl", rows).read_bytes())
    (tmp_path / "odd.log").write_bytes((tmp_path / "rows.jsonl").read_bytes())
    for name in ("rows.jsonl", "odd.json", "odd.log"):
        assert ratings(tmp_path / name) == [{"x": 0, "y": 1}]


def test_chat_messages_become_rounds(tmp_path: Path) -> None:
    rows = [{"user": "a", "model": "x", "messages": chat("one?", "1", "two?", "2"), "rating": 4, "session_id": "s"}]
    path = jsonl(tmp_path / "rows.jsonl", rows)
    assert ratings(path) == [{"x": None}, {"x": 0.75}]


def test_what_is_not_there_is_named_beside_what_is(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "rows.jsonl", [{"traceId": "t", "name": "helpful", "value": 1, "userId": "a"}])
    with pytest.raises(
        DataError, match="found user=userId.*looks like query or model.* among traceId, name, value, userId"
    ) as error:
        propose(path)
    assert "\n" not in str(error.value)
    for text, said in (("", "is empty"), ("a,b\n", "holds no row")):
        with pytest.raises(DataError, match=said):
            propose(write(tmp_path, text))
    with pytest.raises(DataError, match="does not exist; name a file"):
        propose(tmp_path / "none.csv")


def test_the_largest_scale_is_the_one_that_is_seen() -> None:
    assert scale_of(ColumnFacts("stars", ("1", "4"), 2)) == (1, 5)
    assert scale_of(ColumnFacts("score", ("0", "87"), 2)) == (0, 100)
    assert scale_of(ColumnFacts("score", ("0", "250"), 2)) == (0, 250)
    assert scale_of(ColumnFacts("place", ("1", "4"), 2)) == (4, 1)


@pytest.mark.parametrize(
    "text",
    [
        "created_at;user_email;prompt;model;thumbs\n2024-05-01;a@x;why?;m1;up\n2024-05-01;a@x;why?;m2;down\n",
        "user,prompt,model,stars\na,why?,m1,5\na,why?,m2,1\n",
        "user,prompt,left,right,winner,when\na,why?,x,y,left,24.12.2024\nb,why?,x,y,right,24.12.2024\nb,why?,x,y,tie,25.12.2024\n",
    ],
)
def test_the_command_states_the_same_recipe(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    recipe = propose(path).recipe
    words = shlex.split(command_of(recipe, str(path)) or "")
    assert words[:4] == ["gmt", "prep", "votes", str(path)]
    given: dict[str, Any] = dict(zip([name[2:].replace("-", "_") for name in words[4::2]], words[5::2], strict=True))
    if "labels" in given:
        given["labels"] = tuple(given["labels"].split(","))
    if "rating_scale" in given:
        given["rating_scale"] = tuple(map(float, given["rating_scale"].split(",")))
    assert recipe_of(SourceOptions(**given)) == recipe
