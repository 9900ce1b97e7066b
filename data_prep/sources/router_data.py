"""Read question x model score files with prices, as RouterData publishes them, and clean their split."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.pool import read_models
from data_prep.read.cells import label, needed, number, text
from data_prep.read.file_formats import read_rows
from data_prep.read.row import Rejected
from data_prep.sources.score_matrix import ScoreMatrix, answer_costs
from gmt.data.dataset import ModelInfo, read_card, read_cards
from gmt.data.folder_files import check_files
from gmt.data.interactions import SPLITS, TEST, TRAIN, InteractionTable
from gmt.errors import DataError


def is_matrix(input: str | Path | None) -> bool:
    """Tell whether the input is a folder of question x model score files."""
    return input is not None and Path(input).is_dir() and bool(_score_files(Path(input)))


def _score_files(folder: Path) -> list[Path]:
    return _train_first(folder.glob("dcrouter_*.json"))


def _train_first(paths: Iterable[Path]) -> list[Path]:
    # Training files first, whatever their names, so that a task or question counts as training has it.
    return sorted(paths, key=lambda path: ("test" in path.stem, path.name))


def read_matrix(folder: Path, rejected: list[Rejected]) -> ScoreMatrix:
    """Read `dcrouter_*.json`, with tasks from `default_query_*.jsonl` and prices from `default_llm.json`.

    Questions of a file with "test" in its name are TEST, all others TRAIN. A test question that
    stands in a training file too is left out of both, for it can be neither learned from nor tested
    fairly. A question that stands under two tasks belongs to the first. Costs are min-max scaled
    over all questions of a task, those left out included.

    Raises:
        DataError: A file is missing or is not what its name says.
    """
    # Tasks and prices lie in files beside the scores, keyed by the text of the query and the model's name.
    tasks = _tasks(folder, rejected)
    prices = _prices(folder / "default_llm.json")
    queries: list[str] = []
    splits: list[int] = []
    scores: list[dict[str, float]] = []
    for path in _score_files(folder):
        for line, row in read_rows(path, rejected):
            try:
                query = needed(text(row.get("question"), "question"), "question")
                scores.append(_scores(row.get("scores")))
            except DataError as error:
                rejected.append(Rejected(path.name, line, str(error)))
                continue
            queries.append(query)
            splits.append(TEST if "test" in path.stem else TRAIN)
    # By first appearance, so that equal files give models equal codes.
    models = list(dict.fromkeys(name for found in scores for name in found))
    # NaN and not 0: a model without a score did not fail.
    score = np.array([[found.get(name, np.nan) for name in models] for found in scores], dtype=float)
    score = score.reshape(len(scores), len(models))  # also where no row could be read, or none names a model
    cards = {name: prices.get(name, ModelInfo(name)) for name in models}
    named = tuple(tasks.get(query) for query in queries)
    matrix = ScoreMatrix(
        tuple(queries), named, cards, score, answer_costs(queries, named, cards), np.array(splits, dtype=np.int8)
    )
    # After costs are scaled, so that a question that is left out does not move the costs of the others.
    return _without_repeats(matrix)


def _without_repeats(matrix: ScoreMatrix) -> ScoreMatrix:
    """Leave out what stands on both sides of the split, and every question's later occurrences."""
    split = np.zeros(0, np.int64) if matrix.split is None else matrix.split.astype(np.int64)
    sides: dict[str, set[int]] = {}
    keep = np.zeros(len(matrix.queries), dtype=bool)
    for place, (query, side) in enumerate(zip(matrix.queries, split.tolist(), strict=True)):
        # Only where it stands first; `both` below takes away those that stand on both sides.
        keep[place] = query not in sides
        sides.setdefault(query, set()).add(side)
    both = np.array([len(sides[query]) > 1 for query in matrix.queries], dtype=bool)
    repeated = len({query for query, where in sides.items() if len(where) > 1})
    found = matrix.select(keep & ~both)
    if not repeated:
        return found
    tests = int((split == TEST).sum())
    note = (
        f"{repeated} of {tests} {SPLITS[TEST]} questions also stand in {SPLITS[TRAIN]}; they were left out of both, "
        f"{tests - repeated} are asked"
    )
    return replace(found, notes=(note,))


def _tasks(folder: Path, rejected: list[Rejected]) -> dict[str, str]:
    """Return query -> task, the first one where there are several."""
    found: dict[str, str] = {}
    for path in _train_first(folder.glob("default_query_*.jsonl")):
        for _, row in read_rows(path, rejected):
            query, task = row.get("query"), label(row.get("task_name"), "task_name")
            if isinstance(query, str) and task is not None:
                found.setdefault(query, task)
    return found


def _prices(path: Path) -> dict[str, ModelInfo]:
    return read_models(path) if path.is_file() else {}


def _scores(value: Any) -> dict[str, float]:
    if not isinstance(value, dict) or not value:
        raise DataError(f"scores is {type(value).__name__}; expected model name -> score")
    found = {}
    for given_name, given in value.items():
        name = needed(label(given_name, "a model's name"), "a model's name")
        score = number(given, f"the score of {name}")
        if score is None:
            continue
        if not 0 <= score <= 1:
            raise DataError(f"the score of {name} is {score:g}; expected 0 to 1")
        found[name] = score
    if not found:
        raise DataError("scores are null for every model; expected a score from 0 to 1 of one or more")
    return found


def matrix_from(input: Path, rejected: list[Rejected]) -> ScoreMatrix:
    """Read scores from the published files, or from a data folder that `gmt prep scores` made of them.

    Raises:
        DataError: The input is neither.
    """
    input = Path(input)
    if is_matrix(input):
        return read_matrix(input, rejected)
    if (input / "interactions.parquet").is_file():
        check_files(input)
        cards = read_cards(input / "models.json")
        table = InteractionTable.read(input / "interactions.parquet", list(cards))
        stated = read_card(input / "card.json").get("protocol") == "given"
        return ScoreMatrix.of_table(table, cards, stated)
    raise DataError(f"{input} holds neither dcrouter_*.json nor interactions.parquet; name a folder of scores")
