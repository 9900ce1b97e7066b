"""Give every option of every command absurd values."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import typer

from gmt.cli.main import app
from tests.hostile.attempt import Case
from tests.hostile.damage import FEW
from tests.hostile.rows import GOOD_ROWS, score_folder, write_rows

NUMBERS = [
    "-1",
    "0",
    "2147483648",
    "1" + "0" * 30,
    "-" + "9" * 400,
    "abc",
    "",
    "NaN",
    "inf",
    "-inf",
    "1e308",
    "1e-320",
    "1e9",
    "٣",
    "²",
    "0x10",
    "1_0",
    "0.5",
    "-0.0",
    "None",
    "[1]",
]
TEXTS = [
    "",
    " ",
    ",",
    "\x1b[31mred",
    "a\nb",
    "a\r\nb\x00",
    "[/INST]",
    "[bold]",
    ":rocket:",
    "x" * 10_000,
    "x\u2028y",
    "\ud800",
    "../../outside",
    "😀",
    "\u202eabc",
    "%s{0}{name}",
    "-1",
    "--quiet",
    "ana,ana",
    "nan",
    "1,2,3",
    ";rm",
    "a=b=c",
    "model=3",
    "train.lr=nan",
    "train.steps=" + "9" * 30,
    "seed=-1",
    "model.width=-3",
    "hash:0",
    "hash:²",
    "hub:a/b/../c",
    "hub:",
    "no/such/encoder",
    "uniform:2,1",
    "beta:0,0",
    "grid:nan,1",
    "=",
    "a=b",
]
PATHS = [
    "",
    ".",
    "/",
    "none",
    "x" * 300,
    "x/" * 3000,
    "file/inside",
    "folder",
    "file",
    "\ud800",
    "a\nb",
    "\x1b[31m",
    "run",
    "data",
    "rows.jsonl",
    "[/INST]",
    "nul\x00l",
    "-",
    "~",
    "../in/file",
]
LEFT_OUT = {
    "demo": "trains in full",
    "bench": "measures for minutes; its --parts alone is tried",
    "figures": "draws for a second; its --out alone is tried, on a run without results",
    "serve": "serves without end",
}


def base_lines() -> dict[tuple[str, ...], list[str]]:
    """Return, by command, words that succeed, or fail late, on the files that `files` makes."""
    return {
        ("prep",): ["jsonl", "rows.jsonl", "--encoder", "hash:8", "--out", "made"],
        ("train",): ["data", "--run", "new", *FEW],
        ("eval",): ["--run", "run", "--baselines", "none", "--draws", "1"],
        ("summary",): ["run"],
        ("adapt",): ["--user", "ana", "--run", "run"],
        ("route",): ["--user", "ana", "--query", "How do I cook?", "--run", "run"],
        ("users", "list"): ["--run", "run"],
        ("users", "show"): ["ana", "--run", "run"],
        ("users", "export"): ["ana", "--run", "run"],
        ("users", "forget"): ["ana", "--run", "run"],
        ("models", "list"): ["--run", "run"],
        ("models", "add"): ["new-1b", "--description", "small", "--run", "run"],
        ("bench",): ["--parts", "nothing"],
        ("figures",): ["none"],
        ("simulate", "planted"): ["--out", "p.jsonl", "--users", "3", "--votes", "4", "--questions", "20"],
        ("simulate", "traits"): ["rows.jsonl", "--out", "t.jsonl", "--users", "3", "--votes", "2"],
        ("simulate", "cost"): ["scores", "--out", "c.jsonl", "--users", "3"],
        ("simulate", "judge"): [
            "rows.jsonl",
            "--out",
            "j.jsonl",
            "--endpoint",
            "http://127.0.0.1:9",
            "--model",
            "m",
            "--dry-run",
        ],
    }


def leaves(command: object, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """Yield every command with its words."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield words, command
    else:
        for name, child in inner.items():
            yield from leaves(child, (*words, name))


def values_of(parameter: object) -> list[str]:
    """Return what may be thrown at a parameter."""
    kind = str(parameter.type_descriptor.annotation).lower()  # pyright: ignore[reportAttributeAccessIssue]
    if "path" in kind:
        return PATHS
    return NUMBERS if "int" in kind or "float" in kind else TEXTS + NUMBERS[:8]


def option_cases(run: Path, data: Path) -> list[Case]:
    """Return a case for every value of every parameter of every command."""
    found, bases = [], base_lines()
    for words, command in leaves(typer.main.get_command(app)):
        if words not in bases:
            continue
        for parameter in command.params:  # pyright: ignore[reportAttributeAccessIssue]
            flag = getattr(parameter, "is_flag", False)
            if flag or parameter.name == "help" or (words[0] in LEFT_OUT and parameter.name not in ("parts", "runs")):
                continue
            for value in values_of(parameter):
                found.append(_case(run, data, words, bases[words], parameter, value))
    random.Random("options").shuffle(found)
    return found


def _case(run: Path, data: Path, words: tuple[str, ...], base: list[str], parameter: object, value: str) -> Case:
    name, option = parameter.name, next(iter(parameter.opts))  # pyright: ignore[reportAttributeAccessIssue]
    positional = not option.startswith("-")

    def make(home: Path) -> list[str]:
        if "run" in base:
            shutil.copytree(run, home / "run")
        if "data" in base:
            shutil.copytree(data, home / "data")
        write_rows(home / "rows.jsonl", GOOD_ROWS)
        score_folder(home / "scores") if "scores" in base else None
        (home / "file").write_text("x\n")
        (home / "folder").mkdir()
        line = list(base)
        if positional:
            places = [
                at
                for at, word in enumerate(line)
                if not word.startswith("-") and (at == 0 or not line[at - 1].startswith("-"))
            ]
            order = [p for p in ("source", "input", "data", "name", "runs", "answers", "scores") if p == name]
            at = 1 if name == "input" else 0
            if order and len(places) > at:
                line[places[at]] = value
            else:
                line.append(value)
            if value.startswith("-"):
                line = line[1:] if line and line[0] == value else line
        elif option in line:
            line[line.index(option) + 1] = value
        else:
            line += [option, value]
        return [*words, *line]

    return Case(f"option {' '.join(words)} {option} {value[:40]!r}", make)
