"""Check that traits are learned from votes they are not shown, through an f that has not seen them either."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from data_prep.simulate.planted import PlantedSettings
from data_prep.simulate.planted_table import planted_dataset
from gmt.config import TraitsConfig
from gmt.data.interactions import TEST, TRAIN
from gmt.model.seeding import seeded
from gmt.posterior.hierarchical import HierarchicalBradleyTerry
from gmt.posterior.kernel_terms import blended
from gmt.posterior.likelihood import Outcomes
from gmt.posterior.user_batch import UserBatch
from gmt.routing.conversation_reading import ReadQueries
from gmt.training import trait_loss as module
from gmt.training.train_traits import Judge, train_traits
from gmt.training.trait_folds import FOLDS, fold_votes, folds_of
from gmt.training.trait_loss import Shard, TraitLoss
from gmt.training.trait_start import initial_traits
from tests.factories import random_dataset
from tests.two_processes import LEARNS_IN_FORKS, in_two_processes

CONFIG = TraitsConfig(count=4, networks=1, steps=2, width=8, heads=2)


def stirred(network):
    """Let all parts of a network count, as after some training."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for weight in network.parameters():
            weight += 0.3 * torch.randn(weight.shape, generator=generator)
    return network


@pytest.fixture(scope="module")
def data():
    return random_dataset(0, users=8, comparisons_per_user=20, max_turns=3, ties=0.0)


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


@pytest.mark.parametrize("layers", [0, 2])
def test_a_predicted_vote_is_not_among_those_shown(router, train, monkeypatch, layers):
    """Turn the outcomes of a fold round: what is predicted of them stays, bit for bit."""
    folds, part = fold_votes(router, train, np.random.default_rng(3)), 2
    network = stirred(initial_traits(router, train, replace(CONFIG, layers=layers)))
    covariance = router.user_covariance(train)

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
            list(TraitLoss(train, replace(folds, votes=votes), covariance).parts(network, part, users, draws))
        return torch.cat(seen)

    votes = folds.votes
    before = predicted(votes)
    assert len(before) == (folds.fold == part).sum() > 10
    y = votes.outcomes.y
    turned = replace(votes, outcomes=Outcomes(np.where(folds.fold == part, 1 - y, y)))
    assert torch.equal(before, predicted(turned))
    shown = predicted(replace(votes, outcomes=Outcomes(np.where(folds.fold == part, y, 1 - y))))
    assert not torch.allclose(before, shown)  # what is shown does move it


@pytest.mark.parametrize("layers", [0, 2])
def test_traits_are_learned_beside_the_kernel_that_reads_conversations(layers):
    data = random_dataset(1, users=6, comparisons_per_user=20, max_turns=3)
    train = data.select(data.table.split == TRAIN)
    router = HierarchicalBradleyTerry().fit(data.select(data.table.split != TEST))
    router.settings = replace(router.settings, context_decay=0.9, context_words=3.0, conversation_scale=2.0)
    folds = fold_votes(router, train, np.random.default_rng(3))
    assert folds.conversation_scale == 2.0 and len(folds.queries.later)
    config = replace(CONFIG, layers=layers)
    network = initial_traits(router, train, config)
    settings = replace(router.settings, query_kernel_scale=1.5, prior_scale=0.7, style_variance=0.1)
    network.log_amplitudes.data.copy_(torch.tensor([0.7, 1.5, 0.1]).log())
    # 1. The posterior's own kernel is the one that scores.
    votes = folds.votes
    index = np.arange(len(votes))[votes.user == 2][None]
    batch = UserBatch(votes, index, folds.offset[0], router.user_covariance(train))
    found = module._own_kernel(network, batch, folds.conversation_scale).detach().numpy()
    assert found == pytest.approx(blended(batch.among(), settings), abs=1e-5)
    # 2. Traits read the queries that it reads: what was said before moves the traits of later rounds, and these are
    #    those that users are scored by.
    alone = replace(folds, queries=ReadQueries.by_text(folds.queries.keys, train.vectors))
    covariance, every = router.user_covariance(train), np.arange(len(votes))
    stirred(network).eval()
    read, by_text = (
        TraitLoss(train, one, covariance)._gaps(network, 0, every).detach().numpy() for one in (folds, alone)
    )
    moved = (np.abs(read - by_text) > 1e-5).any(axis=1)
    assert np.array_equal(moved, train.table.turn[votes.comparison] > 0) and moved.any()
    # Messages of answers that are hidden in training are heard where nothing is to be predicted.
    if not layers:
        described = router.with_learned_traits(network).prepare(train).votes.features
        assert described[:, -config.count :] == pytest.approx(read, abs=1e-5)
    learned = router.with_learned_traits(train_traits(router, train, config, 0))
    asked = data.questions(np.flatnonzero(data.table.split == TEST))
    assert learned.features.reading == router.settings.reading
    assert np.isfinite(learned.score(train, asked)[asked.candidates >= 0]).all()


