"""Check that people made on the command line go all the way through gmt prep."""

import json
from pathlib import Path

import pytest

from tests.cli.test_main import run
from tests.data_prep.samples import jsonl
from tests.data_prep.simulate.judge_server import serving


def prepped(capsys, rows: Path, out: Path) -> dict:
    models = rows.with_name(f"{rows.stem}.models.json")
    code, text, err = run(
        capsys, "prep", "jsonl", rows, "--models", models, "--encoder", "hash:32", "--out", out, "--json"
    )
    assert code == 0, err
    return json.loads(text)


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    home = tmp_path / "scores"
    for name, numbers in (("train", range(20)), ("test", range(18, 26))):
        rows = [{"question": f"question {n}", "scores": {"a": n % 3 / 2, "b": n % 2, "c": 0.5}} for n in numbers]
        home.mkdir(exist_ok=True)
        (home / f"dcrouter_{name}.json").write_text(json.dumps(rows))
    prices = {name: {"feature": name, "input_price": n, "output_price": n} for n, name in enumerate("abc", start=1)}
    (home / "default_llm.json").write_text(json.dumps(prices))
    return home


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    rows = []
    for n in range(6):
        found = {"x": {"is_correct": n % 2 == 0, "solution": "one " * n}, "y": {"is_correct": True, "solution": "two"}}
        rows.append({"question": f"q{n}", **found})
    return jsonl(tmp_path / "solutions.jsonl", rows)


def test_planted_people(capsys, tmp_path: Path) -> None:
    rows = tmp_path / "people.jsonl"
    code, text, err = run(
        capsys, "simulate", "planted", "--users", 12, "--votes", 9, "--models", 4, "--questions", 40,
        "--drift-at", 0.5, "--out", rows, "--json",
    )  # fmt: skip
    made = json.loads(text)
    assert code == 0 and err == "" and made["comparisons"] == 108
    assert all(Path(path).is_file() for path in [made["models"], *made["truth"]])
    card = prepped(capsys, rows, tmp_path / "data")
    assert (card["counts"]["users"], card["counts"]["rated"], card["protocol"]) == (12, 108, "seen")


def test_people_who_weigh_cost(capsys, tmp_path: Path, scores: Path) -> None:
    code, text, _ = run(capsys, "prep", "scores", scores, "--encoder", "hash:32", "--out", tmp_path / "s", "--json")
    assert code == 0 and json.loads(text)["protocol"] == "given"
    for name in ("people.jsonl", "people.parquet"):
        code, text, err = run(
            capsys, "simulate", "cost", tmp_path / "s", "--users", 4, "--per-user", 5, "--feedback", "pair",
            "--out", tmp_path / name, "--json",
        )  # fmt: skip
        made = json.loads(text)
        assert code == 0, err
        assert (made["train"], made["test"]) == (20, 24)
        card = prepped(capsys, tmp_path / name, tmp_path / "data")
        assert (card["protocol"], card["rating_scale"]) == ("given", "-1..1")
        assert card["splits"]["test"]["comparisons"] == 24


def test_people_who_weigh_traits(capsys, tmp_path: Path, answers: Path) -> None:
    rows = tmp_path / "people.jsonl"
    code, text, err = run(capsys, "simulate", "traits", answers, "--users", 3, "--votes", 4, "--out", rows, "--json")
    assert code == 0, err
    assert list(json.loads(Path(json.loads(text)["truth"]).read_text())["users"]) == ["t00000", "t00001", "t00002"]
    assert prepped(capsys, rows, tmp_path / "data")["counts"]["rated"] == 12


def test_people_a_judge_plays(capsys, tmp_path: Path, answers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("TEST_KEY", "hidden")
    rows = tmp_path / "people.jsonl"
    with serving() as service:
        call = ("simulate", "judge", answers, "--endpoint", service.url, "--model", "j", "--users", 3, "--per-user", 4,
                "--input-price", 10, "--output-price", 10, "--budget", 1, "--key-env", "TEST_KEY",
                "--out", rows)  # fmt: skip
        code, text, err = run(capsys, *call, "--dry-run", "--json")
        assert code == 0 and json.loads(text)["estimate"]["verdicts"] == 12 and service.requests == 0
        assert "12 verdicts to ask" in err and "the budget is $1.00" in err
        code, text, err = run(capsys, *call, "--json")
        assert code == 0 and json.loads(text)["verdicts"] == 12 and 0 < json.loads(text)["spent"] < 1
        assert service.keys == {"Bearer hidden"}
        code, text, err = run(capsys, *call, "--quiet")
        assert code == 0 and err == "" and service.requests == 12
        assert "12 verdicts of 3 people" in text
    assert prepped(capsys, rows, tmp_path / "data")["counts"]["rated"] == 12


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("planted", "--users", 0), "users is 0; expected at least 1"),
        (("cost", "nowhere"), "nowhere holds neither dcrouter_*.json nor interactions.parquet"),
        (("traits", "nowhere"), "nowhere does not exist; expected a file or folder of answers"),
        (("judge", "nowhere"), "name one judge: --endpoint URL with --model NAME, or --local PATH"),
        (("judge", "nowhere", "--endpoint", "localhost", "--model", "m"), "the endpoint is 'localhost'; expected"),
    ],
)
def test_mistakes_are_one_line(capsys, tmp_path: Path, arguments: tuple, message: str) -> None:
    code, out, err = run(capsys, "simulate", *arguments, "--out", tmp_path / "x.jsonl")
    assert (code, out) == (2, "")
    assert err.startswith("gmt: ") and message in err and err.count("\n") == 1
