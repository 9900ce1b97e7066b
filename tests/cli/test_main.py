"""Check the command line: help for everything, one line for a mistake, one object for --json."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from gmt.cli.main import app, main
from gmt.verified import RECORD
from tests.trained import TINY, settings

ROOT = Path(__file__).resolve().parents[2]
VOTE = {"user": "kim", "query": "x", "model_a": "atlas-90b", "model_b": "telegram-8b", "winner": "model_a"}


def commands():
    """Return every command as its words."""
    found = [()]
    group = typer.main.get_command(app)
    for name, command in group.commands.items():  # pyright: ignore[reportAttributeAccessIssue]
        found.append((name,))
        found += [(name, inner) for inner in getattr(command, "commands", {})]
    return found


GROUPS = {words[:1] for words in commands() if len(words) > 1}
LEAVES = [words for words in commands() if words and words not in GROUPS]


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    """Run a command line; return its exit code, stdout and stderr."""
    capsys.readouterr()
    code = 0
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as stop:
        code = int(stop.code or 0)
    out, err = capsys.readouterr()
    return code, out, err


def plain(text: str) -> str:
    """Return help without boxes, colours and line breaks."""
    return " ".join(re.sub(r"\x1b\[[0-9;]*m|[│╭╮╰╯─]", " ", text).split())


def rows(path: Path, *items: object) -> Path:
    path.write_text("".join((item if isinstance(item, str) else json.dumps(item)) + "\n" for item in items))
    return path


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_has_help(capsys, words):
    code, out, err = run(capsys, *words, "--help")
    assert code == 0 and err == ""
    shown = plain(out)
    if words in LEAVES:
        assert f"Example: gmt {' '.join(words)}" in shown and "--quiet" in shown
        assert "--json" in shown or words in (("demo",), ("bench",))


def test_the_commands_of_the_contract_are_there():
    promised = {"prep", "train", "eval", "adapt", "route", "users", "models", "figures", "summary", "demo"}
    assert promised <= {words[0] for words in commands() if words}
    assert {("users", name) for name in ("list", "show", "export", "forget")} <= set(commands())
    assert {("models", name) for name in ("list", "add")} <= set(commands())


@pytest.mark.parametrize("words", LEAVES, ids=" ".join)
def test_the_example_of_the_help_parses(words, monkeypatch):
    """Give the example's words to the parser and check that every option is known."""
    command = typer.main.get_command(app)
    for word in words:
        command = command.commands[word]  # pyright: ignore[reportAttributeAccessIssue]
    import shlex

    example = re.search(r"`gmt ([^`]+)`", command.epilog or "")
    assert example
    arguments = shlex.split(example[1].split(" > ")[0])[len(words) :]
    command.make_context("gmt", arguments)


