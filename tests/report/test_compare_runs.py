"""Check that gmt compare names what differs between two runs, and nothing else."""

import json
import shutil

import pytest

from gmt.errors import RunError
from gmt.report.compare_runs import compare_runs
from gmt.report.run_facts import RunFacts, flat, shareable
from tests.report.hostile_run import make_hostile_run, train_hostile_run
from tests.trained import must


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Return two runs on one data folder that differ in a setting and the seed, and a third on another split."""
    home = tmp_path_factory.mktemp("compared")
    first = make_hostile_run(home)
    second = train_hostile_run(home / "data", home / "second", seed=1, train=["posterior.query_kernel=false"])
    rows, other = home / "rows.jsonl", home / "other"
    must(["prep", "jsonl", str(rows), "--encoder", "hash:16", "--out", str(other), "--seed", "7", "--quiet"])
    return first, second, train_hostile_run(other, home / "third")


def test_settings_seeds_and_numbers_that_differ_are_named(runs, gmt):
    found = gmt("compare", *runs[:2])
    assert found["settings"] == {"seed": [0, 1], "posterior.query_kernel": [True, False]}
    assert found["same_data"] and found["data"] == {} and found["versions"] == {}
    result = found["results"]["seen"]
    assert result["unpaired"] is None and result["shots"]["all"]["same"]
    routers = result["shots"]["all"]["routers"]
    assert routers["constant"]["difference"]["auc"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    ours = routers["gmt"]
    for metric in ("auc", "log_loss"):
        gap = ours["difference"][metric]
        assert gap["value"] == pytest.approx(ours["second"][metric]["value"] - ours["first"][metric]["value"])
        assert gap["low"] <= gap["value"] <= gap["high"]


def test_a_run_differs_from_itself_in_nothing(runs):
    facts = RunFacts.read(runs[0])
    found = compare_runs(facts, facts)
    assert not any(found[part] for part in ("settings", "fitted", "data", "versions"))
    routers = found["results"]["seen"]["shots"]["all"]["routers"]
    assert all(not gap or gap["value"] == 0 for of in routers.values() for gap in of["difference"].values())


def test_other_test_rows_are_said_and_only_common_ones_compared(runs, gmt, capsys):
    found = gmt("compare", runs[0], runs[2])
    assert not found["same_data"] and "split seed" in found["data"]
    asked = found["results"]["seen"]["shots"]["all"]["asked"]
    assert not found["results"]["seen"]["shots"]["all"]["same"] and asked["both"] < min(asked["first"], asked["second"])
    must(["compare", str(runs[0]), str(runs[2])])
    said = capsys.readouterr().out
    assert "the targets differ" in said and f"{asked['both']} were asked in both" in said
    assert "split seed: 0 → 7" in said


def test_numbers_that_cannot_be_paired_stand_side_by_side(runs, tmp_path, capsys):
    bare = tmp_path / "bare"
    shutil.copytree(runs[1], bare)
    (bare / "results/seen.predictions.parquet").unlink()
    found = compare_runs(RunFacts.read(runs[0]), RunFacts.read(bare))["results"]["seen"]
    assert "are gone" in found["unpaired"]
    of = found["shots"]["all"]["routers"]["gmt"]
    assert of["difference"] == {} and of["first"]["auc"] and of["second"]["auc"]
    must(["compare", str(runs[0]), str(bare)])
    said = capsys.readouterr().out
    assert "side by side" in said and "less first" not in said


def test_what_one_run_alone_was_measured_by_is_named(runs, tmp_path, capsys):
    bare = tmp_path / "bare"
    shutil.copytree(runs[0], bare)
    shutil.rmtree(bare / "results")
    found = compare_runs(RunFacts.read(bare), RunFacts.read(runs[0]))
    assert found["results"] == {} and found["only"] == {"first": [], "second": ["seen"]}
    must(["compare", str(bare), str(runs[0])])
    said = capsys.readouterr().out
    assert "Settings: the same" in said and "Measured for the second run only: seen" in said
    with pytest.raises(RunError, match="holds no config"):
        RunFacts.read(tmp_path)


def test_every_line_of_numbers_fits_sixty_columns(runs, capsys):
    must(["compare", str(runs[0]), str(runs[1])])
    lines = capsys.readouterr().out.splitlines()
    numbers = [line for line in lines if "→" in line and "[" in line]
    assert len(numbers) >= 4 and max(map(len, numbers)) <= 60
    head = next(line for line in lines if line.startswith("gmt, first → second"))
    assert "second less first" in head


def test_a_longer_list_of_models_shows_what_was_added(runs, tmp_path, capsys):
    changed = tmp_path / "changed"
    shutil.copytree(runs[0], changed)
    (changed / "manifest.json").unlink()
    card = json.loads((changed / "card.json").read_text())
    card["models"] = [*card["models"][1:], "newcomer"]
    (changed / "card.json").write_text(json.dumps(card))
    must(["compare", str(runs[0]), str(changed)])
    said = capsys.readouterr().out
    assert "models: 4 → 4: 1 left out (" in said and "1 added (newcomer)" in said


def test_settings_are_known_by_their_full_names():
    assert flat({"a": {"b": 1, "c": {"d": [2]}}, "e": {}}) == {"a.b": 1, "a.c.d": [2], "e": {}}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("postgresql://ana:s3cret@host:5432/name", "postgresql://ana:***@host:5432/name"),
        ("postgresql://:s3cret@host/name", "postgresql://:***@host/name"),
        ("postgresql://ana@host/name?password=s3cret&x=1", "postgresql://ana@host/name?password=***&x=1"),
        ("postgresql://ana@host:5432/name", "postgresql://ana@host:5432/name"),
        ("sqlite:///runs/state.db", "sqlite:///runs/state.db"),
        (0.5, 0.5),
        (None, None),
    ],
)
def test_no_password_is_shown(value, shown):
    assert shareable(value) == shown
