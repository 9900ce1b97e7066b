"""Read a Langfuse export: traces, and the scores that people gave to them, to their observations or sessions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from data_prep.read.cells import label, needed, scale_text, text, timestamp
from data_prep.read.parsing import parse_rows
from data_prep.read.row import NumberedRow, RatedRow, Rejected, Row
from data_prep.read.row_files import read_input, refuse_missing_fields
from data_prep.sources.export_files import file_in, rows_in
from data_prep.sources.source import RawData, SourceOptions
from data_prep.sources.trace_scores import ScoreReader, chosen_name, first_of, last_question, objects, said_answer
from gmt.data.comparisons import Candidate
from gmt.errors import DataError

MODEL = ("model", "providedModelName", "model_name", "ls_model_name")


def read(input: str | Path | None, options: SourceOptions) -> RawData:
    """Read `traces`, `scores` and, if there, `observations` of a folder, or a file of traces with `scores` inside.

    A score of a trace or of an observation rates its answer, one of a session that of its last trace; `comment` is a
    remark. Of one name's scores on one answer the latest counts. The model is that of the observation, else of the
    trace's last generation, else `metadata.model`. Traces of a session are its rounds by time; those without a score
    are kept unrated, so that they are seen as what went before.

    Args:
        input: The folder or file.
        options: `rating` names the score that counts, `rating_scale` and `labels` say how it is written.

    Raises:
        DataError: There are no traces, or several scores and nobody said which counts.
    """
    rejected: list[Rejected] = []
    traces, scores, observations = _rows_of(input, rejected)
    if not traces:
        refuse_missing_fields(input, ("userId", "input"), "traces with id, userId, input, output")
        raise DataError(f"{input} holds no traces; expected a folder with traces.jsonl and scores.jsonl")
    wanted = chosen_name((str(row.get("name")) for _, _, row in scores), options.rating)
    reader = ScoreReader.of(options)
    held = _Export(traces, observations)
    # Latest last, so that of several scores of one answer it stands.
    scores = sorted((one for one in scores if str(one[2].get("name")) == wanted), key=lambda one: _time(one[2]))
    targets, bad = parse_rows(scores, lambda file, line, row: [(held.target(row), (file, line, row))])
    rejected += bad
    marks: dict[str, dict[str | None, NumberedRow]] = defaultdict(dict)
    for (trace, seen), score in targets:
        marks[trace][seen] = score
    spoken = {held.session(trace) for trace in marks} - {None}
    rows: list[RatedRow] = []
    for trace, (file, line, _) in held.in_order():
        if trace in marks:
            said: list[NumberedRow] = [
                (*score[:2], {"trace": trace, "seen": seen, "score": score[2]}) for seen, score in marks[trace].items()
            ]
        elif held.session(trace) in spoken:
            said = [(file, line, {"trace": trace, "seen": None, "score": None})]
        else:
            continue
        found, bad = parse_rows(said, lambda file, line, row: [held.rated(file, line, row, reader)])
        rows += found
        rejected += bad
    return RawData.of_rows(rows, rejected, scale_text(options.rating_scale), len(rows))


def _rows_of(
    input: str | Path | None, rejected: list[Rejected]
) -> tuple[list[NumberedRow], list[NumberedRow], list[NumberedRow]]:
    """Return traces, scores and observations."""
    if input is not None and Path(input).is_dir():
        files = (file_in(Path(input), stem) for stem in ("traces", "scores", "observations"))
        return tuple(list(rows_in(path, rejected)) for path in files)  # type: ignore[return-value]
    traces = [one for one in read_input(input, rejected) if "input" in one[2]]
    inside: dict[str, list[NumberedRow]] = {"scores": [], "observations": []}
    for name, rows in inside.items():
        for file, line, trace in traces:
            for one in objects(trace.get(name), name):
                rows.append((file, line, {"traceId": trace.get("id"), **one}))
    return traces, inside["scores"], inside["observations"]


class _Export:
    """Find traces and observations by their ids."""

    def __init__(self, traces: list[NumberedRow], observations: list[NumberedRow]) -> None:
        self.traces = {str(row.get("id")): (file, line, row) for file, line, row in traces}
        self.observations = {str(row.get("id")): row for _, _, row in observations}
        self.generations: dict[str, list[Row]] = defaultdict(list)
        for _, _, row in observations:
            if first_of(row, MODEL) is not None:
                self.generations[str(row.get("traceId"))].append(row)
        self.last_of: dict[str, str] = {}
        for id, (_, _, row) in self.in_order():
            if (session := label(row.get("sessionId"), "sessionId")) is not None:
                self.last_of[session] = id

    def in_order(self) -> list[tuple[str, NumberedRow]]:
        """Return the traces by time; those without one stay in the order of the file."""
        return sorted(self.traces.items(), key=lambda one: _time(one[1][2]))

    def session(self, trace: str) -> str | None:
        """Return the session of a trace."""
        return label(self.traces[trace][2].get("sessionId"), "sessionId")

    def target(self, score: Row) -> tuple[str, str | None]:
        """Return the trace that a score rates, and the observation of it, if it names one.

        Raises:
            DataError: It names nothing that is here.
        """
        seen, trace, session = (label(score.get(name), name) for name in ("observationId", "traceId", "sessionId"))
        if seen is not None and seen in self.observations:
            trace = trace or label(self.observations[seen].get("traceId"), "traceId")
        if trace is None and session is not None:
            trace = self.last_of.get(session)
        if trace is None or trace not in self.traces:
            raise DataError(f"the score rates {trace or session or 'nothing'}; expected a trace of this export")
        return trace, seen if seen in self.observations else None

    def rated(self, file: str, line: int, mark: Row, reader: ScoreReader) -> RatedRow:
        """Return one answer of a trace with its score, or without one unrated."""
        trace, seen, score = mark["trace"], mark["seen"], mark["score"] or {}
        row, part = self.traces[trace][2], {} if seen is None else self.observations[seen]
        generation = part or (self.generations[trace][-1] if trace in self.generations else {})
        metadata = row.get("metadata") if isinstance(row.get("metadata"), Mapping) else {}
        model = first_of(generation, MODEL) or first_of(row, MODEL) or first_of(metadata or {}, MODEL)
        # Of an observation its own texts; a trace holds those of the whole.
        asked = last_question(part.get("input"), "input") or last_question(row.get("input"), "input")
        said = part.get("output") if part.get("output") is not None else row.get("output")
        answered = Candidate(
            needed(model, f"the model of trace {trace}"),
            said_answer(said, "output"),
            _rating(score, reader),
            text(score.get("comment"), "comment"),
        )
        return RatedRow(
            *(file, line, needed(label(row.get("userId"), "userId"), f"userId of trace {trace}")),
            needed(asked, f"input of trace {trace}"),
            [answered],
            self.session(trace),
            timestamp=timestamp(row.get("timestamp")),
        )


def _rating(score: Row, reader: ScoreReader) -> float | None:
    # A categorical score has its word as `stringValue` in newer exports and as `value` in older ones.
    word = score.get("stringValue") if score.get("dataType") in ("CATEGORICAL", "BOOLEAN") else None
    value = score.get("value")
    if value is None and word is None:
        return None
    if score.get("dataType") == "BOOLEAN" and value in (0, 1, True, False):
        return float(value)
    return reader.rating(None if word is not None else value, word, "value")


def _time(row: Row) -> float:
    try:
        return timestamp(row.get("timestamp")) or 0.0
    except DataError:
        return 0.0  # named where the row itself is read
