"""Draw every figure that folders of runs and results files allow, or that figures' own results files hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gmt.errors import DataError, RunError
from gmt.report.figure_file import FigureFile
from gmt.report.result_figures import files_of_results
from gmt.report.run_figures import files_of_run

COLUMNS = ("two",)


@dataclass(frozen=True)
class Drawn:
    """Hold what was drawn and what could not be.

    Args:
        paths: The files written.
        notes: A sentence for every figure that has nothing to show, with the reason.
    """

    paths: tuple[Path, ...]
    notes: tuple[str, ...] = ()


def make_figures(
    runs: Iterable[Path],
    out: Path,
    columns: Sequence[str] = COLUMNS,
    save: Path | None = None,
    join: str | None = None,
    beside: Mapping[str, Sequence[Path]] | None = None,
    truth: Path | None = None,
) -> Drawn:
    """Draw everything that runs and results files hold.

    Args:
        runs: Run folders with `results/*.json`, `metrics.jsonl` or `history.parquet`, or results files of `gmt eval`.
        out: Folder for the figures; it is made where missing.
        columns: "one", "two" or both: for how many columns of a page.
        save: Folder for the small results file of every figure, from which `redraw` draws it again.
        join: Take the results for splits of one experiment of this name, and draw them together.
        beside: Name of another design -> its results files or runs on the same splits; drawn with the others.
        truth: What `gmt simulate cost` wrote of simulated people, so that quality and cost can be told apart.

    Raises:
        RunError: A run holds nothing that can be drawn.
    """
    runs = list(map(Path, runs))
    files: list[FigureFile] = []
    notes: list[str] = []
    if join is not None:
        found, said = files_of_results(join, [path for run in runs for path in _results_in(run)], _paths(beside))
        files, notes = files + found, notes + said
    else:
        for run in runs:
            found, said = (
                files_of_run(run, truth) if run.is_dir() else files_of_results(run.stem, [run], _paths(beside))
            )
            if not found and not said:
                raise RunError(f"{run} holds no results to draw; run gmt eval --run {run} first")
            files, notes = files + found, notes + said
    return Drawn(_write(files, out, columns, save), tuple(notes))


def redraw(folder: Path, out: Path, columns: Sequence[str] = COLUMNS, papers: bool = False) -> Drawn:
    """Draw every figure whose results file lies in a folder.

    Args:
        folder: Where the results files lie.
        out, columns: As in `make_figures`.
        papers: Draw those that answer a table or figure of a paper, under its name there.

    Raises:
        DataError: The folder holds none, or one of them is no results file of a figure.
    """
    paths = sorted(Path(folder).glob("*.json"))
    if not paths:
        raise DataError(f"{folder} holds no results files of figures; write some with gmt figures RUN --save {folder}")
    files = [FigureFile.read(path) for path in paths]
    if papers:
        files = [there for one in files if (there := one.in_papers()) is not None]
    return Drawn(_write(files, out, columns, None))


def _write(files: Sequence[FigureFile], out: Path, columns: Sequence[str], save: Path | None) -> tuple[Path, ...]:
    paths: list[Path] = []
    for one in files:
        if save is not None:
            one.save(save)
        paths += one.write(out, tuple(columns))
    return tuple(paths)


def _paths(beside: Mapping[str, Sequence[Path]] | None) -> dict[str, list[Path]]:
    return {name: [path for run in runs for path in _results_in(Path(run))] for name, runs in (beside or {}).items()}


def _results_in(path: Path) -> list[Path]:
    """Return the results files of a run, or the file itself."""
    if path.is_dir():
        found = sorted((path / "results").glob("*.json"))
        if not found:
            raise RunError(f"{path} holds no results to draw; run gmt eval --run {path} first")
        return found
    if not path.is_file():
        raise RunError(f"{path} does not exist; name a run folder or a results file of gmt eval")
    return [path]
