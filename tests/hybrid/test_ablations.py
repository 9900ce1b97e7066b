"""Every switch of the default router does what it says."""

from dataclasses import replace

import numpy as np
import pytest

from gmt.config import build_config, load_config
from gmt.data.interactions import TEST, TRAIN
from gmt.errors import ConfigError
from gmt.hybrid.closed_form import new_posterior
from gmt.hybrid.gmt_router import GmtRouter
from gmt.posterior.answer_aware import AnswerAwareBradleyTerry
from gmt.posterior.user_covariance import extended_covariance
from gmt.training.learn_traits import learn_traits
from gmt.training.train_traits import train_traits
from tests.factories import random_dataset

PLAIN = ["posterior.network=false", "traits.enabled=false"]


@pytest.fixture(scope="module")
def data():
    return random_dataset(3, users=14, models=5, comparisons_per_user=24)


def fitted(data, *overrides):
    learn = data.select(data.table.split != TEST)
    return new_posterior(load_config(None, [*PLAIN, *overrides])).fit(learn)


def parts(data):
    return data.select(data.table.split == TRAIN), data.questions(np.flatnonzero(data.table.split == TEST))


def nobody(questions):
    """Return the questions as somebody unknown would ask them."""
    return replace(questions, user=np.full(len(questions), -1))


@pytest.mark.parametrize("switch", ["query_quality", "query_kernel", "discrimination", "user_effects", "answers"])
def test_a_switch_that_is_off_changes_scores_and_one_that_is_on_does_not(data, switch):
    history, questions = parts(data)
    default = AnswerAwareBradleyTerry().fit(data.select(data.table.split != TEST)).score(history, questions)
    assert (fitted(data, f"posterior.{switch}=true").score(history, questions) == default).all()
    off = fitted(data, f"posterior.{switch}=false")
    changed = off.score(history, questions)
    # Validation may have switched the kernel off already; what matters then is that it stays off.
    assert switch == "query_kernel" or not np.allclose(changed, default)
    terms = {"query_quality": "quality_variance", "query_kernel": "query_kernel_scale"}
    if switch in terms:
        assert getattr(off.settings, terms[switch]) == 0


def test_without_query_quality_and_answers_a_model_is_as_strong_on_every_query(data):
    history, questions = parts(data)
    everyone = replace(nobody(questions), candidates=np.tile(np.arange(5), (len(questions), 1)))
    flat = fitted(data, "posterior.query_quality=false", "posterior.answers=false").score(history, everyone)
    assert np.ptp(flat, axis=0) == pytest.approx(0) and np.ptp(flat[0]) > 0
    usual = fitted(data, "posterior.answers=false").score(history, everyone)
    assert (np.ptp(usual, axis=0) > 1e-3).any()


def test_without_discrimination_nobody_follows_answer_quality_more_than_others(data):
    covariance = fitted(data, "posterior.discrimination=false").covariance
    assert (covariance[-1] == 0).all() and (covariance[:, -1] == 0).all() and covariance[0, 0] > 0
    assert fitted(data).covariance[-1, -1] > 0


def test_without_user_effects_everybody_gets_the_ranking_of_somebody_unknown(data):
    history, questions = parts(data)
    router = fitted(data, "posterior.user_effects=false")
    assert (router.score(history, questions) == router.score(history, nobody(questions))).all()
    usual = fitted(data)
    assert not np.allclose(usual.score(history, questions), usual.score(history, nobody(questions)))


def test_a_query_kernel_that_is_off_is_not_learned_back_beside_traits(data):
    learn = data.select(data.table.split != TEST)
    small = ["traits.count=2", "traits.steps=8", "traits.networks=2"]
    config = load_config(None, [*small, "posterior.query_kernel=false"])
    router = new_posterior(config).fit(learn)
    network = train_traits(router, data, config.traits, 0)
    joined = router.with_learned_traits(type(network).joined([network, network]))
    found = joined.settings
    assert found.query_kernel_scale == 0 and found.prior_scale > 0 and found.trait_variance == 1
    assert np.isfinite(joined.score(*parts(data))[:, :2]).all()
    assert learn_traits(router, learn, config)[0].settings.query_kernel_scale == 0


def test_without_texts_their_vectors_are_not_read(data):
    history, questions = parts(data)
    rng = np.random.default_rng(0)
    other = replace(history, vectors=rng.permutation(history.vectors), model_vectors=-history.model_vectors)
    learn = data.select(data.table.split != TEST)
    blind = AnswerAwareBradleyTerry().fit(learn.without_vectors())
    router = GmtRouter(blind, None, 0.0, texts=False)
    scores = router.score(history, questions)
    assert (router.score(other, questions) == scores).all()
    reading = GmtRouter(AnswerAwareBradleyTerry().fit(learn), None, 0.0)
    assert not np.allclose(reading.score(other, questions), reading.score(history, questions))


def test_what_has_no_variance_carries_nothing_over_to_new_models():
    prior = np.diag([1.0, 1.0, 1.0, 0.2, 0.0])
    prior[0, 2] = prior[2, 0] = 0.5
    learned = np.diag([2.0, 1.0, 0.2, 0.0])
    wide = extended_covariance(learned, prior)
    assert (wide[-1] == 0).all() and wide[0, 2] == pytest.approx(1.0)
    assert (extended_covariance(np.zeros((4, 4)), np.zeros((5, 5))) == 0).all()


def test_settings_that_leave_traits_without_people_are_refused():
    with pytest.raises(ConfigError, match="set traits.enabled=false"):
        build_config({"posterior": {"people": False}})
