"""Check that the study of encoder runtimes ranks with the vectors it is given, and counts agreement by hand."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from gmt.data.dataset import Dataset
from gmt.data.interactions import TRAIN
from gmt.errors import DataError
from gmt.serving.pretrained import Router
from gmt.studies.encoder_runtimes import agreement, main, measure, ranked_by
from tests.data.test_encoders import write_tiny_transformer
from tests.trained import must


def test_agreement_is_that_of_the_rankings():
    wanted = np.array([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0]])
    assert agreement(wanted * 10 + 5, wanted) == {"tau": 1.0, "least": 1.0, "same first": 1.0}
    # One of three pairs is turned: tau 1/3, and another one comes first.
    found = agreement(np.array([[2.0, 3.0, 1.0], [1.0, 2.0, 3.0]]), wanted)
    assert found == pytest.approx({"tau": 2 / 3, "least": 1 / 3, "same first": 0.5})
    assert agreement(wanted[:0], wanted[:0]) is None


def votes(path: Path) -> Path:
    """Write votes of ten users on twelve queries of letters, four models."""
    rng = np.random.default_rng(0)
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["user", "query", "model_a", "model_b", "winner"])
        for number in range(160):
            a, b = rng.choice(4, 2, replace=False).tolist()
            query = " ".join("abcdefghij"[: 1 + number % 9]) + " j" * (number % 12)
            rows.writerow([f"u{number % 10}", query, f"m{a}", f"m{b}", "model_a" if a < b else "model_b"])
    return path


def test_a_run_is_ranked_with_every_way_to_encode(tmp_path, monkeypatch):
    monkeypatch.setenv("GMT_CACHE", str(tmp_path / "cache"))
    encoder, data, run = str(write_tiny_transformer(tmp_path / "tiny")), tmp_path / "data", tmp_path / "run"
    path = str(votes(tmp_path / "votes.csv"))
    must(
        [
            "prep",
            "votes",
            path,
            "--protocol",
            "new-questions",
            "--encoder",
            encoder,
            "--out",
            str(data),
            "--accept",
            "--quiet",
        ]
    )
    must(["train", str(data), "--run", str(run), "--set", "traits.enabled=false", "--quiet"])
    main(["--run", str(run), "--data", str(data), "--asked", str(data), "--out", str(tmp_path / "out"), "--users", "2"])
    found = json.loads((tmp_path / "out" / "encoder-runtimes.json").read_text())
    assert found["torch"]["test"] == found["torch"]["asked"] == {"tau": 1.0, "least": 1.0, "same first": 1.0}
    assert all(0 <= one["valid_auc"] <= 1 and -1 <= one["test"]["least"] <= one["test"]["tau"] <= 1
               for one in found.values())  # fmt: skip
    assert "| torch, bfloat16 |" in (tmp_path / "out" / "encoder-runtimes.md").read_text()
    # New queries alone are encoded: those of the history keep the vectors that the run was trained with.
    table, router, seen = Dataset.load(data).table, Router.from_pretrained(run, autosave=False).router, []

    def watched(text: str) -> np.ndarray:
        seen.append(text)
        return np.eye(16, dtype=np.float32)[len(text) % 16]

    ranked = ranked_by(router, Dataset.load(data), watched, ["a b"], np.array([[0, 1]]))
    known = {table.texts[code] for code in table.query[table.split == TRAIN]}
    assert seen[-1] == "a b" and seen[:-1] and not known & set(seen[:-1])
    assert ranked.asked.shape == (2, 4) and ranked.test.shape[1] == 4


def test_hashed_vectors_are_refused(demo_data, good_run, tmp_path):
    with pytest.raises(DataError, match="hashed vectors"):
        measure(good_run, demo_data, [], 1, 0)
