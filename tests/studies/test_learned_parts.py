"""Check learned parts beside the posterior: they read no label that is asked, and begin where it stands."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from data_prep.simulate.planted import PlantedSettings
from gmt.config import load_config
from gmt.data.interactions import TEST, TRAIN
from gmt.posterior.answer_aware import AnswerAwareBradleyTerry
from gmt.studies import learned_amortised, learned_network, learned_parts
from tests.factories import random_dataset

TINY = ["train.steps=4", "train.eval_every=2", "model.width=16", "model.hidden=8"]


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(learned_network, "load_config", lambda path, changes, seed: load_config(path, TINY, seed))
    monkeypatch.setattr(learned_amortised, "PRETRAINING", 3)
    monkeypatch.setattr(learned_amortised, "TUNING", 3)


@pytest.mark.parametrize("part", list(learned_parts.PARTS))
def test_what_is_asked_is_not_read(part, small):
    data = random_dataset(0, users=8, questions=4)
    learn, targets = data.select(data.table.split != TEST), np.flatnonzero(data.table.split == TEST)
    router = AnswerAwareBradleyTerry().fit(learn)
    score = learned_parts.PARTS[part](router, learn, 0)
    history = data.select(data.table.split == TRAIN)
    before = score(history, data.questions(targets))
    asked = np.isin(data.table.row_comparison, targets)
    flipped = data.with_table(replace(data.table, rating=np.where(asked, 1 - data.table.rating, data.table.rating)))
    after = score(flipped.select(data.table.split == TRAIN), flipped.questions(targets))
    assert np.array_equal(before, after) and np.isfinite(before).all() and before.std() > 0


def test_what_the_posterior_expected_of_a_vote_does_not_read_it():
    data = random_dataset(1, users=6)
    train = data.select(data.table.split == TRAIN)
    router = AnswerAwareBradleyTerry().fit(train)
    expected = learned_network.expected_out_of_fold(router, train, 0)
    rating = train.table.rating.copy()
    one = slice(*train.table.start[:2])
    rating[one] = 1 - rating[one]
    again = learned_network.expected_out_of_fold(router, train.with_table(replace(train.table, rating=rating)), 0)
    assert np.array_equal(expected[0], again[0]) and not np.array_equal(expected, again)


def test_the_amortised_solve_hears_only_shown_votes():
    torch.manual_seed(0)
    network = learned_amortised.AmortisedSolve(2)
    half = torch.randn(1, 2, 5, 5)
    kernels, shift = half @ half.transpose(2, 3), torch.randn(1, 5)
    y, shown = torch.tensor([[1.0, 0.0, 0.5, 1.0, 0.0]]), torch.tensor([[True, True, False, False, True]])
    found = network(kernels, shift, y, shown)
    assert torch.equal(found, network(kernels, shift, torch.where(shown, y, 1 - y), shown))
    assert not torch.equal(found, network(kernels, shift, 1 - y, shown))


def test_the_parts_write_their_table(small, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "gmt.studies.ablations.PlantedSettings", lambda seed: PlantedSettings(users=8, votes=12, seed=seed)
    )
    learned_parts.main(["--out", str(tmp_path), "--planted", "0", "--parts", "states", "residual"])
    found = json.loads((tmp_path / "learned-parts.json").read_text())["planted-seen"]
    assert set(found["routers"]) == {"posterior", "states", "residual"} and len(found["valid"]["states"]) == 1
    assert "log loss saved on VALID" in (tmp_path / "learned-parts.md").read_text()
