"""Check figures of people: what they like, what they gain, what a decision used, and whether promises are kept."""

import numpy as np
import pytest

from gmt.report.calibration_plot import draw_calibration
from gmt.report.decision_plot import draw_decision
from gmt.report.look import NARROW, WIDE
from gmt.report.run_likings import decision_of, likings_of, map_of
from gmt.report.user_gains import draw_user_gains
from gmt.report.user_map import draw_user_map
from gmt.serving.pretrained import Router


def words(figure):
    return " ".join(" ".join(text.get_text() for text in axes.texts) for axes in figure.axes)


def test_people_who_like_a_model_stand_in_its_direction():
    # Three kinds of people: they like the first, the second or the third of three models.
    kind = np.repeat(np.arange(3), 5)
    likings = np.eye(3)[kind] - 1 / 3
    found = map_of(likings, np.full(15, 4), ["a", "b", "c"])
    people = np.array([[one["x"], one["y"]] for one in found["users"]])
    arrows = {one["name"]: np.array([one["x"], one["y"]]) for one in found["models"]}
    # Everybody's nearest arrow is reached by five of them: the three kinds are three places.
    nearest = [max(arrows, key=lambda name, at=at: float(arrows[name] @ at)) for at in people]
    assert sorted(nearest.count(name) for name in arrows) == [5, 5, 5]
    assert sum(found["explained"]) == pytest.approx(1.0)


def test_people_who_do_not_differ_have_no_map():
    assert map_of(np.zeros((9, 3)), np.ones(9), ["a", "b", "c"]) is None
    assert map_of(np.ones((2, 3)), np.ones(2), ["a", "b", "c"]) is None


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_a_map_names_its_longest_arrows(width):
    users = [{"x": x, "y": -x, "votes": 3} for x in (-1.0, 0.0, 2.0)]
    models = [{"name": f"model {n}", "x": float(n), "y": 1.0} for n in range(12)]
    figure = draw_user_map(users, models, [0.6, 0.2], width)
    assert "model 11" in words(figure) and "model 0" not in words(figure)


def test_a_run_tells_what_its_people_like_and_why_it_decides(good_run):
    router = Router.from_pretrained(good_run)
    users, likings = likings_of(router.router, router.data)
    assert likings.shape == (len(users), len(router.data.table.models))
    assert np.abs(likings.sum(axis=1)).max() < 1e-6
    found = decision_of(router, users, likings)
    names = set(router.data.table.users)
    assert not names & {str(value) for one in found["reasons"] for value in one.values()}
    assert found["others"] >= 0 and len(found["reasons"]) <= 12
    figure = draw_decision(**found)
    assert len(figure.axes) == 2
    router.close()


def test_bars_of_a_decision_add_up_to_the_margin():
    ranking = [{"model": "a", "score": 1.0, "margin": 0.9}, {"model": "b", "score": 0.2, "margin": -0.4}]
    reasons = [
        {"query": "mail jo@x.org", "models": ["a", "b"], "ratings": [1.0, 0.0], "effect": 0.5},
        {"query": "q", "models": ["b"], "ratings": [0.5], "effect": -0.2},
        {"query": "q", "models": ["a", "b"], "ratings": [0.5, 0.5], "effect": 0.1},
    ]
    for width in (WIDE, NARROW):
        axes = draw_decision(ranking, reasons, 4, "What now?", width).axes[1]
        bars = [bar.get_width() for bar in axes.patches]
        assert bars[0] == pytest.approx(0.9) and sum(bars[1:]) == pytest.approx(0.9)
        labels = " ".join(" ".join(label.get_text() for label in axes.get_yticklabels()).split())
        assert "4 other rounds" in labels and "@" not in labels and "a over b" in labels and "a tie of" in labels


def test_gains_of_people_are_sorted_and_counted():
    users = [{"gain": g, "low": g - 0.1, "high": g + 0.1, "pairs": 5} for g in (0.3, -0.2, 0.05)]
    axes = draw_user_gains([{"label": "demo", "users": users}]).axes[0]
    heights = {round(bar.get_x(), 2): bar.get_height() for bar in axes.patches}
    assert [heights[key] for key in sorted(heights)] == [-0.2, 0.05, 0.3]
    said = " ".join(text.get_text() for text in axes.texts).replace("\n", " ")
    assert "better for 2 of 3; beyond doubt better for 1 and worse for 1" in said


def test_every_router_has_its_own_panel_of_promises():
    bins = [{"promised": p, "won": p, "low": p - 0.05, "high": p + 0.05, "pairs": 9} for p in (0.55, 0.8)]
    figure = draw_calibration({"gmt": bins, "knn": bins}, {"gmt": 0.0})
    assert sum(axes.get_visible() for axes in figure.axes) == 2
    assert "mean gap 0.000" in words(figure)
