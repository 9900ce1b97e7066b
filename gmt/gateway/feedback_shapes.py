"""Read feedback in gmt's own shape, Langfuse's, vLLM semantic-router's and Not Diamond's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gmt.data.signals import SIGNALS
from gmt.gateway.api_errors import ApiError

THUMBS = {"up": 1.0, "down": 0.0, True: 1.0, False: 0.0}
TIE = 0.5


@dataclass(frozen=True)
class Said:
    """Hold what somebody said of one or more answers.

    Args:
        decision: Number of the decision it is about; None where the question is stated instead.
        kind: `thumb`, `score`, `comparison`, `words` or `signal`.
        ratings: Model -> rating in [0, 1]; "" stands for the model that the decision chose.
        words: A remark in words.
        signal: What was done with the answer.
        key: By which the same feedback, sent again, is known.
        shape: Whose shape it came in.
        user, query: Who asked what, where no decision is named.
    """

    decision: str | None
    kind: str
    ratings: Mapping[str, float | None] = field(default_factory=dict)
    words: str | None = None
    signal: str | None = None
    key: str | None = None
    shape: str = "gmt"
    user: str | None = None
    query: str | None = None


def read_feedback(body: Mapping[str, Any], key: str | None = None) -> Said:
    """Read feedback, whatever its shape; the fields it has tell which.

    Args:
        body: The JSON.
        key: From the header `idempotency-key`.

    Raises:
        ApiError: It is of no known shape, or a value is out of range.
    """
    if "traceId" in body or "trace_id" in body:
        return _langfuse(body, key)
    if "winner_model" in body or "loser_model" in body:
        return _semantic_router(body, key)
    if "session_id" in body and "feedback" in body:
        return _not_diamond(body, key)
    return _own(body, key)


def _own(body: Mapping[str, Any], key: str | None) -> Said:
    """Read gmt's own: `decision` and `thumb`, `score` with `scale`, `winner` with `loser`, `words` or `signal`."""
    decision, key = _text(body, "decision"), key or _maybe(body, "key")
    words, model = _maybe(body, "words", 20_000), _maybe(body, "model") or ""
    forms = [name for name in ("thumb", "score", "winner", "signal") if name in body]
    if len(forms) > 1:
        raise ApiError(400, f"{' and '.join(forms)} are two kinds of feedback; send each by itself")
    if not forms:
        if words is None or not words.strip():
            raise ApiError(400, "there is no thumb, score, winner, signal or words; see docs/serving.md")
        return Said(decision, "words", {model: None}, words, key=key)
    if forms == ["thumb"]:
        if not isinstance(body["thumb"], (str, bool)) or body["thumb"] not in THUMBS:
            raise ApiError(400, "thumb is neither up nor down")
        return Said(decision, "thumb", {model: THUMBS[body["thumb"]]}, words, key=key)
    if forms == ["score"]:
        rating = as_rating(body["score"], body.get("scale"))
        return Said(decision, "score", {model: rating}, words, key=key)
    if forms == ["signal"]:
        if body["signal"] not in SIGNALS:
            raise ApiError(400, f"signal is none of {', '.join(SIGNALS)}")
        return Said(decision, "signal", {model: None}, words, body["signal"], key)
    return Said(
        decision, "comparison", _won(_text(body, "winner"), _text(body, "loser"), body.get("tie")), words, key=key
    )


