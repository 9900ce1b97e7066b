"""Damage every file of a run and of a data folder, in every way a file can be damaged."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.hostile.attempt import Case

COMMANDS = {
    "route": ["route", "--user", "amadou", "--query", "How do I cook rice?", "--json"],
    "list": ["users", "list", "--json"],
    "show": ["users", "show", "amadou", "--json"],
    "export": ["users", "export", "amadou"],
    "models": ["models", "list", "--json"],
    "add": ["models", "add", "new-1b", "--description", "small", "--json"],
    "adapt": ["adapt", "--user", "amadou", "--replace", "--json"],
    "forget": ["users", "forget", "amadou", "--json"],
    "eval": ["eval", "--baselines", "none", "--json"],
}
# Reads alone can be compared with what the untouched run says; results carry a date.
COMPARED = ("route", "list", "show", "export", "models")
FEW = [
    "--set",
    "train.steps=1",
    "--set",
    "train.eval_every=1",
    "--set",
    "traits.steps=1",
    "--set",
    "posterior.enabled=false",
    "--set",
    "posterior.network=true",
]


def truncate(path: Path, rng: random.Random, others: list[Path]) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: rng.randrange(max(len(data), 1))])


def flip(path: Path, rng: random.Random, others: list[Path]) -> None:
    data = bytearray(path.read_bytes())
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def scatter(path: Path, rng: random.Random, others: list[Path]) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(min(len(data), 40)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    path.write_bytes(data)


def delete(path: Path, rng: random.Random, others: list[Path]) -> None:
    path.unlink()


def empty(path: Path, rng: random.Random, others: list[Path]) -> None:
    path.write_bytes(b"")


def swap(path: Path, rng: random.Random, others: list[Path]) -> None:
    other = rng.choice(others)
    kept = path.read_bytes()
    path.write_bytes(other.read_bytes())
    other.write_bytes(kept)


def folder(path: Path, rng: random.Random, others: list[Path]) -> None:
    path.unlink()
    path.mkdir()


def words(path: Path, rng: random.Random, others: list[Path]) -> None:
    path.write_text(
        rng.choice(
            [
                "null",
                "[]",
                "{}",
                "3",
                '"x"',
                "[" * 5000,
                '{"a": 1, "a": 2}',
                "a: &a [*a]",
                "\x1b[31m",
                "x" * 10**5,
                "NaN",
            ]
        )
    )


def repeat(path: Path, rng: random.Random, others: list[Path]) -> None:
    data = path.read_bytes()
    path.write_bytes(data + data[: rng.randrange(max(len(data), 1))])


KINDS = (truncate, flip, scatter, delete, empty, swap, folder, words, repeat)


def files_of(root: Path) -> list[Path]:
    """Return the files of a folder, relative to it, in order; the log is nobody's to read."""
    return sorted(path.relative_to(root) for path in root.rglob("*") if path.is_file() and path.suffix != ".lock")


def run_cases(run: Path, baselines: dict[str, str]) -> Iterator[Case]:
    """Yield, without end, cases that damage one file of a run."""
    number = 0
    while True:
        for name in files_of(run):
            for kind in KINDS:
                for command in COMMANDS if number else ("route", "models"):
                    yield _case(run, name, kind, command, number, baselines.get(command))
        number += 1


def _case(run, name, kind, command, number, baseline) -> Case:
    def make(home: Path) -> list[str]:
        copy = Path(shutil.copytree(run, home / "run"))
        rng = random.Random(f"{name} {kind.__name__} {number}")
        kind(copy / name, rng, [copy / other for other in files_of(copy) if other != name])
        return [*COMMANDS[command], "--run", "run"]

    return Case(f"run {name} {kind.__name__} {number} {command}", make, baseline)


def data_cases(data: Path) -> Iterator[Case]:
    """Yield, without end, cases that damage one file of a data folder, before training on it."""
    number = 0
    while True:
        for name in files_of(data):
            for kind in KINDS:

                def make(home: Path, name=name, kind=kind, number=number) -> list[str]:
                    copy = Path(shutil.copytree(data, home / "data"))
                    rng = random.Random(f"{name} {kind.__name__} {number}")
                    kind(copy / name, rng, [copy / other for other in files_of(copy) if other != name])
                    return ["train", "data", "--run", "run", "--quiet", "--json", *FEW]

                yield Case(f"data {name} {kind.__name__} {number} train", make)
        number += 1
