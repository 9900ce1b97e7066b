"""Train and measure one run for each seed, going on where an earlier call stopped, and join them in a table."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from data_prep.prepare import PrepOptions, prepare
from gmt.config import load_config, shipped_config
from gmt.errors import DataError
from gmt.evaluation.measure import measure
from gmt.evaluation.summary import summarise
from gmt.files import write_json, write_text
from gmt.report.summary_table import summary_table
from gmt.runs import RunFolder
from gmt.training.train_run import train_run


def prepared(folder: Path, make: Callable[[], object]) -> Path:
    """Return a data folder, made where it does not stand yet."""
    # The card is written last, so a folder that has one is whole.
    if not (folder / "card.json").is_file():
        print(f"preparing {folder}", flush=True)
        make()
    return folder


def measured_run(
    data: Path, run: Path, seed: int, chosen: argparse.Namespace, shots: Sequence[int] | None = None
) -> Path:
    """Return a run's folder, trained and measured where its results do not stand yet.

    Args:
        data: Data folder.
        run: Run folder.
        seed: Of training and of what is drawn in measuring.
        chosen: `config`, `set`, `baselines` and `no_controls`, as `run_options` reads them.
        shots: How many rounds of new users or models are shown; by default those of their protocol.
    """
    folder = RunFolder(run)
    # Results come after training: without them a run may be half of one, and is made anew.
    if not any(folder.results.glob("*.json")):
        print(f"training {run}", flush=True)
        train_run(data, load_config(shipped_config(chosen.config), chosen.set, seed), folder)
        # `measure` takes None for all, an option needs a word.
        rivals = None if chosen.baselines == ["all"] else chosen.baselines
        measure(folder, shots=shots, baselines=rivals, seed=seed, controls=not chosen.no_controls)
    return run


def runs_of_seeds(
    chosen: argparse.Namespace,
    name: str,
    protocol: str,
    options: Callable[[Path, int], PrepOptions],
    shots: Sequence[int] | None = None,
) -> list[Path]:
    """Return the run of every seed on a set, prepared, trained and measured where it does not stand yet.

    Args:
        chosen: As `run_options` reads it; folders lie in `out`.
        name, protocol: Of the set and of its split.
        options: Given a data folder and a seed, says how the published files are read into it.
        shots: As of `measured_run`.
    """
    runs = []
    for seed in chosen.seeds:
        # A data folder for each seed, for the seed also draws the split.
        label = f"{name}-{protocol}-{seed}"
        read = options(chosen.out / "data" / label, seed)
        data = prepared(read.out, partial(prepare, read))
        runs.append(measured_run(data, chosen.out / "runs" / chosen.config / label, seed, chosen, shots))
    return runs


def public_data(holds: str) -> Path:
    """Return the folder of public data.

    Args:
        holds: What it holds, for whoever has not named it.

    Raises:
        DataError: $GMT_REAL_DATA is not set.
    """
    if "GMT_REAL_DATA" not in os.environ:
        raise DataError(f"GMT_REAL_DATA is not set; set it to the folder with {holds}")
    return Path(os.environ["GMT_REAL_DATA"])


def join_runs(runs: Iterable[Path], out: Path) -> None:
    """Average runs over seeds and write the Markdown table, the numbers beside it."""
    found = summarise([path for run in runs for path in sorted(RunFolder(run).results.glob("*.json"))])
    write_text(out, summary_table(found))
    write_json(out.with_suffix(".json"), found)
    print(f"{out} written", flush=True)


def run_options(description: str | None, out: str, baselines: Sequence[str]) -> argparse.ArgumentParser:
    """Return the options that every study of runs has.

    Args:
        description: What the study says of itself.
        out: Folder that it writes by default.
        baselines: Rivals that it measures by default; `all` for all.
    """
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path(out), help="folder of data/, runs/ and tables/")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--config", default="default", help="name of a shipped config, e.g. paper")
    parser.add_argument("--set", nargs="+", default=[], help="settings, e.g. traits.networks=1 to be quicker")
    parser.add_argument("--encoder", default="minilm", help="as of gmt prep")
    parser.add_argument("--baselines", nargs="*", default=list(baselines), help="names of rivals, or all")
    parser.add_argument("--no-controls", action="store_true", help="leave out shuffled owners and unknown users")
    return parser