def test_help_needs_nothing_heavy():
    code = (
        "import sys\nfrom gmt.cli.main import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print([n for n in ('torch', 'torch_geometric', 'numpy', 'pyarrow', 'scipy') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert "Usage" in done.stdout and done.stdout.strip().endswith("[]")


def test_the_door_for_a_checkout_and_a_mistake_in_a_real_process(tmp_path):
    done = subprocess.run(
        [sys.executable, str(ROOT / "cli.py"), "route", "--user", "ana", "--query", "x", "--run", "none"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "gmt: there is no run none; gmt train --run none trains one\n"


MISTAKES = {
    "train, no data": ("train", "{tmp}/none"),
    "train, unknown setting": ("train", "{data}", "--run", "{tmp}/r", "--set", "model.widht=3"),
    "train, setting without value": ("train", "{data}", "--run", "{tmp}/r", "--set", "model.width"),
    "train, setting of a wrong type": ("train", "{data}", "--run", "{tmp}/r", "--set", "model.width=wide"),
    "train, setting that is no YAML": ("train", "{data}", "--run", "{tmp}/r", "--set", "model.width=[1"),
    "train, a section": ("train", "{data}", "--run", "{tmp}/r", "--set", "model=3"),
    "train, no heads": ("train", "{data}", "--run", "{tmp}/r", "--set", "model.heads=0"),
    "train, width and heads": ("train", "{data}", "--run", "{tmp}/r", "--set", "model.width=30"),
    "train, a width below none": ("train", "{data}", "--run", "{tmp}/r", "--set", "model.width=-4"),
    "train, unknown key in a file": ("train", "{data}", "--run", "{tmp}/r", "--config", "{bad_config}"),
    "train, no such file": ("train", "{data}", "--run", "{tmp}/r", "--config", "{tmp}/none.yaml"),
    "train, into a folder of others": ("train", "{data}", "--run", "{tmp}", *settings(TINY)),
    "train, into a file": ("train", "{data}", "--run", "{votes}", *settings(TINY)),
    "train, nothing to resume": ("train", "{data}", "--run", "{tmp}/r", "--resume"),
    "train, other settings": ("train", "{data}", "--run", "{run}", "--resume", "--set", "train.lr=1"),
    "prep, unknown source": ("prep", "demp", "--out", "{tmp}/d"),
    "prep, unknown protocol": ("prep", "demo", "--protocol", "sen", "--encoder", "hash", "--out", "{tmp}/d"),
    "prep, unknown encoder width": ("prep", "demo", "--encoder", "hash:two", "--out", "{tmp}/d"),
    "prep, two fractions": ("prep", "demo", "--fractions", ".7,.3", "--out", "{tmp}/d"),
    "prep, fractions beyond 1": ("prep", "demo", "--fractions", ".7,.3,.4", "--out", "{tmp}/d"),
    "prep, fractions in words": ("prep", "demo", "--fractions", "a,b,c", "--out", "{tmp}/d"),
    "prep, fractions that are none": ("prep", "demo", "--fractions", ".7,.3,nan", "--out", "{tmp}/d"),
    "prep, out is a file": ("prep", "jsonl", "{votes}", "--encoder", "hash", "--out", "{votes}"),
    "prep, no input": ("prep", "votes", "--out", "{tmp}/d"),
    "prep, an input that nobody reads": ("prep", "demo", "{votes}", "--out", "{tmp}/d"),
    "prep, missing input": ("prep", "jsonl", "{tmp}/none.jsonl", "--out", "{tmp}/d"),
    "prep, columns named in part": ("prep", "votes", "{votes}", "--out", "{tmp}/d", "--user", "user"),
    "prep, a column that is not there": (
        *("prep", "votes", "{votes}", "--out", "{tmp}/d", "--user", "who", "--query", "query"),
        *("--winner", "winner", "--model-a", "model_a", "--model-b", "model_b"),
    ),
    "prep, one end of a scale": ("prep", "jsonl", "{votes}", "--rating-scale", "5", "--out", "{tmp}/d"),
    "prep, no file of models": ("prep", "demo", "--models", "{tmp}/none.json", "--out", "{tmp}/d"),
    "eval, no run": ("eval", "--run", "{tmp}/none"),
    "eval, unknown rival": ("eval", "--run", "{run}", "--baselines", "elo"),
    "eval, unknown split": ("eval", "--run", "{run}", "--baselines", "none", "--split", "train"),
    "eval, shots in words": ("eval", "--run", "{run}", "--shots", "few"),
    "eval, shots below none": ("eval", "--run", "{run}", "--data", "{others}", "--baselines", "none", "--shots=-1"),
    "eval, no such data": ("eval", "--run", "{run}", "--data", "{tmp}/none"),
    "eval, another encoder": ("eval", "--run", "{run}", "--data", "{hashed}"),
    "adapt, no run": ("adapt", "--run", "{tmp}/none", "--user", "ana"),
    "adapt, no history": ("adapt", "--run", "{run}", "--user", "stranger"),
    "adapt, no such history": ("adapt", "--run", "{run}", "--user", "kim", "--history", "{tmp}/none.jsonl"),
    "adapt, a bad row": ("adapt", "--run", "{run}", "--user", "kim", "--history", "{bad_votes}"),
    "adapt, an empty name": ("adapt", "--run", "{run}", "--user", "", "--history", "{votes}"),
    "route, no run": ("route", "--run", "{tmp}/none", "--user", "ana", "--query", "x"),
    "route, unknown model": ("route", "--run", "{run}", "--user", "ana", "--query", "x", "--candidates", "gpt-9"),
    "route, unknown task": ("route", "--run", "{run}", "--user", "ana", "--query", "x", "--task", "nonsense"),
    "route, no model": ("route", "--run", "{run}", "--user", "ana", "--query", "x", "--candidates", ","),
    "route, empty question": ("route", "--run", "{run}", "--user", "ana", "--query", " "),
    "route, bad conversation": (
        *("route", "--run", "{run}", "--user", "ana", "--query", "x"),
        *("--conversation", "{bad_config}"),
    ),
    "route, no conversation": (
        *("route", "--run", "{run}", "--user", "ana", "--query", "x"),
        *("--conversation", "{tmp}/none.json"),
    ),
    "route, a role that nobody knows": (
        *("route", "--run", "{run}", "--user", "ana", "--query", "x"),
        *("--conversation", "{answer}"),
    ),
    "users show, unknown": ("users", "show", "stranger", "--run", "{run}"),
    "users export, unknown": ("users", "export", "stranger", "--run", "{run}"),
    "users forget, unknown": ("users", "forget", "stranger", "--run", "{run}"),
    "users list, no run": ("users", "list", "--run", "{tmp}/none"),
    "models list, no run": ("models", "list", "--run", "{tmp}/none"),
    "models add, there already": ("models", "add", "atlas-90b", "--description", "other", "--run", "{run}"),
    "models add, no name": ("models", "add", "", "--description", "other", "--run", "{run}"),
    "models add, bad votes": (
        *("models", "add", "new", "--description", "other", "--run", "{run}"),
        *("--history", "{bad_votes}"),
    ),
    "figures, no run": ("figures", "{tmp}/none", "--out", "{tmp}/f"),
    "summary, nothing measured": ("summary", "{tmp}/none"),
}


@pytest.fixture(scope="module")
def places(tmp_path_factory, tiny_run, demo_data):
    """Return the files that the mistakes point at; none of them may change."""
    tmp = tmp_path_factory.mktemp("mistakes")
    return {
        "tmp": tmp,
        "data": demo_data,
        "run": Path(shutil.copytree(tiny_run, tmp / "run")),
        "votes": rows(tmp / "votes.jsonl", VOTE),
        "bad_votes": rows(tmp / "bad.jsonl", VOTE, {**VOTE, "winner": "left"}),
        "bad_config": rows(tmp / "bad.yaml", "model: {widht: 3}"),
        "answer": rows(tmp / "answer.json", [{"role": "robot", "content": "hi"}]),
        "others": prepared(tmp, "others", "hash:64"),
        "hashed": prepared(tmp, "hashed", "hash:32"),
    }


def prepared(tmp: Path, name: str, encoder: str) -> Path:
    source = rows(tmp / f"{name}.jsonl", *({**VOTE, "query": f"question {n}"} for n in range(8)))
    try:
        main(["prep", "jsonl", str(source), "--encoder", encoder, "--out", str(tmp / name), "--quiet"])
    except SystemExit as stop:
        assert not stop.code
    return tmp / name


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_and_exit_code_2(capsys, places, mistake):
    arguments = [part.format(**places) for part in MISTAKES[mistake]]
    before = times(places["tmp"])
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, ""), err
    assert err.startswith("gmt: ") and err.count("\n") == 1 and err.endswith("\n"), err
    assert "Traceback" not in err and len(err) > 25
    assert before == times(places["tmp"]), "a mistake changes nothing"


def times(folder: Path) -> dict[Path, int]:
    """Return when each file was written, without the note on which files were found whole when."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.name != RECORD)
    return {path: path.stat().st_mtime_ns for path in found}


def test_bad_rows_are_shown_counted_and_dropped_on_request(capsys, tmp_path):
    bad = [{**VOTE, "winner": f"side {n}"} for n in range(25)]
    path = rows(tmp_path / "votes.jsonl", VOTE, *bad, *({**VOTE, "query": f"q{n}"} for n in range(9)))
    out = tmp_path / "out"
    code, printed, err = run(capsys, "prep", "jsonl", path, "--encoder", "hash:16", "--out", out)
    assert (code, printed) == (2, "")
    *shown, last = err.splitlines()
    assert len(shown) == 20 and shown[0].startswith("votes.jsonl line 2: winner is 'side 0'")
    assert last.startswith("gmt: votes.jsonl line 2") and "24 more are bad" in last and "--drop-bad-rows" in last
    assert [item.name for item in out.iterdir()] == ["rejected.csv"]
    code, _, _ = run(capsys, "prep", "jsonl", path, "--encoder", "hash:16", "--out", out, "--drop-bad-rows")
    assert code == 0 and json.loads((out / "card.json").read_text())["bad_rows"] == 25
    assert len((out / "rejected.csv").read_text().splitlines()) == 26


@pytest.mark.parametrize(
    "arguments",
    [
        ("prep", "--seed", "one"),
        ("prap",),
        ("train", "--stpes", "3"),
        ("eval", "--draws", "0"),
        ("adapt",),
        ("adapt", "--user", "ana", "--shots", "-1"),
        ("adapt", "--user", "ana", "--steps", "1" + "0" * 30),
        ("route", "--user", "ana", "--query", "x", "--cost-weight", "nan"),
        ("route", "--user", "ana", "--query", "x", "--cost-weight", "-2"),
        ("route", "--user", "ana", "--query", "x", "--stay", "-1"),
        ("route", "--user", "ana", "--query", "x", "--seed", "-1"),
        ("models", "add", "x", "--description", "y", "--output-price", "-1"),
        ("route", "--user", "ana"),
        ("users", "show"),
        ("models", "add", "x"),
        ("figures",),
    ],
    ids=" ".join,
)
def test_what_does_not_parse_exits_2_too(capsys, arguments):
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "") and err.startswith("gmt: ") and err.count("\n") == 1 and "--help" in err


def test_json_is_one_object_and_quiet_is_quiet(capsys, short_demo, tmp_path):
    """Walk through a whole job; every command prints one object on stdout and, with --quiet, nothing beside it."""
    data, folder, run_ = tmp_path / "data", tmp_path / "figures", ("--run", tmp_path / "run")
    history = rows(tmp_path / "kim.jsonl", VOTE, {**VOTE, "query": "y"})

    def said(*arguments: object) -> dict:
        code, out, err = run(capsys, *arguments, "--json", "--quiet")
        assert (code, err) == (0, ""), err
        assert out.count("\n") == 1
        found = json.loads(out)
        assert isinstance(found, dict)
        return found

    card = said("prep", "demo", "--encoder", "hash:16", "--out", data)
    assert card["out"] == str(data) and card["counts"]["users"] == 60
    tiny = settings([*TINY, "train.steps=4", "train.eval_every=2"])
    trained = said("train", data, *run_, *tiny)
    assert trained["run"] == str(tmp_path / "run") and trained["best"]["steps"] == 4
    measured = said("eval", *run_, "--baselines", "random,oracle")
    controls = ["owners_shuffled", "unknown_user", "constant", "best_single"]
    assert list(measured["shots"]["all"]["routers"]) == ["gmt", *controls, "random", "oracle"]
    assert measured["verdict"]["text"]
    told = said("adapt", *run_, "--user", "ana", "--shots", "5")
    assert (told["user"], told["votes"]) == ("ana", 5) and set(told) >= {"added", "repeats", "before", "after"}
    assert said("adapt", *run_, "--user", "kim", "--history", history)["added"] == 2
    decision = said("route", *run_, "--user", "ana", "--query", "Plan a trip", "--explain")
    assert decision["user"] == "ana" and decision["reasons"] and len(decision["ranking"]) == 9
    assert said("route", *run_, "--user", "stranger", "--query", "Plan a trip")["user"] is None
    assert said("users", "list", *run_)["users"]["kim"] == 2
    assert said("users", "show", "kim", *run_)["votes"] == 2
    assert len(said("users", "export", "kim", *run_)["rows"]) == 4
    assert said("users", "forget", "kim", *run_)["rounds"] == 2
    assert len(said("models", "list", *run_)["models"]) == 9
    added = said("models", "add", "new-7b", "--description", "small and fast", *run_, "--input-price", "0.2")
    assert added["model"] == "new-7b" and len(added["ranking"]) == 10
    drawn = said("figures", tmp_path / "run", "--out", folder)["figures"]
    assert drawn and all(Path(path).is_file() for path in drawn)
    assert "seen" in said("summary", tmp_path / "run", "--out", tmp_path / "results.md")
    assert (tmp_path / "results.md").is_file() and (tmp_path / "results.json").is_file()


def test_results_go_to_stdout_and_remarks_to_stderr(capsys, run_copy, tmp_path):
    at = ("--run", run_copy)
    code, out, err = run(capsys, "route", *at, "--user", "stranger", "--query", "x", "--explain")
    assert code == 0 and "atlas-90b" in out and "stranger is not known to this run" in err
    assert "No round of this user moved" in out
    code, out, err = run(capsys, "route", *at, "--user", "stranger", "--query", "x", "--quiet")
    assert code == 0 and "atlas-90b" in out and err == ""
    code, out, err = run(capsys, "route", *at, "--user", "bela", "--query", "x", "--explain")
    assert code == 0 and "\nWhy " in out and "margin of" in out and err == ""
    history = rows(tmp_path / "h.jsonl", {**VOTE, "model_b": "other-1b"})
    code, out, err = run(capsys, "adapt", *at, "--user", "kim", "--history", history)
    assert code == 0 and "1 rounds added" in out and "other-1b is not on offer" in err
    assert "gmt models add other-1b" in err
    code, out, err = run(capsys, "users", "forget", "kim", *at)
    assert code == 0 and "not refitted" in out and err == ""


def test_what_users_export_prints_adapt_reads_back(capsys, run_copy, tmp_path):
    at = ("--run", run_copy)
    assert run(capsys, "adapt", *at, "--user", "ana", "--quiet")[0] == 0
    code, out, err = run(capsys, "users", "export", "ana", *at)
    assert code == 0 and err == ""
    (tmp_path / "ana.jsonl").write_text(out)
    code, again, _ = run(capsys, "adapt", *at, "--user", "ana", "--history", tmp_path / "ana.jsonl", "--json")
    assert (json.loads(again)["added"], json.loads(again)["repeats"]) == (0, 20)
    run(capsys, "users", "forget", "ana", *at)
    code, again, _ = run(capsys, "adapt", *at, "--user", "ana", "--history", tmp_path / "ana.jsonl", "--json")
    assert (json.loads(again)["added"], json.loads(again)["votes"]) == (20, 20)


def test_defaults_name_the_demo(capsys, demo_data, tiny_run, tmp_path, monkeypatch):
    """Leave everything out that may be left out, in a folder where the demo lies at its usual place."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(demo_data, "data/demo")
    code, out, _ = run(capsys, "train", *settings([*TINY, "train.steps=2", "train.eval_every=2"]))
    assert code == 0 and out.startswith("runs/demo: ")
    assert run(capsys, "adapt", "--user", "ana")[0] == 0
    code, out, err = run(capsys, "route", "--user", "ana", "--query", "Plan a trip")
    assert code == 0 and err == "" and "telegram-8b" in out
    assert run(capsys, "eval", "--baselines", "none")[0] == 0
    assert Path("runs/demo/results/seen.json").is_file()
