"""Check which settings stand where nobody voted and answers were rated alone."""

from dataclasses import replace

import numpy as np
import pytest

from data_prep.simulate.planted import PlantedSettings
from gmt.data.dataset import Dataset
from gmt.data.interactions import TEST, TRAIN, VALID
from gmt.posterior.hierarchical import LONE_STANDING, HierarchicalBradleyTerry
from gmt.posterior.hierarchical_settings import HierarchicalSettings
from gmt.routing.grid import ValidationVotes
from gmt.studies.sweep_population import population

STARS = {"feedback": "ratings", "candidates": 1}


def stars(users: int, **settings) -> Dataset:
    """Return TRAIN and VALID of planted people who rate one answer a round."""
    data, _ = population(PlantedSettings(users=users, votes=20, models=5, seed=3, **STARS, **settings))
    return data.select(data.table.split != TEST)


def chosen(router: HierarchicalBradleyTerry) -> dict[str, float]:
    return {name: getattr(router.settings, name) for name in LONE_STANDING}


def test_a_few_ratings_that_tell_nothing_move_nothing():
    assert chosen(HierarchicalBradleyTerry().fit(stars(12, scale=0.0))) == LONE_STANDING


def test_many_ratings_of_strong_tastes_choose_what_is_better():
    data = stars(80, scale=6.0)
    found = HierarchicalBradleyTerry().fit(data)
    assert chosen(found) != LONE_STANDING
    # And what was chosen is better there than what stood.
    valid = ValidationVotes.of(data)
    assert valid is not None
    stood = HierarchicalBradleyTerry(replace(HierarchicalSettings(), **LONE_STANDING))
    stood.settings = replace(stood.settings, tie_rate=0.0)
    stood = stood.fit(data.select(data.table.split == TRAIN))
    assert valid.losses_of(found).mean() < valid.losses_of(stood).mean()


def test_a_term_that_is_off_stays_off():
    start = replace(HierarchicalSettings(), quality_variance=0.0)
    found = HierarchicalBradleyTerry(start).fit(stars(12, scale=0.0))
    assert found.settings.quality_variance == 0.0


@pytest.mark.parametrize("given", [{}, {"prior_scale": 0.25}])
def test_without_anything_to_validate_on_the_same_stands_but_for_what_was_given(given):
    data = stars(12)
    router = HierarchicalBradleyTerry(replace(HierarchicalSettings(), **given))
    assert chosen(router.fit(data.select(data.table.split == TRAIN))) == {**LONE_STANDING, **given}


def test_where_people_vote_the_lowest_loss_decides_as_it_did():
    data, _ = population(PlantedSettings(users=12, votes=20, models=5, seed=3, scale=0.0))
    data = data.select(data.table.split != TEST)
    without = HierarchicalBradleyTerry().fit(data.select(data.table.split == TRAIN))
    assert chosen(without) == {name: getattr(HierarchicalSettings(), name) for name in LONE_STANDING}
    valid = ValidationVotes.of(data)
    assert valid is not None
    best = valid.losses_of(HierarchicalBradleyTerry().fit(data)).mean()
    for scale in (0.5, 1.0):
        other = HierarchicalBradleyTerry().fit(data)
        other.settings = replace(other.settings, prior_scale=scale)
        assert best <= valid.losses_of(other).mean() + 1e-9


def test_pairs_know_whose_they_are():
    data = stars(12)
    valid = ValidationVotes.of(data)
    assert valid is not None and len(valid.user) == len(valid.y) == len(valid)
    table = data.table.select(np.flatnonzero((data.table.split == VALID) & data.table.rated))
    assert (valid.user == table.user[valid.lone.a]).all() and (valid.user == table.user[valid.lone.b]).all()
