"""Check on made results that each rule of the verdict fires where it says, and that its words match."""

import numpy as np
import pytest

from gmt.data.interactions import TEST
from gmt.evaluation.evaluate import evaluate
from gmt.evaluation.more_votes import GainCurve, fit_gain_curve
from gmt.evaluation.verdict import verdict_of
from gmt.report.verdict_text import NEXT, OPENINGS, verdict_lines
from gmt.rivals.registry import make_router
from tests.factories import random_dataset

METRICS = ("auc", "accuracy", "log_loss")


def ends(value, half=0.02):
    return {
        "value": value,
        "low": None if half is None else value - half,
        "high": None if half is None else value + half,
    }


def results(gain=0.1, half=0.02, shuffled=0.2, agreement=0.5, shared=100, users=50, curve=None, shots="all", **more):
    """Make a results file in which gmt beats its impersonal part by `gain`."""
    reached = {"gmt": 0.7 + gain, "owners_shuffled": 0.7 + gain - shuffled, "unknown_user": 0.7, "random": 0.5}
    routers = {name: {metric: ends(value, half) for metric in METRICS} for name, value in reached.items()}
    differences = {
        f"gmt - {name}": {metric: ends(reached["gmt"] - value, half) for metric in METRICS}
        for name, value in reached.items()
        if name != "gmt"
    }
    right = dict.fromkeys(reached, 0.6)
    return {
        "protocol": "seen",
        "users": users,
        "ceiling": {"agreement": agreement, "votes": shared, "low": 0.5, "high": 0.6, "accuracy": {shots: right}},
        "history_curve": curve,
        "shots": {shots: {"users": dict.fromkeys(METRICS, users), "routers": routers, "differences": differences}},
    } | more


@pytest.mark.parametrize(
    ("made", "status", "reason", "next_step"),
    [
        ({}, "worth_it", None, "deploy"),
        ({"gain": 0.005, "half": 0.003, "shuffled": 0.1}, "not_worth_it", "small", "impersonal"),
        ({"gain": 0.0, "half": 0.01}, "not_worth_it", "none", "impersonal"),
        ({"gain": -0.03, "half": 0.01}, "not_worth_it", "none", "impersonal"),
        ({"gain": 0.1, "shuffled": 0.01}, "not_worth_it", "not_personal", "impersonal"),
        ({"gain": 0.0, "half": 0.01, "agreement": 0.85}, "hardly_differ", "none", "impersonal"),
        ({"gain": 0.0, "half": 0.01, "agreement": 0.85, "shared": 29}, "not_worth_it", "none", "impersonal"),
        ({"gain": 0.01, "half": 0.05}, "cannot_tell", "wide_interval", "collect_more"),
        ({"gain": 0.01, "half": 0.05, "agreement": 0.85}, "cannot_tell", "wide_interval", "collect_more"),
        ({"gain": 0.3, "half": None, "users": 3}, "cannot_tell", "too_few_users", "collect_users"),
        # People may agree on what several judged, and a gain that is there all the same is worth having.
        ({"agreement": 0.85}, "worth_it", None, "deploy"),
    ],
)
def test_every_rule(made, status, reason, next_step):
    found = verdict_of(results(**made))
    assert found is not None
    assert (found["status"], found["reason"], found["next"]) == (status, reason, next_step)
    lines = verdict_lines(found)
    assert lines[0] == OPENINGS[status, reason] and lines[-1].endswith(NEXT[next_step])
    assert "over the best impersonal router, unknown_user" in lines[1].lower()


def test_the_best_impersonal_router_is_the_one_compared_with():
    made = results()
    for part, name, value in (("routers", "bradley_terry", 0.75), ("differences", "gmt - bradley_terry", 0.05)):
        made["shots"]["all"][part][name] = {metric: ends(value) for metric in METRICS}
    # A personal rival may be better still, and is no yardstick of what is impersonal.
    made["shots"]["all"]["routers"]["low_rank"] = {metric: ends(0.9) for metric in METRICS}
    found = verdict_of(made)
    assert found is not None and found["over"] == "bradley_terry"
    assert found["gain"]["auc"]["value"] == pytest.approx(0.05)


