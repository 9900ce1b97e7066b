"""Check how pages are compared with what is printed."""

from tests.shown import alike, cut_as, differences, renewed


def test_numbers_may_differ_by_a_unit_of_the_last_digit():
    assert alike("AUC 0.845 of 3,763", "AUC  0.846 of 3,763")
    assert not alike("AUC 0.845", "AUC 0.847") and not alike("AUC 0.845", "auc 0.845")
    assert not alike("gain +0.01", "loss +0.01") and alike("−.003", "-.003")
    assert alike("telegram-8b 1", "telegram-8b 1")
    assert not alike("a 1", "a 1 2")


def test_the_rest_of_a_line_and_lines_between_may_be_left_out():
    printed = ["$ gmt eval --run runs/demo", "gmt 0.8 [0.7, 0.9] 0.5", "other 0.1", "knn 0.6 [0.5, 0.7] 0.4", "end"]
    assert differences(["$ gmt eval", "gmt 0.8 [0.7, 0.9] …", "knn 0.6 [0.5, 0.7] 0.4"], printed) == []
    assert cut_as("gmt 0.7 [0.1, 0.2] …", "gmt   0.8  [0.7, 0.9]  0.5") == "gmt   0.8  [0.7, 0.9] …"
    assert cut_as("…", "anything") == "anything"


def test_what_is_not_printed_and_what_differs_is_told():
    printed = ["gmt 0.8", "knn 0.6"]
    assert differences(["gmt 0.5", "elo 0.1"], printed) == ["not printed: elo 0.1", "shown: gmt 0.5\nfound: gmt 0.8"]
    # In another order is otherwise too.
    assert differences(["knn 0.6", "gmt 0.8"], printed) == ["not printed: gmt 0.8"]


def test_numbers_are_put_in_place():
    shown = ["$ gmt eval", "gmt  0.5 …", "", "…", "knn 0.5"]
    lines, lost = renewed(shown, ["$ gmt eval --run r", "gmt     0.81  7", "ridge 2", "knn 0.62"])
    assert lines == ["$ gmt eval", "gmt     0.81 …", "", "…", "knn 0.62"] and lost == []
