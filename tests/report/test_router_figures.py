from gmt.report.look import NARROW
from gmt.report.router_figures import draw_dots, draw_routers
from gmt.report.router_looks import ROUTERS


def cell(value):
    return {"value": value, "low": value - 0.02, "high": value + 0.02}


def result(protocol="seen", shots=("all",)):
    routers = {"random": 0.5, "gmt": 0.87, "user_bradley_terry": 0.8, "oracle": 1.0}
    tables = {
        shot: {"routers": {name: {"auc": cell(v), "accuracy": cell(v - 0.05)} for name, v in routers.items()}}
        for shot in shots
    }
    return {"protocol": protocol, "data": "demo", "users": 36, "pairs": 1235, "shots": tables}


def words(axes):
    return [text.get_text() for text in axes.texts]


def test_routers_are_sorted_the_oracle_is_left_out_and_data_and_chance_are_named():
    axes = draw_routers([result()]).axes[0]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == [ROUTERS[name].label for name in ("gmt", "user_bradley_terry", "random")]
    assert {"demo: known people (36 people, 1,235 pairs)", "chance"} <= set(words(axes))
    assert not (axes.get_title() + axes.get_title(loc="left")).strip(), "a caption says what a title would"


def test_what_was_not_measured_is_said_and_is_no_error():
    broken = result()
    broken["shots"]["all"]["routers"]["random"]["auc"] = {"value": None, "low": None, "high": None}
    del broken["shots"]["all"]["routers"]["user_bradley_terry"]["auc"]
    figure = draw_routers([broken, result()])
    assert len(figure.axes) == 4
    assert words(figure.axes[0]).count("not measured") == 2


def test_one_column_shows_the_first_metric_alone():
    assert len(draw_routers([result()], width=NARROW).axes) == 1


def test_panels_of_different_rows_are_named_each():
    panels = [{"axis": "a", "rows": {"gmt": cell(0.5)}}, {"axis": "b", "rows": {"knn": cell(0.4)}}]
    left, right = draw_dots(panels, 2).axes
    assert [label.get_text() for label in left.get_yticklabels()] == [ROUTERS["gmt"].label]
    assert [label.get_text() for label in right.get_yticklabels()] == [ROUTERS["knn"].label]