def test_the_most_shots_count_and_their_curve_says_what_more_votes_would_bring():
    curve = GainCurve(0.1, 5.0)
    made = {n: results(gain=curve.at(n), half=0.01, shots=str(n)) for n in (0, 1, 2, 5, 10, 20)}
    every = {key: value for one in made.values() for key, value in one["shots"].items()}
    found = verdict_of(made[20] | {"protocol": "new-users", "shots": every})
    assert found is not None and found["shots"] == "20"
    votes = found["votes"]
    assert votes["fit"]["most"] == pytest.approx(0.1, rel=0.02)
    assert votes["fit"]["half_after"] == pytest.approx(5.0, rel=0.05)
    assert votes["doubled"] == pytest.approx(curve.at(40) - curve.at(20), abs=1e-3) and votes["helps"]
    assert found["next"] == "deploy_and_collect" and "after 20 shots" in verdict_lines(found)[1]


def test_what_the_history_curve_says():
    points = [{"rounds": n, "gain": ends(GainCurve(0.1, 2.0).at(n), 0.01)} for n in (10, 20, 40)]
    made = {"votes": points, "people": {"users": 50, "loss": ends(0.03)}}
    found = verdict_of(results(curve=made))
    assert found is not None and found["votes"]["helps"] is False and found["people"]["helps"] is True
    text = "\n".join(verdict_lines(found))
    assert "twice as many would hardly help" in text and "More people would help" in text
    made["people"]["loss"] = ends(0.0, 0.03)
    unsure = verdict_of(results(curve=made))
    assert unsure is not None and unsure["people"]["helps"] is None
    assert "Whether more people would help cannot be told" in "\n".join(verdict_lines(unsure))


@pytest.mark.parametrize(
    "gains", [(0.1, 0.1, 0.1), (0.1, 0.2, 0.4), (-0.1, -0.1, -0.1), (0.1, 0.2)], ids=["flat", "straight", "down", "two"]
)
def test_a_curve_that_cannot_be_told_is_not(gains):
    assert fit_gain_curve([10, 20, 40][: len(gains)], gains) is None


def test_without_an_impersonal_router_there_is_no_verdict():
    made = results()
    for name in ("unknown_user", "random"):
        del made["shots"]["all"]["routers"][name]
    assert verdict_of(made) is None


def judged(**options):
    data = random_dataset(0, comparisons_per_user=60, models=4, **options)
    routers = [
        make_router(name).fit(data.select(data.table.split != TEST)) for name in ("user_bradley_terry", "random")
    ]
    summary = evaluate(data, routers, controls=True, reference="user_bradley_terry").summary
    return summary


def test_measured_worlds_are_judged_as_they_were_made():
    assert judged(users=24, personal=3.0)["verdict"]["status"] == "worth_it"
    assert judged(users=24, personal=0.0)["verdict"]["status"] in ("not_worth_it", "hardly_differ")
    few = judged(users=4, personal=3.0)
    assert few["verdict"]["status"] == "cannot_tell" and few["verdict"]["reason"] == "too_few_users"
    assert few["history_curve"]["people"] is None


def test_thinner_histories_are_measured_and_lose():
    curve = judged(users=24, personal=3.0)["history_curve"]
    rounds = [point["rounds"] for point in curve["votes"]]
    assert [point["share"] for point in curve["votes"]] == [0.25, 0.5, 1.0]
    assert np.all(np.diff(rounds) > 0) and rounds[0] == pytest.approx(rounds[2] / 4, rel=0.15)
    assert curve["votes"][0]["loss"]["low"] > 0 and curve["votes"][2]["loss"]["value"] == 0
    assert curve["people"]["users"] == 24
