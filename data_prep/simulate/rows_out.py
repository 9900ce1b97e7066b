"""Write a table as rows that `gmt prep jsonl` reads, with what belongs beside them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from gmt.data.dataset import ModelInfo
from gmt.data.interactions import SPLITS, InteractionTable
from gmt.errors import DataError
from gmt.files import replace_file, write_json
from gmt.files_together import together

SUFFIXES = (".jsonl", ".parquet")
# As text, for it is what will be written: only ratings of exactly 1, 0 and ½ read back as the same vote.
WINNERS = {("1.0", "0.0"): "model_a", ("0.0", "1.0"): "model_b", ("0.5", "0.5"): "tie"}


SIBLINGS = ("models.json", "truth.json", "truth.npz", "card.json")
"""What may lie beside the rows, with their stem before it."""


@contextlib.contextmanager
def simulation_files(out: Path) -> Iterator[tuple[Path, Callable[[dict[str, Any]], dict[str, Any]]]]:
    """Let a simulation write its rows and all that belongs to them together or not at all.

    Files of an earlier simulation that the new one lacks go, for they would be believed.

    Args:
        out: Where the rows are to lie.

    Yields:
        Where to write them, and a function that puts `out` in the place of that in what was reported.

    Raises:
        DataError: The name of the file ends in neither .jsonl nor .parquet.
    """
    check_suffix(out)
    with together(out, [f"{out.stem}.{name}" for name in SIBLINGS]) as part:

        def final(made: dict[str, Any]) -> dict[str, Any]:
            return {name: _moved(value, part.parent, out.parent) for name, value in made.items()}

        yield part, final


def _moved(value: Any, old: Path, new: Path) -> Any:
    if isinstance(value, list):
        return [_moved(one, old, new) for one in value]
    return str(new / Path(value).name) if isinstance(value, str) and Path(value).parent == old else value


def write_simulated(
    table: InteractionTable,
    models: Mapping[str, ModelInfo],
    truth: Mapping[str, Any],
    out: Path,
    *,
    with_split: bool = False,
    rating_scale: tuple[float, float] | None = None,
) -> dict[str, Any]:
    """Write rows, `<stem>.models.json`, `<stem>.truth.json` and, for a scale, `<stem>.card.json`.

    Args:
        table: What the users rated.
        models: Cards of the models.
        truth: What they were drawn from.
        out: `.jsonl`, or `.parquet` where the rows are many and their texts long.
        with_split: Let every row state its split.
        rating_scale: The numbers that the ratings, already in [0, 1], stand for.

    Returns:
        Counts and the paths written.

    Raises:
        DataError: The name of the file ends in neither.
    """
    check_suffix(out)
    beside = {name: out.with_name(f"{out.stem}.{name}.json") for name in ("models", "truth", "card")}
    write_json(beside["models"], {name: models[name].to_json() for name in table.models})
    write_json(beside["truth"], dict(truth))
    if rating_scale is not None:
        write_json(beside["card"], {"rating_scale": list(rating_scale)})
    else:
        beside.pop("card").unlink(missing_ok=True)  # one of an earlier, other simulation would be believed
    # The rows come last, so that whoever finds them finds what belongs beside them too.
    if out.suffix == ".parquet":
        table.write(out)
    else:
        _write_lines(table, out, with_split)
    return {
        "out": str(out),
        **{name: str(path) for name, path in beside.items()},
        "users": len(table.users),
        "comparisons": len(table),
    }


def check_suffix(out: Path) -> None:
    """Refuse a file that `gmt prep jsonl` would not read.

    Raises:
        DataError: Its name ends in neither .jsonl nor .parquet.
    """
    if out.suffix not in SUFFIXES:
        raise DataError(f"{out.name} ends in {out.suffix or 'nothing'}; expected one of {', '.join(SUFFIXES)}")


def _write_lines(table: InteractionTable, out: Path, with_split: bool) -> None:
    def write(part: Path) -> None:
        with part.open("w", encoding="utf-8") as file:
            file.writelines(lines_of(table, with_split))

    replace_file(out, write)


def lines_of(table: InteractionTable, with_split: bool = False) -> Iterator[str]:
    """Yield JSON lines: one for a vote, one for each candidate of any other round; absent values are left out."""
    # Every name and text is made JSON once; rows repeat them, and escaping is most of the work.
    words = {
        kind: [json.dumps(name, ensure_ascii=False) for name in names]
        for kind, names in (("user", table.users), ("conversation", table.conversations), ("task", table.tasks),
                            ("question", table.questions), ("text", table.texts), ("model", table.models))
    }  # fmt: skip
    shared = ("user", "conversation", "turn", "question", "task", "query", "timestamp", "split", "comparison")
    columns = [getattr(table, name).tolist() for name in shared]
    rows = [getattr(table, name).tolist() for name in ("model", "rating", "cost", "response", "feedback")]
    starts = table.start.tolist()
    for place, (user, talk, turn, question, task, query, time, split, number) in enumerate(zip(*columns, strict=True)):
        head = {
            "user": words["user"][user],
            "conversation": words["conversation"][talk],
            "turn": str(turn),
            "question": words["question"][question],
            "task": words["task"][task] if task >= 0 else None,
            "query": words["text"][query],
            "timestamp": _number(time),
            "split": f'"{SPLITS[split]}"' if with_split else None,
        }
        answers = [
            {
                "model": words["model"][rows[0][r]],
                "rating": _number(rows[1][r]),
                "cost": _number(rows[2][r]),
                "response": words["text"][rows[3][r]] if rows[3][r] >= 0 else None,
                "feedback": words["text"][rows[4][r]] if rows[4][r] >= 0 else None,
            }
            for r in range(starts[place], starts[place + 1])
        ]
        # A vote is one row, which is what most tools expect; other rounds need a row for each answer.
        vote = _vote(answers)
        for parts in [vote] if vote is not None else [{"comparison": str(number)} | answer for answer in answers]:
            yield "{" + ", ".join(f'"{name}": {value}' for name, value in (head | parts).items() if value) + "}\n"


def _number(value: float) -> str | None:
    # NaN is the one number that differs from itself, and JSON has no word for it.
    return repr(value) if value == value else None


def _vote(answers: list[dict[str, str | None]]) -> dict[str, str | None] | None:
    """Return two answers as a vote, None where they are something else."""
    # The columns of a vote have no place for a remark.
    if len(answers) != 2 or any(answer["feedback"] for answer in answers):
        return None
    winner = WINNERS.get((str(answers[0]["rating"]), str(answers[1]["rating"])))
    if winner is None:
        return None
    sides = zip(("_a", "_b"), answers, strict=True)
    found = {f"{name}{side}": answer[name] for side, answer in sides for name in ("model", "cost", "response")}
    return found | {"winner": f'"{winner}"'}