def test_answers_judged_alone_teach_by_their_own_likelihood(monkeypatch):
    """Stars alone: the loss is that of their levels, and a hidden star is not among those shown."""
    settings = PlantedSettings(users=8, votes=20, models=5, questions=30, feedback="ratings", candidates=1)
    data = planted_dataset(settings, "hash:64")[0]
    train, part = data.select(data.table.split == TRAIN), 1
    router = HierarchicalBradleyTerry().fit(data.select(data.table.split != TEST))
    folds = fold_votes(router, train, np.random.default_rng(3))
    network = stirred(initial_traits(router, train, CONFIG))

    def predicted(votes):
        seen, true = [], module.log_likelihood
        with monkeypatch.context() as patch:
            patch.setattr(
                module, "log_likelihood", lambda *given: seen.append((given[1].detach(), given[0])) or true(*given)
            )
            loss = TraitLoss(train, replace(folds, votes=votes), router.user_covariance(train))
            parts = list(loss.parts(network, part, np.unique(votes.user), np.random.default_rng(0)))
        return seen, parts

    # 1. Of a level between two thresholds the chance is σ(upper - z) - σ(lower - z).
    votes, hidden = folds.votes, folds.fold == part
    assert votes.lone.all() and len(np.unique(votes.value)) > 3
    seen, parts = predicted(votes)
    assert sum(count for _, count in parts) == hidden.sum() > 10
    sigmoid, wanted = torch.sigmoid, []
    for (logit, outcomes), _ in zip(seen, parts, strict=True):
        lower, upper = torch.from_numpy(outcomes.lower), torch.from_numpy(outcomes.upper)
        wanted.append((sigmoid(upper - logit) - sigmoid(lower - logit)).log())
    masks = [_hidden_of(votes, hidden, index) for _, index in votes.batches(np.unique(votes.user))]
    for mask, one, (loss, _) in zip(masks, wanted, parts, strict=True):
        assert loss.item() == pytest.approx(-one[mask].sum().item(), rel=1e-4)
    # 2. Everything that is learned from answers is moved by it.
    sum(loss for loss, _ in parts).backward()
    assert network.residual.grad.abs().max() > 0.01 and network.read_query.weight.grad.abs().max() > 0.01
    # 3. Other stars in the fold predict the same, other stars outside of it do not.
    value = votes.value.max() + votes.value.min() - votes.value

    def turned(where):
        return replace(votes, value=np.where(where, value, votes.value)).under(votes.scales)

    for mask, (same, _), (moved, _), (logit, _) in zip(
        masks, predicted(turned(hidden))[0], predicted(turned(~hidden))[0], seen, strict=True
    ):
        assert torch.equal(same[mask], logit[mask]) and not torch.allclose(moved[mask], logit[mask])


def _hidden_of(votes, hidden, index):
    """Return (B, T) true where a vote of the fold stands."""
    return torch.from_numpy((index >= 0) & hidden[np.maximum(index, 0)])


