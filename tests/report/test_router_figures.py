from gmt.report.router_figures import cold_start_figure, results_figure


def cell(value):
    return {"value": value, "low": value - 0.02, "high": value + 0.02}


def result(protocol="seen", shots=("all",)):
    routers = {"random": 0.5, "gmt": 0.87, "user_bradley_terry": 0.8, "oracle": 1.0}
    tables = {
        shot: {"routers": {name: {"auc": cell(v), "accuracy": cell(v - 0.05)} for name, v in routers.items()}}
        for shot in shots
    }
    return {"protocol": protocol, "users": 36, "pairs": 1235, "shots": tables}


def test_routers_are_sorted_and_the_oracle_is_left_out():
    axes = results_figure([result()]).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["random", "user Bradley–Terry", "gmt"]
    assert axes.get_title(loc="left") == "seen, 36 users, 1,235 pairs"


def test_an_unknown_metric_value_is_no_error():
    broken = result()
    broken["shots"]["all"]["routers"]["random"]["auc"] = {"value": None, "low": None, "high": None}
    assert len(results_figure([broken, result()]).axes) == 4


def test_cold_start_orders_shots_by_number_and_keeps_markers_apart():
    figure = cold_start_figure(result("new-users", ("10", "0", "2")))
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "2", "10"]
    looks = [(line.get_marker(), line.get_linestyle()) for line in axes.get_lines()]
    assert len(set(looks)) == len(looks) == 3
    assert axes.get_lines()[0].get_label() == "gmt"
