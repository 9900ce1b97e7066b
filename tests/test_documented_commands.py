"""Check every command of README.md and docs/: it parses, and where small data will do, it runs."""

import argparse
import importlib
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer

from gmt.cli.main import app, main
from tests.hostile.rows import BATTLES, GOOD_ROWS, JUDGED, RELEASED, score_folder, write_rows
from tests.trained import TINY, settings

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "CONTRIBUTING.md"]
COMMAND = re.compile(r"(?:[A-Z_]+=\S+ )*(?:gmt|python|torchrun|accelerate|make|pip) \S")
TABLE_LINE = re.compile(r"gmt(?: less)? +[-+.\d`]")

LEFT_OUT = {
    r"^make (demo|test|check|format|docs|release|soak|mutants)$": "the Makefile's own targets",
    r"^GMT_SOAK_SHARE=\S+ make soak$|python -m pytest -m soak ": "the long form of tests, for hours",
    r"^python -m tests\.readme_demo$": "tests/test_readme.py calls what it calls",
    r"^python docs/pictures\.py$": "tests/test_docs.py draws the pictures",
    r"^gmt (?:users|models) [a-z]+ NAME": "NAME stands for a user or a model; tests/state and tests/serving run them",
    r"--encoder letters": "tests/test_docs_extensions.py encodes with it",
    r"^gmt prep team-poll": "tests/test_docs_extensions.py preps it",
    r"^gmt eval --baselines favourites": "tests/test_docs_extensions.py measures it",
    r"^pip install": "needs an index of packages",
    r"^accelerate launch": "needs GPUs or several machines",
    r"--engine ray": "tests/data_prep/read/test_on_ray.py runs Ray",
    r"hub:": "downloads from the hub",
    r"--encoder NAME": "NAME stands for an encoder that is downloaded",
    r"FOLDER/(?:llmfao|mtbench_human) ": "the public sets themselves; tests/data_prep reads made rows of their shapes",
    r"^(?:GMT_THREADS=\d )?gmt bench": "measures for minutes; tests/bench runs it with small sizes",
    r"^python -m gmt$": "the command itself; tests/cli/test_start.py starts it",
    r"^python -m gmt\.bench\.large_table": "needs a control group and gigabytes; tests/bench writes a small folder",
    r"^python -m gmt\.bench\.vote_cost$": "takes minutes; tests/bench runs it with a few votes",
    r"^python -m threadpoolctl": "another package's command, which names the processor's products",
    r"^python release/container_by_hand\.py": "needs root of a Debian; tests/gateway/test_container.py reads all",
    r"^python -m gmt\.bench\.fit_sizes": "takes minutes and gigabytes; tests/bench runs it with 200 queries",
    r"^gmt demo$": "tests/cli/test_demo_run.py runs it",
    r"^python docs/house\.py": "counts and draws the whole tree; tests/test_house.py runs its parts",
    r"^python -m tests\.mutants": "runs tests for minutes; tests/test_mutants.py tries one fault",
    r"python -m gmt\.studies": "needs public data or hours; its options are parsed",
    r"^gmt eval --data OTHER$": "tests/evaluation measures on other data",
    r"people-S\.jsonl": "S stands for a number; its options are parsed",
    r"^gmt prep (?:prism|comparia|community-alignment|personal-reward-bench|chat|langfuse|otel|vllm-sr|open-webui) ": (
        "tests/data_prep/sources reads made rows of the published shapes"
    ),
    r"^gmt prep arena FILE_OR": "the same",
    r"^gmt reproduce": "tests/cli/test_commands_reproduce.py and tests/studies/test_yardsticks.py run it",
    r"^gmt export": "tests/serving/test_routerarena.py runs it",
    r"^python -m gmt\.reproduce\.record": "tests/reproduce/test_part_map.py records numbers",
    r"--answer ONE": "tests/serving/test_answer_ranking.py ranks answers",
    r"^gmt prep recipe:(?!llmfao)": "tests/data_prep/recipes/test_shelf.py reads made rows of the published shapes",
    r"^gmt serve": "serves until it is stopped; tests/gateway/test_processes.py starts it",
    r"^gmt replay": "reads what gmt serve --log wrote; tests/gateway/test_replay.py runs it",
    r"^gmt train data/newer": "tests/training/test_retraining_keeps_people.py trains a run again",
    r"^gmt cut": "tests/data_prep/test_published_parts.py cuts made votes; the ids that ship are of published ones",
}
"""Pattern -> why a command is parsed but not run here."""


