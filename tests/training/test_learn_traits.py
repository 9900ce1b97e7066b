from dataclasses import replace

import numpy as np
import pytest
import torch

from data_prep.simulate.planted import PlantedSettings
from data_prep.simulate.planted_table import planted_dataset
from gmt.config import RunConfig, TraitsConfig
from gmt.data.interactions import TEST, TRAIN
from gmt.evaluation.metrics import pairs_of, weighted_auc
from gmt.hybrid.closed_form import load_posterior, save_posterior
from gmt.posterior.answer_aware import AnswerAwareBradleyTerry
from gmt.posterior.hierarchical import HierarchicalBradleyTerry
from gmt.routing import search_sample
from gmt.runs import RunFolder
from gmt.training import learn_traits as module
from gmt.training.learn_traits import learn_traits
from gmt.training.train_traits import train_traits
from tests.factories import random_dataset

SHORT = TraitsConfig(count=4, networks=2, steps=60, width=8, heads=2)


@pytest.fixture(scope="module")
def planted():
    """People whose liking of a trait depends on the topic, which only learned traits can say."""
    settings = PlantedSettings(users=120, votes=30, models=8, rank=2, topics=4, questions=80, modulation=1.0, scale=5.0)
    return planted_dataset(settings, "hash:64")[0]


@pytest.fixture(scope="module")
def posterior(planted):
    return AnswerAwareBradleyTerry().fit(planted.select(planted.table.split != TEST))


def auc(router, data):
    asked = np.flatnonzero((data.table.split == TEST) & data.table.rated)
    scores = router.score(data.select(data.table.split == TRAIN), data.questions(asked))
    gap = pairs_of(data.table.ratings[asked]).differences(scores)
    return float(weighted_auc(gap, np.zeros(len(gap), np.int64), np.ones((1, 1)))[0])


def test_traits_join_where_taste_depends_on_the_topic(planted, posterior, tmp_path):
    learn = planted.select(planted.table.split != TEST)
    router, note = learn_traits(posterior, learn, RunConfig(traits=SHORT))
    assert router.traits is not None and router.features is not None and "learned traits join" in note
    assert auc(router, planted) > auc(posterior, planted) + 0.02
    # What is written is what scores, and the settings alone tell what to read.
    folder = RunFolder(tmp_path)
    save_posterior(router, folder)
    again = load_posterior(RunConfig(), folder)
    # Runs of before wrote the traits' weights under another name.
    earlier = {name.replace("traits.", "taste."): value for name, value in router.state_dict().items()}
    old = AnswerAwareBradleyTerry().load_state_dict(earlier)
    history = planted.select(planted.table.split == TRAIN)
    asked = planted.questions(np.flatnonzero(planted.table.split == TEST))
    assert again is not None and (again.score(history, asked) == router.score(history, asked)).all()
    assert any(name.startswith("taste.") for name in earlier)
    assert (old.score(history, asked) == router.score(history, asked)).all()


def test_traits_are_learned_from_stars_of_answers_judged_alone():
    settings = PlantedSettings(
        users=60, votes=30, models=8, rank=2, topics=4, questions=80, scale=5.0, feedback="ratings", candidates=1
    )
    data = planted_dataset(settings, "hash:64")[0]
    learn, train = (data.select(part) for part in (data.table.split != TEST, data.table.split == TRAIN))
    fitted = HierarchicalBradleyTerry().fit(learn)
    router, note = learn_traits(fitted, learn, RunConfig(traits=replace(SHORT, layers=0, networks=1)))
    assert router.traits is not None and "learned traits join" in note
    # Stars that nobody chose by: the better answer has the higher score more often.
    asked = np.flatnonzero(data.table.split == TEST)
    stars, questions = data.table.rating[data.table.start[asked]], data.questions(asked)

    def ordered(one):
        gap = np.subtract.outer(*[one.score(train, questions)[:, 0]] * 2)
        return ((gap > 0) == (np.subtract.outer(stars, stars) > 0))[np.subtract.outer(stars, stars) != 0].mean()

    assert ordered(router) > ordered(fitted) + 0.01
    # What a user's kernel reads of an answer judged alone is its own traits, less no other's.
    votes, rows = router.condition(train).votes, router.features(train).of_rows(train)
    assert votes.lone.all() and rows.any()
    assert (votes.features[:, -rows.shape[1] :] == rows[train.table.start[votes.comparison]]).all()


def test_traits_are_learned_and_judged_on_the_sample_of_a_search(planted, posterior, monkeypatch):
    learn, read = planted.select(planted.table.split != TEST), []
    monkeypatch.setattr(search_sample, "SEARCH_VOTES", 900)
    true = module.train_traits
    monkeypatch.setattr(module, "train_traits", lambda *given: read.append(given) or true(*given))
    learn_traits(posterior, learn, RunConfig(traits=replace(SHORT, steps=2, networks=1)))
    sample = search_sample.search_sample(learn)
    assert 0 < len(sample.table) <= 900 < len(learn.table)
    for _, data, _, _, _, judge, _, loss in read:
        assert (data.table.user == sample.table.user).all() and judge is not None
        assert len(loss.folds.votes) == (sample.table.split == TRAIN).sum()


def test_traits_are_switched_off_where_they_gain_nothing():
    data = random_dataset(0, users=12, personal=0.0)
    fitted = HierarchicalBradleyTerry().fit(data.select(data.table.split != TEST))
    router, note = learn_traits(fitted, data.select(data.table.split != TEST), RunConfig(traits=SHORT))
    assert router is fitted and "switched off" in note


def test_without_a_vote_to_validate_on_traits_are_switched_off(planted, posterior):
    router, note = learn_traits(posterior, planted.select(planted.table.split == TRAIN), RunConfig(traits=SHORT))
    assert router is posterior and "no vote to validate on" in note


def test_equal_seeds_learn_equal_traits_and_what_is_not_train_is_not_read(planted, posterior):
    short = replace(SHORT, steps=4)
    first = train_traits(posterior, planted, short, 5)
    table = planted.table
    other = table.split[table.row_comparison] != TRAIN
    flipped = planted.with_table(replace(table, rating=np.where(other, 1 - table.rating, table.rating)))
    again = train_traits(posterior, flipped, short, 5)
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in first.state_dict().items())
    different = train_traits(posterior, planted, short, 6)
    assert not torch.equal(different.residual, first.residual)


def test_learning_leaves_the_generator_of_others_as_it_was(planted, posterior):
    before = torch.get_rng_state()
    train_traits(posterior, planted, replace(SHORT, steps=2), 5)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_first_network_that_gains_nothing_ends_the_learning(monkeypatch):
    """Only the probes are trained: one of texts, and one of messages because there are answers to hear."""
    data = random_dataset(0, users=12, personal=0.0)
    learn = data.select(data.table.split != TEST)
    fitted, trained = HierarchicalBradleyTerry().fit(learn), []
    true = module.train_traits
    monkeypatch.setattr(
        module, "train_traits", lambda *given, **more: trained.append(given[2].layers) or true(*given, **more)
    )
    router, _ = learn_traits(fitted, learn, RunConfig(traits=replace(SHORT, steps=40, eval_every=5)))
    assert router is fitted and trained == [0, 2]


def test_what_is_reported_of_each_step_is_its_loss(planted, posterior):
    lines = []
    short = replace(SHORT, steps=3, layers=0)
    learn_traits(posterior, planted.select(planted.table.split != TEST), RunConfig(traits=short), report=lines.append)
    assert [line["step"] for line in lines][:3] == [1, 2, 3]
    assert all(0 < line["loss"] < 5 for line in lines)