def test_the_answers_of_a_fold_are_not_visible_where_it_is_predicted(router, train):
    folds = fold_votes(router, train, np.random.default_rng(3))
    visible = TraitLoss(train, folds, router.user_covariance(train)).visible
    table = train.table
    for part in range(FOLDS):
        inside = np.isin(np.arange(len(table)), folds.votes.comparison[folds.fold == part])[table.row_comparison]
        only = set(table.response[inside]) - set(table.response[~inside])
        assert not only & set(visible[part].answers)
        assert set(table.response[~inside]) - {-1} == set(visible[part].answers)


def test_messages_begin_by_adding_nothing(router, train):
    folds = fold_votes(router, train, np.random.default_rng(3))
    loss = TraitLoss(train, folds, router.user_covariance(train))
    found = []
    for layers in (0, 2):
        with seeded(0):
            network = initial_traits(router, train, replace(CONFIG, layers=layers))
        parts = loss.parts(network, 1, np.unique(folds.votes.user), np.random.default_rng(0))
        found.append(sum(part.item() for part, _ in parts))
    assert found[0] == found[1] != 0


@pytest.mark.parametrize("count", [2, 3])
def test_the_users_of_all_processes_together_are_those_of_one(router, train, count):
    folds = fold_votes(router, train, np.random.default_rng(3))
    loss = TraitLoss(train, folds, router.user_covariance(train))
    network = stirred(initial_traits(router, train, CONFIG))

    def gradient(shard):
        network.zero_grad()
        parts = list(loss.parts(network, 1, np.unique(folds.votes.user), np.random.default_rng(0), shard))
        total = sum(part for part, _ in parts)
        total.backward()
        return total.item(), sum(votes for _, votes in parts), network.read_query.weight.grad.clone()

    whole = gradient(None)
    shares = [gradient(Shard(rank, count)) for rank in range(count)]
    assert sum(share[0] for share in shares) == pytest.approx(whole[0], rel=1e-5)
    assert sum(share[1] for share in shares) == whole[1]
    assert torch.allclose(sum(share[2] for share in shares), whole[2], atol=1e-4)


def test_training_stops_where_valid_gains_nothing_more_and_keeps_the_best(router, data):
    config = replace(CONFIG, steps=40, eval_every=2, patience=3)
    said = []

    def loss(network):
        said.append({name: value.clone() for name, value in network.state_dict().items()})
        return abs(len(said) - 4)

    network = train_traits(router, data, config, 0, judge=Judge(loss, 10.0))
    assert len(said) == 7  # the fourth was the best, and three more were no better
    assert all(torch.equal(value, said[3][name]) for name, value in network.state_dict().items())
    said.clear()
    train_traits(router, data, config, 0, judge=Judge(loss, -1.0))
    assert len(said) == 3  # never below what it had to beat


def learn_and_save(start):
    data = random_dataset(0, users=7, comparisons_per_user=20, max_turns=3, ties=0.0)
    data = data.select(data.table.split != TEST)
    router = HierarchicalBradleyTerry().fit(data)
    for users in (5, 1):
        found = train_traits(router, data, TraitsConfig(count=3, steps=12, users=users, width=8, heads=2), 0)
        save_file(found.state_dict(), f"{start}-{users}")


@pytest.mark.slow
@LEARNS_IN_FORKS
def test_two_processes_learn_the_same_traits_as_one(tmp_path):
    """Train with several users a step, and with one, so that a process has nobody to solve for."""
    learn_and_save(tmp_path / "one")
    in_two_processes(learn_and_save, tmp_path / "two")
    for users in (5, 1):
        one, two = (load_file(tmp_path / f"{name}-{users}") for name in ("one", "two"))
        assert two["residual"].abs().max() > 0.1
        for name, value in one.items():
            assert torch.allclose(two[name], value, atol=1e-3), name
