"""Read OpenTelemetry of generative models: spans with messages, and evaluation events on their answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_prep.read.cells import needed, scale_text, text, timestamp
from data_prep.read.parsing import parse_rows
from data_prep.read.row import NumberedRow, RatedRow, Rejected, Row
from data_prep.read.row_files import read_input
from data_prep.sources.source import RawData, SourceOptions
from data_prep.sources.trace_scores import (
    ScoreReader,
    chosen_name,
    decoded,
    first_of,
    last_question,
    objects,
    said_answer,
)
from gmt.data.comparisons import Candidate
from gmt.errors import DataError

RESULT, PREFIX = "gen_ai.evaluation.result", "gen_ai.evaluation."
ID, NAME = "gen_ai.response.id", PREFIX + "name"
MODEL = ("gen_ai.response.model", "gen_ai.request.model")
USER = ("user.id", "enduser.id", "enduser.pseudo.id", "user.name")
TALK = ("gen_ai.conversation.id", "session.id")
ASKED, SAID = ("gen_ai.input.messages", "gen_ai.prompt"), ("gen_ai.output.messages", "gen_ai.completion")


@dataclass(frozen=True)
class _Record:
    """Hold a span or an event: its name, attributes, time, and the span it belongs to."""

    file: str
    line: int
    name: str
    attributes: Mapping[str, Any]
    span: str | None
    time: float | None


def read(input: str | Path | None, options: SourceOptions) -> RawData:
    """Read OTLP JSON (`resourceSpans`, `resourceLogs`) or flat records (`name, attributes`), one object a line.

    An event `gen_ai.evaluation.result` rates the answer whose span has its `gen_ai.response.id`, or else the span that
    it belongs to: `score.value`, or `score.label` where there is no number; `explanation` is a remark. The person is
    `user.id` (or `enduser.id`) of the event or the span; messages are `gen_ai.input.messages` and
    `gen_ai.output.messages`, which most programs record only if told to.

    Source: OpenTelemetry semantic conventions, generative AI events and spans.

    Args:
        input: A file or folder.
        options: `rating` names the evaluation that counts, `rating_scale` and `labels` say how it is written.

    Raises:
        DataError: There is no evaluation, or several names of them and nobody said which counts.
    """
    rejected: list[Rejected] = []
    records, bad = parse_rows(read_input(input, rejected), _records)
    rejected += bad
    results = [one for one in records if one.name == RESULT]
    if not results:
        raise DataError(f"{input} holds no event {RESULT}; expected OTLP JSON of spans and their evaluations")
    wanted = chosen_name((str(one.attributes.get(NAME)) for one in results), options.rating)
    spans = [one for one in records if one.name != RESULT]
    by_id = {str(one.attributes[ID]): one for one in spans if ID in one.attributes}
    by_span = {one.span: one for one in spans if one.span is not None and first_of(one.attributes, MODEL) is not None}
    reader = ScoreReader.of(options)

    def rated(file: str, line: int, row: Row) -> list[RatedRow]:
        event: _Record = row["event"]
        named = by_id.get(str(event.attributes.get(ID)))
        return [_rated(event, named or by_span.get(event.span), reader)]

    asked: Iterator[NumberedRow] = (
        (one.file, one.line, {"event": one}) for one in results if str(one.attributes.get(NAME)) == wanted
    )
    rows, bad = parse_rows(asked, rated)
    rejected += bad
    # Rounds of a conversation follow one another by time; an evaluation may be written long after.
    rows.sort(key=lambda one: one.timestamp or 0.0)
    return RawData.of_rows(rows, rejected, scale_text(options.rating_scale), len(rows))


def _rated(event: _Record, span: _Record | None, reader: ScoreReader) -> RatedRow:
    if span is None:
        raise DataError(f"the evaluation is of response {event.attributes.get(ID)!r}; expected one of these spans")
    said, mark = span.attributes, event.attributes
    query = next((found for name in ASKED if (found := last_question(said.get(name), name))), None)
    response = next((found for name in SAID if (found := said_answer(said.get(name), name)) is not None), None)
    rating = reader.rating(mark.get(PREFIX + "score.value"), mark.get(PREFIX + "score.label"), "score")
    model = needed(first_of(said, MODEL), MODEL[0])
    return RatedRow(
        *(event.file, event.line, needed(first_of(mark, USER) or first_of(said, USER), USER[0])),
        needed(query, ASKED[0]),
        [Candidate(model, response, rating, text(mark.get(PREFIX + "explanation"), "explanation"))],
        first_of(said, TALK),
        timestamp=span.time if span.time is not None else event.time,
    )


def _records(file: str, line: int, row: Row) -> list[_Record]:
    """Return the spans and events of one line."""
    if "resourceSpans" not in row and "resourceLogs" not in row:
        found = _record(file, line, row)
        return [found, *(_record(file, line, one, found.span) for one in objects(row.get("events"), "events"))]
    out = []
    for outer, middle, inner in (("resourceSpans", "scopeSpans", "spans"), ("resourceLogs", "scopeLogs", "logRecords")):
        for resource in objects(row.get(outer), outer):
            for scope in objects(resource.get(middle), middle):
                for one in objects(scope.get(inner), inner):
                    found = _record(file, line, one)
                    out += [found, *(_record(file, line, e, found.span) for e in objects(one.get("events"), "events"))]
    return out


def _record(file: str, line: int, one: Mapping[str, Any], parent: str | None = None) -> _Record:
    context = one.get("context") if isinstance(one.get("context"), Mapping) else {}
    span = first_of(one, ("spanId", "span_id")) or first_of(context or {}, ("span_id", "spanId")) or parent
    name = first_of(one, ("eventName", "event_name", "name")) or ""
    attributes = _attributes(one.get("attributes"))
    # Older log records carry the event's name among their attributes.
    name = name or str(attributes.get("event.name", ""))
    when = first_of(one, ("timeUnixNano", "startTimeUnixNano", "start_time", "timestamp"))
    return _Record(file, line, name, attributes, span, timestamp(when))


def _attributes(value: Any) -> dict[str, Any]:
    """Return attributes as name -> value: a plain object, or OTLP's list of key and typed value."""
    if isinstance(value, Mapping):
        return {name: decoded(one) for name, one in value.items()}
    return {str(one.get("key")): decoded(_typed(one.get("value"))) for one in objects(value, "attributes")}


def _typed(value: Any) -> Any:
    """Return the value of OTLP's `{"stringValue": …}` and its kin; 64-bit integers are texts there."""
    if not isinstance(value, Mapping) or not value:
        return value
    kind, held = next(iter(value.items()))
    if kind == "arrayValue":
        return [_typed(one) for one in (held or {}).get("values", [])]
    if kind == "kvlistValue":
        return {str(one.get("key")): _typed(one.get("value")) for one in (held or {}).get("values", [])}
    return int(held) if kind == "intValue" else held
