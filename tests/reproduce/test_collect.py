"""Check how compared numbers are read from results, and how they stand beside rivals and papers."""

import json

import pytest

from gmt.errors import DataError
from gmt.reproduce.collect import collect_numbers
from gmt.reproduce.comparison import against_paper, shown
from gmt.reproduce.part import Claim, ComparedNumber
from tests.reproduce.parts import STEPS, write_part


def collected(tmp_path, values, quick=False, **number):
    """Return what is collected of one number."""
    lines = "".join(f"    {key}: {json.dumps(of)}\n" for key, of in {"file": "f.json", **number}.items())
    text = STEPS[: STEPS.index("numbers")] + f"numbers:\n  - name: n\n{lines}"
    (tmp_path / "f.json").write_text(json.dumps(values))
    return collect_numbers(write_part(tmp_path / "parts", "p", text), tmp_path, quick).get("n")


def metric(value, low=None, high=None):
    return {"value": value, "low": low, "high": high}


RESULTS = {
    "routers": {
        "gmt": {"auc": metric(0.9, 0.8, 0.95)},
        "knn": {"auc": metric(0.85)},
        "best_single": {"auc": metric(0.6)},
        "oracle": {"auc": metric(1.0)},
        "owners_shuffled": {"auc": metric(0.99)},
        "lacks it": {"accuracy": metric(0.99)},
        "not measured": {"auc": None},
    },
    "differences": {"gmt - knn": {"auc": metric(0.04, 0.01, 0.07)}, "gmt - best_single": {"auc": metric(0.3)}},
}


def test_the_strongest_rival_is_no_bound_and_no_control(tmp_path):
    found = collected(tmp_path, RESULTS, ours="routers/gmt/auc", rivals="routers/*/auc", gaps="differences/*/auc")
    assert found["ours"] == {"value": 0.9, "low": 0.8, "high": 0.95}
    assert found["rival"] == {"name": "knn", "value": 0.85} and set(found["rivals"]) == {"knn", "best_single"}
    # The paired difference of the results, and not that of two means.
    assert found["gap"] == {"value": 0.04, "low": 0.01, "high": 0.07}


def test_a_difference_the_other_way_round_is_turned(tmp_path):
    values = {
        "routers": {"read": {"auc": metric(0.7)}, "alone": {"auc": metric(0.6)}, "shown": {"auc": metric(0.8)}},
        "differences": {"alone - read": {"auc": metric(-0.09, -0.12, -0.05)}},
    }
    found = collected(tmp_path, values, ours="routers/read/auc", rivals="routers/alone/auc", gaps="differences/*/auc")
    assert found["rival"]["name"] == "alone" and found["gap"] == {"value": 0.09, "low": 0.05, "high": 0.12}


def test_other_depths_are_rivals_of_one_depth(tmp_path):
    values = {layers: {"cost users": {"reward": metric(of)}} for layers, of in (("0", 0.3), ("2", 0.4), ("5", 0.35))}
    found = collected(tmp_path, values, ours="2/cost users/reward", rivals="*/cost users/reward")
    assert found["rival"] == {"name": "5", "value": 0.35} and found["gap"]["value"] == pytest.approx(0.05)


def test_times_shares_lists_and_names_are_read(tmp_path):
    values = {"adapt": [{"time": {"median": 0.002, "low": 0.001, "high": 0.003}}, {"time": 0.5}], "judge": "rules"}
    found = collected(tmp_path, values, ours="adapt/0/time", scale=1000, unit="ms", named="judge")
    assert found == {"ours": {"value": 2.0, "low": 1.0, "high": 3.0}, "named": "rules"}
    assert collected(tmp_path, values, ours="adapt/-1/time")["ours"] == {"value": 0.5}
    part = collected(tmp_path, {"a": metric(0.3, 0.2, 0.4), "b": metric(0.4)}, ours="a", share_of="b")
    assert part["ours"] == {"value": pytest.approx(0.75)}


def test_a_lower_number_is_better_where_it_is_said(tmp_path):
    values = {name: {"loss": metric(of)} for name, of in (("gmt", 0.5), ("knn", 0.6), ("elo", 0.55))}
    assert collected(tmp_path, values, ours="gmt/loss", rivals="*/loss", better="lower")["rival"]["name"] == "elo"


def test_names_of_sizes_are_filled_in_and_quick_runs_may_lack_a_number(tmp_path):
    values = {"20": metric(0.7), "4": metric(0.5)}
    assert collected(tmp_path, values, ours="{people}")["ours"]["value"] == 0.7
    assert collected(tmp_path, values, True, ours="{people}")["ours"]["value"] == 0.5
    text = STEPS.replace("    file: joined.json", "    file: joined.json\n    quick: false")
    part = write_part(tmp_path / "parts", "full", text)
    assert collect_numbers(part, tmp_path, quick=True) == {}


def test_what_is_missing_is_named(tmp_path):
    for path, said in (("routers/gmt/aux", "lack 'aux'"), ("routers/gmt", "where a number is expected")):
        with pytest.raises(DataError, match=said):
            collected(tmp_path, RESULTS, ours=path)
    part = write_part(tmp_path / "parts", "p")
    with pytest.raises(DataError, match="run the part again"):
        collect_numbers(part, tmp_path / "empty")


@pytest.mark.parametrize(
    ("value", "unit", "sign", "text"),
    [
        (metric(0.9044, 0.884, 0.92), "", "", ".904 [.884, .920]"),
        (metric(-0.002, -0.004, 0.001), "", "+", "-.002 [-.004, +.001]"),
        (1.0, "", "", "1.000"),
        (0.787, "%", "", "78.7 %"),
        (metric(2.34567, 2.0, 3.0), "ms", "", "2.35 [2, 3] ms"),
        (67.21, "", "", "67.210"),
        (None, "", "", "–"),
    ],
)
def test_numbers_are_written_as_in_the_tables(value, unit, sign, text):
    assert shown(value, unit, sign) == text


@pytest.mark.parametrize(
    ("claim", "unit", "text"),
    [
        (Claim("", "value", 0.85, 0.85), "", "+.050"),
        (Claim("", "value", 0.85, 0.85), "%", "+5.0 points"),
        (Claim("", "value", 0.85, 0.95), "", ".900: within the range"),
        (Claim("", "gain", 0.006, 0.309), "", "+.002: below the range"),
        (Claim("", "gain", -0.1, 0.001), "", "+.002: above the range"),
        (Claim("", "gain %", 15.0, 15.0), "", "-14.8 points"),
        (Claim("", "gain %", 0.1, 21.6), "", "+0.2 %: within the range"),
        (Claim("words alone"), "", "–"),
        (None, "", "–"),
    ],
)
def test_ours_lies_to_the_papers_number_as_what_that_is(claim, unit, text):
    found = {"ours": metric(0.9), "rival": {"name": "knn", **metric(0.898)}, "gap": metric(0.002)}
    assert against_paper(ComparedNumber("n", "f", "o", unit=unit, paper=claim), found) == text


def test_a_gain_needs_a_rival_and_less_is_more_where_lower_is_better():
    claim = Claim("", "gain", 0.01, 0.01)
    assert against_paper(ComparedNumber("n", "f", "o", paper=claim), {"ours": metric(0.9)}) == "–"
    found = {"ours": metric(0.4), "rival": {"name": "knn", **metric(0.5)}, "gap": metric(-0.1)}
    assert against_paper(ComparedNumber("n", "f", "o", better="lower", paper=claim), found) == "+.090"
