"""Check estimates from logs against worlds whose truth is known, and the modes that write such logs."""

import json

import numpy as np
import pytest

from gmt.errors import DataError
from gmt.gateway.decision_log import logged_rounds, read_log
from gmt.gateway.off_policy import replay_log
from tests.gateway.conftest import A, B, C
from tests.gateway.upstreams import http

MODELS = ("x", "y", "z")


def entry(number, user, model, best, chances, mode="apply", **more):
    facts = {"decision": f"d{number}", "at": 0.0, "user": user, "mode": mode, "model": model, "best": best}
    return facts | {"propensities": chances, "fell_back": False} | more


def world(rng, rate=0.4, users=60, rounds=20):
    """Return a log by a router that explores, and the true mean rewards of its best and of what it did."""
    entries, best_is, did = [], [], []
    for user in range(users):
        worth = rng.uniform(0.1, 0.9, 3)
        for number in range(rounds):
            best = int(rng.integers(3)) if rng.random() < 0.3 else int(worth.argmax())
            chances = {name: (1 - rate if k == best else rate / 2) for k, name in enumerate(MODELS)}
            model = int(rng.choice(3, p=list(chances.values())))
            id = user * rounds + number
            entries.append(entry(id, f"u{user}", MODELS[model], MODELS[best], chances))
            rating = float(rng.random() < worth[model])
            entries.append({"feedback": id, "decision": f"d{id}", "kind": "thumb", "ratings": {MODELS[model]: rating}})
            best_is.append(worth[best])
            did.append(sum(worth[k] * chances[name] for k, name in enumerate(MODELS)))
    return logged_rounds(entries), float(np.mean(best_is)), float(np.mean(did))


def test_estimates_hit_the_truth_and_intervals_hold_it():
    errors, held, rng = {"ips": [], "snips": [], "dr": []}, [], np.random.default_rng(1)
    for seed in range(40):
        log, best, did = world(rng)
        found = replay_log(log, seed)
        assert found.cannot_tell is None and found.rounds == 1200 and found.people == 60 and found.unseen == 0
        for name, value in found.values.items():
            errors[name].append(value.value - best)
            held.append(found.gains[name].low <= best - did <= found.gains[name].high)
            assert found.gains[name].value == pytest.approx(value.value - found.logged.value)
    for name, of in errors.items():
        assert abs(np.mean(of)) < 4 * np.std(of) / np.sqrt(len(of)), name
    assert np.mean(held) > 0.85
    assert np.std(errors["dr"]) < np.std(errors["ips"])  # predictions take variance away


def test_a_log_worked_out_by_hand():
    entries = []
    for number in range(40):
        model = "x" if number % 4 else "y"  # x with chance 3/4
        entries.append(entry(number, f"u{number % 10}", model, "y", {"x": 0.75, "y": 0.25}))
        entries.append({"feedback": number, "decision": f"d{number}", "kind": "score",
                        "ratings": {model: 0.5 if model == "x" else 0.9}})  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gmt.gateway.off_policy.LEAST", 10)
        found = replay_log(logged_rounds(entries))
    assert found.logged.value == pytest.approx(0.6) and found.effective == pytest.approx(10)
    assert found.values["ips"].value == pytest.approx(0.9) and found.values["snips"].value == pytest.approx(0.9)
    assert found.gains["snips"].value == pytest.approx(0.3)


def asked(number, best, model="x", **more):
    return entry(number, f"u{number}", model, best, {model: 1.0}, "observe", **more)


def rated(number, value=1.0, model="x"):
    return {"feedback": number, "decision": f"d{number}", "kind": "thumb", "ratings": {model: value}}


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ([], "0 decisions were rated"),
        ([e for n in range(20) for e in (asked(n, "x"), rated(n))], "20 decisions were rated"),
        ([e for n in range(90) for e in (asked(n, "y"), rated(n))], "in 100% of the rated decisions"),
        ([e for n in range(90) for e in (asked(n, "x") | {"user": "u"}, rated(n))], "1 people rated"),
        ([e for n in range(90) for e in (entry(n, f"u{n}", "x", "y", {"x": 0.9, "y": 0.1}), rated(n))], "as much as 0"),
    ],
)  # fmt: skip
def test_it_says_when_the_log_cannot_tell(entries, why):
    found = replay_log(logged_rounds(entries))
    assert why in found.cannot_tell and found.logged is None and not found.values


