"""Check exports of products: Langfuse, OpenTelemetry, the vLLM semantic router, Open WebUI."""

import json
from pathlib import Path
from typing import Any

import pytest

from data_prep.sources import langfuse, open_webui, otel, vllm_sr
from data_prep.sources.source import RawData, SourceOptions
from gmt.errors import DataError
from tests.data_prep.samples import chat, jsonl


def told(data: RawData) -> list[tuple[Any, ...]]:
    """Return user, query, model, response, rating and remark of every answer."""
    return [
        (item.user, item.query, one.model, one.response, one.rating, one.feedback)
        for item in data.comparisons
        for one in item.candidates
    ]


def trace(id: str, **more: Any) -> dict[str, Any]:
    return {
        "id": id,
        "name": "chat",
        "timestamp": f"2025-01-01T00:00:0{id[-1]}Z",
        "userId": "ana",
        "sessionId": None,
        "input": {"messages": chat("before", "that", f"q{id}")},
        "output": {"role": "assistant", "content": f"a{id}"},
        "metadata": {"model": "m1"},
        **more,
    }


def score(**more: Any) -> dict[str, Any]:
    return {"id": "s", "name": "thumb", "value": 1, "dataType": "BOOLEAN", "comment": None, **more}


def test_langfuse_scores_find_their_traces_observations_and_sessions(tmp_path: Path) -> None:
    jsonl(tmp_path / "traces.jsonl", [trace("t2", sessionId="k"), trace("t1", sessionId="k"), trace("t3"), trace("t4")])
    seen = {"id": "o1", "traceId": "t3", "type": "GENERATION", "model": "m7", "input": "asked", "output": "said"}
    jsonl(tmp_path / "observations.jsonl", [seen])
    scores = [
        score(sessionId="k", value=0),
        score(observationId="o1", dataType="CATEGORICAL", value=None, stringValue="up", comment="fine"),
    ]
    jsonl(tmp_path / "scores.jsonl", scores)
    data = langfuse.read(tmp_path, SourceOptions())
    # The session's first trace comes along unrated, the unscored one without a session does not.
    assert told(data) == [
        ("ana", "qt1", "m1", "at1", None, None),
        ("ana", "qt2", "m1", "at2", 0.0, None),
        ("ana", "asked", "m7", "said", 1.0, "fine"),
    ]
    assert [item.turn for item in data.comparisons] == [0, 1, 0]


def test_langfuse_takes_the_latest_score_of_the_name_that_counts(tmp_path: Path) -> None:
    scores = [
        score(value=5, dataType="NUMERIC", timestamp="2025-01-03T00:00:00Z"),
        score(value=2, dataType="NUMERIC", timestamp="2025-01-02T00:00:00Z"),
        score(name="latency", value=900, dataType="NUMERIC"),
    ]
    path = jsonl(tmp_path / "traces.jsonl", [trace("t1", scores=scores)])
    with pytest.raises(DataError, match=r"2 names \(thumb \(2\), latency \(1\)\); say which counts with --rating NAME"):
        langfuse.read(path, SourceOptions(rating_scale=(1, 5)))
    with pytest.raises(DataError, match="there is no score named 'x'"):
        langfuse.read(path, SourceOptions(rating="x"))
    with pytest.raises(DataError, match="outside 0 to 1; state the scale"):
        langfuse.read(path, SourceOptions(rating="thumb"))
    assert told(langfuse.read(path, SourceOptions(rating="thumb", rating_scale=(1, 5))))[0][4] == 1.0


