from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import expit

from gmt.data.interactions import TEST, TRAIN
from gmt.model.trait_network import TraitNetwork
from gmt.posterior.answer_aware import AnswerAwareBradleyTerry
from gmt.posterior.implicit_mode import implicit_mode
from gmt.posterior.trait_features import TraitFeatureMaker
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


def problem(votes=6, people=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    root = torch.randn(people, votes, 3, dtype=torch.float64, generator=generator)
    offset = torch.randn(people, votes, dtype=torch.float64, generator=generator)
    y = torch.randint(0, 3, (people, votes), generator=generator).double() / 2
    mask = torch.ones(people, votes, dtype=torch.bool)
    mask[0, -2:] = False
    return root, offset, y, mask


def test_the_mode_is_the_one_a_general_optimiser_finds():
    root, offset, y, mask = problem()
    alpha = implicit_mode(root @ root.transpose(1, 2), offset, y, mask)
    for person in range(2):
        own = mask[person].numpy()
        rows, known, won = root[person].numpy()[own], offset[person].numpy()[own], y[person].numpy()[own]

        def loss(w, rows=rows, known=known, won=won):
            logit = rows @ w + known
            return np.sum(np.logaddexp(0, logit) - won * logit) + w @ w / 2

        w = minimize(loss, np.zeros(3), tol=1e-12).x
        assert alpha[person].numpy()[own] == pytest.approx(won - expit(rows @ w + known), abs=1e-5)
        assert (alpha[person].numpy()[~own] == 0).all()


def test_gradients_through_the_solve_are_exact():
    root, offset, y, mask = problem()
    root.requires_grad_()
    offset.requires_grad_()

    def asked(root, offset):
        kernel = root @ root.transpose(1, 2)
        return (kernel @ implicit_mode(kernel, offset, y, mask)[:, :, None])[:, :, 0]

    assert torch.autograd.gradcheck(asked, (root, offset), eps=1e-6, atol=1e-5)


def test_rows_and_candidates_are_described_alike(data):
    features = TraitFeatureMaker(network(data))(data)
    table = data.table
    questions = data.questions(np.arange(len(table)))
    rows, offered = features.of_rows(data), features.of_candidates(data, questions)
    slot = np.arange(len(table.model)) - table.start[:-1][table.row_comparison]
    assert offered[table.row_comparison, slot] == pytest.approx(rows, abs=1e-6)


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
