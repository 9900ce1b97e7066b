"""Check that what people say of decisions counts at once, once, and until it is taken back or they are forgotten."""

import json

import pytest

from gmt.gateway.api_keys import hash_of
from gmt.gateway.feedback_shapes import read_feedback
from gmt.gateway.pool_settings import ApiKeyEntry
from gmt.serving.pretrained import Router
from tests.gateway.conftest import A, B, C
from tests.gateway.upstreams import http

QUESTION = "How do I plan a garden?"


def route(url, user, query=QUESTION, **body):
    got = http.post(f"{url}/v1/route", json={"user": user, "query": query, **body})
    assert got.status_code == 200, got.text
    return got.json()


def say(url, expect=200, headers=None, path="/v1/feedback", **body):
    got = http.post(f"{url}{path}", json=body, headers=headers)
    assert got.status_code == expect, got.text
    return got.json()


def logits(decision):
    return {row["model"]: row["logit"] for row in decision["ranking"]}


def test_a_decision_alone(started, good_run):
    found = route(started(), "bela", uncertainty=True)
    direct = Router.from_pretrained(good_run).rank("bela", QUESTION, [A, B, C], with_uncertainty=True)
    assert found["model"] == direct.model and found["known"] and found["votes"] == direct.votes
    by_name = {choice.model: choice for choice in direct.ranking}
    for row in found["ranking"]:
        choice = by_name[row["model"]]
        assert row["score"] == pytest.approx(choice.score) and row["uncertainty"] == pytest.approx(choice.uncertainty)
        assert row["win_probability"] == pytest.approx(choice.win_probability)
    assert {row["model"]: row["cost"] for row in found["ranking"]} == {A: 1.0, B: 0.1, C: 0.2}
    assert found["propensity"] == 1.0 and found["decision"].startswith("dec_") and "best for" in found["reason"]


PRAISE = [
    ({"thumb": "up"}, {"thumb": "down"}),
    ({"thumb": True}, {"thumb": False}),
    ({"score": 5, "scale": [1, 5]}, {"score": 1, "scale": [1, 5]}),
    ({"score": 1, "scale": [5, 1]}, {"score": 5, "scale": [5, 1]}),
    ({"winner": A, "loser": B}, {"winner": B, "loser": A}),
    ({"thumb": "up", "words": "just right"}, {"thumb": "down", "words": "wrong"}),
]


@pytest.mark.parametrize(("praise", "blame"), PRAISE)
def test_the_next_decision_knows_what_was_said(started, praise, blame):
    url, gap = started(), []
    for user, said in (("glad", praise), ("sorry", blame)):
        assert not route(url, user)["known"]
        for number in range(3):
            asked = route(url, user, f"{QUESTION} {number}")
            assert say(url, decision=asked["decision"], **(said if "winner" in said else {**said, "model": A}))["added"]
        after = route(url, user)
        assert after["known"] and after["votes"] == 3
        gap.append(logits(after)[A] - logits(after)[B])
    assert gap[0] > gap[1] + 0.05


def test_words_and_signals_are_kept_as_events(started):
    url = started()
    for said in ({"words": "too long"}, {"signal": "regenerated"}):
        found = say(url, decision=route(url, "ana")["decision"], **said)
        assert found["added"] and found["votes"] == 0
    rounds = [one["round"]["answers"][0] for one in http.get(f"{url}/v1/users/ana").json()["feedback"]]
    assert [one["feedback"] for one in rounds] == ["too long", None]
    assert [one["signal"] for one in rounds] == [None, "regenerated"]


def test_the_same_feedback_sent_again_counts_once(started):
    url = started()
    id, key = route(url, "ana")["decision"], {"idempotency-key": "k1"}
    first = say(url, decision=id, thumb="up", headers=key)
    again = say(url, decision=id, thumb="up", headers=key)
    assert first["added"] and not again["added"] and again["id"] == first["id"] and again["votes"] == 1
    conflict = say(url, 409, decision=id, thumb="down", headers=key)
    assert conflict["error"]["code"] == "idempotency_conflict"
    assert say(url, decision=id, thumb="up", key="k1")["id"] == first["id"]


