"""Check that training is repeatable, resumable, honest about TEST, and the same in two processes."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file

from gmt.artefacts import unfinished
from gmt.config import RunConfig, TrainConfig, load_config
from gmt.data.dataset import Dataset
from gmt.data.interactions import TRAIN, VALID
from gmt.errors import RunError
from gmt.evaluation.metrics import pairs_of
from gmt.runs import RunFolder
from gmt.serving.pretrained import Router
from gmt.training.train_network import learning_rate
from gmt.training.train_run import train_run
from tests.trained import TINY
from tests.two_processes import LEARNS_IN_FORKS, in_two_processes


def config_of(*more: str, seed: int | None = None) -> RunConfig:
    return load_config(None, [*TINY, *more], seed)


def weights(run: Path) -> dict[str, np.ndarray]:
    return load_file(run / "model.safetensors")


def equal(one: Path, other: Path) -> bool:
    a, b = weights(one), weights(other)
    return a.keys() == b.keys() and all((a[name] == b[name]).all() for name in a)


def lines(run: Path) -> list[dict]:
    """Return the lines of metrics.jsonl without what a clock decides."""
    read = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in read]


# What the network learns is the same whether a posterior is fitted behind it or not.
ALONE = "posterior.enabled=false"


class Interrupted(Exception):
    pass


def stop_at(step: int):
    def report(line):
        if line["step"] == step:
            raise Interrupted

    return report


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> tuple[Path, Path]:
    """Return a data folder of few people, and a run of 20 steps on it."""
    from data_prep.prepare import PrepOptions, prepare
    from data_prep.sources.source import SourceOptions
    from tests.factories import random_table

    folder = tmp_path_factory.mktemp("small")
    from gmt.state.user_files import to_jsonl

    table = random_table(0, users=10, max_turns=2, unrated=0.05)
    (folder / "rows.jsonl").write_text(to_jsonl(table.to_comparisons()), "utf-8")
    prepare(PrepOptions("jsonl", folder / "data", folder / "rows.jsonl", "hash:32", columns=SourceOptions()))
    train_run(folder / "data", config_of("train.steps=20"), RunFolder(folder / "run"))
    return folder / "data", folder / "run"


def train(small, tmp_path: Path, *more: str, seed: int | None = None, **arguments) -> Path:
    train_run(small[0], config_of("train.steps=20", *more, seed=seed), RunFolder(tmp_path), **arguments)
    return tmp_path


def last_checkpoint(small, run: Path, step: int, *more: str) -> Path:
    """Train, stop behind a step, and return the folder of its checkpoint."""
    with pytest.raises(Interrupted):
        train(small, run, *more, report=stop_at(step))
    return unfinished(run) / "last"


@pytest.mark.parametrize(
    "more", [(), ("model.bind=false", "graph.turn_edges=true"), ("graph.schema=outcomes", "model.bind=false")]
)
def test_halves_train_nearly_the_same(small, tmp_path, more):
    found = {}
    for precision in ("no", "bf16"):
        config = config_of(*more, ALONE, "train.steps=3", f"train.precision={precision}")
        train_run(small[0], config, RunFolder(tmp_path / precision))
        found[precision] = [line["loss"] for line in lines(tmp_path / precision)]
    assert found["bf16"] != found["no"]
    assert np.allclose(found["bf16"], found["no"], rtol=0.03)


@pytest.mark.parametrize("spare", [False, True])
def test_prefetched_batches_give_the_same_run(small, tmp_path, monkeypatch, spare):
    monkeypatch.setattr("gmt.training.train_network.core_to_spare", lambda device: spare)
    run = train(small, tmp_path, ALONE)
    assert equal(run, small[1]) and lines(run) == lines(small[1])


def test_equal_seeds_give_equal_weights_and_metrics(small, tmp_path):
    again = train(small, tmp_path / "again")
    assert equal(small[1], again) and lines(small[1]) == lines(again)
    assert [line["step"] for line in lines(again)] == [10, 20]
    assert {"step", "loss", "valid_auc", "valid_accuracy", "valid_reward", "lr"} == set(lines(again)[0])
    assert not equal(small[1], train(small, tmp_path / "other", ALONE, seed=1))


def test_a_resumed_run_equals_one_that_never_stopped(tiny_run, demo_data, tmp_path):
    run, config = RunFolder(tmp_path / "run"), config_of()
    with pytest.raises(Interrupted):
        train_run(demo_data, config, run, report=stop_at(14))
    assert not run.root.exists() and [line["step"] for line in lines(unfinished(run.root))] == [10]
    seen: list[dict] = []
    train_run(demo_data, config, run, resume=True, report=seen.append)
    # The steps of learned traits come behind those of the network.
    assert [line["step"] for line in seen if "traits" not in line] == list(range(11, 31))
    assert equal(tiny_run, run.root) and lines(tiny_run) == lines(run.root)
    cards = [json.loads((folder / "card.json").read_text()) for folder in (tiny_run, run.root)]
    for card in cards:
        card["best"].pop("seconds")
    assert cards[0] == cards[1]


@pytest.mark.parametrize("more", [("train.accumulate=2",), ("model.dropout=0.5", "train.schedule=constant")])
def test_options_of_training_survive_an_interruption(small, tmp_path, more):
    more = (*more, ALONE)
    whole = train(small, tmp_path / "whole", *more)
    with pytest.raises(Interrupted):
        train(small, tmp_path / "parts", *more, report=stop_at(10))
    assert equal(whole, train(small, tmp_path / "parts", *more, resume=True))


def test_resuming_a_finished_run_changes_nothing(small, tmp_path):
    run = Path(shutil.copytree(small[1], tmp_path / "run"))
    train(small, run, resume=True)
    for path in (path for path in small[1].rglob("*") if path.is_file()):
        assert (run / path.relative_to(small[1])).read_bytes() == path.read_bytes(), path.name


def test_resuming_keeps_the_people_that_were_added(small, tmp_path):
    run = Path(shutil.copytree(small[1], tmp_path / "run"))
    Router.from_pretrained(run).add("newt", [{"query": "never seen", "model": "model0", "rating": 1.0}])
    train(small, run, resume=True)
    assert Router.from_pretrained(run).votes("newt") == 1


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("train.lr=0.1", r"train\.lr \S+ → 0\.1"),
        ("model.width=32", r"model\.width \d+ → 32"),
        ("graph.turn_edges=false", r"graph\.turn_edges true → false"),
        ("seed=7", r"seed 0 → 7"),
    ],
)
def test_other_settings_are_refused_and_nothing_is_written(small, tmp_path, change, named):
    run = Path(shutil.copytree(small[1], tmp_path / "run"))
    with pytest.raises(RunError, match=f"other settings: {named}; resume with those"):
        train(small, run, change, resume=True)
    for path in (path for path in small[1].rglob("*") if path.is_file()):
        assert (run / path.relative_to(small[1])).read_bytes() == path.read_bytes(), path.name


def test_other_data_is_refused(small, demo_data):
    with pytest.raises(RunError, match="trained on other data"):
        train_run(demo_data, config_of("train.steps=20"), RunFolder(small[1]), resume=True)


def test_nothing_to_resume_is_said_and_leaves_no_folder(small, tmp_path):
    with pytest.raises(RunError, match="nothing to resume"):
        train(small, tmp_path / "new", resume=True)
    assert not (tmp_path / "new").exists()


def test_the_weights_written_are_the_best_by_validation(small, tmp_path):
    wild = ("train.lr=0.2", "train.schedule=constant", "train.eval_every=2", "train.patience=0")
    run = train(small, tmp_path / "run", *wild, ALONE)
    written = lines(run)
    best = max(written, key=lambda line: line["valid_auc"])
    card = json.loads((run / "card.json").read_text())
    assert (card["best"]["step"], card["best"]["valid_auc"]) == (best["step"], best["valid_auc"])
    assert best["step"] < written[-1]["step"], "the test wants a run whose last weights are not its best"
    last = load_file(last_checkpoint(small, tmp_path / "last", 20, *wild) / "model-20.safetensors")
    assert any((last[name] != value).any() for name, value in weights(run).items())
    assert card["valid"]["auc"] == pytest.approx(best["valid_auc"], abs=1e-9)  # what the network alone is worth


def test_the_validation_auc_can_be_recomputed(tiny_run, demo_data):
    from sklearn.metrics import roc_auc_score

    from gmt.hybrid.network_router import NetworkRouter
    from gmt.model.checkpoint import load_weights
    from gmt.training.train_network import new_scorer

    data = Dataset.load(demo_data)
    scorer = new_scorer(config_of(), data)
    load_weights(scorer, tiny_run / "model.safetensors")
    valid = np.flatnonzero((data.table.split == VALID) & data.table.rated)
    router = NetworkRouter(scorer, config_of().graph)
    scores = router.score(data.select(data.table.split == TRAIN), data.questions(valid))
    gap = pairs_of(data.table.ratings[valid]).differences(scores)
    found = roc_auc_score([1] * len(gap) + [0] * len(gap), [*gap, *-gap])
    assert json.loads((tiny_run / "card.json").read_text())["best"]["valid_auc"] == pytest.approx(found, abs=1e-9)


@pytest.mark.parametrize(
    "change",
    [
        *("train.accumulate=2", "train.lr=0.01", "train.weight_decay=0.9"),
        *("train.warmup=1", "train.ties=ignore", "train.clip=0.01"),
        *("model.dropout=0.4", "model.residual_dropout=0.9", "model.layers=1", "model.heads=4", "model.hidden=8"),
        *("model.bind=false", "model.strengths=false", "model.query_terms=false"),
        *("episode.users=3", "episode.targets=2", "episode.target_pairs=10", "episode.history=3"),
        *("episode.history_length=fixed", "graph.turn_edges=false", "graph.conversation=false"),
        "graph.history_limit=2",
    ],
)
def test_every_setting_does_something(small, tmp_path, change):
    other = train(small, tmp_path, ALONE, "train.steps=10", change)
    a, b = weights(small[1]), weights(other)
    first = [(one[0]["loss"], one[0]["valid_auc"]) for one in (lines(small[1]), lines(other))]
    assert first[0] != first[1] or a.keys() != b.keys() or any(a[name].shape != b[name].shape for name in a)


def test_the_schedule_does_something(small, tmp_path):
    runs = [
        train(small, tmp_path / name, ALONE, "train.warmup=2", f"train.schedule={name}")
        for name in ("cosine", "constant")
    ]
    assert not equal(*runs)
    assert [line["lr"] for line in lines(runs[1])] == [2e-3, 2e-3] != [line["lr"] for line in lines(runs[0])]


def test_patience_stops_early_and_none_never_does(small, tmp_path):
    # a learning rate of nearly nothing leaves the AUC where it is
    still = (ALONE, "train.lr=1e-30", "train.weight_decay=0", "train.steps=12", "train.eval_every=2")
    assert len(lines(train(small, tmp_path / "one", *still, "train.patience=1"))) == 2
    assert len(lines(train(small, tmp_path / "none", *still, "train.patience=0"))) == 6


def test_the_learning_rate_rises_then_falls_or_stays():
    cosine = [learning_rate(step, TrainConfig(steps=100, warmup=10)) for step in range(100)]
    assert cosine[0] == pytest.approx(0.1) and max(cosine) == cosine[10] == pytest.approx(1.0)
    assert cosine[:10] == sorted(cosine[:10]) and cosine[10:] == sorted(cosine[10:], reverse=True)
    assert 0.1 <= cosine[-1] < 0.11
    constant = [learning_rate(step, TrainConfig(steps=100, warmup=10, schedule="constant")) for step in range(100)]
    assert constant[:10] == pytest.approx(cosine[:10]) and set(constant[10:]) == {1.0}


def test_two_small_steps_added_are_one_update(small, tmp_path):
    """Hold the weights still within an update: with accumulation the second step starts from the same ones."""
    more = ("train.accumulate=10", "train.steps=10", "train.warmup=1", "model.dropout=0")
    state = load_file(last_checkpoint(small, tmp_path / "run", 10, *more) / "optimizer-10.safetensors")
    assert {float(value) for name, value in state.items() if name.endswith(".step")} == {1.0}


def garbled(folder: Path, to: Path) -> Path:
    """Copy a data folder with other ratings, feedback and answers in its TEST rows."""
    shutil.copytree(folder, to)
    table = pq.read_table(to / "interactions.parquet")
    test = [split == "test" for split in table["split"].to_pylist()]
    assert any(test)
    rng = np.random.default_rng(0)
    known = [text for text in table["response"].to_pylist() if text is not None]
    for name, draw in (
        ("rating", lambda: float(rng.random())),
        ("response", lambda: known[int(rng.integers(len(known)))]),
        ("feedback", lambda: known[0]),
    ):
        values = [draw() if asked else value for value, asked in zip(table[name].to_pylist(), test, strict=True)]
        table = table.set_column(table.column_names.index(name), name, pa.array(values, table[name].type))
    pq.write_table(table, to / "interactions.parquet")
    return to


def test_training_never_reads_test_rows(unchecked_data, small, tmp_path):
    other = garbled(small[0], tmp_path / "data")
    train_run(other, config_of("train.steps=20"), RunFolder(tmp_path / "run"))
    assert equal(small[1], tmp_path / "run") and lines(small[1]) == lines(tmp_path / "run")
    cards = [json.loads((run / "card.json").read_text()) for run in (small[1], tmp_path / "run")]
    # Other texts are numbered otherwise, so what is summed over them may round differently.
    for name in ("temperature", "valid", "posterior", "network_weight"):
        assert cards[0][name] == pytest.approx(cards[1][name], rel=1e-7), name
    states = [load_file(run / "posterior.safetensors") for run in (small[1], tmp_path / "run")]
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        assert states[1][name] == pytest.approx(value, rel=1e-7, abs=1e-9), name
    asked = set(
        pq.read_table(other / "interactions.parquet", filters=[("split", "=", "test")])["comparison"].to_pylist()
    )
    kept = pq.read_table(tmp_path / "run" / "history.parquet")
    assert set(kept["split"].to_pylist()) == {"train"} and asked.isdisjoint(kept["comparison"].to_pylist())


def test_data_without_valid_rows_keeps_the_last_weights(small, tmp_path):
    from data_prep.prepare import PrepOptions, prepare

    rows = small[0].parent / "rows.jsonl"
    prepare(PrepOptions("jsonl", tmp_path / "data", rows, "hash:32", fractions=(0.8, 0.0, 0.2)))
    card = train_run(tmp_path / "data", config_of("train.steps=20"), RunFolder(tmp_path / "run"))
    assert card["best"]["valid_auc"] is None and card["best"]["step"] == 20 and card["temperature"] is None
    json.loads((tmp_path / "run" / "card.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert 0 < Router.from_pretrained(tmp_path / "run").rank("user0", "anything").ranking[0].win_probability < 1


# Traits in two processes have a test of their own.
PLAIN = ("model.dropout=0", "model.residual_dropout=0", "train.steps=6", "train.eval_every=3", "traits.enabled=false")


def trained_for(data, out, sets):
    for users in (12, 1):
        config = load_config(None, [*sets, f"episode.users={users}"])
        train_run(data, config, RunFolder(out / str(users)))


@pytest.mark.slow
@LEARNS_IN_FORKS
def test_two_processes_learn_the_same_as_one(small, tmp_path):
    """Train with many users, and with one, so that a process has no target."""
    trained_for(small[0], tmp_path / "one", [*TINY, *PLAIN])
    in_two_processes(trained_for, small[0], tmp_path / "two", [*TINY, *PLAIN])
    for users in ("12", "1"):
        one, two = tmp_path / "one" / users, tmp_path / "two" / users
        for a, b in zip(lines(one), lines(two), strict=True):
            assert b == pytest.approx(a, abs=1e-4)
        found = weights(two)
        for name, value in weights(one).items():
            assert found[name] == pytest.approx(value, abs=1e-3), name
        # One of them writes what both solved for.
        assert RunFolder(two).conditioned.is_file() and RunFolder(one).conditioned.is_file()
