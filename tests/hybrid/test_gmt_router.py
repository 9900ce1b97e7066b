"""Check how the two halves of the router join: what each adds, who chooses the weight, and what is kept."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from gmt.config import GraphConfig, ModelConfig, load_config
from gmt.data.dataset import Dataset
from gmt.data.interactions import TEST, TRAIN, VALID
from gmt.data.schema import turn_schema
from gmt.hybrid.closed_form import new_posterior
from gmt.hybrid.gmt_router import GmtRouter
from gmt.hybrid.network_router import NetworkRouter
from gmt.model.scorer import GraphScorer
from gmt.posterior.answer_aware import AnswerAwareBradleyTerry
from gmt.posterior.hierarchical import HierarchicalBradleyTerry
from gmt.rivals.registry import make_router
from gmt.runs import RunFolder
from gmt.serving.pretrained import Router
from gmt.training.fit_parts import WEIGHTS, join_parts
from gmt.training.train_run import train_run
from tests.factories import random_dataset


def untrained(data, seed=0):
    torch.manual_seed(seed)
    config = ModelConfig(width=16, heads=2, hidden=8)
    scorer = GraphScorer(config, turn_schema(), data.vectors.shape[1], len(data.table.models))
    with torch.no_grad():
        for parameter in scorer.parameters():
            parameter.add_(torch.randn(parameter.shape) * 0.3)
    return NetworkRouter(scorer, GraphConfig())


class Stub:
    """Score by the ratings hidden in the table, drowned in noise."""

    def __init__(self, data, truth, seed=0):
        self.data, self.truth, self.seed, self.asked = data, truth, seed, 0

    def score(self, history, questions, shifts=None):
        self.asked += 1
        at = np.searchsorted(self.data.table.comparison, questions.comparison)
        ratings = np.nan_to_num(self.data.table.ratings)[at]
        noise = np.random.default_rng([self.seed, len(questions)]).normal(size=ratings.shape)
        return np.where(questions.candidates >= 0, self.truth * ratings + noise, -np.inf)


class Counting(AnswerAwareBradleyTerry):
    fits = 0

    def condition(self, history):
        self.fits += 1
        return super().condition(history)


@pytest.fixture(scope="module")
def data() -> Dataset:
    return random_dataset(0, users=12, max_turns=2, unrated=0.05)


@pytest.fixture(scope="module")
def posterior(data) -> AnswerAwareBradleyTerry:
    return AnswerAwareBradleyTerry().fit(data.select(data.table.split != TEST))


def parts(data):
    """Return the TRAIN part and the TEST questions."""
    return data.select(data.table.split == TRAIN), data.questions(np.flatnonzero(data.table.split == TEST))


def finite(scores):
    return np.where(np.isfinite(scores), scores, 0.0)


def test_without_answers_and_network_it_is_the_rival_exactly(demo_data, tmp_path):
    data = Dataset.load(demo_data)
    history, questions = parts(data)
    off = ("posterior.answers", "posterior.tie_widths", "posterior.network", "traits.enabled")
    config = load_config(None, [f"{name}=false" for name in off])
    train_run(demo_data, config, RunFolder(tmp_path / "run"))
    run = Router.from_pretrained(tmp_path / "run")
    rival = make_router("hierarchical_bradley_terry").fit(data.select(data.table.split != TEST))
    assert (run.router.score(history, questions) == rival.score(history, questions)).all()
    assert run.router.graph is None and type(run.router.posterior) is HierarchicalBradleyTerry


def test_settings_choose_the_posterior():
    assert new_posterior(load_config(None, ["posterior.enabled=false", "posterior.network=true"])) is None
    assert type(new_posterior(load_config(None, ["posterior.answers=false"]))) is HierarchicalBradleyTerry
    assert type(new_posterior(load_config(None))) is AnswerAwareBradleyTerry


def test_a_network_that_is_switched_off_changes_nothing_and_is_not_asked(data, posterior):
    history, questions = parts(data)
    alone = GmtRouter(posterior, None, 0.0)
    stub = Stub(data, 5.0)
    off = GmtRouter(posterior, stub, 0.0, {"user0": torch.ones(16)})
    assert (off.score(history, questions) == alone.score(history, questions)).all() and stub.asked == 0
    one = questions.select(np.array([3]))
    assert off.effects(history, one, 0) == alone.effects(history, one, 0)


def test_scores_are_the_posterior_plus_the_weighted_network(data, posterior):
    history, questions = parts(data)
    graph = untrained(data)
    base, extra = posterior.score(history, questions), graph.score(history, questions)
    joined = GmtRouter(posterior, graph, 0.4).score(history, questions)
    offered = questions.candidates >= 0
    assert joined[offered] == pytest.approx((base + 0.4 * extra)[offered]) and np.isneginf(joined[~offered]).all()
    assert (GmtRouter(None, graph).score(history, questions) == extra).all()


def test_a_learned_offset_reaches_its_own_person_by_the_weight(data, posterior):
    history, questions = parts(data)
    graph, offset = untrained(data), torch.full((16,), 2.0)
    plain, moved = (
        GmtRouter(posterior, graph, 0.5, found).score(history, questions) for found in (None, {"user2": offset})
    )
    theirs = questions.user == data.table.users.index("user2")
    extra = graph.score(history, questions, {data.table.users.index("user2"): offset}) - graph.score(history, questions)
    assert theirs.any() and (moved[~theirs] == plain[~theirs]).all()
    assert (moved - plain)[theirs] == pytest.approx(0.5 * extra[theirs], abs=1e-5) and np.abs(
        extra[theirs]
    ).max() > 1e-3


@pytest.mark.parametrize("seed", range(4))
def test_validation_keeps_an_informative_network(data, posterior, seed):
    learn = data.select(data.table.split != TEST)
    router, notes = join_parts(posterior, Stub(data, 2.0, seed), learn)
    assert router.weight in WEIGHTS[1:] and len(notes) == 1
    assert notes[0].startswith(f"The network joins with weight {router.weight:g}: on validation it lowers the log loss")


def test_validation_switches_a_random_network_off(data, posterior):
    learn = data.select(data.table.split != TEST)
    found = [join_parts(posterior, Stub(data, 0.0, seed), learn) for seed in range(20)]
    off = [notes[0] for router, notes in found if router.weight == 0]
    assert len(off) >= 18 and all(note.startswith("The network is switched off: on validation") for note in off)
    router, _ = join_parts(posterior, untrained(data), learn)
    assert router.weight == 0 and router.graph is not None


def test_the_weight_is_chosen_on_validation_votes_given_train_ones(data, posterior, monkeypatch):
    table, seen = data.table, []

    class Watching(Stub):
        def score(self, history, questions, shifts=None):
            seen.append((history.table.comparison, questions.comparison))
            return super().score(history, questions)

    join_parts(posterior, Watching(data, 1.0), data.select(table.split != TEST))
    (history, asked), *others = seen
    assert not others and (history == table.comparison[table.split == TRAIN]).all()
    assert (asked == table.comparison[(table.split == VALID) & table.rated]).all()


def test_the_gain_that_is_noted_is_the_one_that_is_had(data, posterior):
    """Recompute loss and doubt with other code: log odds of every vote as they are, half a win each for a tie."""
    learn = data.select(data.table.split != TEST)
    stub = Stub(data, 2.0)
    router, notes = join_parts(posterior, stub, learn)
    valid = np.flatnonzero((data.table.split == VALID) & data.table.rated)
    history, questions = data.select(data.table.split == TRAIN), data.questions(valid)
    ratings = data.table.ratings[valid]

    def losses(scores):
        found = []
        for at in range(len(valid)):
            for a, b in itertools.combinations(np.flatnonzero(~np.isnan(ratings[at])), 2):
                win = 1 / (1 + np.exp(scores[at, b] - scores[at, a]))
                share = (1 + np.sign(ratings[at, a] - ratings[at, b])) / 2
                found.append(-share * np.log(win) - (1 - share) * np.log(1 - win))
        return np.array(found)

    gain = losses(posterior.score(history, questions)) - losses(router.score(history, questions))
    said = notes[0].rsplit("by ")[-1].rstrip(".").split(" ± ")
    assert [float(value) for value in said] == pytest.approx([gain.mean(), 2 * gain.std() / len(gain) ** 0.5], abs=2e-4)


@pytest.mark.parametrize("case", ["no rows", "no ratings", "ties alone"])
def test_without_a_vote_to_validate_on_the_network_is_off(data, posterior, case):
    table = data.table
    valid = table.split[table.row_comparison] == VALID
    ratings = np.where(valid, np.nan if case == "no ratings" else 0.5, table.rating)
    changed = data.with_table(replace(table, rating=ratings))
    learn = changed.select(table.split == TRAIN if case == "no rows" else table.split != TEST)
    router, notes = join_parts(posterior, Stub(data, 5.0), learn)
    assert router.weight == 0 and notes == ["There is no vote to validate on: the network is switched off."]


def test_one_half_alone_needs_no_choice(data, posterior):
    learn, stub = data.select(data.table.split != TEST), Stub(data, 0.0)
    for halves, weight in (((posterior, None), 0.0), ((None, stub), 1.0)):
        router, notes = join_parts(*halves, learn)
        assert (router.posterior, router.graph, router.weight, notes) == (*halves, weight, [])
    assert stub.asked == 0


def test_effects_sum_to_the_personal_part_when_the_network_is_off(data, posterior):
    history, questions = parts(data)
    router = GmtRouter(posterior, None, 0.0)
    conditioned = posterior.condition(history)
    personal = router.score(history, questions) - conditioned.impersonal(history, questions)
    personal -= personal.mean(axis=1, keepdims=True)
    for i in (0, 7, 20):
        for choice in (0, 1):
            effects = router.effects(history, questions.select(np.array([i])), choice)
            assert len(effects) > 5 and sum(effects.values()) == pytest.approx(personal[i, choice], abs=1e-9)
            assert (history.table.user[list(effects)] == questions.user[i]).all()
            assert history.table.rated[list(effects)].all()


def test_effects_add_what_the_weighted_network_says(data, posterior):
    history, questions = parts(data)
    one, graph = questions.select(np.array([5])), untrained(data)
    own, network = GmtRouter(posterior, None, 0.0).effects(history, one, 1), graph.effects(history, one, 1)
    both = GmtRouter(posterior, graph, 2.0).effects(history, one, 1)
    assert both == pytest.approx({position: own.get(position, 0.0) + 2.0 * network[position] for position in network})
    assert GmtRouter(None, graph).effects(history, one, 1) == pytest.approx(network)


def test_somebody_unknown_has_no_effects(data, posterior):
    history, questions = parts(data)
    stranger = replace(questions.select(np.array([0])), user=np.array([-1]))
    assert GmtRouter(posterior, untrained(data), 1.0).effects(history, stranger, 0) == {}


def counting(posterior):
    return Counting().load_state_dict(posterior.state_dict())


def grown(data, count=1):
    """Return the data with new people, texts and models known but no new round, as when a question is asked."""
    from gmt.data.dataset import ModelInfo

    names = tuple(f"new {i}" for i in range(count))
    table = replace(
        data.table,
        users=(*data.table.users, *names),
        texts=(*data.table.texts, *names),
        models=(*data.table.models, *names),
    )
    drawn = np.random.default_rng(0).normal(size=(count, data.vectors.shape[1]))
    more = [np.concatenate([old, drawn]) for old in (data.vectors, data.model_vectors)]
    models = {**data.models, **{name: ModelInfo(name) for name in names}}
    return replace(data, table=table, vectors=more[0], model_vectors=more[1], models=models)


def test_a_history_is_conditioned_on_once(data, posterior):
    history, questions = parts(data)
    kept = counting(posterior)
    router = GmtRouter(kept, None, 0.0)
    scores = router.score(history, questions)
    router.effects(history, questions.select(np.array([0])), 0)
    router.covariance(history, questions.select(np.array([0])))
    assert (router.score(grown(history), questions) == scores).all() and kept.fits == 1
    # A candidate that the kept one has not heard of is another matter; having it changes no old score.
    wider = replace(
        questions, candidates=np.where(questions.candidates == 0, len(data.table.models), questions.candidates)
    )
    assert np.isfinite(router.score(grown(history), wider)).all() and kept.fits == 2
    assert router.score(grown(history, 3), questions) == pytest.approx(scores, abs=1e-6)
    assert router.score(history, questions) == pytest.approx(scores, abs=1e-6) and kept.fits == 2


def other_histories(history):
    table = history.table
    turned = np.random.default_rng(0).permutation(len(table.users))
    vectors = history.model_vectors.copy()
    vectors[0] = vectors[1]
    return {
        "a round less": history.select(np.arange(len(table) - 1)),
        "other ratings": history.with_table(replace(table, rating=1 - table.rating)),
        "other people": history.with_table(replace(table, user=turned[table.user])),
        "other models": history.with_table(replace(table, model=(table.model + 1) % len(table.models))),
        "other queries": history.with_table(replace(table, query=table.query[::-1].copy())),
        "other answers": history.with_table(replace(table, response=table.response[::-1].copy())),
        "another description": replace(history, model_vectors=vectors),
    }


@pytest.mark.parametrize("change", list(other_histories(random_dataset(0))))
def test_another_history_is_conditioned_on_anew(data, posterior, change):
    history, questions = parts(data)
    other = other_histories(history)[change]
    kept = counting(posterior)
    router = GmtRouter(kept, None, 0.0)
    before = router.score(history, questions)
    after = router.score(other, questions)
    assert kept.fits == 2 and (after == GmtRouter(posterior, None, 0.0).score(other, questions)).all()
    assert np.abs(finite(after) - finite(before)).max() > 1e-6
    assert (router.score(history, questions) == before).all() and kept.fits == 3


def test_a_model_of_one_conversation_is_not_taken_for_another(data, posterior):
    """Two questions about the same rounds may each bring a model of their own, under the same code."""
    history, questions = parts(data)
    candidates = np.where(questions.candidates == 0, len(data.table.models), questions.candidates)
    asked = replace(questions, candidates=candidates)
    one = grown(history)
    vectors = one.model_vectors.copy()
    vectors[-1] = -vectors[-1]
    other, router = replace(one, model_vectors=vectors), GmtRouter(posterior, None, 0.0)
    first, second = router.score(one, asked), router.score(other, asked)
    assert (second == GmtRouter(posterior, None, 0.0).score(other, asked)).all()
    assert np.abs(finite(first) - finite(second)).max() > 1e-3


def test_there_is_a_covariance_with_a_posterior_only(data, posterior):
    history, questions = parts(data)
    one = questions.select(np.array([0]))
    found = GmtRouter(posterior, None, 0.0).covariance(history, one)
    assert found is not None and found.shape == (2, 2) and (np.linalg.eigvalsh(found) > 0).all()
    assert GmtRouter(None, Stub(data, 1.0)).covariance(history, one) is None