def test_what_counts_of_a_log():
    entries = [asked(n, "x") for n in range(5)]
    entries[4]["fell_back"] = True
    entries += [rated(0, 0.0), rated(1), {"revoked": 1, "at": 0}, rated(2, 1.0, "other"), rated(4)]
    entries += [
        {"feedback": 9, "decision": "d0", "ratings": {"x": 1.0}},
        {"feedback": 10, "decision": None, "ratings": {}},
    ]
    log = logged_rounds(entries)
    assert log.reward.tolist() == [1.0]  # the last word on the only one that counts
    assert (log.decisions, log.unrated, log.fell_back) == (5, 3, 1)


def test_a_damaged_log_is_named_by_its_line(tmp_path):
    path = tmp_path / "log.jsonl"
    with pytest.raises(DataError, match="does not exist"):
        read_log(path)
    good = json.dumps(asked(0, "x"))
    path.write_text(f"{good}\n{{\n{good}\n")
    with pytest.raises(DataError, match="line 2"):
        read_log(path)
    odd = [{"decision": "d"}, {"decision": 5}, {"feedback": 1}, {"revoked": [1]}, {"feedback": [], "decision": "d"}, []]
    wrong = {"propensities": {A: "x"}, "fell_back": 1, "model": None, "user": 3, "best": [], "mode": {}}
    odd += [json.loads(good) | {name: value} for name, value in wrong.items()]
    odd += [{"feedback": 1, "decision": "d", "ratings": value} for value in (None, [1.0], {A: "good"})]
    for entry in odd:
        path.write_text(f"{good}\n{json.dumps(entry)}\n{good}\n")
        with pytest.raises(DataError, match="line 2"):
            read_log(path)
    path.write_text(f'{good}\n{{"decis')
    assert read_log(path).decisions == 1


def chat(url, user, number=0, model="gmt/auto"):
    body = {"model": model, "user": user, "messages": [{"role": "user", "content": f"Question {number}?"}]}
    got = http.post(f"{url}/v1/chat/completions", json=body)
    assert got.status_code == 200, got.text
    return got


def test_what_is_observed_is_answered_as_asked(started, upstream, tmp_path):
    path = tmp_path / "log.jsonl"
    url = started(mode="observe", default_model=B, journal=path)
    for model, answered in ((A, A), ("gmt/auto", B)):
        got = chat(url, "bela", model=model)
        assert got.headers["x-gmt-model"] == answered and "observed only" in got.headers["x-gmt-reason"]
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(one["mode"], one["propensities"]) for one in entries] == [("observe", {A: 1.0}), ("observe", {B: 1.0})]
    assert all(one["best"] in (A, B, C) and "bela" not in json.dumps(one) for one in entries)


def test_what_is_bypassed_is_not_decided(started, tmp_path):
    path = tmp_path / "log.jsonl"
    got = chat(started(mode="bypass", default_model=C, journal=path), "bela")
    assert got.headers["x-gmt-model"] == C and "x-gmt-decision" not in got.headers and not path.exists()


def test_challengers_are_drawn_as_often_as_their_propensity_says(started, tmp_path, gmt):
    path = tmp_path / "log.jsonl"
    url = started(journal=path, explore_share=0.5)
    for number in range(60):
        got = chat(url, f"u{number % 6}", number)
        http.post(f"{url}/v1/feedback", json={"decision": got.headers["x-gmt-decision"], "thumb": "up"})
    entries = [one for one in map(json.loads, path.read_text().splitlines()) if "model" in one]
    assert all(sum(one["propensities"].values()) == pytest.approx(1) for one in entries)
    assert all(one["propensities"][one["best"]] == pytest.approx(0.5) for one in entries)
    drawn = [one for one in entries if one["explored"]]
    assert 15 < len(drawn) < 45 and all(one["model"] != one["best"] for one in drawn)
    found = gmt("replay", path)
    assert found["decisions"] == 60 and found["cannot_tell"] is None or "as much as" in found["cannot_tell"]


def test_a_share_of_people_explores_and_the_others_never(started, tmp_path):
    path = tmp_path / "log.jsonl"
    url = started(journal=path, explore_share=0.5, explore_by="user", explore_rate=1.0)
    for number in range(40):
        chat(url, f"u{number % 20}", number)
    by_user = {}
    for one in map(json.loads, path.read_text().splitlines()):
        by_user.setdefault(one["user"], set()).add(one["explored"])
    assert (
        all(len(found) == 1 for found in by_user.values())
        and {True} in by_user.values()
        and {False} in by_user.values()
    )
