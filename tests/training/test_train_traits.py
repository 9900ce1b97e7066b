"""Check that traits are learned from votes they are not shown, through an f that has not seen them either."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from gmt.config import TraitsConfig
from gmt.data.interactions import TEST, TRAIN
from gmt.posterior.hierarchical import HierarchicalBradleyTerry
from gmt.posterior.kernel_terms import blended
from gmt.posterior.likelihood import Outcomes
from gmt.posterior.user_batch import UserBatch
from gmt.training import train_traits as module
from gmt.training.trait_folds import FOLDS, fold_votes, folds_of
from tests.factories import random_dataset

CONFIG = TraitsConfig(count=4, networks=1, steps=2)


@pytest.fixture(scope="module")
def data():
    return random_dataset(0, users=8, comparisons_per_user=20, ties=0.0)


@pytest.fixture(scope="module")
def train(data):
    return data.select(data.table.split == TRAIN)


@pytest.fixture(scope="module")
def router(data):
    return HierarchicalBradleyTerry().fit(data.select(data.table.split != TEST))


def test_f_without_a_fold_does_not_know_the_votes_of_that_fold(router, train):
    found = fold_votes(router, train, np.random.default_rng(3))
    fold = folds_of(train.table, np.random.default_rng(3))
    for part in range(FOLDS):
        held = (fold == part)[train.table.row_comparison]
        rating = np.where(held, 1 - train.table.rating, train.table.rating)
        turned = fold_votes(router, train.with_table(replace(train.table, rating=rating)), np.random.default_rng(3))
        assert (turned.offset[part] == found.offset[part]).all()
        assert not np.allclose(turned.offset[(part + 1) % FOLDS], found.offset[(part + 1) % FOLDS])


def test_a_predicted_vote_is_not_among_those_shown(router, train, monkeypatch):
    """Turn the outcomes of a fold round: what is predicted of them stays, bit for bit."""
    folds, part = fold_votes(router, train, np.random.default_rng(3)), 2
    network, covariance = module._initial(router, train, CONFIG), router.user_covariance(train)

    def predicted(votes):
        seen = []
        true = torch.nn.functional.binary_cross_entropy_with_logits
        with monkeypatch.context() as patch:
            patch.setattr(
                torch.nn.functional,
                "binary_cross_entropy_with_logits",
                lambda logit, *rest, **more: seen.append(logit.detach().clone()) or true(logit, *rest, **more),
            )
            users, draws = np.unique(votes.user), np.random.default_rng(0)
            list(module._losses(network, train, replace(folds, votes=votes), part, users, covariance, draws))
        return torch.cat(seen)

    votes = folds.votes
    before = predicted(votes)
    assert len(before) == (folds.fold == part).sum() > 10
    y = votes.outcomes.y
    turned = replace(votes, outcomes=Outcomes(np.where(folds.fold == part, 1 - y, y)))
    assert torch.equal(before, predicted(turned))
    shown = predicted(replace(votes, outcomes=Outcomes(np.where(folds.fold == part, y, 1 - y))))
    assert not torch.allclose(before, shown)  # what is shown does move it


def test_traits_are_learned_beside_the_kernel_that_reads_conversations():
    data = random_dataset(1, users=6, comparisons_per_user=20, max_turns=3)
    train = data.select(data.table.split == TRAIN)
    router = HierarchicalBradleyTerry().fit(data.select(data.table.split != TEST))
    router.settings = replace(router.settings, context_decay=0.9, context_words=3.0, conversation_scale=2.0)
    folds = fold_votes(router, train, np.random.default_rng(3))
    assert folds.conversation_scale == 2.0 and len(folds.queries.later)
    network = module._initial(router, train, CONFIG)
    settings = replace(router.settings, query_kernel_scale=1.5, prior_scale=0.7, style_variance=0.1)
    network.log_amplitudes.data.copy_(torch.tensor([0.7, 1.5, 0.1]).log())
    # 1. The posterior's own kernel is the one that scores.
    index = np.arange(len(folds.votes))[folds.votes.user == 2][None]
    batch = UserBatch(folds.votes, index, folds.offset[0], router.user_covariance(train))
    found = module._own_kernel(network, batch, folds.conversation_scale).detach().numpy()
    assert found == pytest.approx(blended(batch.among(), settings), abs=1e-5)
    # 2. Traits read the queries that it reads: what was said before moves the kernel of traits.
    traits = network.of_models(torch.as_tensor(train.model_vectors, dtype=torch.float32))
    alone = module.ReadQueries.by_text(folds.queries.keys, train.vectors)
    kernels = [module._trait_kernel(network, traits, read, batch).detach().numpy() for read in (folds.queries, alone)]
    assert not np.allclose(*kernels, atol=1e-4)
    learned = router.with_learned_traits(module.train_traits(router, train, CONFIG, 0))
    asked = data.questions(np.flatnonzero(data.table.split == TEST))
    assert learned.features.reading == router.settings.reading
    assert np.isfinite(learned.score(train, asked)[asked.candidates >= 0]).all()
