"""Read outcomes that the vLLM semantic router collects, beside the replays they judge."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data_prep.read.cells import label, needed, scale_text, text, timestamp
from data_prep.read.parsing import parse_rows
from data_prep.read.row import NumberedRow, RatedRow, Rejected, Row
from data_prep.sources.export_files import file_in, rows_in
from data_prep.sources.source import RawData, SourceOptions
from data_prep.sources.trace_scores import ScoreReader, decoded, first_of, last_question, said_answer
from gmt.data.comparisons import Candidate
from gmt.errors import DataError

USER, TALK = ("user", "user_id", "userId"), ("conversation_id", "session_id", "previous_response_id")


def read(input: str | Path | None, options: SourceOptions) -> RawData:
    """Read `outcomes` and `replays` (or `records`) that lie in one folder.

    An outcome `{replay_id, source, target, target_ref, verdict, reason, score 0–1, metadata}` rates the answer of its
    replay `{id, timestamp, selected_model, request_body, response_body}`: by `score`, else by the word of `verdict`;
    `reason` is a remark. Where `target` is `model`, `target_ref` names who is judged. The person is `user` of the
    outcome's metadata, of the replay or of the request. Outcomes on other targets (a rule, a signal) say nothing of an
    answer and are counted in `notes`.

    Args:
        input: The folder.
        options: `rating_scale` and `labels` say how scores and verdicts are written.

    Raises:
        DataError: One of the two files is missing.
    """
    folder = Path(str(input))
    outcomes = file_in(folder, "outcomes")
    replays = file_in(folder, "replays") or file_in(folder, "records") or file_in(folder, "replay")
    if input is None or outcomes is None or replays is None:
        raise DataError(f"{input} holds no outcomes.jsonl and replays.jsonl; name the folder of both")
    rejected: list[Rejected] = []
    known = {str(row.get("id", row.get("replay_id"))): row for _, _, row in rows_in(replays, rejected)}
    reader = ScoreReader.of(options)
    others = 0
    asked: list[NumberedRow] = []
    for one in rows_in(outcomes, rejected):
        target = label(one[2].get("target"), "target")
        if target in (None, "model", "response", "answer", "request", "replay"):
            asked.append(one)
        else:
            others += 1
    rows, bad = parse_rows(asked, lambda file, line, row: [_rated(file, line, row, known, reader)])
    rejected += bad
    notes = [f"{others:,} outcomes judge a rule or signal and no answer; they were passed over"] if others else []
    return RawData.of_rows(rows, rejected, scale_text(options.rating_scale), len(rows), notes=notes)


def _rated(file: str, line: int, row: Row, known: Mapping[str, Row], reader: ScoreReader) -> RatedRow:
    name = needed(label(row.get("replay_id"), "replay_id"), "replay_id")
    if name not in known:
        raise DataError(f"replay_id is {name!r}; expected one of the replays beside")
    replay, metadata = known[name], _object(row.get("metadata"))
    request = _object(decoded(replay.get("request_body")))
    user = first_of(metadata, USER) or first_of(replay, USER) or first_of(request, USER)
    judged = label(row.get("target_ref"), "target_ref") if row.get("target") == "model" else None
    model = judged or first_of(replay, ("selected_model", "model"))
    query = last_question(request, "request_body")
    rating = reader.rating(row.get("score"), row.get("verdict"), "score")
    same = judged is None or judged == first_of(replay, ("selected_model", "model"))
    # What another model than the one that answered would have said is not known.
    response = said_answer(replay.get("response_body"), "response_body") if same else None
    return RatedRow(
        *(file, line, needed(user, "user"), needed(query, "request_body")),
        [Candidate(needed(model, "selected_model"), response, rating, text(row.get("reason"), "reason"))],
        first_of(request, TALK) or first_of(metadata, TALK),
        timestamp=timestamp(replay.get("timestamp")),
    )


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
