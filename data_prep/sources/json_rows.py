"""Read one row with the table's own column names: a vote, or a rated answer."""

from __future__ import annotations

from data_prep.read.cells import ScaleUnknown, answer, label, needed, number, text, timestamp, whole
from data_prep.read.labels import OUR_LABELS, Labels
from data_prep.read.row import RatedRow, Row, vote
from gmt.data.comparisons import Candidate
from gmt.data.interactions import SPLITS
from gmt.data.signals import signal_code
from gmt.errors import DataError

PAIR = ("winner", "model_a", "model_b")


def parse_row(
    file: str,
    line: int,
    row: Row,
    user: str | None,
    scale: tuple[float, float] | None,
    scalable: bool = False,
    labels: Labels = OUR_LABELS,
) -> list[RatedRow]:
    """Read what one row says.

    Args:
        file, line, row: The row.
        user: Whose history it is, for a row that names no user.
        scale: Lowest and highest rating; None stands for 0 to 1.
        scalable: Whether the caller can be asked for a scale.
        labels: Words of verdicts and ratings.

    Raises:
        DataError: It cannot be read.
    """
    # A history of one user may leave the name out; rows of another user would be learned as this user's.
    owner = label(row.get("user"), "user")
    if user is not None and owner not in (None, user):
        raise DataError(f"user is {owner!r}; expected {user}, whose history this is")
    found = RatedRow(
        file,
        line,
        needed(owner or user, "user"),
        needed(text(row.get("query"), "query"), "query"),
        # One key of a pair is enough, so that a vote that lacks another is named as such.
        _pair(row, labels) if _is_pair(row) else [_single(row, scale, scalable, labels)],
        label(row.get("conversation"), "conversation"),
        whole(row.get("turn"), "turn"),
        label(row.get("comparison"), "comparison"),
        label(row.get("question"), "question"),
        label(row.get("task"), "task"),
        timestamp(row.get("timestamp")),
        _split(label(row.get("split"), "split")),
    )
    return [found]


def _split(name: str | None) -> int | None:
    if name is not None and name not in SPLITS:
        raise DataError(f"split is {name!r}; expected one of {', '.join(SPLITS)}")
    return None if name is None else SPLITS.index(name)


def _is_pair(row: Row) -> bool:
    return any(row.get(name) is not None for name in PAIR)


def _single(row: Row, scale: tuple[float, float] | None, scalable: bool, labels: Labels) -> Candidate:
    model, response = needed(label(row.get("model"), "model"), "model"), answer(row.get("response"), "response")
    try:
        rating = labels.rating(row.get("rating"), "rating", scale)
    except ScaleUnknown as error:
        # Who hands rows over from Python has no option for the scale.
        if scalable:
            raise
        raise DataError(str(error).split(";")[0] + "; expected a number from 0 to 1") from error
    return Candidate(
        model,
        response,
        rating,
        text(row.get("feedback"), "feedback"),
        number(row.get("cost"), "cost"),
        _signal(row),
    )


def _signal(row: Row) -> str | None:
    """Read what the user did with the answer, if the row says it.

    Raises:
        DataError: There is no such signal.
    """
    name = label(row.get("signal"), "signal")
    signal_code(name)
    return name


def _pair(row: Row, labels: Labels) -> list[Candidate]:
    a, b = (needed(label(row.get(name), name), name) for name in ("model_a", "model_b"))
    responses = answer(row.get("response_a"), "response_a"), answer(row.get("response_b"), "response_b")
    costs = number(row.get("cost_a"), "cost_a"), number(row.get("cost_b"), "cost_b")
    if label(row.get("winner"), "winner") is None:
        return vote((a, b), responses, None, text(row.get("feedback"), "feedback"), costs)
    rating_a, rating_b, feedback = labels.verdict(row.get("winner"), "winner", (a, b))
    return vote((a, b), responses, (rating_a, rating_b), text(row.get("feedback"), "feedback") or feedback, costs)
