"""Check that learned traits describe rows and candidates alike and add nothing for users without votes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from gmt.data.interactions import TEST, TRAIN
from gmt.model.trait_network import TraitNetwork
from gmt.posterior.answer_aware import AnswerAwareBradleyTerry
from gmt.posterior.trait_features import TraitFeatureMaker
from gmt.routing.conversation_reading import ConversationReading
from tests.factories import random_dataset


@pytest.fixture(scope="module")
def data():
    return random_dataset(3, users=10, max_turns=2)


@pytest.fixture(scope="module")
def fitted(data):
    return AnswerAwareBradleyTerry().fit(data.select(data.table.split != TEST))


def network(data, size=0.7):
    torch.manual_seed(1)
    made = TraitNetwork(data.vectors.shape[1], len(data.table.models), 4)
    made.residual.data.normal_(std=size)
    made.read_query.weight.data.normal_(std=size)
    made.read_model.weight.data.normal_(std=size)
    return made.eval()


@pytest.mark.parametrize("reading", [ConversationReading(), ConversationReading(0.9, 0.5, 3.0)])
def test_rows_and_candidates_are_described_alike(data, reading):
    features = TraitFeatureMaker(network(data), reading)(data)
    table = data.table
    questions = data.questions(np.arange(len(table)))
    rows, offered = features.of_rows(data), features.of_candidates(data, questions)
    slot = np.arange(len(table.model)) - table.start[:-1][table.row_comparison]
    assert offered[table.row_comparison, slot] == pytest.approx(rows, abs=1e-6)
    # Later rounds alone are described by more than their own text.
    alone = TraitFeatureMaker(network(data))(data).of_rows(data)
    moved = (np.abs(rows - alone) > 1e-6).any(axis=1)
    assert np.array_equal(moved, (table.turn > 0)[table.row_comparison] & (reading.decay > 0))


def test_traits_of_no_size_change_nothing(data, fitted):
    made = network(data, size=0.0)
    settings = fitted.settings
    wanted = [settings.prior_scale, settings.query_kernel_scale, settings.style_variance]
    made.log_amplitudes.data.copy_(torch.tensor(wanted).clamp_min(1e-30).log())
    history, asked = data.select(data.table.split == TRAIN), data.questions(np.flatnonzero(data.table.split == TEST))
    found = fitted.with_learned_traits(made).score(history, asked)
    offered = asked.candidates >= 0
    assert found[offered] == pytest.approx(fitted.score(history, asked)[offered], abs=1e-5)


def test_somebody_without_votes_gets_the_impersonal_ranking_and_others_do_not(data, fitted):
    history, asked = data.select(data.table.split == TRAIN), data.questions(np.flatnonzero(data.table.split == TEST))
    router = fitted.with_learned_traits(network(data))
    nobody = router.score(history, replace(asked, user=np.full(len(asked), -1)))
    assert (nobody == router.condition(history).impersonal(history, asked)).all()
    assert not np.allclose(nobody[asked.candidates >= 0], router.score(history, asked)[asked.candidates >= 0])


def test_the_order_of_votes_and_the_answers_asked_for_are_not_read(data, fitted):
    router = fitted.with_learned_traits(network(data))
    table, test = data.table, np.flatnonzero(data.table.split == TEST)
    train = np.flatnonzero(table.split == TRAIN)
    wanted = router.score(data.select(train), data.questions(test))
    shuffled = np.random.default_rng(0).permutation(train)
    assert router.score(data.select(shuffled), data.questions(test)) == pytest.approx(wanted, abs=1e-9)
    of_test = table.split[table.row_comparison] == TEST
    blanked = data.with_table(
        replace(
            table,
            rating=np.where(of_test, 1 - table.rating, table.rating),
            response=np.where(of_test, -1, table.response),
        )
    )
    assert (router.score(blanked.select(train), blanked.questions(test)) == wanted).all()
