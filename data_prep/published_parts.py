"""Cut out of published files the votes that the tables of this project stand on, by the ids that ship with it."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from data_prep.read.cells import label
from data_prep.read.csv_rows import csv_columns
from data_prep.read.file_formats import read_rows
from data_prep.read.row import Rejected
from data_prep.read.row_files import is_hub, read_input
from gmt.errors import DataError
from gmt.files import replace_file

IDS = Path(__file__).parent / "parts"


@dataclass(frozen=True)
class PublishedPart:
    """Say which votes of a published set were used.

    Args:
        name: Of the set; its ids stand in `parts/NAME.csv.gz`, a row a vote.
        file: The published file of votes, without its ending.
        keys: Columns that name a vote.
    """

    name: str
    file: str
    keys: tuple[str, ...]

    def ids(self) -> set[tuple[str | None, ...]]:
        """Return the ids of the votes that were used."""
        return {self.id_of(row) for _, row in read_rows(IDS / f"{self.name}.csv.gz", [])}

    def id_of(self, row: Mapping[str, Any]) -> tuple[str | None, ...]:
        """Return the id of a vote."""
        return tuple(label(row.get(key), key) for key in self.keys)


PARTS = {
    "llmfao": PublishedPart("llmfao", "crowd-comparisons", ("worker", "id")),
    "mtbench": PublishedPart("mtbench", "human", ("judge", "question_id", "turn", "model_a", "model_b")),
}


@dataclass(frozen=True)
class Cut:
    """Count what was cut.

    Args:
        kept: Votes that were kept.
        published: Votes of the published file.
        file: Where they stand.
    """

    kept: int
    published: int
    file: Path


def cut_part(name: str, input: str, out: Path) -> Cut:
    """Write the votes that were used, and copy what lies beside the published file.

    Args:
        name: A name of `PARTS`.
        input: Folder of the published files, the file of votes, or `hub:<dataset id>`.
        out: Folder to write.

    Raises:
        DataError: There is no such set or file, a row cannot be read, or votes that were used are not in it.
    """
    if name not in PARTS:
        raise DataError(f"there are no ids of {name!r}; expected one of {', '.join(PARTS)}")
    part = PARTS[name]
    file = input if is_hub(input) else _votes_in(Path(input), part)
    # Beside and not inside: a folder that is copied into itself has no end.
    if isinstance(file, Path) and out.resolve() == file.parent.resolve():
        raise DataError(f"--out {out} is the folder of the published files; name another one")
    rejected: list[Rejected] = []
    rows = [row for _, _, row in read_input(file, rejected, split="human")]
    if rejected:
        raise DataError(f"{rejected[0]}; download the file again")
    wanted = part.ids()
    kept = [row for row in rows if part.id_of(row) in wanted]
    missing = wanted - {part.id_of(row) for row in kept}
    if missing:
        first = ", ".join(f"{key} {value}" for key, value in zip(part.keys, sorted(missing, key=str)[0], strict=True))
        raise DataError(
            f"{len(missing):,} of the {len(wanted):,} votes used are not in {input}, e.g. {first}; it is another "
            "version of the file, or a part of it"
        )
    out.mkdir(parents=True, exist_ok=True)
    if isinstance(file, Path):
        _copy_others(file, out)
    ending = file.suffix if isinstance(file, Path) and file.suffix == ".csv" else ".jsonl"
    path = out / f"{part.file}{ending}"
    text = _csv_text(kept, file) if isinstance(file, Path) and ending == ".csv" else "".join(_json_lines(kept))
    replace_file(path, partial(_write, text=text))
    return Cut(len(kept), len(rows), path)


def _votes_in(path: Path, part: PublishedPart) -> Path:
    """Return the file of votes."""
    if path.is_file():
        return path
    found = sorted(path.glob(f"{part.file}*.*")) if path.is_dir() else []
    if len(found) != 1:
        raise DataError(f"{path} holds {len(found)} files called {part.file}; name the published file of votes")
    return found[0]


def _copy_others(file: Path, out: Path) -> None:
    for beside in sorted(file.parent.iterdir()):
        if beside == file or beside.resolve() == out.resolve():
            continue
        if beside.is_dir():
            shutil.copytree(beside, out / beside.name, dirs_exist_ok=True, ignore=_itself(out))
        else:
            shutil.copy2(beside, out / beside.name)


def _itself(out: Path) -> Any:
    """Return what leaves the written folder out of a copy, where it lies inside what is copied."""

    def ignored(folder: str, names: list[str]) -> Iterable[str]:
        return [name for name in names if (Path(folder) / name).resolve() == out.resolve()]

    return ignored


def _csv_text(rows: list[dict[str, Any]], published: Path) -> str:
    """Return rows as the published file writes them, line breaks included, so that a whole cut is the file itself."""
    with published.open("rb") as file:
        end = "\r\n" if file.readline().endswith(b"\r\n") else "\n"
    text = io.StringIO()
    writer = csv.DictWriter(text, csv_columns(published), lineterminator=end)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _json_lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    for row in rows:
        yield json.dumps(row, ensure_ascii=False, separators=(",", ":"), default=str) + "\n"


def _write(part: Path, text: str) -> None:
    part.write_text(text, "utf-8", newline="")
