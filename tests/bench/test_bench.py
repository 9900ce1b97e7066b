"""Check that benchmarks measure what they say and say what they measured; how fast is no matter here."""

import json

import numpy as np
import pytest
import torch

from gmt.bench.busy_machine import memory_group, run_together
from gmt.bench.fit_sizes import VOTES_OF_USER, distinct_queries, fit_sizes, planted_dataset
from gmt.bench.large_table import write_large_folder
from gmt.bench.made_data import made_dataset
from gmt.bench.routing_speed import adapting, preparing, routing
from gmt.bench.speed_report import PARTS, QUICK, rows_of, run_bench, write_bench
from gmt.bench.timing import Timing, interleaved
from gmt.bench.training_speed import encoder, encoder_parts, step, step_config
from gmt.cli.main import main
from gmt.data.dataset import Dataset
from gmt.data.interactions import VALID
from gmt.data.schema import turn_schema
from gmt.errors import UserError
from gmt.model.encoder import GraphEncoder
from gmt.routing.pairwise import votes_of

CPU = torch.device("cpu")


def test_works_are_run_in_turn_and_warm_rounds_do_not_count():
    order = []
    found = interleaved({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, repeats=3, warm=2)
    assert order == ["a", "b"] * 5
    assert all(one.repeats == 3 and one.low <= one.median <= one.high for one in found.values())


def test_a_timing_tells_median_and_deciles():
    assert Timing.of([1.0, 2.0, 3.0]).to_json() == pytest.approx({"median": 2, "low": 1.2, "high": 2.8, "repeats": 3})


@pytest.mark.parametrize("general", [False, True])
def test_both_encoders_get_the_same_graph_and_give_the_same_users(general):
    states, links = encoder_parts(200, 16, CPU, general)
    net = GraphEncoder(16, 4, 2, 0.0, turn_schema(), ("user",))
    assert (states().turn is not None) == general
    found = []
    for backend in ("turn", "pyg"):
        net.backend = backend
        found.append(net(states(), links).user)
    assert torch.allclose(found[0], found[1], atol=1e-4) and len(links.precedes[0]) > 0


def test_the_encoder_report_adds_up():
    one = encoder(200, 16, 4, 1, 2, CPU)
    assert one["times faster"] == pytest.approx(one["HGTConv"]["median"] / one["gmt"]["median"])
    assert one["share of peak"] == pytest.approx(one["GFLOP/s"] / one["peak GFLOP/s"])
    assert one["share of median matmul"] >= one["share of peak"]
    # The roofline holds what the matrix products alone would take, so it is never the easier aim.
    assert one["share of roofline"] == pytest.approx(one["roofline s"] / one["gmt"]["median"])
    assert one["share of roofline"] >= one["share of peak"] > 0


def test_the_gradient_that_is_timed_reaches_the_weights():
    states, links = encoder_parts(200, 16, CPU)
    net = GraphEncoder(16, 4, 2, 0.0, turn_schema(), ("user",))
    found = net(states(), links).user
    (summed,) = torch.autograd.grad(found.sum(), [net.layers[0].out["turn"].weight], retain_graph=True)
    (drawn,) = torch.autograd.grad(found, [net.layers[0].out["turn"].weight], torch.randn(found.shape))
    assert summed.abs().max() < 1e-4 < drawn.abs().max()  # a sum over the last norm would time zeros


def test_made_data_are_a_valid_table_of_the_size_asked_for():
    data = made_dataset(30, 8, width=12)
    assert len(data.table) == 240 and set(np.bincount(data.table.user)) == {8}
    assert np.linalg.norm(data.vectors, axis=1) == pytest.approx(1, abs=1e-6)
    assert (made_dataset(30, 8, 12).table.model == data.table.model).all()


def test_a_step_asks_what_the_settings_say():
    one = step(60, 20, step_config(), 2)
    assert 0 < one["asked"] <= 256 and one["turns"] == 2400
    assert one["step"]["median"] >= one["compute"]["median"] > 0


def test_serving_is_measured_on_a_run(good_run):
    one = routing(good_run, 5)
    assert one["triples/s"] > 0 and one["votes known"] > 0
    assert list(one["decision, ms"]) == ["p10", "p50", "p90", "p99"]


def test_adaptation_and_preparation_are_measured():
    sizes = adapting((10, 20), 100, 2)
    assert [one["votes"] for one in sizes] == sorted(one["votes"] for one in sizes)
    assert all(one["others"] > 50 and one["one more vote"]["median"] > 0 for one in sizes)
    assert preparing(200)["rows/s"] > 0


def test_planted_votes_follow_tastes_and_their_fit_is_measured():
    data = planted_dataset(30, 20, seed=1)
    assert len(data.table) == 600 and 0 < (data.table.split == VALID).sum() < 120
    assert (planted_dataset(30, 20, seed=1).table.rating == data.table.rating).all()
    # Who voted for a over b votes the same way again far more often than not.
    votes = votes_of(data.table)
    low, high = np.minimum(votes.a, votes.b), np.maximum(votes.a, votes.b)
    won = np.where(votes.a == low, votes.y, 1 - votes.y)
    pairs = np.unique(np.stack([votes.user, low, high]), axis=1, return_inverse=True)[1].reshape(-1)
    agreed = np.array([np.abs(won[pairs == one].mean() - 0.5) for one in np.flatnonzero(np.bincount(pairs) > 1)])
    assert agreed.mean() > 0.3
    (one,) = fit_sizes((20,), 10)
    assert one["CPU s"] == pytest.approx(one["search CPU s"] + one["condition and score CPU s"])
    assert one["us a comparison"] == pytest.approx(1e6 * one["CPU s"] / one["comparisons"]) and one["users"] == 20


def test_every_vote_on_a_query_of_its_own_is_made_and_its_fit_measured():
    data = distinct_queries(200, seed=1)
    assert len(set(data.table.query.tolist())) == len(data.table) == len(data.vectors) == 200
    assert (np.bincount(data.table.user) == VOTES_OF_USER).all()
    found = run_bench(["fit"], QUICK, None)
    (one,) = found["fit"]["queries"]
    assert one["queries"] == 200 and one["finite"]
    parts = [value for name, value in one.items() if name.endswith(" CPU s")]
    assert len(parts) == 4 and sum(parts) == pytest.approx(one["CPU s"])
    said = [value for _, what, value in rows_of(found) if "distinct queries" in what]
    assert len(said) == 1 and "NOT" not in said[0] and f"{one['peak GiB']:.2f} GiB" in said[0]


def test_a_training_is_measured_under_a_limit_of_memory(tmp_path):
    size = write_large_folder(tmp_path / "data", 30, 2000)
    data = Dataset.load(tmp_path / "data")
    assert size > 60 * 2000 and len(data.table) == 30 and len(data.table.models) == 10
    assert len(set(data.table.texts)) == len(data.table.texts) and data.table.rated.all()
    used = run_together([["--help"], ["route", "-h"]])
    assert used.processor_seconds > 0 and used.peak_gib > 0
    with pytest.raises(UserError, match="ended with 2"):
        run_together([["train", str(tmp_path / "nothing")]])


def test_groups_with_a_limit_are_refused_or_removed(tmp_path, monkeypatch):
    monkeypatch.setattr("gmt.bench.busy_machine.MEMORY_GROUPS", (tmp_path / "a", tmp_path / "b"))
    with pytest.raises(UserError, match="control group"), memory_group(1 << 30):
        pass


def test_a_report_is_written_whole(tmp_path):
    found = run_bench(["adapt"], QUICK, None)
    text, numbers = write_bench(found, tmp_path)
    assert json.loads(numbers.read_text())["adapt"] == found["adapt"]
    assert all(value in text.read_text() for *_, value in rows_of(found)) and len(rows_of(found)) == len(QUICK.votes)


def test_an_unknown_part_is_named(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["bench", "--parts", "nonsense"])
    assert stop.value.code == 2 and "nonsense" in capsys.readouterr().err
    assert "route" in PARTS