@pytest.mark.parametrize(
    ("one", "mark", "reason"),
    [
        ({"userId": None}, {"traceId": "t1"}, "userId of trace t1 is empty"),
        ({"metadata": None}, {"traceId": "t1"}, "the model of trace t1 is empty"),
        ({"input": None}, {"traceId": "t1"}, "input of trace t1 is empty"),
        ({}, {"traceId": "gone"}, "the score rates gone; expected a trace of this export"),
        ({}, {"traceId": "t1", "dataType": "CATEGORICAL", "value": "grand"}, "value is 'grand'"),
    ],
)
def test_bad_scores_of_langfuse_are_named(
    tmp_path: Path, one: dict[str, Any], mark: dict[str, Any], reason: str
) -> None:
    jsonl(tmp_path / "traces.jsonl", [trace("t1", **one), trace("t2")])
    jsonl(tmp_path / "scores.jsonl", [score(traceId="t2"), score(**mark)])
    data = langfuse.read(tmp_path, SourceOptions())
    assert len(data) == 1
    assert [(row.file, row.line, reason in row.reason) for row in data.rejected] == [("scores.jsonl", 2, True)]


SPAN = {
    "gen_ai.response.id": "r1",
    "gen_ai.response.model": "m1",
    "gen_ai.conversation.id": "k",
    "user.id": "ana",
    "gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": "why?"}]}],
    "gen_ai.output.messages": [{"role": "assistant", "parts": [{"type": "text", "content": "so"}]}],
}
RESULT = {
    "gen_ai.evaluation.name": "thumb",
    "gen_ai.evaluation.score.value": 1.0,
    "gen_ai.evaluation.explanation": "clear",
    "gen_ai.response.id": "r1",
}


