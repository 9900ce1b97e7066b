from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor

from gmt.data.interactions import TEST, TRAIN
from gmt.rivals.boosted_trees import BoostedTrees
from gmt.rivals.trees import Trees
from tests.factories import random_dataset


def test_flat_trees_predict_what_their_maker_predicts():
    rng = np.random.default_rng(0)
    features = np.column_stack([rng.normal(size=(400, 3)), rng.integers(3, size=400)])
    rating = features[:, 0] * features[:, 1] + features[:, 3] + rng.normal(size=400)
    grown = HistGradientBoostingRegressor(max_iter=30, max_leaf_nodes=8, random_state=0).fit(features, rating)
    others = np.concatenate([features, 3 * rng.normal(size=(100, 4))])
    assert (Trees.of(grown).predict(others) == grown.predict(others)).all()


def test_no_tree_is_a_constant():
    assert Trees.constant(0.3).predict(np.zeros((4, 2))) == pytest.approx([0.3] * 4)


def test_a_rating_does_not_explain_itself_through_its_comparison():
    """Rate by coin flips: trees that see a target's comparison in the user's means would believe these means."""
    data = random_dataset(0, users=1000, models=2, comparisons_per_user=2, personal=0.0, shared=0.0, ties=0.0)
    data = replace(data, vectors=np.zeros_like(data.vectors))
    router = BoostedTrees().fit(data.select(data.table.split != TEST))
    scores = router.score(data.select(data.table.split == TRAIN), data.questions(np.arange(len(data.table))))
    assert np.std(scores[:, 0] - scores[:, 1]) < 0.2
