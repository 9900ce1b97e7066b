"""Check that learned traits describe rows and candidates alike and add nothing for users without votes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from gmt.data.interactions import TEST, TRAIN
from gmt.model.answer_encoder import AnswerEncoder
from gmt.model.trait_ensemble import TraitEnsemble
from gmt.model.trait_network import TraitNetwork
from gmt.posterior import answer_quality
from gmt.posterior.answer_aware import AnswerAwareBradleyTerry
from gmt.posterior.answer_space import answers_are_fewer
from gmt.posterior.asked_queries import AskedQueries
from gmt.posterior.quality_features import QualityTraits
from gmt.posterior.trait_features import TraitFeatureMaker
from gmt.posterior.vote_history import read_voted
from gmt.routing.conversation_reading import ConversationReading, ReadQueries
from tests.factories import random_dataset


@pytest.fixture(scope="module")
def data():
    return random_dataset(3, users=10, max_turns=2)


@pytest.fixture(scope="module")
def fitted(data):
    return AnswerAwareBradleyTerry().fit(data.select(data.table.split != TEST))


def network(data, size=0.7, layers=0):
    torch.manual_seed(1)
    encoder = AnswerEncoder(data.vectors.shape[1], 8, 2, layers) if layers else None
    made = TraitNetwork(data.vectors.shape[1], len(data.table.models), 4, 0, encoder)
    if encoder is not None:
        for weight in made.hear.parameters():
            weight.data.normal_(std=size)
    made.residual.data.normal_(std=size)
    made.read_query.weight.data.normal_(std=size)
    made.read_model.weight.data.normal_(std=size)
    return made.eval()


def _places(table):
    return zip(table.conversation, table.turn, strict=True)


both = pytest.mark.parametrize("layers", [0, 2])


@both
@pytest.mark.parametrize("reading", [ConversationReading(), ConversationReading(0.9, 0.5, 3.0)])
def test_rows_and_candidates_are_described_alike(data, reading, layers):
    features = TraitFeatureMaker(network(data, layers=layers), reading)(data)
    table = data.table
    questions = data.questions(np.arange(len(table)))
    rows, offered = features.of_rows(data), features.of_candidates(data, questions)
    slot = np.arange(len(table.model)) - table.start[:-1][table.row_comparison]
    assert offered[table.row_comparison, slot] == pytest.approx(rows, abs=1e-6)
    # Later rounds alone are described by more than their own text.
    alone = TraitFeatureMaker(network(data, layers=layers))(data).of_rows(data)
    moved = (np.abs(rows - alone) > 1e-6).any(axis=1)
    assert np.array_equal(moved, (table.turn > 0)[table.row_comparison] & (reading.decay > 0))


@both
def test_answer_quality_describes_known_queries_and_targets_alike(data, layers):
    # All go on with the same words, each after something else.
    reading, table = ConversationReading(0.9, 0.0, 3.0), data.table
    table = replace(table, query=np.where(table.turn > 0, table.response[0], table.query))
    data = data.with_table(table)
    traits = QualityTraits(TraitFeatureMaker(network(data, layers=layers), reading)(data))
    # Without earlier answers in it, a reading says the same of every round of one key.
    queries, of = read_voted(data, np.arange(len(table)), reading)
    assert len(queries.later) and len(queries) > len(np.unique(table.query))
    every = np.tile(np.arange(len(table.models)), (len(queries), 1))
    known = traits.of_queries(queries, every)
    offered = traits.of_candidates(data, data.questions(np.arange(len(table))))
    slots = table.candidates >= 0
    wanted = np.take_along_axis(known[of], np.maximum(table.candidates, 0)[:, :, None], axis=1)
    assert offered[slots] == pytest.approx(wanted[slots], abs=1e-5)
    by_text = QualityTraits(TraitFeatureMaker(network(data, layers=layers))(data))
    moved = np.abs(by_text.of_candidates(data, data.questions(np.arange(len(table)))) - offered)
    assert np.array_equal((moved.max(axis=(1, 2), where=slots[:, :, None], initial=0) > 1e-4), table.turn > 0)


@both
def test_traits_of_no_size_change_nothing(data, fitted, layers):
    made = network(data, size=0.0, layers=layers)
    settings = fitted.settings
    wanted = [settings.prior_scale, settings.query_kernel_scale, settings.style_variance]
    made.log_amplitudes.data.copy_(torch.tensor(wanted).clamp_min(1e-30).log())
    history, asked = data.select(data.table.split == TRAIN), data.questions(np.flatnonzero(data.table.split == TEST))
    found = fitted.with_learned_traits(made).score(history, asked)
    offered = asked.candidates >= 0
    assert found[offered] == pytest.approx(fitted.score(history, asked)[offered], abs=1e-5)


@both
def test_somebody_without_votes_gets_the_impersonal_ranking_and_others_do_not(data, fitted, layers):
    history, asked = data.select(data.table.split == TRAIN), data.questions(np.flatnonzero(data.table.split == TEST))
    router = fitted.with_learned_traits(network(data, layers=layers))
    nobody = router.score(history, replace(asked, user=np.full(len(asked), -1)))
    assert (nobody == router.condition(history).impersonal(history, asked)).all()
    assert not np.allclose(nobody[asked.candidates >= 0], router.score(history, asked)[asked.candidates >= 0])


@both
def test_the_order_of_votes_and_the_answers_asked_for_are_not_read(data, fitted, layers):
    router = fitted.with_learned_traits(network(data, layers=layers)).with_trait_quality(0.2)
    table, test = data.table, np.flatnonzero(data.table.split == TEST)
    train = np.flatnonzero(table.split == TRAIN)
    wanted = router.score(data.select(train), data.questions(test))
    shuffled = np.random.default_rng(0).permutation(train)
    rounding = 1e-4 if layers else 1e-9  # messages are added up in single precision
    assert router.score(data.select(shuffled), data.questions(test)) == pytest.approx(wanted, abs=rounding)
    of_test = table.split[table.row_comparison] == TEST
    # What was answered earlier in the conversation asked may be read as text; what is asked for may not.
    last = np.array([(table.turn[table.conversation == talk] <= turn).all() for talk, turn in _places(table)])
    blanked = data.with_table(
        replace(
            table,
            rating=np.where(of_test, 1 - table.rating, table.rating),
            response=np.where(of_test & last[table.row_comparison], -1, table.response),
        )
    )
    assert (router.score(blanked.select(train), blanked.questions(test)) == wanted).all()


@both
def test_answer_quality_reads_traits_beside_what_it_read_before(data, fitted, layers):
    """Compare the prior of f with one whose covariance was formed."""
    history = data.select(data.table.split == TRAIN)
    without = fitted.with_learned_traits(network(data, layers=layers))
    router, priors = without.with_trait_quality(0.4), []
    for one in (without, router):
        prepared = one.prepare(history)
        prior = one.prior(history, prepared, one.settings)
        priors.append(prior.apply(np.eye(len(prior.query_kernel.keys) * prior.models)))
    keys, models = prior.query_kernel.keys, np.arange(prior.models)
    asked = AskedQueries.alone(ReadQueries.by_text(keys, history.vectors))
    traits = TraitFeatureMaker(router.traits)(history).read(asked, np.tile(models, (len(keys), 1)), history.vectors)
    flat = traits.reshape(-1, 4)
    assert priors[1] - priors[0] == pytest.approx(0.4 * flat @ flat.T, abs=1e-9)
    test = data.questions(np.flatnonzero(data.table.split == TEST))
    moved = router.condition(history).impersonal(history, test) - without.condition(history).impersonal(history, test)
    assert np.abs(moved[test.candidates >= 0]).max() > 1e-3


def test_what_is_written_of_several_networks_is_what_scores(data, fitted):
    traits = TraitEnsemble.of([network(data, layers=layers) for layers in (0, 2, 1)])
    router = fitted.with_learned_traits(traits).with_trait_quality(0.2)
    again = AnswerAwareBradleyTerry().load_state_dict(router.state_dict())
    history, asked = data.select(data.table.split == TRAIN), data.questions(np.flatnonzero(data.table.split == TEST))
    assert again.settings == router.settings
    assert (again.score(history, asked) == router.score(history, asked)).all()
    # Runs of before say nothing of traits in f.
    earlier = {name: value for name, value in router.state_dict().items() if "trait_quality" not in name}
    assert AnswerAwareBradleyTerry().load_state_dict(earlier).settings.trait_quality_variance == 0


@both
def test_answer_quality_that_reads_traits_is_the_same_over_answers_as_over_votes(monkeypatch, layers):
    data = random_dataset(6, users=4, comparisons_per_user=60, questions=6)
    traits = network(data, layers=layers)
    router = AnswerAwareBradleyTerry().fit(data).with_learned_traits(traits).with_trait_quality(0.3)
    found = []
    for most in (10_000, 10):
        monkeypatch.setattr(answer_quality, "MOST_PLAIN_VOTES", most)
        found.append(router.condition(data))
    prior = found[1].quality.prior
    assert prior.features is not None and answers_are_fewer(prior, len(found[1].votes))
    assert np.abs(found[0].quality.feature_weights[-4:]).max() > 0.01  # the traits count
    questions = data.questions(np.arange(10))
    plain, other = (one.score(data, questions) for one in found)
    assert other == pytest.approx(plain, abs=1e-6)
    plain, other = (one.covariances(data, questions) for one in found)
    assert other == pytest.approx(plain, abs=1e-6)