def typed(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    """Return attributes as OTLP writes them; structures travel as JSON text."""
    found = []
    for key, value in attributes.items():
        kind = "doubleValue" if isinstance(value, float) else "stringValue"
        found.append({"key": key, "value": {kind: json.dumps(value) if isinstance(value, list) else value}})
    return found


def test_both_forms_of_opentelemetry_say_the_same(tmp_path: Path) -> None:
    flat = jsonl(
        tmp_path / "flat.jsonl",
        [
            {"name": "chat m1", "context": {"span_id": "0a"}, "attributes": SPAN, "start_time": "2025-01-01T00:00:00Z"},
            {"name": "gen_ai.evaluation.result", "attributes": RESULT},
        ],
    )
    span = {"traceId": "t", "spanId": "0a", "name": "chat m1", "startTimeUnixNano": "1735689600000000000"}
    log = {"timeUnixNano": "1735689700000000000", "eventName": "gen_ai.evaluation.result", "attributes": typed(RESULT)}
    otlp = jsonl(
        tmp_path / "otlp.jsonl",
        [
            {"resourceSpans": [{"scopeSpans": [{"spans": [{**span, "attributes": typed(SPAN)}]}]}]},
            {"resourceLogs": [{"scopeLogs": [{"logRecords": [log]}]}]},
        ],
    )
    for path in (flat, otlp):
        data = otel.read(path, SourceOptions())
        assert told(data) == [("ana", "why?", "m1", "so", 1.0, "clear")]
        assert (data.comparisons[0].conversation, data.comparisons[0].timestamp) == ("k", 1735689600.0)


def test_an_event_inside_a_span_rates_it_and_a_label_stands_for_a_number(tmp_path: Path) -> None:
    inner = {key: value for key, value in RESULT.items() if "response" not in key and "value" not in key}
    inner["gen_ai.evaluation.score.label"] = "fail"
    row = {"name": "chat", "context": {"span_id": "0a"}, "attributes": SPAN}
    row["events"] = [{"name": "gen_ai.evaluation.result", "attributes": inner}]
    assert told(otel.read(jsonl(tmp_path / "x.jsonl", [row]), SourceOptions()))[0][4] == 0.0


def test_an_evaluation_of_an_unknown_response_is_named(tmp_path: Path) -> None:
    rows = [{"name": "chat", "attributes": SPAN}]
    rows += [
        {"name": "gen_ai.evaluation.result", "attributes": RESULT | {"gen_ai.response.id": id}} for id in ("r1", "r9")
    ]
    data = otel.read(jsonl(tmp_path / "x.jsonl", rows), SourceOptions())
    assert [(row.line, "response 'r9'" in row.reason) for row in data.rejected] == [(3, True)]
    with pytest.raises(DataError, match=r"holds no event gen_ai.evaluation.result"):
        otel.read(jsonl(tmp_path / "y.jsonl", rows[:1]), SourceOptions())


def test_outcomes_of_the_semantic_router_rate_their_replays(tmp_path: Path) -> None:
    request = {"model": "auto", "user": "ana", "messages": chat("why?")}
    answered = {"choices": [{"message": {"role": "assistant", "content": "so"}}]}
    replay = {"id": "p1", "timestamp": "2025-01-01T00:00:00Z", "selected_model": "m1"}
    replay |= {"request_body": json.dumps(request), "response_body": json.dumps(answered)}
    jsonl(tmp_path / "replays.jsonl", [replay])
    outcome = {"replay_id": "p1", "source": "user", "target": "response", "target_ref": "", "metadata": {}}
    outcomes = [
        outcome | {"score": 0.25, "verdict": "down", "reason": "dull"},
        outcome | {"score": None, "verdict": "pass", "target": "model", "target_ref": "m2"},
        outcome | {"score": 1, "target": "signal", "target_ref": "keyword"},
        outcome | {"score": 1, "replay_id": "p9"},
    ]
    jsonl(tmp_path / "outcomes.jsonl", outcomes)
    data = vllm_sr.read(tmp_path, SourceOptions())
    assert told(data) == [("ana", "why?", "m1", "so", 0.25, "dull"), ("ana", "why?", "m2", None, 1.0, None)]
    assert [(row.line, "replay_id is 'p9'" in row.reason) for row in data.rejected] == [(4, True)]
    assert data.notes == ["1 outcomes judge a rule or signal and no answer; they were passed over"]


def feedback(**data: Any) -> dict[str, Any]:
    messages = {
        "u": {"id": "u", "role": "user", "content": "why?", "parentId": None, "childrenIds": ["x", "y"]},
        "x": {"id": "x", "role": "assistant", "content": "so", "model": "m1", "parentId": "u", "childrenIds": []},
        "y": {"id": "y", "role": "assistant", "content": "no", "model": "m2", "parentId": "u", "childrenIds": []},
    }
    said = {"rating": 1, "model_id": "m1", "sibling_model_ids": None, "reason": None, "comment": "", "tags": []}
    return {
        "id": "f1",
        "user_id": "ana",
        "version": 0,
        "type": "rating",
        "data": said | data,
        "meta": {"arena": False, "chat_id": "c1", "message_id": "x", "message_index": 1},
        "snapshot": {"chat": {"id": "c1", "chat": {"title": "t", "history": {"messages": messages, "currentId": "x"}}}},
        "created_at": 1735689600,
    }


def test_thumbs_of_open_webui_are_ratings_or_votes_over_siblings(tmp_path: Path) -> None:
    rows = [
        feedback(rating=-1, reason="too short", comment="really"),
        feedback(details={"rating": 10}),
        feedback(rating="-1", sibling_model_ids=["m2", "m1"]),
    ]
    path = tmp_path / "feedback.json"
    path.write_text(json.dumps(rows))
    assert told(open_webui.read(path, SourceOptions())) == [
        ("ana", "why?", "m1", "so", 0.0, "too short, really"),
        ("ana", "why?", "m1", "so", 1.0, None),
        ("ana", "why?", "m1", "so", 0.0, None),
        ("ana", "why?", "m2", "no", 1.0, None),
    ]


def test_bad_feedback_of_open_webui_is_named(tmp_path: Path) -> None:
    rows = [feedback(), feedback(rating=3), feedback(model_id=None), feedback() | {"snapshot": None}]
    data = open_webui.read(jsonl(tmp_path / "x.jsonl", rows), SourceOptions())
    assert [row.reason for row in data.rejected] == [
        "data.rating is '3'; expected 1 or -1",
        "data.model_id is empty; expected text",
        "the question is empty; expected text",
    ]