def test_feedback_is_taken_back(started):
    url = started()
    before = route(url, "ana")
    id = say(url, decision=before["decision"], thumb="down")["id"]
    assert logits(route(url, "ana")) != logits(before)
    assert http.delete(f"{url}/v1/feedback/{id}").json() == {"id": id, "revoked": True}
    assert http.delete(f"{url}/v1/feedback/{id}").json()["revoked"] is False
    assert logits(route(url, "ana")) == pytest.approx(logits(before), abs=1e-6)
    for wrong in ("999999", "x", "9" * 30, "²", "١", f"{id}.0", f"+{id}", "%00"):
        assert http.delete(f"{url}/v1/feedback/{wrong}").status_code == 404


ASKED, SESSION = {"query": "q", "user_id": "ana"}, {"session_id": "ID"}
SHAPES = [
    ("/api/public/scores", {"traceId": "ID", "name": "thumb", "value": 1, "dataType": "BOOLEAN"}, {"M": 1.0}),
    ("/api/public/scores", {"traceId": "ID", "name": "s", "value": 0.25, "comment": "meh", "id": "lf-1"}, {"M": 0.25}),
    ("/api/public/scores", {"traceId": "ID", "value": 4, "metadata": {"scale": [1, 5]}}, {"M": 0.75}),
    ("/api/public/scores", {"traceId": "ID", "value": "bad", "dataType": "CATEGORICAL"}, {"M": 0.0}),
    ("/api/v1/feedback", {"request_id": "ID", "winner_model": A, "loser_model": B}, {A: 1.0, B: 0.0}),
    ("/api/v1/feedback", {**ASKED, "winner_model": A, "loser_model": B, "tie": True}, {A: 0.5, B: 0.5}),
    ("/api/v1/feedback", {**ASKED, "winner_model": B}, {B: 1.0}),
    ("/v2/report/metrics/feedback", {**SESSION, "provider": {"model": C}, "feedback": {"accuracy": 0}}, {C: 0.0}),
    ("/v1/feedback", {"session_id": "ID", "feedback": {"accuracy": 0.5}}, {"M": 0.5}),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body", "ratings"), SHAPES)
def test_shapes_of_others(started, path, body, ratings):
    url = started()
    asked = route(url, "ana")
    body = {key: asked["decision"] if value == "ID" else value for key, value in body.items()}
    assert say(url, path=path, **body)["added"]
    (event,) = http.get(f"{url}/v1/users/ana").json()["feedback"]
    expected = {asked["model"] if name == "M" else name: value for name, value in ratings.items()}
    assert {one["model"]: one["rating"] for one in event["round"]["answers"]} == expected


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "decision is missing"),
        ({"decision": "ID"}, "no thumb, score"),
        ({"decision": 3, "thumb": "up"}, "no text"),
        ({"decision": "ID", "thumb": "sideways"}, "neither up nor down"),
        ({"decision": "ID", "thumb": []}, "neither up"),
        ({"decision": "ID", "score": 3}, "scale is missing"),
        ({"decision": "ID", "score": 6, "scale": [1, 5]}, "from 1 to 5"),
        ({"decision": "ID", "score": True, "scale": [0, 1]}, "no number"),
        ({"decision": "ID", "score": 1, "scale": [1, 1]}, "scale"),
        ({"decision": "ID", "winner": A}, "loser is missing"),
        ({"decision": "ID", "winner": A, "loser": A}, "one model"),
        ({"decision": "ID", "winner": A, "loser": "gpt"}, "there is no model 'gpt'"),
        ({"decision": "ID", "thumb": "up", "score": 1, "scale": [0, 1]}, "two kinds"),
        ({"decision": "ID", "signal": "x"}, "none of"),
        ({"decision": "ID", "words": "x" * 20_001}, "1 to 20000"), ({"winner_model": A}, "neither request_id"),
        ({"session_id": "ID", "feedback": {}}, "no accuracy"), ({"traceId": "ID", "value": 7}, "from 0 to 1"),
        ({"traceId": "ID", "value": 7, "dataType": "TEXT"}, "dataType"),
        ({"decision": "ID", "words": "\ud800"}, "half a"),
        ({"decision": "ID", "thumb": "up", "key": "\ud800"}, "half a"),
        ({"decision": "ID", "thumb": "up", "key": "a\0b"}, "zero character"),
        *(({"decision": "ID", "winner": A, "loser": B, "tie": tie}, "neither true nor") for tie in ("yes", 1, 0, [])),
        ({**ASKED, "winner_model": A, "loser_model": B, "tie": "true"}, "neither true nor"),
    ],
)  # fmt: skip
def test_what_is_no_feedback_is_refused(started, body, said):
    url = started()
    id = route(url, "ana")["decision"]
    raw = json.dumps({key: id if value == "ID" else value for key, value in body.items()})
    got = http.post(f"{url}/v1/feedback", content=raw)
    assert got.status_code == 400 and said in got.json()["error"]["message"]
    assert not http.get(f"{url}/v1/users/ana").json()["feedback"]


