"""Train, measure and adapt on feedback that holds no pair at all, through the commands."""

import json
from pathlib import Path

import numpy as np
import pytest

from gmt.cli.main import main
from gmt.data.feedback_counts import FeedbackCounts
from gmt.data.interactions import InteractionTable
from tests.trained import TINY, settings

MODELS = ("alpha", "beta", "gamma")


def thumbs(path: Path, users: int = 14, each: int = 16) -> Path:
    """Write lone thumbs of users who like one model, half of them the first and half the second."""
    rng = np.random.default_rng(0)
    rows = []
    for user in range(users):
        for number in range(each):
            model = MODELS[int(rng.integers(3))]
            liked = rng.random() < (0.9 if model == MODELS[user % 2] else 0.2)
            row = {"user": f"u{user}", "model": model, "query": f"question {number}", "rating": float(liked)}
            rows.append(row | {"response": f"{model} says {number}"})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def code(arguments: list[str]) -> int:
    """Run a command line; return what it exits with."""
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    return int(stop.value.code or 0)


def ran(capsys, *arguments: str) -> dict:
    assert code([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out.strip().splitlines()[-1])


def test_lone_thumbs_alone_train_are_measured_and_adapt(capsys, tmp_path):
    data, run = tmp_path / "data", tmp_path / "run"
    card = ran(capsys, "prep", "jsonl", str(thumbs(tmp_path / "rows.jsonl")), "--out", str(data), "--encoder", "hash")
    assert card["counts"]["lone_ratings"] == 14 * 16 and card["counts"]["pairs"] == 0
    trained = ran(capsys, "train", str(data), "--run", str(run), *settings(TINY))
    # No step was taken at a loss of nothing: the network learns from pairs alone.
    assert "best" not in trained and trained["posterior"]["leniency_variance"] > 0
    found = ran(capsys, "eval", "--run", str(run), "--baselines", "bradley_terry,model_mean")
    routers = found["shots"]["all"]["routers"]
    assert routers["gmt"]["lone_auc"]["value"] > 0.6 > routers["bradley_terry"]["lone_auc"]["value"]
    assert found["lone_ratings"] > 20 and routers["gmt"]["auc"] is None
    told = tmp_path / "new.jsonl"
    opposed = [("alpha", 0.0), ("beta", 1.0)] * 6
    rows = [{"model": name, "query": f"ask {i}", "rating": rating} for i, (name, rating) in enumerate(opposed)]
    told.write_text("".join(json.dumps(row) + "\n" for row in rows))
    adapted = ran(capsys, "adapt", "--run", str(run), "--user", "kim", "--history", str(told))
    assert adapted["used"] == "0 pairs, 12 lone ratings" and adapted["added"] == 12
    before, after = (adapted[name]["beta"] - adapted[name]["alpha"] for name in ("before", "after"))
    assert after > before + 0.5 and next(iter(adapted["after"])) == "beta"


def test_what_nothing_can_be_learned_from_is_refused_in_one_line(capsys, tmp_path):
    rows = [{"user": f"u{i}", "model": "alpha", "query": f"q{i}", "response": "yes"} for i in range(30)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = tmp_path / "data"
    assert code(["prep", "jsonl", str(tmp_path / "rows.jsonl"), "--out", str(data), "--encoder", "hash"]) == 0
    printed = capsys.readouterr()
    assert "0 pairs of different ratings, 0 equal ones, 0 ratings that stand alone" in printed.out
    assert "nothing here can be learned from" in printed.err
    assert code(["train", str(data), "--run", str(tmp_path / "run"), *settings(TINY)]) == 2
    said = capsys.readouterr().err.strip()
    assert "TRAIN holds 0 pairs" in said and "\n" not in said and not (tmp_path / "run").exists()


@pytest.mark.parametrize("signal", ["copied", None])
def test_signals_travel_from_a_file_to_the_table_and_back(capsys, tmp_path, signal):
    row = {"user": "ana", "model": "alpha", "query": "q", "response": "yes", "rating": 1.0}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row | ({"signal": signal} if signal else {})) + "\n")
    data = tmp_path / "data"
    card = ran(capsys, "prep", "jsonl", str(tmp_path / "rows.jsonl"), "--out", str(data), "--encoder", "hash")
    assert card["counts"]["signals"] == 0  # a rating says more
    table = InteractionTable.read(data / "interactions.parquet")
    assert table.to_comparisons()[0].candidates[0].signal == signal
    assert InteractionTable.from_arrow(table.to_arrow().drop_columns(["signal"])).signal.tolist() == [-1]


def test_an_unknown_signal_is_a_bad_row(capsys, tmp_path):
    row = {"user": "ana", "model": "alpha", "query": "q", "signal": "winked"}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    assert code(["prep", "jsonl", str(tmp_path / "rows.jsonl"), "--out", str(tmp_path / "d"), "--encoder", "hash"]) == 2
    assert "signal is 'winked'; expected one of copied" in capsys.readouterr().err


def test_counts_say_what_there_is():
    assert str(FeedbackCounts(0, 523, 0, 0)) == "0 pairs, 523 lone ratings"
    assert str(FeedbackCounts(1, 0, 2, 1)) == "1 pair, 2 remarks without a rating, 1 signal without a rating"
    assert not FeedbackCounts(0, 0, 0, 0).any