def documented() -> dict[str, bool]:
    """Return every distinct command, in the order of the pages, and whether it stands in a block to copy."""
    found: dict[str, bool] = {}
    for path in PAGES:
        text = path.read_text("utf-8")
        for block in re.findall(r"^```[a-z]*(?: title=.*)?\n(.*?)^```", text, re.M | re.S):
            for line in block.replace("\\\n", " ").splitlines():
                found[" ".join(line.partition("  #")[0].removeprefix("$ ").split())] = True
        outside = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
        for line in re.findall(r"`([^`\n]+)`", outside):
            found.setdefault(line, False)
    return {line: copied for line, copied in found.items() if COMMAND.match(line) and not TABLE_LINE.match(line)}


COMMANDS = documented()
OURS = [line for line in COMMANDS if re.match(r"(?:[A-Z_]+=\S+ )*gmt ", line)]
STUDIES = [line for line in COMMANDS if "gmt.studies" in line]
FULL = [
    line for line in OURS if "…" not in line and len(line.split()) > 2 or line in ("gmt train", "gmt eval", "gmt demo")
]


def words_of(line: str) -> list[str]:
    """Return the words after `gmt` or after the study's name."""
    words = [word for word in shlex.split(line.replace(" S ", " 1 ")) if not re.fullmatch(r"[A-Z_]+=\S*", word)]
    return words[1:] if words[0] == "gmt" else words[3:]


def names_only(line: str) -> bool:
    """Tell whether a line names a command or some of its options, rather than being one to type."""
    words = words_of(line)
    if "…" in line or len(words) < 2 or words[0] in ("simulate", "runs") and len(words) == 2:
        return True
    command, words = command_of(line)
    try:
        command.make_context("gmt", words)
    except Exception as error:
        # In the text of a page an option may stand for itself; a block is there to be copied.
        return not COMMANDS[line] and type(error).__name__ in ("MissingParameter", "BadOptionUsage")
    return False


def command_of(line: str) -> tuple[Any, list[str]]:
    """Return the command that a line calls, and the words behind its name."""
    command: Any = typer.main.get_command(app)
    words = words_of(line)
    while getattr(command, "commands", None) and words and not words[0].startswith("-"):
        command = command.commands[words.pop(0).split("|")[0]]
    return command, words


@pytest.mark.parametrize("line", OURS)
def test_it_exists_and_parses(line):
    command, words = command_of(line)
    options = {name for parameter in command.params for name in parameter.opts}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= options
    if not names_only(line):
        command.make_context("gmt", words)


class Parsed(Exception):
    """End a study once its options are read."""


@pytest.mark.parametrize("line", STUDIES)
def test_a_study_takes_its_options(line, monkeypatch):
    def parse_args(parser, arguments=None, namespace=None):
        given, unknown = parser.parse_known_args(arguments, namespace)
        assert not unknown
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_args)
    words = [word for word in words_of(line) if word != "…"]
    study = importlib.import_module(shlex.split(line)[-len(words_of(line)) - 1] if words_of(line) else line.split()[-1])
    if words and "|" in words[0]:  # it names the study's own commands
        for part in words[0].split("|"):
            with pytest.raises(SystemExit, match="0"):
                study.main([part, "--help"])
        return
    with pytest.raises(Parsed):
        study.main(words)


