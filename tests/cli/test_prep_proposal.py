"""Check `gmt prep` without columns: what it shows, what it writes, and what it says at the end."""

import json
from pathlib import Path

import pytest

from gmt.data.dataset import Dataset
from tests.cli.test_main import run

TEXT = "user_email;prompt;model;thumbs\n" + "".join(
    f"{user}@x;why {n}?;{model};{word}\n"
    for user in "ab"
    for n in range(12)
    for model, word in (("m1", "up"), ("m2", "down"))
)


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "log.csv"
    path.write_text(TEXT, "utf-8")
    return path


def test_a_table_without_columns_is_looked_at_and_nothing_is_written(log: Path, capsys) -> None:
    code, out, err = run(capsys, "prep", "votes", "log.csv")
    assert (code, err) == (0, "")
    assert "delimiter: semicolon" in out and "why 0?" in out and "m1 1" in out
    command = (
        "gmt prep votes log.csv --user user_email --query prompt --model model --rating thumbs --delimiter semicolon"
    )
    assert command in out and "Nothing is written yet" in out
    assert sorted(path.name for path in log.parent.iterdir()) == ["log.csv"]
    code, out, _ = run(capsys, "prep", "votes", "log.csv", "--json")
    assert json.loads(out)["command"] == command and len(json.loads(out)["rows"]) == 5


def test_accepting_kept_and_given_recipes_make_the_same_table(log: Path, capsys) -> None:
    code, out, _ = run(capsys, "prep", "votes", "log.csv", "--accept", "--save-recipe", "my.yaml", "--encoder", "hash")
    assert code == 0 and "24 comparisons (24 rated) of 2 users" in out
    assert (
        "24 pairs of different ratings, 0 equal ones, 0 ratings that stand alone; 2 of 2 users have 10 or more" in out
    )
    assert run(capsys, "prep", "my.yaml", "log.csv", "--encoder", "hash")[0] == 0
    columns = ["--user", "user_email", "--query", "prompt", "--model", "model", "--rating", "thumbs"]
    more = ["--delimiter", ";", "--encoder", "hash", "--out", "data/given", "--save-recipe", "given.yaml"]
    assert run(capsys, "prep", "votes", "log.csv", *columns, *more)[0] == 0
    tables = [(log.parent / "data" / name / "interactions.parquet").read_bytes() for name in ("votes", "my", "given")]
    assert tables[0] == tables[1] == tables[2]
    assert (log.parent / "data" / "my" / "recipe.yaml").read_text() == (log.parent / "my.yaml").read_text()
    assert Dataset.load(log.parent / "data" / "my").card["source"] == "my.yaml"


def test_lone_ratings_are_said_at_the_end(log: Path, capsys) -> None:
    log.write_text("user,prompt,model,stars\n" + "".join(f"a,why {n}?,m1,{n % 5 + 1}\n" for n in range(9)), "utf-8")
    code, out, err = run(capsys, "prep", "votes", "log.csv", "--accept", "--encoder", "hash")
    assert code == 0
    assert "0 pairs of different ratings, 0 equal ones, 9 ratings that stand alone; 0 of 1 users have 10 or more" in out
    assert "no two answers were compared" in err and "Please check: the scale of stars is taken to be 1 to 5" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("prep", "demo", "--accept"), "--accept takes what gmt prep votes FILE proposes"),
        (("prep", "demo", "--save-recipe", "x.yaml"), "--save-recipe keeps how votes are read"),
        (("prep", "llmfao", "x"), "there is no source 'llmfao'. Did you mean recipe:llmfao?"),
        (("prep", "recipe:llmfao", "x", "--user", "u"), "recipe:llmfao states its columns itself, and --user too"),
        (("prep", "votes", "none.csv"), "none.csv does not exist; name a file of votes or ratings"),
        (("prep", "votes", "log.csv", "--rating-scale", "3"), "expected WORST,BEST"),
    ],
)
def test_what_does_not_go_together_is_one_line(log: Path, capsys, arguments: tuple[str, ...], said: str) -> None:
    code, out, err = run(capsys, *arguments)
    assert code == 2 and said in err and err.count("\n") == 1 and out == ""


def test_the_recipes_that_ship_are_listed(log: Path, capsys) -> None:
    code, out, _ = run(capsys, "prep", "--list-recipes")
    assert code == 0 and "recipe:crowdrag\n" in out and "CC-BY-4.0" in out
    code, out, _ = run(capsys, "prep", "--list-recipes", "--json")
    assert json.loads(out)["recipes"]["llmfao"]["columns"]["user"] == ["worker"]
