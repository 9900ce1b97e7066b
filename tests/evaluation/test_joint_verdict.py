"""Check that several seeds are judged together as one is alone, and that means are of what each seed measured."""

import pytest

from gmt.evaluation.ceiling import ceiling_of
from gmt.evaluation.joint_verdict import joint_verdict
from gmt.evaluation.verdict import verdict_of
from tests.evaluation.test_verdict import ends, results

CURVE = {
    "votes": [
        {"share": share, "rounds": rounds, "gain": ends(gain, 0.01), "loss": ends(0.0)}
        for share, rounds, gain in ((0.25, 5, 0.04), (0.5, 10, 0.06), (1.0, 20, 0.08))
    ],
    "people": {"users": 40, "loss": ends(0.004, 0.002)},
}


def judged(**made):
    found = results(**made)
    found["ceiling"] |= ceiling_of(found["ceiling"]["agreement"], found["ceiling"]["votes"])
    return found | {"verdict": verdict_of(found)}


def together(*seeds):
    return joint_verdict({"users": seeds[0]["users"], "shots": seeds[0]["shots"]}, seeds)


@pytest.mark.parametrize("made", [{}, {"curve": CURVE}, {"gain": 0.0, "half": 0.01, "agreement": 0.85, "curve": CURVE}])
def test_one_seed_is_judged_as_it_is_alone(made):
    one = judged(**made)
    assert together(one) == one["verdict"]


def test_agreement_and_curves_are_means_over_seeds():
    other = {"votes": [one | {"gain": ends(0.02, 0.03), "rounds": one["rounds"] + 2} for one in CURVE["votes"]],
             "people": {"users": 44, "loss": ends(0.008, 0.004)}}  # fmt: skip
    found = together(judged(agreement=0.6, shared=100, curve=CURVE), judged(agreement=0.8, shared=300, curve=other))
    assert found is not None
    assert found["ceiling"]["agreement"] == pytest.approx(0.75) and found["ceiling"]["votes"] == 200
    assert found["ceiling"]["high"] == ceiling_of(0.75, 1)["high"]
    assert found["votes"]["rounds"] == 21 and found["votes"]["gain"] == pytest.approx(ends(0.05, 0.02))
    assert found["people"]["users"] == 42 and found["people"]["loss"] == pytest.approx(ends(0.006, 0.003))


def test_what_a_seed_lacks_cannot_be_told_of_all():
    assert together(judged(), results()) is None  # measured without controls
    found = together(judged(curve=CURVE), judged())
    assert found is not None and found["votes"] is None and found["people"] is None
    few = {"votes": [], "people": {"users": 8, "loss": {"value": 0.01, "low": None, "high": None}}}
    found = together(judged(curve=few), judged(curve=CURVE))
    assert found is not None and found["people"]["loss"]["low"] is None and found["people"]["helps"] is None
    assert joint_verdict({"users": 3, "shots": {}}, [judged()]) is None
