from gmt.evaluation.controls import OWNERS_SHUFFLED
from gmt.evaluation.evaluate import evaluate
from gmt.evaluation.summary import summarise
from gmt.report.summary_table import summary_table
from gmt.report.verdict_text import OPENINGS, with_words
from gmt.rivals.registry import make_router
from tests.evaluation.test_summary import run
from tests.factories import random_dataset


def test_the_table_shows_every_router_every_shot_and_the_differences(tmp_path):
    paths = [run(tmp_path, seed, protocol="new-users", shots=[0, 5]) for seed in (0, 1)] + [run(tmp_path, 0)]
    table = summary_table(summarise(paths, "user_bradley_terry"))
    assert "**new-users**" in table and "**seen**" in table and "seeds 0, 1" in table
    assert "| AUC | 0 shots | 5 shots |" in table and "| accuracy | 0 shots | 5 shots |" in table
    assert table.count("| user_bradley_terry - bradley_terry |") == 3
    widths = {line.count("|") for line in table.split("**seen**")[1].splitlines() if line.startswith("|")}
    assert len(widths) == 1


def test_the_verdict_of_all_seeds_ends_a_table(tmp_path):
    paths = [tmp_path / f"seen-{seed}.json" for seed in (0, 1)]
    for seed, path in enumerate(paths):
        data = random_dataset(seed, users=10, comparisons_per_user=25)
        router = make_router("user_bradley_terry").fit(data)
        evaluate(data, [router], seed=seed, controls=True, reference=router.name, out=path)
    found = summarise(paths, "user_bradley_terry")
    table = summary_table(found)
    verdict = found["seen"]["verdict"]
    assert OWNERS_SHUFFLED in verdict["reached"]
    assert f"**Verdict.** {OPENINGS[verdict['status'], verdict['reason']]}" in table
    assert with_words(found["seen"])["verdict"]["text"][-1] in table
    assert "**Verdict.**" not in summary_table(summarise([run(tmp_path, 2)], "user_bradley_terry"))
