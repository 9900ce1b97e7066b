"""Check what gmt eval writes, and that no score of any router knows what it will be asked."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_prep.prepare import PrepOptions, prepare
from data_prep.sources import demo
from gmt.config import load_config
from gmt.data.dataset import Dataset
from gmt.data.interactions import TEST, InteractionTable
from gmt.data.rounds_seen import TrainedRounds
from gmt.errors import DataError, RunError
from gmt.evaluation.evaluate import evaluate
from gmt.evaluation.measure import measure
from gmt.evaluation.trained_rounds import refuse_renamed
from gmt.rivals.registry import RIVALS, make_router
from gmt.runs import RunFolder
from gmt.serving.pretrained import Router
from gmt.state.user_files import to_jsonl
from gmt.training.train_run import train_run
from gmt.training.write_run import card_hash
from tests.factories import random_table
from tests.trained import TINY, must, unsealed

METRICS = {"accuracy", "auc", "user_auc", "log_loss", "calibration_error", "reward"}
COLUMNS = ["protocol", "split", "seed", "draw", "shots", "router", "comparison", "user", "conversation", "turn"]
COLUMNS += ["model", "score", "rating"]


def rows_of(result, router="gmt"):
    """Return what one router scored: (shots, draw, comparison, model) -> score."""
    return {
        (row["shots"], row["draw"], row["comparison"], row["model"]): row["score"]
        for row in result.predictions.to_pylist()
        if row["router"] == router
    }


def written(path: Path, users: int = 8, seed: int = 5, offset: int = 0, models: int = 5, **options) -> Path:
    """Prepare a data folder of invented people at `path`; `offset` renames them."""
    table = random_table(seed, users=users, models=models, max_turns=2, comparisons_per_user=12, unrated=0.05)
    text = to_jsonl(table.to_comparisons())
    for number in reversed(range(users)):
        text = text.replace(f'"user{number}"', f'"user{number + offset}"').replace(
            f'"user{number}-', f'"user{number + offset}-'
        )
    source = path.with_name(f"{path.name}.jsonl")
    source.write_text(text, "utf-8")
    prepare(PrepOptions("jsonl", path, source, **{"encoder": "hash:32", **options}))
    return path


@pytest.fixture(scope="module")
def short_data(tmp_path_factory):
    """Return the demo with a few conversations of every user, for tests that fit every rival."""
    out = tmp_path_factory.mktemp("short") / "demo"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "CONVERSATIONS", 8)
        prepare(PrepOptions("demo", out, encoder="hash:32"))
    return out


@pytest.fixture(scope="module")
def short_run(short_data, tmp_path_factory):
    """Return a run on them."""
    run = RunFolder(tmp_path_factory.mktemp("short") / "run")
    train_run(short_data, load_config(None, [*TINY, "train.steps=10"]), run)
    return run


@pytest.fixture(scope="module")
def newcomers(tmp_path_factory):
    """Return a run on data split by new users."""
    folder = tmp_path_factory.mktemp("newcomers")
    written(folder / "data", users=12, protocol="new-users")
    train_run(folder / "data", load_config(None, [*TINY, "train.steps=10"]), RunFolder(folder / "run"))
    return RunFolder(folder / "run")


def test_results_stand_where_and_as_the_contract_says(short_run, tmp_path):
    heard, run_copy = [], Path(shutil.copytree(short_run.root, tmp_path / "run"))
    result = measure(RunFolder(run_copy), progress=heard.append)
    path = run_copy / "results" / "seen.json"
    found = json.loads(path.read_text())
    assert found == result.summary and heard
    assert {"protocol": "seen", "split": "test", "seed": 0}.items() <= found.items()
    assert found["pairs"] + found["ties"] + found["lone_ratings"] == found["comparisons"] > 100
    assert list(found["shots"]) == ["all"]
    table = found["shots"]["all"]
    controls = ["owners_shuffled", "unknown_user"]
    assert list(table["routers"]) == ["gmt", *controls, *RIVALS, "oracle"]
    assert set(table["differences"]) == {f"gmt - {name}" for name in (*controls, *RIVALS, "oracle")}
    assert found["verdict"]["over"] in table["routers"] and found["history_curve"]["votes"]
    for metrics in (*table["routers"].values(), *table["differences"].values()):
        assert set(metrics) >= METRICS
        # Whether there is an interval depends on how many users a metric covers, and on nothing else.
        for metric, m in metrics.items():
            few = table["users"][metric] < 5
            assert m is None or (m["low"] is m["high"] is None if few else m["low"] <= m["value"] <= m["high"])
    assert table["routers"]["oracle"]["accuracy"]["value"] == 1
    predictions = pq.read_table(run_copy / "results" / "seen.predictions.parquet")
    assert predictions.column_names == COLUMNS
    assert found["users"] == len(set(predictions["user"].to_pylist())) > 50
    assert set(predictions["router"].to_pylist()) == set(table["routers"])


def test_the_names_of_rivals_are_kept():
    promised = ["random", "best_single", "model_mean", "bradley_terry", "user_mean", "user_bradley_terry", "knn"]
    assert {*promised, "hierarchical_bradley_terry"} <= set(RIVALS)


def test_another_split_other_rivals_and_another_file(run_copy, tmp_path):
    result = measure(RunFolder(run_copy), split="valid", baselines=["random"], out=tmp_path / "mine.json")
    names = ["gmt", "owners_shuffled", "unknown_user", "constant", "best_single", "random"]
    assert list(result.summary["shots"]["all"]["routers"]) == names and "verdict" not in result.summary
    assert (tmp_path / "mine.json").is_file() and (tmp_path / "mine.predictions.parquet").is_file()
    assert not (run_copy / "results").exists()
    measure(RunFolder(run_copy), split="valid", baselines=[])
    assert sorted(path.name for path in (run_copy / "results").iterdir()) == [
        "seen-valid.json",
        "seen-valid.predictions.parquet",
    ]


def test_equal_seeds_give_equal_results(run_copy):
    one, two = (measure(RunFolder(run_copy), baselines=["random", "user_mean"], seed=3) for _ in range(2))
    assert one.summary == two.summary and one.predictions.equals(two.predictions)


def changed(folder: Path, to: Path, name: str, value) -> Path:
    """Copy a data folder with one column of its TEST rows replaced.

    Answers of earlier rounds may be read as text, so of those only the last round's are replaced.
    """
    shutil.copytree(folder, to)
    table = pq.read_table(to / "interactions.parquet")
    rounds = list(zip(*(table[name].to_pylist() for name in ("split", "conversation", "turn")), strict=True))
    last = {talk: turn for _, talk, turn in sorted(rounds, key=lambda item: item[2])}
    test = [split == "test" and (name != "response" or turn == last[talk]) for split, talk, turn in rounds]
    values = [value(old) if asked else old for old, asked in zip(table[name].to_pylist(), test, strict=True)]
    table = table.set_column(table.column_names.index(name), name, pa.array(values, table[name].type))
    pq.write_table(table, to / "interactions.parquet")
    return to


def asked_of_all(run: Path, folder: Path):
    """Ask a run and every rival fitted anew the TEST questions of a data folder."""
    data = Dataset.load(folder)
    known = data.select(data.table.split != TEST)
    routers = [Router.from_pretrained(run).router, *(make_router(name, 0).fit(known) for name in RIVALS)]
    return evaluate(data, routers, oracle=False)


@pytest.fixture(scope="module")
def asked_once(short_run, short_data):
    return asked_of_all(short_run.root, short_data)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("rating", lambda old: None if old is None else 1 - old),
        ("rating", lambda old: None if old is None else 0.5),
        ("response", lambda old: None),
        ("feedback", lambda old: "both bad"),
    ],
    ids=["flipped", "all-ties", "no-responses", "feedback"],
)
def test_no_score_knows_what_it_will_be_asked(
    unchecked_data, short_run, short_data, asked_once, tmp_path, column, value
):
    """Train on neither: the same run is asked twice, and everything in TEST but the questions is replaced."""
    other = changed(short_data, tmp_path / "other", column, value)
    scored = (asked_once, asked_of_all(short_run.root, other))
    for name in ("gmt", *RIVALS):
        before, after = (rows_of(result, name) for result in scored)
        assert before.keys() == after.keys() and len(before) > 200
        assert list(before.values()) == pytest.approx(list(after.values()), abs=1e-6), name


def test_ratings_of_targets_stay_unseen_with_shots(unchecked_data, newcomers, tmp_path):
    """Flip every target of a draw in the data; the shots beside them stay."""
    folder = Path(json.loads(newcomers.card.read_text())["data"]["path"])
    first = measure(newcomers, draws=1, shots=[3], baselines=["user_bradley_terry"], out=tmp_path / "one.json")
    targets = set(first.predictions["comparison"].to_pylist())
    table = pq.read_table(folder / "interactions.parquet")
    ratings = [
        1 - rating if number in targets and rating is not None else rating
        for number, rating in zip(table["comparison"].to_pylist(), table["rating"].to_pylist(), strict=True)
    ]
    shutil.copytree(folder, tmp_path / "other")
    table = table.set_column(table.column_names.index("rating"), "rating", pa.array(ratings, table["rating"].type))
    pq.write_table(table, tmp_path / "other" / "interactions.parquet")  # the card, and so the run's own data, is equal
    again = measure(
        newcomers, tmp_path / "other", draws=1, shots=[3], baselines=["user_bradley_terry"], out=tmp_path / "two.json"
    )
    assert first.predictions["rating"].to_pylist() != again.predictions["rating"].to_pylist()
    for name in ("gmt", "user_bradley_terry"):
        assert rows_of(first, name) == pytest.approx(rows_of(again, name), abs=1e-6)


def test_new_users_are_asked_at_every_number_of_shots(newcomers):
    result = measure(newcomers, draws=2, baselines=["user_bradley_terry"])
    assert list(result.summary["shots"]) == ["0", "1", "2", "5", "10", "20"]
    by = rows_of(result)
    asked = [{key[1:] for key in by if key[0] == shots} for shots in ("0", "1", "20")]
    assert asked[0] == asked[1] == asked[2], "the targets are the same for every number of shots"
    assert any(by[("0", *key)] != pytest.approx(by[("5", *key)], abs=1e-3) for key in asked[0])
    assert result.summary["shots"]["20"]["short_users"] > 0


def test_no_shots_is_an_unknown_person(newcomers):
    result = measure(newcomers, draws=1, shots=[0], baselines=[])
    router = Router.from_pretrained(newcomers.root)
    data = Dataset.load(Path(json.loads(newcomers.card.read_text())["data"]["path"]))
    by = rows_of(result)
    turns = {int(number): int(turn) for number, turn in zip(data.table.comparison, data.table.turn, strict=True)}
    for position, number in enumerate(data.table.comparison):
        offered = [data.table.models[code] for code in data.table.candidates[position]]
        if ("0", 0, int(number), offered[0]) not in by or turns[int(number)]:
            continue
        query = data.table.texts[data.table.query[position]]
        unknown = {choice.model: choice.score for choice in router.rank(None, query, offered).ranking}
        assert {name: by[("0", 0, int(number), name)] for name in offered} == pytest.approx(unknown, abs=1e-5)


@pytest.mark.parametrize("shots", [[-1], [], [2, 2]])
def test_shots_that_make_no_sense_are_refused(newcomers, shots):
    with pytest.raises(DataError, match="expected different numbers from 0"):
        measure(newcomers, shots=shots, baselines=[])


def test_foreign_people_are_asked_and_known_ones_are_not(newcomers, tmp_path):
    data = written(tmp_path / "abroad", users=6, seed=9, offset=6, models=7)  # user6 to user11; the run met some
    met = set(Router.from_pretrained(newcomers.root).users)
    assert met & {f"user{n}" for n in range(6, 12)}
    own = Dataset.load(Path(json.loads(newcomers.card.read_text())["data"]["path"]))
    met |= {own.table.users[code] for code in np.unique(own.table.user[own.table.split != TEST])}
    result = measure(newcomers, data, shots=[0, 2], draws=1, baselines=["knn", "oracle"])
    asked = set(result.predictions["user"].to_pylist())
    assert asked and asked == {f"user{n}" for n in range(6, 12)} - met
    assert result.summary["data"] == "abroad" and list(result.summary["shots"]) == ["0", "2"]
    assert (newcomers.results / "on-abroad.json").is_file()
    assert np.isfinite([row["score"] for row in result.predictions.to_pylist() if row["router"] == "gmt"]).all()


def test_foreign_data_does_without_the_runs_own(newcomers, tmp_path):
    data = written(tmp_path / "abroad", users=4, seed=9, offset=100)
    with_own = measure(newcomers, data, shots=[0, 3], draws=1, baselines=[], out=tmp_path / "a.json")
    run = RunFolder(unsealed(Path(shutil.copytree(newcomers.root, tmp_path / "run"))))
    card = json.loads(run.card.read_text())
    card["data"]["path"] = str(tmp_path / "gone")
    run.card.write_text(json.dumps(card))
    without = measure(run, data, shots=[0, 3], draws=1, baselines=["user_bradley_terry"], out=tmp_path / "b.json")
    before, after = rows_of(with_own), rows_of(without)
    assert list(before.values()) == pytest.approx(list(after.values()), abs=1e-5)
    with pytest.raises(RunError, match="is gone; pass the folder with --data"):
        measure(run)


def test_foreign_data_by_people_who_are_all_known_is_refused(newcomers, tmp_path):
    met = Router.from_pretrained(newcomers.root).users
    row = {"user": met[0], "query": "x", "model_a": "model0", "model_b": "model1", "winner": "model_a"}
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps({**row, "query": f"q{i}"}) + "\n" for i in range(6)))
    prepare(PrepOptions("jsonl", tmp_path / "same", tmp_path / "rows.jsonl", "hash:32"))
    with pytest.raises(DataError, match="met every user"):
        measure(newcomers, tmp_path / "same", baselines=[])


def test_another_encoder_is_refused(newcomers, demo_data, tmp_path):
    with pytest.raises(DataError, match="encoded by hash:64 and the run by hash:32; prepare it with --encoder hash:32"):
        measure(newcomers, demo_data)
    with pytest.raises(DataError, match="gmt prep --out"):
        measure(newcomers, tmp_path / "nothing")


def test_changed_data_is_refused(tmp_path):
    data = written(tmp_path / "data", users=4)
    run = RunFolder(tmp_path / "run")
    train_run(data, load_config(None, [*TINY, "train.steps=2", "train.eval_every=2"]), run)
    card = data / "card.json"
    card.write_text(card.read_text() + "\n")
    with pytest.raises(RunError, match="has changed since the run was trained on it"):
        measure(run, baselines=[])


def test_revealed_turns_are_marked(newcomers):
    found = measure(newcomers, shots=[0], draws=1, baselines=[], reveal_turns=True).summary
    assert found["reveal_turns"] is True
    assert "reveal_turns" not in measure(newcomers, shots=[0], draws=1, baselines=[]).summary


def test_rounds_that_were_trained_on_are_refused(newcomers, tmp_path):
    facts = json.loads(newcomers.card.read_text())["data"]
    # 1. The run's own data, as its card says, in which VALID rows are called TEST.
    own = Path(shutil.copytree(facts["path"], tmp_path / "own"))
    table = pq.read_table(own / "interactions.parquet")
    split = ["test" if one == "valid" else one for one in table["split"].to_pylist()]
    table = table.set_column(table.column_names.index("split"), "split", pa.array(split, table["split"].type))
    pq.write_table(table, own / "interactions.parquet")
    with pytest.raises(DataError, match="interactions.parquet is not what gmt prep wrote"):
        measure(newcomers, own, baselines=[])
    (own / "card.json").write_text(json.dumps({"protocol": "new-users"}))  # a card without hashes, of an earlier gmt
    trusting = RunFolder(unsealed(Path(shutil.copytree(newcomers.root, tmp_path / "trusting"))))
    card = json.loads(trusting.card.read_text())
    card["data"]["sha256"] = card_hash(own)
    trusting.card.write_text(json.dumps(card))
    with pytest.raises(DataError, match=r"trained on \d+ of the \d+ test rounds of .*own, e.g. conversation 'user"):
        measure(trusting, own, baselines=[])
    # 2. The same rounds from another folder, by somebody whom the run's history does not show.
    other = Path(shutil.copytree(facts["path"], tmp_path / "other"))
    (other / "card.json").write_text((other / "card.json").read_text() + "\n")
    alone = RunFolder(unsealed(Path(shutil.copytree(newcomers.root, tmp_path / "run"))))
    card = json.loads(alone.card.read_text())
    card["data"]["path"] = str(tmp_path / "gone")
    alone.card.write_text(json.dumps(card))
    table = InteractionTable.read(alone.history, card["models"])
    table.select(table.user != table.user[0]).write(alone.history)
    with pytest.raises(DataError, match=r"trained on \d+ of the \d+ test rounds of .*other"):
        measure(alone, other, baselines=[])


def test_a_trained_user_under_another_name_is_refused_and_somebody_alike_is_not(newcomers, tmp_path):
    trained = Dataset.load(Path(json.loads(newcomers.card.read_text())["data"]["path"])).table
    seen = trained.select(trained.split != TEST)
    by_user = {}
    for item in seen.select(seen.rated).to_comparisons():
        by_user.setdefault(item.user, []).append(item)
    rounds = max(by_user.values(), key=len)
    assert len(rounds) >= 8

    def asked(items):
        return InteractionTable.from_comparisons(
            [replace(item, user="new name", conversation=f"other {n}") for n, item in enumerate(items)]
        )

    for some in (rounds, rounds[:5], rounds[::-1][:5]):
        with pytest.raises(DataError, match="user 'new name' in x are those of one user .* under another name"):
            refuse_renamed(newcomers, asked(some), Path("x"))
    # Too few rounds, or rounds of which one in five is of somebody's own, may be chance.
    refuse_renamed(newcomers, asked(rounds[:4]), Path("x"))
    others = [replace(item, query=f"{item.query} ({n})") for n, item in enumerate(rounds[:5])]
    refuse_renamed(newcomers, asked([*rounds[:8], *others]), Path("x"))
    # Users who share rounds with many others, but with none of them nearly all.
    mixed = [items[n] for n, items in enumerate(by_user.values()) if len(items) > n]
    refuse_renamed(newcomers, asked(mixed), Path("x"))
    # Times tell two rounds apart, so two that agree in them are enough.
    timed = [replace(item, timestamp=1e9 + n) for n, item in enumerate(rounds[:2])]
    run = RunFolder(tmp_path / "timed")
    TrainedRounds.of(InteractionTable.from_comparisons(timed)).write(run.trained)
    with pytest.raises(DataError, match="2 of the 2 rated rounds"):
        refuse_renamed(run, asked(timed), Path("x"))
    # Runs of earlier versions name no owners.
    np.save(run.trained, TrainedRounds.of(InteractionTable.from_comparisons(timed)).rounds)
    refuse_renamed(run, asked(timed), Path("x"))


def test_eval_on_a_folder_of_renamed_users_is_refused(newcomers, tmp_path):
    facts = json.loads(newcomers.card.read_text())["data"]
    table = Dataset.load(Path(facts["path"])).table
    seen = table.select(table.split != TEST).to_comparisons()
    rows = [replace(item, user=f"x {item.user}", conversation=f"x {item.conversation}") for item in seen]
    (tmp_path / "rows.jsonl").write_text(to_jsonl(rows))
    encoder = json.loads(newcomers.card.read_text())["encoder"]["id"]
    prepare(PrepOptions("jsonl", tmp_path / "data", tmp_path / "rows.jsonl", encoder))
    with pytest.raises(
        DataError, match="rated rounds of user 'x .* under another name; measure it on users it has not"
    ):
        measure(newcomers, tmp_path / "data", baselines=[])


def test_too_few_users_get_no_interval(tmp_path, capsys):
    data = written(tmp_path / "data", users=3)
    run = RunFolder(tmp_path / "run")
    train_run(data, load_config(None, [*TINY, "train.steps=2", "train.eval_every=2", "traits.enabled=false"]), run)
    must(["eval", "--run", str(run.root), "--baselines", "knn"])
    said = capsys.readouterr()
    assert "fewer than 5 users (AUC: 3, accuracy: 3" in said.out and "there are too few users" in said.out
    assert "[" not in said.out.partition("log loss")[2] and "AUC per user" in said.out
    found = json.loads((run.results / "seen.json").read_text())["shots"]["all"]
    assert found["user_auc_users"] <= 3
    for metrics in [*found["routers"].values(), *found["differences"].values()]:
        assert all(one is None or (one["low"], one["high"]) == (None, None) for one in metrics.values())


def test_controls_stand_in_every_table_and_can_be_left_out(newcomers):
    table = measure(newcomers, draws=1, shots=[0, 5], baselines=[]).summary
    names = ["gmt", "owners_shuffled", "unknown_user", "constant", "best_single", "random"]
    assert all(list(found["routers"]) == names for found in table["shots"].values())
    assert table["verdict"]["shots"] == "5" and table["history_curve"]["votes"] == []
    # At no shots nothing of anybody is visible, so there is nothing to hand over.
    cold = table["shots"]["0"]["routers"]
    assert cold["gmt"]["auc"] == cold["owners_shuffled"]["auc"] == cold["unknown_user"]["auc"]
    bare = measure(newcomers, draws=1, shots=[0], baselines=[], controls=False).summary
    assert list(bare["shots"]["0"]["routers"]) == ["gmt"] and "verdict" not in bare


def test_the_verdict_stands_in_json_with_its_words(run_copy, gmt):
    found = gmt("eval", "--run", run_copy, "--baselines", "none")
    assert found["verdict"]["text"][-1].startswith("Next: ")
    assert found["verdict"]["rules"]["least_gain"] == 0.01
