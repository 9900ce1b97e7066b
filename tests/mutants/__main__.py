"""Break the code on purpose, one fault at a time, and see that the named test fails: `make mutants`.

Each fault of `mutants.yaml` is applied to a copy of the tree. It must be there to apply (found exactly once), the
named tests must pass on the copy as it was, and at least one of them must fail once it is applied.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
FAULTS = Path(__file__).with_name("mutants.yaml")
TIME = 600
"""Seconds after which a test of a broken tree counts as failed: some faults never end."""


@dataclass(frozen=True)
class Mutant:
    """Hold one fault.

    Args:
        name: What is broken, in words.
        file: Path below the root.
        find, replace: Text that must stand there exactly once, and what takes its place.
        killed_by: Tests, as pytest names them, at least one of which must fail.
        fast: Whether its tests take seconds, so that every change runs it.
    """

    name: str
    file: str
    find: str
    replace: str
    killed_by: tuple[str, ...]
    fast: bool = False


def mutants() -> list[Mutant]:
    """Read all faults."""
    return [
        Mutant(**{**one, "killed_by": tuple(one["killed_by"])}) for one in yaml.safe_load(FAULTS.read_text("utf-8"))
    ]


def mutated(mutant: Mutant, root: Path = ROOT) -> str:
    """Return the text of the broken file.

    Raises:
        LookupError: What is to be broken does not stand there exactly once.
    """
    text = (root / mutant.file).read_text("utf-8")
    if text.count(mutant.find) != 1:
        raise LookupError(
            f"{mutant.name}: {mutant.file} holds {text.count(mutant.find)} times {mutant.find!r}, not once"
        )
    return text.replace(mutant.find, mutant.replace)


def copy_tree(to: Path) -> None:
    """Copy what git knows, tracked or not ignored, so that nothing here is ever broken."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listing.stdout.splitlines():
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, to / name)


def passes(tests: tuple[str, ...], tree: Path) -> bool:
    """Tell whether all tests pass in a tree."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "-p", "no:cacheprovider", *tests]
    try:
        done = subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=TIME)
    except subprocess.TimeoutExpired:
        return False
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{' '.join(tests)} could not be run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.returncode == 0


def main() -> None:
    """Try the faults and say which no test sees."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fast", action="store_true", help="only those whose tests take seconds")
    parser.add_argument("--only", help="those whose name holds this text")
    options = parser.parse_args()
    chosen = [one for one in mutants() if (one.fast or not options.fast) and (options.only or "") in one.name]
    survived = []
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        tree = Path(folder)
        copy_tree(tree)
        whole = tuple(dict.fromkeys(test for one in chosen for test in one.killed_by))
        if not passes(whole, tree):
            sys.exit("the named tests do not pass before anything is broken")
        for number, one in enumerate(chosen, 1):
            start, path = time.perf_counter(), tree / one.file
            text = path.read_text("utf-8")
            path.write_text(mutated(one), "utf-8")
            seen = not passes(one.killed_by, tree)
            path.write_text(text, "utf-8")
            survived += [] if seen else [one.name]
            took = time.perf_counter() - start
            print(f"{number:>2}/{len(chosen)} {'seen' if seen else 'NOT SEEN'}  {one.name}  ({took:.0f} s)", flush=True)
    print(f"{len(chosen) - len(survived)} of {len(chosen)} faults were seen by a test")
    if survived:
        sys.exit("not seen: " + "; ".join(survived))


if __name__ == "__main__":
    main()