def test_a_decision_for_nobody_teaches_nothing(started):
    url = started()
    nobody = route(url, None)["decision"]
    assert "nobody by name" in say(url, 400, decision=nobody, thumb="up")["error"]["message"]
    assert say(url, 404, decision="dec_0", thumb="up")["error"]["code"] == "decision_not_found"


@pytest.mark.parametrize("number", ["dec_" + "\ud800" * 36, "\ud800", "dec_" + "\0" * 36, "²" * 40, "\r\n"])
def test_what_can_be_no_number_of_a_decision_is_not_found(started, number):
    got = http.post(f"{started()}/v1/feedback", content=json.dumps({"decision": number, "thumb": "up"}))
    assert got.status_code == 404 and got.json()["error"]["code"] == "decision_not_found"


def test_a_user_is_exported_and_forgotten(started, good_copy):
    url = started()
    fresh = route(url, "ana")
    say(url, decision=fresh["decision"], thumb="down", words="a very rare remark")
    found = http.get(f"{url}/v1/users/ana").json()
    assert found["votes"] == 1 and set(found["likes"]) == {A, B, C}
    assert found["decisions"][0]["id"] == fresh["decision"] and found["decisions"][0]["query"] == QUESTION
    gone = http.delete(f"{url}/v1/users/ana").json()
    assert gone["rounds"] == 1 and gone["user"] == "ana"
    assert http.get(f"{url}/v1/users/ana").status_code == 404
    assert say(url, 404, decision=fresh["decision"], thumb="up")
    assert logits(route(url, "ana")) == pytest.approx(logits(fresh), abs=1e-6)
    held = [path for path in good_copy.rglob("*") if path.is_file() and b"a very rare remark" in path.read_bytes()]
    assert not held


@pytest.mark.parametrize("rated", [True, False])
def test_forgetting_by_the_command_line_takes_decisions_too(started, good_copy, gmt, rated):
    url = started()
    asked = route(url, "ana")
    http.get(f"{url}/v1/users/ana")  # what waits is written
    if rated:
        say(url, decision=asked["decision"], thumb="up")
    gmt("users", "forget", "ana", "--run", good_copy)
    assert say(url, 404, decision=asked["decision"], thumb="up")


def test_a_trained_user_is_forgotten(started):
    url = started()
    assert route(url, "bela")["known"]
    assert http.delete(f"{url}/v1/users/bela").json()["rounds"] > 0
    assert not route(url, "bela")["known"]


def test_the_shape_is_told_by_its_fields():
    assert read_feedback({"decision": "d", "thumb": "up"}).shape == "gmt"
    assert read_feedback({"trace_id": "d", "value": 1}).shape == "langfuse"
    assert read_feedback({"winner_model": "a", "request_id": "d"}).shape == "semantic-router"


KEY = "gmt-" + "k" * 43


def test_feedback_of_another_tenant_is_not_found(started):
    keys = [ApiKeyEntry(hash_of(f"{KEY}{name}"), name) for name in ("one", "two")]
    url = started(keys=keys)
    head = {name: {"authorization": f"Bearer {KEY}{name}"} for name in ("one", "two")}
    asked = http.post(f"{url}/v1/route", json={"user": "ana", "query": QUESTION}, headers=head["one"]).json()
    say(url, 404, decision=asked["decision"], thumb="up", headers=head["two"])
    id = say(url, decision=asked["decision"], thumb="up", headers=head["one"])["id"]
    assert http.delete(f"{url}/v1/feedback/{id}", headers=head["two"]).status_code == 404
    assert http.get(f"{url}/v1/users/ana", headers=head["two"]).status_code == 404
    assert http.get(f"{url}/v1/users/ana", headers=head["one"]).json()["votes"] == 1
    assert http.delete(f"{url}/v1/users/ana", headers=head["two"]).json()["rounds"] == 0
    assert http.delete(f"{url}/v1/feedback/{id}", headers=head["one"]).json()["revoked"]
