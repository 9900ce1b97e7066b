"""Check that no damage, no option and no row ends a command otherwise than well or in one short line."""

import random
import re
import shutil
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from tests.crashes import share_of
from tests.hostile.absurd import option_cases
from tests.hostile.attempt import Case, failure_of
from tests.hostile.damage import COMMANDS, COMPARED, data_cases, run_cases
from tests.hostile.rows import row_cases


@pytest.fixture(scope="module")
def baselines(tiny_run, capsys_module) -> dict[str, str]:
    return {name: capsys_module([*COMMANDS[name], "--run", str(tiny_run)]) for name in COMPARED}


@pytest.fixture(scope="module")
def capsys_module(tmp_path_factory):
    from tests.hostile.attempt import run_words

    return lambda words: run_words(words)[1]


def tried(cases: Iterator[Case] | list[Case], home: Path) -> list[str]:
    """Run cases, each in a folder that is gone afterwards; return what failed."""
    found = []
    for number, case in enumerate(cases):
        place = home / str(number)
        try:
            failure = failure_of(case, place)
        finally:
            shutil.rmtree(place, ignore_errors=True)
        if failure is not None:
            found.append(f"{case.name}: {failure}")
    return found


def groups(lines: list[str]) -> str:
    """Return failures grouped by what happened, the most frequent first, each with its first case."""
    kinds: dict[str, list[str]] = {}
    for line in lines:
        kind = re.sub(r"[0-9]+|'[^']*'", "#", line.partition(": ")[2])[:90]
        kinds.setdefault(kind, []).append(line)
    return "\n".join(f"{len(of)}× {of[0][:700]}" for of in sorted(kinds.values(), key=len, reverse=True))


def check(cases: Iterator[Case] | list[Case], home: Path) -> None:
    """Run cases and fail with what they showed."""
    cases = list(cases)
    failed = tried(cases, home)
    print(f"{len(cases)} cases, {len(failed)} failed")
    assert not failed, f"{len(failed)} failed\n{groups(failed)}"


def spread(cases: Iterator[Case], count: int, out_of: int) -> list[Case]:
    """Return some of the first cases, drawn with a fixed seed, so that every kind stands in the short run."""
    return random.Random("spread").sample(list(islice(cases, out_of)), count)


def test_damage_to_a_run(tiny_run, baselines, tmp_path):
    check(spread(run_cases(tiny_run, baselines), 90, 1500), tmp_path)


def test_damage_to_a_data_folder(demo_data, tmp_path):
    check(spread(data_cases(demo_data), 20, 100), tmp_path)


def test_absurd_options(tiny_run, demo_data, tmp_path):
    check(option_cases(tiny_run, demo_data)[:100], tmp_path)


def test_hostile_rows(tiny_run, tmp_path):
    check(islice(row_cases(tiny_run), 90), tmp_path)


@pytest.mark.soak
def test_damage_to_a_run_for_long(tiny_run, baselines, tmp_path):
    check(share_of(islice(run_cases(tiny_run, baselines), 2500)), tmp_path)


@pytest.mark.soak
def test_damage_to_a_data_folder_for_long(demo_data, tmp_path):
    check(share_of(islice(data_cases(demo_data), 300)), tmp_path)


@pytest.mark.soak
def test_every_absurd_option(tiny_run, demo_data, tmp_path):
    check(share_of(option_cases(tiny_run, demo_data)), tmp_path)


@pytest.mark.soak
def test_hostile_rows_for_long(tiny_run, tmp_path):
    check(share_of(islice(row_cases(tiny_run), 2400)), tmp_path)
