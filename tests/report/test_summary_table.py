from gmt.evaluation.summary import summarise
from gmt.report.summary_table import summary_table
from tests.evaluation.test_summary import run


def test_the_table_shows_every_router_every_shot_and_the_differences(tmp_path):
    paths = [run(tmp_path, seed, protocol="new-users", shots=[0, 5]) for seed in (0, 1)] + [run(tmp_path, 0)]
    table = summary_table(summarise(paths, "user_bradley_terry"))
    assert "**new-users**" in table and "**seen**" in table and "seeds 0, 1" in table
    assert "| AUC | 0 shots | 5 shots |" in table and "| accuracy | 0 shots | 5 shots |" in table
    assert table.count("| user_bradley_terry - bradley_terry |") == 3
    widths = {line.count("|") for line in table.split("**seen**")[1].splitlines() if line.startswith("|")}
    assert len(widths) == 1
