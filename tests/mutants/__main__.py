"""Break the code on purpose, one fault at a time, and see that the named test fails: `make mutants`.

Each fault of `mutants.yaml` is applied to a copy of the tree. It must be there to apply (found exactly once), the
named tests must pass on the copy as it was, and at least one of them must fail once it is applied.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import cache_from_source
from multiprocessing import get_context
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
FAULTS = Path(__file__).with_name("mutants.yaml")
TIME = 600
"""Seconds after which a test of a broken tree counts as failed: some faults never end."""


HEAVY = (
    "pytest",
    "hypothesis",
    "torch",
    "torch_geometric.nn",
    "scipy.optimize",
    "sklearn.ensemble",
    "pyarrow.parquet",
    "accelerate",
)
"""Imported once, before the tests are run in forks."""


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


def run_tests(tests: tuple[str, ...], tree: Path, said: Path) -> None:
    """Run tests in a tree and end this process with what pytest ends with; what it says goes to a file."""
    # What is imported from here is to be imported anew, from the tree.
    for name in [name for name in sys.modules if name.partition(".")[0] in ("tests", "gmt", "data_prep")]:
        del sys.modules[name]
    sys.path[:] = [str(tree), *(place for place in sys.path if place not in ("", str(ROOT)))]
    os.chdir(tree)
    with said.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        import pytest
        from hypothesis import Phase, settings

        # One failing example is enough, and none is to be found by luck.
        settings.register_profile("mutants", derandomize=True, phases=[Phase.explicit, Phase.generate], deadline=None)
        options = ["-q", "-x", "--no-header", "-p", "no:cacheprovider", "--hypothesis-profile=mutants"]
        code = pytest.main([*options, *tests])
        sys.stdout.flush()
        os._exit(int(code))


@dataclass
class Trial:
    """Hold tests that run in a process of their own.

    Args:
        tests: As pytest names them.
        tree: The copy they run in.
    """

    tests: tuple[str, ...]
    tree: Path

    def __post_init__(self) -> None:
        self.said = self.tree.with_name(f"{self.tree.name}.txt")
        # A fork has torch and its like imported already, which is most of what a short test takes.
        self.process = get_context("fork").Process(target=run_tests, args=(self.tests, self.tree, self.said))
        self.process.start()
        self.until = time.monotonic() + TIME

    def ended(self) -> bool:
        """Tell whether the tests have ended, or ran for longer than they may."""
        if self.process.is_alive() and time.monotonic() > self.until:
            self.process.kill()
            self.process.join()
        return not self.process.is_alive()

    def passed(self) -> bool:
        """Tell whether all tests passed, once they ended.

        Raises:
            RuntimeError: They could not be run.
        """
        code = self.process.exitcode
        # 0 and 1: all passed, some failed; below 0: killed; 2 and 4: the broken code could not be imported.
        if code in (0, 1, 2, 4) or (code is not None and code < 0):
            return code == 0
        raise RuntimeError(f"{' '.join(self.tests)} could not be run:\n{self.said.read_text('utf-8')[-2000:]}")


def tried(chosen: Sequence[Mutant], trees: Sequence[Path]) -> Iterator[tuple[Mutant, bool]]:
    """Yield each fault, in the order in which they end, and whether a test noticed it."""
    waiting, free, running = list(chosen), list(trees), list[tuple[Mutant, str, Trial]]()
    while waiting or running:
        while waiting and free:
            mutant, tree = waiting.pop(0), free.pop()
            whole = (tree / mutant.file).read_text("utf-8")
            (tree / mutant.file).write_text(mutated(mutant, tree), "utf-8")
            running.append((mutant, whole, Trial(mutant.killed_by, tree)))
        time.sleep(0.05)
        for mutant, whole, trial in [one for one in running if one[2].ended()]:
            running.remove((mutant, whole, trial))
            path = trial.tree / mutant.file
            path.write_text(whole, "utf-8")
            # Bytecode is told from its source by size and second alone, in which a small fault may be lost.
            Path(cache_from_source(str(path))).unlink(missing_ok=True)
            free.append(trial.tree)
            yield mutant, not trial.passed()


def whole_passes(chosen: Sequence[Mutant], tree: Path) -> None:
    """End the program where the named tests do not pass before anything is broken."""
    whole = Trial(tuple(dict.fromkeys(test for one in chosen for test in one.killed_by)), tree)
    while not whole.ended():
        time.sleep(0.1)
    if not whole.passed():
        sys.exit(f"the named tests do not pass before anything is broken:\n{whole.said.read_text('utf-8')[-2000:]}")


def main() -> None:
    """Try the faults and say which no test sees."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fast", action="store_true", help="only those whose tests take seconds")
    parser.add_argument("--only", default="", help="those whose name holds this text")
    parser.add_argument("--jobs", type=int, default=2, help="how many are tried at once, each on a copy of its own")
    parser.add_argument(
        "--after-tests", action="store_true", help="the named tests passed just now: do not run them whole"
    )
    options = parser.parse_args()
    chosen = [one for one in mutants() if (one.fast or not options.fast) and options.only in one.name]
    if not chosen:
        sys.exit(f"no fault is called {options.only!r}")
    for name in HEAVY:
        import_module(name)
    start, survived = time.perf_counter(), []
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        trees = [Path(folder) / str(number) for number in range(max(options.jobs, 1))]
        for tree in trees:
            copy_tree(tree)
        # 1. A test that fails anyhow would see everything.
        if not options.after_tests:
            whole_passes(chosen, trees[0])
        # 2. One fault at a time in each copy.
        for number, (one, seen) in enumerate(tried(chosen, trees), 1):
            survived += [] if seen else [one.name]
            print(f"{number:>2}/{len(chosen)} {'seen    ' if seen else 'NOT SEEN'}  {one.name}", flush=True)
    took = time.perf_counter() - start
    print(f"{len(chosen) - len(survived)} of {len(chosen)} faults were seen by a test ({took:.0f} s)")
    if survived:
        sys.exit("not seen: " + "; ".join(survived))


if __name__ == "__main__":
    main()
