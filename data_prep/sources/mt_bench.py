"""Read MT-Bench human votes in both published shapes: with their texts inside, or in files beside them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from data_prep.read.cells import answer, label, needed, shown, text, whole
from data_prep.read.chat_messages import message_rounds
from data_prep.read.file_formats import SUFFIXES, read_rows
from data_prep.read.labels import OUR_LABELS
from data_prep.read.parallel import parse_input
from data_prep.read.row import RatedRow, Rejected, Row
from data_prep.read.row_files import is_hub, refuse_missing_fields
from data_prep.sources.source import RawData, SourceOptions
from gmt.data.comparisons import Candidate
from gmt.errors import DataError

# The benchmark numbers its questions 81 to 160, ten to a category; the upstream votes name none.
CATEGORIES = ("writing", "roleplay", "reasoning", "math", "coding", "extraction", "stem", "humanities")
FIELDS = ("judge", "model_a", "model_b", "question_id", "turn", "winner")

Round = tuple[str, tuple[str | None, str | None]]  # query, the two answers


@dataclass(frozen=True)
class _Vote:
    """Hold one vote with the rounds up to the one it judges."""

    file: str
    line: int
    user: str
    question: str
    turn: int
    models: tuple[str, str]
    winner: str
    rounds: tuple[Round, ...]
    task: str | None

    def rated_row(self, conversation: str, turn: int, rated: bool) -> RatedRow:
        """Return one of the rounds, rated as this vote says or not at all."""
        query, answers = self.rounds[turn]
        *ratings, feedback = OUR_LABELS.verdict(self.winner, "winner", self.models)
        candidates = [
            Candidate(model, answer, rating if rated else None, feedback if rated else None)
            for model, answer, rating in zip(self.models, answers, ratings, strict=True)
        ]
        return RatedRow(
            self.file, self.line, self.user, query, candidates, conversation, turn, None, self.question, self.task
        )


class _Texts:
    """Hold the questions and answers that lie in files beside the votes."""

    def __init__(self, folder: Path, rejected: list[Rejected]) -> None:
        self.questions: dict[str, tuple[list[str], str | None]] = {}
        self.answers: dict[tuple[str, str], list[str | None]] = {}
        questions = [path for path in [folder / "question.jsonl"] if path.is_file()]
        for path in questions + sorted((folder / "model_answer").glob("*.jsonl")):
            for line, row in read_rows(path, rejected):
                try:
                    question = needed(label(row["question_id"], "question_id"), "question_id")
                    if path in questions:
                        turns = [needed(text(turn, "a turn"), "a turn") for turn in _list(row["turns"], "turns")]
                        self.questions[question] = turns, label(row.get("category"), "category")
                    else:
                        answers = _list(row["choices"][0]["turns"], "turns")
                        self.answers[path.stem, question] = [answer(turn, "an answer") for turn in answers]
                except (KeyError, IndexError, TypeError) as error:
                    wanted = "question_id and turns" if path in questions else "question_id and choices[0].turns"
                    rejected.append(Rejected(path.name, line, f"expected {wanted}; lacks {error}"))
                except DataError as error:
                    rejected.append(Rejected(path.name, line, str(error)))

    def rounds(self, question: str, models: tuple[str, str]) -> list[Round]:
        if question not in self.questions:
            raise DataError(f"question {question} is not in question.jsonl, and the row has no conversation_a")
        # A missing answer file leaves answers unknown; the vote itself still counts.
        queries = self.questions[question][0]
        answers = [self.answers.get((model, question), [None] * len(queries)) for model in models]
        return [(query, (a, b)) for query, a, b in zip(queries, *answers, strict=False)]


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise DataError(f"{name} is {shown(value)}; expected a list of texts")  # a text would be cut into letters
    return value


def read(input: str | Path | None, options: SourceOptions) -> RawData:
    """Read `judge, model_a, model_b, question_id, turn, winner` and the texts that were judged.

    A conversation is judge + question + unordered pair; a second vote on the same round starts a
    second conversation. A vote on the second turn without one on the first brings the first turn
    along unrated, so that it is visible as text.

    Args:
        input: A file of votes, a folder that holds one, or `hub:lmsys/mt_bench_human_judgments`.
        options: None of them is used.
    """
    rejected: list[Rejected] = []
    votes: list[_Vote] = []
    votes_file = input if is_hub(input) or input is None else _votes_file(Path(input))
    texts = _Texts(votes_file.parent, rejected) if isinstance(votes_file, Path) else None
    for found in parse_input(votes_file, partial(_vote, texts=texts), split="human"):
        votes += found.rows
        rejected += found.rejected
    if not votes and rejected:
        refuse_missing_fields(votes_file, FIELDS, "votes with " + ", ".join(FIELDS))
    return RawData.of_rows(_rated_rows(votes), rejected, "winner of a pair: 1 and 0, tie 0.5", len(votes))


def _rated_rows(votes: Sequence[_Vote]) -> Iterator[RatedRow]:
    """Yield the rounds of every conversation, those that were only shown along the way included."""
    sessions: dict[tuple[str, str, tuple[str, ...]], dict[int, list[_Vote]]] = defaultdict(lambda: defaultdict(list))
    for vote in votes:
        sessions[vote.user, vote.question, tuple(sorted(vote.models))][vote.turn].append(vote)
    for (user, question, pair), turns in sessions.items():
        # The n-th votes on each turn make the n-th conversation.
        for number in range(max(len(found) for found in turns.values())):
            name = f"{user}/{question}/{'+'.join(pair)}" + (f"#{number + 1}" if number else "")
            # A turn that was voted on fewer times is brought along unrated by the last vote of this conversation.
            cast = {turn: found[number] for turn, found in sorted(turns.items()) if number < len(found)}
            last = cast[max(cast)]
            for turn in range(max(cast) + 1):
                yield cast.get(turn, last).rated_row(name, turn, turn in cast)


def _vote(file: str, line: int, row: Row, texts: _Texts | None) -> list[_Vote]:
    judge = row.get("judge")
    # The judge of an automatic vote is [name, prompt]: each prompt judges in its own way, so it is a user of its own.
    judge = "/".join(label(part, "judge") or "" for part in judge) if isinstance(judge, list) else judge
    user = needed(label(judge, "judge"), "judge")
    question = needed(label(row.get("question_id"), "question_id"), "question_id")
    a, b = (needed(label(row.get(name), name), name) for name in ("model_a", "model_b"))
    models = a, b
    if models[0] == models[1]:
        raise DataError(f"{models[0]} was set against itself; expected two different models")
    winner = needed(label(row.get("winner"), "winner"), "winner")
    # Only checked here: an unknown word is a fault of this row, and rows are made after all are read.
    OUR_LABELS.verdict(winner, "winner", models)
    number = whole(row.get("turn"), "turn")
    if number not in (1, 2):
        raise DataError(f"turn is {shown(row.get('turn'))}; expected 1 or 2")
    if row.get("conversation_a") is not None:
        sides = [message_rounds(row.get(name), name) for name in ("conversation_a", "conversation_b")]
        rounds: list[Round] = [(one.query, (one.answer, two.answer)) for one, two in zip(*sides, strict=False)]
        if any(one.query != two.query for one, two in zip(*sides, strict=False)):
            raise DataError("the two models were asked different questions; expected the same")
    elif texts is not None:
        rounds = texts.rounds(question, models)
    else:
        raise DataError("the row has no conversation_a; expected the texts of both conversations")
    if len(rounds) < number:
        raise DataError(f"turn is {number} and the conversation has {len(rounds)} rounds; expected as many")
    task = _category(question, texts)
    return [_Vote(file, line, user, question, number - 1, models, winner, tuple(rounds[:number]), task)]


def _category(question: str, texts: _Texts | None) -> str | None:
    if texts is not None and question in texts.questions:
        return texts.questions[question][1]
    if re.fullmatch("[0-9]{2,3}", question) and 81 <= int(question) <= 160:
        return CATEGORIES[(int(question) - 81) // 10]
    return None


def _votes_file(path: Path) -> Path:
    if not path.is_dir():
        return path
    # The human votes only: `gpt4_pair` and the like lie in the same folder.
    found = sorted(file for file in path.rglob("human*") if file.suffix in SUFFIXES)
    if len(found) != 1:
        names = ", ".join(file.name for file in found) or "none"
        raise DataError(f"{path} holds {len(found)} files of votes ({names}); name one, e.g. {path / 'human.jsonl'}")
    return found[0]
