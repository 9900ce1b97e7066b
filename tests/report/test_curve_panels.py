import numpy as np
import pytest

from gmt.report.curve_panels import draw_curves
from gmt.report.gain_curves import draw_gains
from gmt.report.look import NARROW, WIDE
from gmt.report.router_looks import ROUTERS


def cell(value):
    return {"value": value, "low": value - 0.01, "high": value + 0.01}


def panel(**more):
    lines = {name: [cell(0.7), cell(0.7), None] for name in ("gmt", "bradley_terry", "knn")}
    return {"axis": "votes", "measure": "AUC", "points": ["2", "10", "50"], "lines": lines, **more}


@pytest.mark.parametrize("more", [{}, {"spaced": True}, {"logarithmic": True}])
def test_equal_lines_stand_side_by_side(more):
    axes = draw_curves([panel(**more)]).axes[0]
    lines = [line for line in axes.get_lines() if line.get_marker() not in ("None", "")]
    first = [line.get_xdata()[0] for line in lines]
    assert len(lines) == len(set(np.round(first, 6))) == 3
    # Within a tenth of a step of their point: they still read as one point.
    assert max(first) < axes.get_xticks()[1]


def test_every_point_has_its_interval_and_a_missing_one_leaves_a_gap():
    axes = draw_curves([panel()]).axes[0]
    assert all(np.isnan(line.get_ydata()[-1]) for line in axes.get_lines() if line.get_marker() == "o")
    assert len(axes.collections) == 3


def test_a_router_keeps_its_look_in_every_panel_and_lines_differ_in_grey_too():
    figure = draw_curves([panel(), panel(lines={"knn": [cell(0.6)] * 3})], 2)
    of_knn = [
        (line.get_color(), line.get_marker(), str(line.get_linestyle()))
        for axes in figure.axes
        for line in axes.get_lines()
        if line.get_label() == ROUTERS["knn"].label
    ]
    assert len(of_knn) == 2 and of_knn[0] == of_knn[1]
    drawn = ["gmt", "paper", "hierarchical_bradley_terry", "user_bradley_terry", "bradley_terry", "knn", "graph_router"]
    assert len({(ROUTERS[name].marker, str(ROUTERS[name].dash)) for name in drawn}) == len(drawn)


def test_limits_and_reference_lines_are_drawn_as_asked():
    axes = draw_curves([panel(limits=[0.4, 1.0], references=[{"value": 0.5, "label": "chance"}])]).axes[0]
    assert axes.get_ylim() == (0.4, 1.0)
    dotted = [line for line in axes.get_lines() if line.get_label() == "chance"]
    assert [set(line.get_ydata()) for line in dotted] == [{0.5}]


def test_reference_lines_of_a_panel_differ_in_dash():
    two = [{"value": 0.5, "label": "chance"}, {"value": 0.9, "label": "oracle"}]
    lines = draw_curves([panel(references=two)]).axes[0].get_lines()
    dashes = [str(line._unscaled_dash_pattern) for line in lines if line.get_label() in ("chance", "oracle")]
    assert len(set(dashes)) == 2


def gains(routers=("gmt", "knn")):
    return {shot: {name: {"auc": cell(0.02), "accuracy": cell(0.01)} for name in routers} for shot in ("0", "5", "20")}


def test_gains_are_drawn_over_a_named_line_with_another_design_beside_ours():
    sets = [{"label": "demo", "over": "bradley_terry", "gains": gains(("gmt", "paper"))}]
    wide, narrow = draw_gains(sets), draw_gains(sets, width=NARROW)
    assert (len(wide.axes), len(narrow.axes)) == (2, 1)
    axes = wide.axes[0]
    named = {line.get_label(): line for line in axes.get_lines()}
    assert named.keys() >= {ROUTERS[name].label for name in ("gmt", "paper", "bradley_terry")}
    assert set(named[ROUTERS["bradley_terry"].label].get_ydata()) == {0.0}
    assert axes.get_ylabel() == "gain in AUC"
    assert wide.get_figwidth() == WIDE


def test_a_design_measured_at_fewer_shots_leaves_gaps():
    found = gains()
    found["20"] = {"gmt": found["20"]["gmt"]}
    axes = draw_gains([{"label": "demo", "over": "bradley_terry", "gains": found}]).axes[0]
    knn = next(line for line in axes.get_lines() if line.get_label() == ROUTERS["knn"].label)
    assert np.isnan(knn.get_ydata()).tolist() == [False, False, True]