def _langfuse(body: Mapping[str, Any], key: str | None) -> Said:
    """Read a score as `langfuse.create_score` posts it; the trace's id is the decision's number."""
    decision = _text(body, "traceId" if "traceId" in body else "trace_id")
    kind, value = body.get("dataType") or body.get("data_type") or "NUMERIC", body.get("value")
    key, words = key or _maybe(body, "id"), _maybe(body, "comment", 20_000)
    if kind == "BOOLEAN":
        if value not in (0, 1, True, False):
            raise ApiError(400, "value of a BOOLEAN score is neither 0 nor 1")
        return Said(decision, "thumb", {"": float(value)}, words, key=key, shape="langfuse")
    if kind == "CATEGORICAL":
        verdicts = {"up": 1.0, "good": 1.0, "positive": 1.0, "down": 0.0, "bad": 0.0, "negative": 0.0}
        if not isinstance(value, str) or value.lower() not in verdicts:
            raise ApiError(400, f"value of a CATEGORICAL score is none of {', '.join(verdicts)}")
        return Said(decision, "thumb", {"": verdicts[value.lower()]}, words, key=key, shape="langfuse")
    if kind != "NUMERIC":
        raise ApiError(400, "dataType is none of NUMERIC, BOOLEAN, CATEGORICAL")
    # Langfuse keeps the ends of a scale in a score config, so they come along, or the value is in [0, 1].
    given = body.get("metadata") if isinstance(body.get("metadata"), Mapping) else {}
    scale = given.get("scale", [0, 1]) if isinstance(given, Mapping) else [0, 1]
    return Said(decision, "score", {"": as_rating(value, scale)}, words, key=key, shape="langfuse")


def _semantic_router(body: Mapping[str, Any], key: str | None) -> Said:
    """Read a comparison as vLLM semantic-router's `/api/v1/feedback` takes it; a decision's number is not needed."""
    winner, loser = _text(body, "winner_model"), _maybe(body, "loser_model")
    decision, key = _maybe(body, "decision") or _maybe(body, "request_id"), key or _maybe(body, "key")
    user, query = _maybe(body, "user_id"), _maybe(body, "query", 200_000)
    if decision is None and (query is None or not query.strip() or user is None):
        raise ApiError(400, "neither request_id nor both user_id and query are there; they tell who asked what")
    ratings = {winner: 1.0} if loser is None else _won(winner, loser, body.get("tie"))
    kind = "thumb" if loser is None else "comparison"
    return Said(decision, kind, ratings, key=key, shape="semantic-router", user=user, query=query)


def _not_diamond(body: Mapping[str, Any], key: str | None) -> Said:
    """Read what Not Diamond's `/v2/report/metrics/feedback` takes; the session's id is the decision's number."""
    provider, feedback = body.get("provider"), body["feedback"]
    model = provider.get("model") if isinstance(provider, Mapping) else None
    if not isinstance(feedback, Mapping) or "accuracy" not in feedback:
        raise ApiError(400, "feedback has no accuracy; gmt reads that metric, from 0 to 1")
    rating = as_rating(feedback["accuracy"], [0, 1])
    kind = "thumb" if rating in (0.0, 1.0) else "score"
    named = model if isinstance(model, str) else ""
    return Said(_text(body, "session_id"), kind, {named: rating}, key=key, shape="not-diamond")


def as_rating(score: Any, scale: Any) -> float:
    """Return a score as a rating in [0, 1] by the ends of its scale, the worst first.

    Raises:
        ApiError: There is no scale, or the score is no number on it.
    """
    if not isinstance(scale, list) or len(scale) != 2 or not all(map(_is_number, scale)) or scale[0] == scale[1]:
        raise ApiError(400, "scale is missing; state the worst and the best score, e.g. [1, 5]")
    worst, best = map(float, scale)
    if not _is_number(score) or not min(worst, best) <= score <= max(worst, best):
        raise ApiError(400, f"score is no number from {worst:g} to {best:g}")
    return (float(score) - worst) / (best - worst)


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e12 and math.isfinite(value)
    )


def _won(winner: str, loser: str, tie: Any) -> dict[str, float | None]:
    if tie is not None and not isinstance(tie, bool):
        raise ApiError(400, "tie is neither true nor false")  # a tie that is written otherwise is no victory
    if winner == loser:
        raise ApiError(400, "winner and loser are one model; a comparison needs two")
    return {winner: TIE, loser: TIE} if tie is True else {winner: 1.0, loser: 0.0}


def _text(body: Mapping[str, Any], name: str) -> str:
    found = _maybe(body, name)
    if found is None:
        raise ApiError(400, f"{name} is missing or no text")
    return found


def _maybe(body: Mapping[str, Any], name: str, longest: int = 200) -> str | None:
    found = body.get(name)
    if found is not None and (not isinstance(found, str) or not 0 < len(found) <= longest):
        raise ApiError(400, f"{name} is no text of 1 to {longest} characters")
    return found
