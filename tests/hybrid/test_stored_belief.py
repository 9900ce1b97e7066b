"""Check that a run answers from what training stored exactly as from conditioning anew, and notices what is stale."""

import json
from dataclasses import replace

import numpy as np
import pytest

from gmt.config import load_config
from gmt.data.run_history import RunHistory
from gmt.hybrid.closed_form import load_posterior
from gmt.hybrid.stored_belief import store_belief, stored_belief
from gmt.manifest import read_manifest
from gmt.model.saved_arrays import load_arrays, save_arrays
from gmt.runs import RunFolder, read_card


def parts(run):
    """Return a run's folder, its history, its closed form and the hashes of its files."""
    folder = RunFolder(run)
    data = RunHistory.read(folder, read_card(folder.card)).data
    posterior = load_posterior(load_config(folder.config), folder)
    return folder, data, posterior, {name: mark.sha256 for name, mark in read_manifest(run).files.items()}


def test_stored_and_conditioned_anew_are_equal(good_run):
    folder, data, posterior, marks = parts(good_run)
    stored, anew = stored_belief(folder, posterior, marks), posterior.condition(data)
    asked = data.questions(np.arange(0, len(data.table), 7))
    for scores in ("score", "impersonal"):
        np.testing.assert_allclose(getattr(stored, scores)(data, asked), getattr(anew, scores)(data, asked), atol=1e-9)
    few = asked.select(np.arange(5))
    np.testing.assert_allclose(stored.covariances(data, few), anew.covariances(data, few), atol=1e-9)
    one, other = (belief.explain(data, few, 2) for belief in (stored, anew))
    np.testing.assert_allclose(one.votes, other.votes, atol=1e-9)
    assert np.array_equal(one.comparison, other.comparison)


def test_one_more_vote_moves_what_is_stored_as_it_moves_what_is_conditioned(good_run):
    folder, data, posterior, marks = parts(good_run)
    told = [replace(item, conversation="new") for item in data.select(np.array([0])).table.to_comparisons()]
    grown = data.append(told, RunHistory.read(folder, read_card(folder.card)).store, data.models)
    user, new = int(grown.table.user[-1]), np.array([len(data.table)])
    asked = data.questions(np.flatnonzero(data.table.user == user)[:5])
    stored = stored_belief(folder, posterior, marks)
    found, anew = (
        belief.of_user(user).with_observed(grown, new).score(grown, asked)
        for belief in (stored, posterior.condition(data))
    )
    np.testing.assert_allclose(found, anew, atol=1e-9)
    assert not np.allclose(found, stored.score(data, asked), atol=1e-4)


@pytest.mark.parametrize("name", ["config.yaml", "posterior.safetensors", "history.parquet", "models.json"])
def test_stored_for_other_settings_or_another_history_is_stale(good_run, name):
    folder, _, posterior, marks = parts(good_run)
    assert stored_belief(folder, posterior, marks) is not None
    assert stored_belief(folder, posterior, marks | {name: "0" * 64}) is None


def test_a_run_without_or_with_another_layout_is_conditioned_anew(run_copy):
    folder, data, posterior, marks = parts(run_copy)
    arrays, notes = load_arrays(folder.conditioned)
    key, described = json.loads(notes["belief"])
    nodes = json.loads(described)
    nodes[-1]["fields"]["a field of a later gmt"] = 0
    save_arrays(folder.conditioned, arrays, notes | {"belief": json.dumps([key, json.dumps(nodes)])})
    assert stored_belief(folder, posterior, marks) is None
    folder.conditioned.unlink()
    assert stored_belief(folder, posterior, marks) is None
    assert stored_belief(folder, posterior, {}) is None
    # What upgrading a run does: it is stored again from what lies in the folder.
    assert store_belief(folder, load_config(folder.config), data)
    assert stored_belief(folder, posterior, marks) is not None
