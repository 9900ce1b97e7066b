"""Read real answers: GSM8K solutions, MT-Bench answers, data folders, and rows in the table's own columns."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from data_prep.pool import read_models
from data_prep.read.cells import label
from data_prep.read.file_formats import SUFFIXES, read_rows
from data_prep.read.labels import OUR_LABELS
from data_prep.read.row import Rejected
from data_prep.read.row_files import FieldsMissing
from data_prep.simulate.prices import priced
from data_prep.simulate.response_table import Answer, ResponseTable, Round, cells, of_table, shrunk
from data_prep.sources.source import SourceOptions
from gmt.data.comparisons import text_id
from gmt.data.dataset import ModelInfo, read_cards
from gmt.data.folder_files import check_files
from gmt.data.interactions import InteractionTable
from gmt.errors import DataError


def read_responses(input: Path, questions: Path | None = None, models: Path | None = None) -> ResponseTable:
    """Read answers in any of the known shapes.

    - a data folder made by `gmt prep`, or a file or folder that `gmt prep jsonl` reads;
    - files whose rows hold a question and, by model, `{is_correct, solution}` (JSON lines), or the
      columns `NAME` (true or false) and `NAME_response` beside `prompt` (CSV): quality is being right;
    - a folder of `<model>.jsonl` with `question_id, choices[0].turns`, itself or in `model_answer/`,
      with `question.jsonl` beside it. Quality is the share of human votes won in `human.jsonl`, if
      that is there.

    Args:
        input: File or folder.
        questions: `question.jsonl`, where it lies elsewhere.
        models: JSON of descriptions and prices; `prices.priced` fills in what it does not say.

    Raises:
        DataError: The input holds no answers in any of these shapes.
    """
    input = Path(input)
    if not input.exists():
        raise DataError(f"{input} does not exist; expected a file or folder of answers")
    stated = {} if models is None else read_models(Path(models))
    # From the most certain shape to the least: a data folder is known by one file, answer files by their rows, and rows
    # of our own columns are what is left to try.
    if (input / "interactions.parquet").is_file():
        check_files(input)
        cards = read_cards(input / "models.json")
        found = of_table(InteractionTable.read(input / "interactions.parquet", list(cards)), cards)
    elif input.is_dir() and _answer_files(input):
        found = _mt_bench(input, questions)
    else:
        found = _solutions(input) or _rows(input)
    # Prices last, for they are needed for all shapes, and what a user states goes before what a file states.
    found.models = {name: priced(name, stated.get(name) or found.models.get(name)) for name in found.models}
    if not any(len(item.answers) > 1 for rounds in found.rounds.values() for item in rounds):
        raise DataError(f"{input} holds no question that two models answered; expected answers to the same questions")
    if all(answer.quality is None for *_, answer in cells(found)):
        found.notes.append(
            "nothing states the quality of these answers, so users weigh cost, length and rare words only"
        )
    return found


def _rows(input: Path) -> ResponseTable:
    from data_prep.sources.jsonl import read

    wanted = "expected answers in the columns of gmt prep jsonl, or GSM8K solutions"
    try:
        data = read(input, SourceOptions())
    except FieldsMissing as error:
        raise DataError(f"{str(error).partition('; expected')[0]}; {wanted}") from error
    if data.rejected:
        raise DataError(f"{data.rejected[0]}; {wanted}")
    table = data.as_table()
    return of_table(table, {name: ModelInfo(name) for name in table.models})


def _solutions(input: Path) -> ResponseTable | None:
    """Read right and wrong solutions from every file that holds them, joined on the question; None if none does."""
    answers: dict[str, dict[str, Answer]] = defaultdict(dict)
    files = sorted(input.iterdir()) if input.is_dir() else [input]
    for path in files:
        if path.suffix not in SUFFIXES:
            continue
        rejected: list[Rejected] = []
        for _, row in read_rows(path, rejected):
            query = row.get("question") or row.get("prompt")
            found = _solved(row)
            if not isinstance(query, str) or not found:
                break  # this file is something else
            answers[query].update(found)
        # A bad row in a file of another kind is none of ours; one among solutions would silently lose an answer.
        if rejected and answers:
            raise DataError(f"{rejected[0]}; repair the file")
    names = dict.fromkeys(name for found in answers.values() for name in found)
    rounds = {text_id(query): [Round(query, found)] for query, found in answers.items()}
    return ResponseTable(rounds, {}, {name: ModelInfo(name) for name in names}) if answers else None


def _solved(row: dict[str, Any]) -> dict[str, Answer]:
    found = {
        name: Answer(value["solution"], float(bool(value.get("is_correct"))))
        for name, value in row.items()
        if isinstance(value, dict) and isinstance(value.get("solution"), str)
    }
    for name, value in row.items():
        model = name.removesuffix("_response")
        if model != name and model in row and value is not None:
            # CSV writes truth as text, and tools disagree on its form.
            found[model] = Answer(str(value), float(str(row[model]).strip().lower() in ("true", "1", "1.0")))
    return found


def _answer_files(folder: Path) -> list[Path]:
    """Return the `<model>.jsonl` of a folder, known by the shape of their first row."""
    inside = folder / "model_answer"
    found = sorted((inside if inside.is_dir() else folder).glob("*.jsonl"))
    return [path for path in found if isinstance(_first(path).get("choices"), list)]


def _first(path: Path) -> dict[str, Any]:
    return next((row for _, row in read_rows(path, [])), {})


def _mt_bench(folder: Path, questions: Path | None) -> ResponseTable:
    path = questions or folder / "question.jsonl"
    if not path.is_file():
        raise DataError(f"{path} does not exist; name the file of question_id and turns with --questions")
    turns_of: dict[str, list[str]] = {}
    tasks: dict[str, str] = {}
    for _, row in read_rows(path, []):
        question, task = label(row.get("question_id"), "question_id"), label(row.get("category"), "category")
        if question is None or not isinstance(row.get("turns"), list):
            raise DataError(f"{path.name} lacks question_id or turns; expected both in every row")
        turns_of[question] = [str(turn) for turn in row["turns"]]
        if task is not None:
            tasks[question] = task
    files = _answer_files(folder)
    quality = _win_shares(folder / "human.jsonl")
    rounds = {question: [Round(turn, {}) for turn in turns] for question, turns in turns_of.items()}
    for file in files:
        for line, row in read_rows(file, []):
            try:
                question, turns = str(row["question_id"]), row["choices"][0]["turns"]
            # A row of another shape may lack any of these levels, or hold a list where a name is looked up.
            except (KeyError, IndexError, TypeError) as error:
                raise DataError(f"{file.name} line {line}: lacks {error}; expected choices[0].turns") from error
            # Answers beyond the known turns have no query and cannot be shown to anybody.
            for turn, text in enumerate(turns[: len(rounds.get(question, ()))]):
                value = quality.get((question, turn, file.stem))
                rounds[question][turn].answers[file.stem] = Answer(str(text), value)
    return ResponseTable(rounds, tasks, {file.stem: ModelInfo(file.stem) for file in files})


def _win_shares(path: Path) -> dict[tuple[str, int, str], float]:
    """Return (question, turn from 0, model) -> share of votes won, ties half, drawn towards the model's mean."""
    if not path.is_file():
        return {}
    cell_of: dict[tuple[str, int], int] = {}
    models: dict[str, int] = {}
    given: dict[tuple[int, int], list[float]] = defaultdict(list)
    for _, row in read_rows(path, []):
        # Turns count from 1 in this file and from 0 everywhere else.
        cell = str(row["question_id"]), int(row["turn"]) - 1
        place = cell_of.setdefault(cell, len(cell_of))
        pair = row["model_a"], row["model_b"]
        for name, value in zip(pair, OUR_LABELS.verdict(row["winner"], "winner", pair)[:2], strict=True):
            given[place, models.setdefault(name, len(models))].append(value)
    cell_names, names = list(cell_of), list(models)
    return {(*cell_names[place], names[model]): value for (place, model), value in shrunk(given).items()}