@pytest.fixture
def small_data(tmp_path, monkeypatch):
    """Make, in an empty folder, small files of the names that the pages use."""
    monkeypatch.chdir(tmp_path)
    names = [f"m{n}" for n in range(4)]
    votes = [
        {"worker": f"w{n % 8}", "prompt": n % 12, "left": names[n % 4], "right": names[(n + 1) % 4],
         "winner": ("left", "right", "tie")[n % 3]}
        for n in range(160)
    ]  # fmt: skip
    home = tmp_path / "llmfao"
    home.mkdir()
    head = ",".join(votes[0])
    (home / "crowd-comparisons.csv").write_text("\n".join([head, *(",".join(map(str, row.values())) for row in votes)]))
    write_rows(home / "prompts.jsonl", [{"id": n, "text": f"question {n}", "type": "t"} for n in range(12)])
    write_rows(
        home / "results.jsonl", [{"prompt": n, "name": m, "result": f"{m} {n}"} for n in range(12) for m in names]
    )
    log = [f"ana;question {n};{name};{word}" for n in range(6) for name, word in (("m1", "up"), ("m2", "down"))]
    (tmp_path / "log.csv").write_text("\n".join(["user;prompt;model;thumbs", *log, ""]))
    (tmp_path / "votes.csv").write_text((home / "crowd-comparisons.csv").read_text())
    write_rows(tmp_path / "FILE.jsonl", GOOD_ROWS)
    pq.write_table(pa.Table.from_pylist(GOOD_ROWS), tmp_path / "rows.parquet")
    write_rows(tmp_path / "GMTROUTER.jsonl", RELEASED)
    write_rows(tmp_path / "MTBENCH.jsonl", JUDGED)
    write_rows(tmp_path / "ARENA.jsonl", BATTLES)
    queries = [f"question {n}" for n in range(80)]
    rows = [
        {"question": q, "scores": {m: (n * (at + 1)) % 5 / 4 for at, m in enumerate(("m1", "m2"))}}
        for n, q in enumerate(queries)
    ]
    score_folder(tmp_path / "FOLDER", rows[:48])
    write_rows(tmp_path / "FOLDER/default_query_train.jsonl", [{"query": q, "task_name": "t"} for q in queries])
    (tmp_path / "FOLDER/dcrouter_test.json").write_text(json.dumps(rows[48:]))
    return tmp_path


def small(line: str) -> list[str]:
    """Return the words of a documented command with small data, few steps and no download."""
    words = words_of(line)
    swaps = {
        "gmtrouter": ("FILE", "GMTROUTER.jsonl"),
        "mt-bench": ("FOLDER", "MTBENCH.jsonl"),
        "jsonl": ("FILE", "FILE.jsonl"),
        "votes": ("FILE", "log.csv"),
    }
    if words[0] == "prep":
        stands, file = swaps.get(words[1], ("", ""))
        words = [file if word == stands else word for word in words]
        words += [] if "--encoder" in words else ["--encoder", "hash:16"]
    if words[0] == "train":
        words += settings([*TINY, "train.steps=2", "train.eval_every=1", "traits.steps=2"])
    if words[:2] == ["simulate", "cost"]:
        words = ["12" if word == "1000" else word for word in words]
    return words


def test_what_small_data_allows_runs(small_data, capsys):
    """Run, in the order of the pages, every command that stands in no list of exceptions."""
    ran = []
    for line in FULL:
        if names_only(line) and line not in ("gmt train", "gmt eval") or any(re.search(p, line) for p in LEFT_OUT):
            continue
        if line == "gmt eval":
            continue  # the one with rivals has run
        try:
            main(small(line))
        except SystemExit as stop:
            assert not stop.code, f"gmt {' '.join(small(line))}\n{capsys.readouterr().err}"
        ran.append(words_of(line)[0])
    assert {"prep", "train", "eval", "adapt", "route", "figures", "simulate"} <= set(ran)


def test_every_command_runs_or_says_why_not():
    other = [line for line in COMMANDS if line not in OURS and not line.startswith("ACCELERATE_USE_CPU=true torchrun")]
    assert [line for line in other if not any(re.search(pattern, line) for pattern in LEFT_OUT)] == []
    assert [pattern for pattern in LEFT_OUT if not any(re.search(pattern, line) for line in COMMANDS)] == []


@pytest.mark.slow
def test_two_processes_train(demo_data, tmp_path):
    """Run the line of docs/scale.md on two processes of this machine."""
    (line,) = [line for line in COMMANDS if "torchrun" in line and "nproc_per_node=2" in line]
    words = [word for word in shlex.split(line) if not re.fullmatch(r"[A-Z_]+=\S*", word)]
    words = [
        str(demo_data) if word == "data/demo" else str(ROOT / word) if word == "cli.py" else word for word in words
    ]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            *words[1:],
            *settings([*TINY, "train.steps=2", "train.eval_every=1"]),
        ],
        cwd=tmp_path,
        env={**os.environ, "ACCELERATE_USE_CPU": "true", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "runs/demo-2/card.json").is_file()
