"""Check cost as something people mind: read from the visible costs alone, carried over to untried models."""

from dataclasses import replace

import numpy as np
import pytest

from gmt.config import load_config
from gmt.data.dataset import ModelInfo
from gmt.data.interactions import TEST, TRAIN
from gmt.errors import ConfigError
from gmt.hybrid.closed_form import new_posterior
from gmt.posterior.answer_aware import AnswerAwareBradleyTerry, CostAwareBradleyTerry
from gmt.routing.costs import COST_UNITS, CostFeatures
from tests.factories import dataset_of, random_dataset, random_table

PRICES = (0.1, 0.4, 2.0, 8.0, 0.2, 4.0)
NEW = (4, 5)


def divided(seed=0):
    """Draw people of whom the even take the cheaper answer and the odd the dearer; two models are left out."""
    table = random_table(seed, users=16, models=len(PRICES), comparisons_per_user=16, ties=0.0)
    price = np.array([PRICES[int(name.removeprefix("model"))] for name in table.models])[table.model]
    first, second = price[table.start[:-1]], price[table.start[:-1] + 1]
    won = ((first < second) == (table.user % 2 == 0)).astype(float)
    rating = np.stack([won, 1 - won], axis=1).reshape(-1)
    data = dataset_of(replace(table, cost=price, rating=rating))
    new = np.isin(price[table.start[:-1]], [PRICES[n] for n in NEW]) | np.isin(second, [PRICES[n] for n in NEW])
    cards = {name: ModelInfo(name, PRICES[int(name[-1])] / 4, PRICES[int(name[-1])]) for name in table.models}
    return replace(data, models=cards).with_table(data.table.with_split(np.where(new, TEST, TRAIN)))


def accuracy(router, data):
    targets = np.flatnonzero((data.table.split == TEST) & data.table.rated)
    scores = router.score(data.select(data.table.split == TRAIN), data.questions(targets))
    ratings = data.table.ratings[targets]
    return np.mean((scores[:, 0] > scores[:, 1]) == (ratings[:, 0] > ratings[:, 1]))


def test_thrift_is_carried_over_to_models_nobody_tried():
    data = divided()
    learn = data.select(data.table.split == TRAIN)
    aware, plain = (accuracy(kind().fit(learn), data) for kind in (CostAwareBradleyTerry, AnswerAwareBradleyTerry))
    assert aware > 0.75 and aware > plain + 0.15


def test_without_costs_nothing_is_read_of_them():
    data = random_dataset(3)
    learn, asked = data.select(data.table.split != TEST), data.questions(np.flatnonzero(data.table.split == TEST))
    history = data.select(data.table.split == TRAIN)
    plain, aware = (
        kind().fit(learn).score(history, asked) for kind in (AnswerAwareBradleyTerry, CostAwareBradleyTerry)
    )
    assert np.array_equal(plain, aware)


def test_what_an_asked_answer_truly_costs_is_never_read():
    data = divided(1)
    learn = data.select(data.table.split == TRAIN)
    router = CostAwareBradleyTerry().fit(learn)
    targets = np.flatnonzero(data.table.split == TEST)
    before = router.score(learn, data.questions(targets))
    table = data.table
    asked = np.isin(table.row_comparison, targets)
    changed = data.with_table(replace(table, cost=np.where(asked, 99.0, table.cost)))
    after = router.score(changed.select(table.split == TRAIN), changed.questions(targets))
    assert np.array_equal(before, after)


def test_features_are_logs_in_units_of_their_spread_and_free_answers_stay_finite():
    data = divided(2)
    found = CostFeatures.of(data).of_rows(data)
    assert found.shape == (len(data.table.model), 1)
    assert found.mean() == pytest.approx(0, abs=1e-9) and found.std() == pytest.approx(COST_UNITS)
    free = data.with_table(replace(data.table, cost=np.where(data.table.model == 0, 0.0, data.table.cost)))
    found = CostFeatures.of(free).of_rows(free)[:, 0]
    assert np.isfinite(found).all() and found[data.table.model == 0].max() < found[data.table.model != 0].min()
    assert np.isfinite(CostFeatures.of(free).of_candidates(free, free.questions(np.arange(4)))).all()


def test_the_setting_chooses_the_router_and_needs_answers():
    assert isinstance(new_posterior(load_config(None, ["posterior.cost=true"])), CostAwareBradleyTerry)
    assert type(new_posterior(load_config(None))) is AnswerAwareBradleyTerry
    with pytest.raises(ConfigError, match=r"posterior\.answers=true"):
        load_config(None, ["posterior.cost=true", "posterior.answers=false"])
