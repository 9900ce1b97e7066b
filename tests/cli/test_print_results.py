"""Check what is printed of an evaluation."""

from gmt.cli.console import Terminal
from gmt.cli.results_tables import print_results
from gmt.data.interactions import TEST
from gmt.evaluation.evaluate import evaluate
from gmt.report.verdict_text import verdict_lines
from gmt.rivals.registry import make_router
from tests.factories import random_dataset


def printed(capsys, change=lambda summary: None):
    data = random_dataset(0, users=20, questions=3, models=4)
    routers = [make_router("bradley_terry").fit(data.select(data.table.split != TEST))]
    summary = evaluate(data, routers, reference="bradley_terry").summary
    change(summary)
    print_results(Terminal(), summary)
    return summary, capsys.readouterr().out


def test_the_bound_on_blind_routers_stands_beside_accuracies_over_the_same_votes(capsys):
    summary, out = printed(capsys)
    assert f"at most {summary['ceiling']['high']:.1%}" in out and "of the votes cast by several" in out
    line = next(line for line in out.splitlines() if line.startswith("bradley_terry"))
    assert line.split()[-1] == f"{summary['ceiling']['accuracy']['all']['bradley_terry']:.1%}"


def test_a_bound_without_such_accuracies_is_not_printed(capsys):
    """Results written by earlier versions hold none."""
    _, out = printed(capsys, lambda summary: summary["ceiling"].pop("accuracy"))
    assert "at most" not in out and "cast by several" not in out and "bradley_terry" in out


def test_data_that_nobody_judged_twice_prints_no_bound(capsys):
    _, out = printed(capsys, lambda summary: summary.update(ceiling=None))
    assert "at most" not in out and "bradley_terry" in out


def test_a_column_says_whom_it_covers_and_no_interval_comes_from_fewer_than_five(capsys):
    def covering(users, low, high):
        def change(summary):
            found = summary["shots"]["all"]
            found["users"]["user_auc"] = users
            for row in found["routers"].values():
                row["user_auc"] = {"value": 0.88, "low": low, "high": high}

        return change

    _, out = printed(capsys, covering(3, None, None))
    assert "AUC per user (3 users)" in out and "0.880 –" in out
    assert "– in place of an interval: fewer than 5 users (AUC per user: 3)" in out
    _, out = printed(capsys, covering(9, 0.8, 0.9))
    assert "AUC per user (9 users)" in out and "in place of an interval" not in out


def test_the_verdict_ends_what_is_printed(capsys):
    data = random_dataset(0, users=20, models=4, personal=3.0)
    routers = [make_router("user_bradley_terry").fit(data.select(data.table.split != TEST))]
    summary = evaluate(data, routers, controls=True, reference="user_bradley_terry").summary
    print_results(Terminal(), summary)
    out = capsys.readouterr().out
    assert out.splitlines()[-1].startswith("Next: ") and "owners_shuffled" in out
    assert verdict_lines(summary["verdict"])[0] in out
