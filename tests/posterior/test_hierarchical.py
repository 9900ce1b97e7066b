from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from data_prep.simulate.planted import PlantedSettings
from data_prep.simulate.planted_table import planted_dataset
from gmt.data.comparisons import Candidate, Comparison
from gmt.data.dataset import Dataset
from gmt.data.interactions import TEST, TRAIN, VALID, InteractionTable
from gmt.errors import DataError
from gmt.evaluation.metrics import pairs_of
from gmt.posterior.alternating_fit import ROUNDS, alternating_fit
from gmt.posterior.answer_aware import AnswerAwareBradleyTerry
from gmt.posterior.hierarchical import HierarchicalBradleyTerry
from gmt.posterior.hierarchical_settings import HierarchicalSettings
from gmt.posterior.rating_scales import RatingScales
from gmt.posterior.style import AnswerStyle, style_of
from gmt.posterior.user_batch import UserBatch
from gmt.posterior.user_covariance import extended_covariance
from gmt.posterior.vote_history import VoteHistory
from gmt.rivals.bradley_terry import BradleyTerry
from gmt.rivals.registry import make_router
from gmt.routing import kernels
from gmt.routing.pairwise import votes_of
from gmt.routing.query_keys import QueryKeys
from tests.factories import dataset_of, random_dataset, random_table, with_lone_ratings

SETTINGS = HierarchicalSettings(quality_variance=0.7, query_kernel_scale=1.5, prior_scale=0.8, style_variance=0.1)


def small(seed=0, **settings) -> Dataset:
    return dataset_of(
        random_table(seed, users=4, models=4, comparisons_per_user=8, max_turns=2, questions=4, **settings)
    )


def unit(vectors):
    moved = vectors.astype(float) - vectors.astype(float).mean(0)
    return moved / np.linalg.norm(moved, axis=1, keepdims=True)


def told(said, z):
    """Return log likelihoods, their slopes and curvatures of outcomes (y, lower, upper, weight) at scores z."""
    y, lower, upper, weight = np.transpose(said)
    exact = lower == upper
    moved = z - np.where(exact, lower, 0)
    low, high = expit(lower - z), expit(upper - z)
    chance = np.where(exact, 0.5, high - low)
    own, down, up = expit(moved), low * (1 - low), high * (1 - high)
    value = np.where(exact, y * moved - np.logaddexp(0, moved), np.log(chance))
    slope = np.where(exact, y - own, (down - up) / chance)
    bend = (up * (1 - 2 * high) - down * (1 - 2 * low)) / chance - ((down - up) / chance) ** 2
    return weight * value, weight * slope, weight * np.where(exact, own * (1 - own), -bend)


def mode(covariance, rows, said, offset):
    """Find the most likely w ~ N(0, covariance) behind outcomes of scores `rows` w + `offset`."""
    root = np.linalg.cholesky(covariance + 1e-10 * np.eye(len(covariance)))

    def loss(v):
        value, slope, _ = told(said, rows @ root @ v + offset)
        return v @ v / 2 - np.sum(value), v - root.T @ rows.T @ slope

    return root @ minimize(loss, np.zeros(len(root)), jac=True, tol=1e-13, options={"maxiter": 5000}).x


class BruteForce:
    """The model of the docstring, with dense matrices, loops and a general optimiser."""

    def __init__(self, data: Dataset, settings: HierarchicalSettings, scales: RatingScales) -> None:
        table = data.table
        self.settings, self.models = settings, len(table.models)
        texts = [table.texts[code] for code in table.query]
        self.texts = sorted(set(texts))
        place = unit(np.stack([data.vectors[table.texts.index(text)] for text in self.texts]))
        alike = np.eye(len(self.texts))
        self.K_q = 0.5 * alike + 0.3 * (0.3 + 0.7 * place @ place.T) + 0.2 * alike  # no tasks here
        cosine = unit(data.model_vectors) @ unit(data.model_vectors).T
        own = np.eye(self.models)
        self.K_b, K_m = 0.3 * own + 0.7 * cosine, 0.7 * own + 0.3 * (0.5 + 0.5 * cosine)
        ones = np.ones((len(self.texts), len(self.texts)))
        self.cov_f = np.kron(settings.strength_variance * ones, self.K_b)
        self.cov_f += np.kron(settings.quality_variance * self.K_q, K_m)
        # Models, position bias, discrimination, leniency.
        beside = [settings.position_bias_variance, settings.discrimination_variance, settings.leniency_variance]
        self.S = np.diag([*np.zeros(self.models), *beside])
        self.S[:-3, :-3] = settings.user_variance * self.K_b
        raw = np.array([style_of(table.texts[code]) for code in table.response])
        self.style = (raw - raw.mean(0)) / np.maximum(raw.std(0), 1e-3)
        mean_style = np.stack([self.style[table.model == m].mean(0) for m in range(self.models)])
        self.shown_style = np.tile(mean_style, (len(self.texts), 1))
        self.votes = []
        rated = (~np.isnan(table.ratings)).sum(axis=1)
        for c in range(len(table)):
            rows = range(table.start[c], table.start[c + 1])
            for i in rows:
                for j in rows:
                    if i < j and not np.isnan(table.rating[[i, j]]).any():
                        said = (*self.compared(table.rating[i] - table.rating[j], scales), 2 / rated[c])
                        query = self.texts.index(texts[c])
                        self.votes.append((table.user[c], query, table.model[i], table.model[j], said, i, j))
                if rated[c] == 1 and not np.isnan(table.rating[i]):
                    ends = [-np.inf, *scales.lone_cuts, np.inf]
                    level = sum(table.rating[i] > edge for edge in scales.lone_edges)
                    said = (0.0, ends[level], ends[level + 1], 1.0)
                    self.votes.append((table.user[c], self.texts.index(texts[c]), table.model[i], None, said, i, None))

    def compared(self, gap, scales):
        """Return y, lower and upper of a difference of two ratings."""
        if scales.gap_cuts is None:
            return 0.5 + 0.5 * np.sign(gap), 0.0, 0.0
        ends = [*-scales.gap_cuts[::-1], *scales.gap_cuts, np.inf]
        size = sum(abs(gap) > edge for edge in scales.gap_edges)
        if size == 0:
            return 0.0, -scales.gap_cuts[0], scales.gap_cuts[0]
        low = scales.gap_cuts[size - 1]
        high = ends[len(scales.gap_cuts) + size]
        return (0.0, low, high) if gap > 0 else (0.0, -high, -low)

    def design(self, scale):
        rows = np.zeros((len(self.votes), len(self.cov_f)))
        for t, (_, query, a, b, *_) in enumerate(self.votes):
            rows[t, query * self.models + a] = scale[t]
            if b is not None:
                rows[t, query * self.models + b] = -scale[t]
        return rows

    def fit(self):
        y = np.array([vote[4] for vote in self.votes])
        scale, offset = np.ones(len(y)), np.zeros(len(y))
        f = mode(self.cov_f, self.design(scale), y, offset)
        for _ in range(ROUNDS):
            x = self.user_rows(f)
            for user in {vote[0] for vote in self.votes}:
                mine = [t for t, vote in enumerate(self.votes) if vote[0] == user]
                w = mode(self.S, x[mine], y[mine], x[mine, -2])
                scale[mine] = 1 + w[-2]
                offset[mine] = x[mine] @ w - x[mine, -2] * w[-2]
            f = mode(self.cov_f, self.design(scale), y, offset)
        weighted = self.design(scale) * told(y, self.design(scale) @ f + offset)[2][:, None]
        self.after_f = np.linalg.inv(np.linalg.inv(self.cov_f) + self.design(scale).T @ weighted)
        return f

    def user_rows(self, f):
        x = np.zeros((len(self.votes), self.models + 3))
        for t, (_, query, a, b, *_) in enumerate(self.votes):
            x[t, a], x[t, -2] = 1, f[query * self.models + a]
            if b is None:
                x[t, -1] = 1
            else:
                x[t, b], x[t, -3] = -1, 1
                x[t, -2] -= f[query * self.models + b]
        return x

    def kernel(self, one, other):
        """Return the covariance of what a user adds to two votes or candidates, each (x, query, style)."""
        (x, q, style), (z, r, others) = one, other
        s, S = self.settings, self.settings.prior_scale * self.S
        own = 0.5 * np.diag(np.diag(S[:-3, :-3])) + 0.5 * S[:-3, :-3]
        similar = s.query_kernel_scale * (x[:-3] @ own @ z[:-3]) * self.K_q[q, r]
        return x @ S @ z + similar + s.style_variance * style @ others

    def solved(self, f, user):
        """Return a user's votes as the kernel reads them, its matrix, and slopes and curvatures at the mode."""
        mine = [vote for vote in self.votes if vote[0] == user]
        x = self.user_rows(f)[[vote[0] == user for vote in self.votes]]
        style = [self.style[one[5]] - (0 if one[6] is None else self.style[one[6]]) for one in mine]
        known = [(x[t], mine[t][1], style[t]) for t in range(len(mine))]
        K = np.array([[self.kernel(one, two) for two in known] for one in known])
        y = np.array([vote[4] for vote in mine])
        g = mode(K, np.eye(len(mine)), y, x[:, -2])
        _, slope, bend = told(y, g + x[:, -2])
        return known, K, slope, bend

    def difference(self, f, user, query, a, b):
        """Score of model a less that of b."""
        known, _, slope, _ = self.solved(f, user)
        x = np.zeros(self.models + 3)
        gap = f[query * self.models + a] - f[query * self.models + b]
        x[a], x[b], x[-2] = 1, -1, gap
        shown = self.shown_style[query * self.models + a] - self.shown_style[query * self.models + b]
        towards = np.array([self.kernel((x, query, shown), one) for one in known])
        return gap + towards @ slope

    def covariance(self, f, user, query, models):
        """Covariance of the scores of models on a query."""
        known, K, slope, bend = self.solved(f, user)
        at = query * self.models + models
        candidates = []
        for model, answer in zip(models, at, strict=True):
            x = np.zeros(self.models + 3)
            x[model], x[-2] = 1, f[answer]
            candidates.append((x, query, self.shown_style[answer]))
        within = np.array([[self.kernel(one, two) for two in candidates] for one in candidates])
        towards = np.array([[self.kernel(one, two) for two in known] for one in candidates])
        added = within - towards @ np.linalg.inv(np.diag(1 / bend) + K) @ towards.T
        rows = np.array([x for x, _, _ in known])
        discrimination = 1 + slope @ rows @ (self.settings.prior_scale * self.S)[:, -2]
        return added + discrimination**2 * self.after_f[np.ix_(at, at)]


class BruteForceWithAnswers(BruteForce):
    """The same, with answer quality and users' weights of style read from the answers."""

    def __init__(self, data: Dataset, settings: HierarchicalSettings, scales: RatingScales) -> None:
        super().__init__(data, settings, scales)
        table = data.table
        asked, vectors = table.query[table.row_comparison], data.vectors.astype(float)
        written = [row for row in range(len(table.model)) if table.response[row] >= 0]
        form = np.array([style_of(table.texts[table.response[row]]) for row in written])
        near = np.array([vectors[table.response[row]] @ vectors[asked[row]] for row in written])
        distinct = vectors[sorted({table.response[row] for row in written})]
        centre = distinct.mean(0)
        _, size, axes = np.linalg.svd(distinct - centre, full_matrices=False)
        parts = (vectors[table.response[written]] - centre) @ axes[:16].T
        seen = np.column_stack(
            [
                (form - form.mean(0)) / np.maximum(form.std(0), 1e-3),
                (near - near.mean()) / near.std(),
                parts / np.sqrt((size[:16] ** 2).sum() / len(distinct)),
            ]
        )
        model = table.model[written]
        cell = np.array([self.texts.index(table.texts[asked[row]]) for row in written]) * self.models + model
        around = data.model_vectors - data.model_vectors[sorted(set(model))].mean(0)
        unit = around / np.linalg.norm(around, axis=1, keepdims=True)
        likeness = 0.3 * np.eye(self.models) + 0.7 * unit @ unit.T
        # Every answer is its model's habit and noise of variance 3, all of it at once.
        every = likeness[np.ix_(model, model)] + 3.0 * np.eye(len(model))
        habits = likeness[:, model] @ np.linalg.solve(every, seen)
        self.phi = np.tile(habits, (len(self.texts), 1))
        for known in set(cell):
            self.phi[known] = seen[cell == known].mean(0)
        self.cov_f += settings.answer_variance * self.phi @ self.phi.T
        self.shown_style = self.phi[:, :5]
        self.style = habits[table.model, :5]
        self.style[written] = seen[:, :5]


def with_gaps(data: Dataset) -> Dataset:
    """Return the data with answers that differ in form and from time to time, and a third of them unseen."""
    rng = np.random.default_rng(0)
    items = []
    for item in data.table.to_comparisons():
        texts = [f"{one.response}" + "\n- more" * int(rng.integers(3)) for one in item.candidates]
        pairs = zip(item.candidates, texts, strict=True)
        answers = tuple(replace(one, response=None if rng.random() < 0.3 else text) for one, text in pairs)
        items.append(replace(item, candidates=answers))
    return dataset_of(InteractionTable.from_comparisons(items, models=data.table.models), width=24)


@pytest.mark.parametrize("answers", [False, True, "everything"])
def test_scores_equal_a_dense_brute_force_posterior(answers):
    data = small(max_candidates=3)
    settings = replace(SETTINGS, answer_variance=0.3 if answers is True else 0.0)
    if answers == "everything":
        data = with_lone_ratings(data)
    if answers is True:
        data = with_gaps(data)
    kind = AnswerAwareBradleyTerry if answers is True else HierarchicalBradleyTerry
    # Thresholds are found by the alternating fit and have tests of their own; what is made of them is compared here.
    scales = kind(settings).condition(data).votes.scales
    assert (scales.lone_cuts is not None) == (scales.gap_cuts is not None) == (answers == "everything")
    if answers is True:
        brute, router = BruteForceWithAnswers(data, settings, scales), AnswerAwareBradleyTerry(settings)
        described = router.prior(data, router.prepare(data), settings).features
        assert described is not None and described.shape == (len(brute.phi), 22)
    else:
        brute, router = BruteForce(data, settings, scales), HierarchicalBradleyTerry(settings)
    f, posterior = brute.fit(), router.condition(data)
    known = posterior.quality.known
    order = [brute.texts.index(data.table.texts[code]) for code in posterior.votes.queries.keys.query]
    assert known == pytest.approx(f.reshape(-1, 4)[order], abs=1e-5)
    questions = data.questions(np.arange(1, len(data.table), 3))
    scores = router.score(data, questions)
    for i in range(len(questions)):
        query = brute.texts.index(data.table.texts[questions.query[i]])
        a, b = questions.candidates[i, :2]
        wanted = brute.difference(f, questions.user[i], query, a, b)
        assert scores[i, 0] - scores[i, 1] == pytest.approx(wanted, abs=1e-4)


def test_a_round_of_learning_is_one_of_expectation_maximisation():
    data, router = small(1), HierarchicalBradleyTerry(SETTINGS)
    prepared = router.prepare(data)
    votes, start = prepared.votes, prepared.user_covariance
    prior = router.prior(data, prepared, SETTINGS)
    first, _, _ = alternating_fit(prior, votes, start, 0)
    _, learned, _ = alternating_fit(prior, votes, start, 1, learn=True)
    offset, total = first.differences(votes.query, votes.a, votes.b), np.zeros_like(start)
    for user in range(4):
        mine = np.flatnonzero(votes.user == user)
        x = np.zeros((len(mine), len(start)))
        x[np.arange(len(mine)), votes.a[mine]] = 1
        x[np.arange(len(mine)), votes.b[mine]] = -1
        x[:, -2], x[:, -1] = 1, offset[mine]
        said = [(y, 0.0, 0.0, 1.0) for y in votes.outcomes.y[mine]]
        w = mode(start, x, said, offset[mine])
        chance = expit(x @ w + offset[mine])
        total += np.outer(w, w) + np.linalg.inv(np.linalg.inv(start) + x.T @ (x * (chance * (1 - chance))[:, None]))
    assert learned == pytest.approx(0.7 * total / 4 + 0.3 * start, abs=1e-5)


def test_a_person_without_votes_gets_the_impersonal_ranking_exactly():
    data = random_dataset(0, users=8, personal=3.0)
    history = data.select(data.table.user != 2)
    posterior = HierarchicalBradleyTerry(SETTINGS).condition(history)
    questions = data.questions(np.arange(len(data.table)))
    mine, strangers = data.table.user == 2, replace(questions, user=np.full(len(questions), -1))
    impersonal = posterior.impersonal(history, questions)
    assert (posterior.score(history, questions)[mine] == impersonal[mine]).all()
    assert (posterior.score(history, strangers) == impersonal).all()
    assert np.abs(posterior.score(history, questions) - impersonal)[~mine].max() > 0.1


def test_order_of_votes_changes_nothing_and_unrated_rows_are_ignored():
    data = small(2, max_candidates=3, unrated=0.3)
    router, questions = HierarchicalBradleyTerry(SETTINGS), data.questions(np.arange(len(data.table)))
    scores = router.score(data, questions)
    shuffled = data.select(np.random.default_rng(0).permutation(len(data.table)))
    assert router.score(shuffled, questions) == pytest.approx(scores, abs=1e-9)
    # Answers without a rating still tell what the models' style is, so style is left out here.
    plain = HierarchicalBradleyTerry(replace(SETTINGS, style_variance=0.0))
    rated = data.select(data.table.rated)
    plain.query_centre = data.vectors.mean(0)
    assert plain.score(rated, questions) == pytest.approx(plain.score(data, questions), abs=1e-9)


def test_a_vote_added_and_removed_again_leaves_no_trace():
    data = random_dataset(3, users=6)
    most, router = data.select(np.arange(len(data.table) - 1)), HierarchicalBradleyTerry(SETTINGS)
    questions = data.questions(np.arange(20))
    before = router.score(most, questions)
    assert np.abs(router.score(data, questions) - before).max() > 1e-6
    assert (router.score(data.select(np.arange(len(data.table) - 1)), questions) == before).all()


def test_two_users_of_opposite_taste_get_opposite_rankings():
    comparisons = []
    for i in range(30):
        for user, rating in (("ana", 1.0), ("bo", 0.0)):
            pair = (Candidate("x", None, rating), Candidate("y", None, 1 - rating))
            comparisons.append(Comparison(user, f"{user}{i}", 0, f"q{i % 5}", pair))
    data = dataset_of(InteractionTable.from_comparisons(comparisons))
    scores = HierarchicalBradleyTerry(SETTINGS).score(data, data.questions(np.array([0, 1])))
    assert scores[0, 0] - scores[0, 1] > 1 and scores[1, 1] - scores[1, 0] > 1


def test_no_rating_that_is_asked_reaches_the_scores():
    data = random_dataset(4, unrated=0.1)
    table = data.table
    rows = table.row_comparison
    flipped = replace(table, rating=np.where(table.split[rows] == TEST, 1 - table.rating, table.rating))
    found = []
    for version in (table, flipped):
        version = data.with_table(version)
        router = HierarchicalBradleyTerry().fit(version.select(table.split != TEST))
        asked = version.questions(np.flatnonzero(table.split == TEST))
        found.append(router.score(version.select(table.split == TRAIN), asked))
    assert (found[0] == found[1]).all()


def test_contributions_sum_to_the_scores():
    data = small(5, max_candidates=4)
    posterior = HierarchicalBradleyTerry(SETTINGS).condition(data)
    questions = data.questions(np.arange(len(data.table)))
    scores = posterior.score(data, questions)
    for i in (0, 11, 30):
        parts, offered = posterior.explain(data, questions, i), questions.candidates[i] >= 0
        assert (parts.shared + parts.votes.sum(0))[offered] == pytest.approx(scores[i, offered], abs=1e-12)
        assert (data.table.user[parts.comparison] == questions.user[i]).all() and len(parts.votes) > 5
    stranger = replace(questions, user=np.full(len(questions), -1))
    assert posterior.explain(data, stranger, 0).votes.shape[0] == 0


@pytest.mark.parametrize("answers", [False, True, "everything"])
def test_covariances_equal_those_of_a_dense_brute_force_posterior(answers):
    data, aware = small(6, max_candidates=3 if answers == "everything" else 2), answers is True
    settings = replace(SETTINGS, answer_variance=0.3 if aware else 0.0)
    data = with_gaps(data) if aware else with_lone_ratings(data) if answers else data
    kind, dense = (AnswerAwareBradleyTerry, BruteForceWithAnswers) if aware else (HierarchicalBradleyTerry, BruteForce)
    posterior, questions = kind(settings).condition(data), data.questions(np.arange(6))
    brute = dense(data, settings, posterior.votes.scales)
    f = brute.fit()
    much = posterior.covariances(data, questions)
    for i in range(len(questions)):
        query = brute.texts.index(data.table.texts[questions.query[i]])
        offered = questions.candidates[i] >= 0
        wanted = brute.covariance(f, questions.user[i], query, questions.candidates[i, offered])
        assert much[i][np.ix_(offered, offered)] == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize("kind", [HierarchicalBradleyTerry, AnswerAwareBradleyTerry])
def test_covariances_shrink_with_votes(kind):
    data, settings = small(6), replace(SETTINGS, answer_variance=0.3)
    questions = data.questions(np.arange(6))
    much = kind(settings).condition(data)
    little = kind(settings).condition(data.select(data.table.user != 0))
    ours, theirs = (part.covariances(data, questions)[:, :2, :2] for part in (much, little))
    contrast = np.array([1.0, -1.0])
    assert (contrast @ ours @ contrast < contrast @ theirs @ contrast).all()
    assert (np.linalg.eigvalsh(ours) > 0).all()


def test_state_survives_a_round_trip_through_a_file(tmp_path):
    data = random_dataset(7)
    questions = data.questions(np.flatnonzero(data.table.split == TEST))
    history = data.select(data.table.split == TRAIN)
    router = HierarchicalBradleyTerry().fit(data.select(data.table.split != TEST))
    np.savez(tmp_path / "state.npz", **router.state_dict())
    with np.load(tmp_path / "state.npz", allow_pickle=False) as state:
        again = HierarchicalBradleyTerry().load_state_dict(dict(state))
    assert again.settings == router.settings
    assert (again.score(history, questions) == router.score(history, questions)).all()
    fresh = HierarchicalBradleyTerry().load_state_dict(HierarchicalBradleyTerry(SETTINGS).state_dict())
    assert fresh.covariance is None and fresh.settings == SETTINGS


def test_a_state_saved_under_earlier_names_is_read():
    router = HierarchicalBradleyTerry(SETTINGS)
    state = router.state_dict()
    earlier = {
        "base": 0.5, "liking": 0.5, "side": 0.2, "reliability": 0.05, "extra": 0.0, "cells": 0.7, "memory": 1.5,
        "spread": 0.8, "style": 0.1, "answer": 0.0, "half_life": 0.0,
    }  # fmt: skip
    old = {f"settings.{name}": np.array(value) for name, value in earlier.items()}
    # Which votes alone do not need, and which no run had then.
    later = {"settings.leniency_variance", "settings.trait_quality_variance"}
    assert len(old) == len({name for name in state if name.startswith("settings.")} - later)
    assert HierarchicalBradleyTerry().load_state_dict(old).settings == SETTINGS
    assert HierarchicalBradleyTerry().load_state_dict(state).settings == SETTINGS


def test_new_people_questions_and_models_are_scored():
    data = random_dataset(8, models=5)
    router = HierarchicalBradleyTerry().fit(data.select(data.table.split != TEST))
    pair = (Candidate("model0", "yes", 1.0), Candidate("newcomer", "no", 0.0))
    more = [Comparison("newcomer", f"n{i}", 0, "never asked", pair, task="a new task") for i in range(4)]
    table = data.table.append(more)
    wider = dataset_of(table)
    wider = replace(
        wider,
        vectors=np.concatenate([data.vectors, wider.vectors[len(data.vectors) :]]),
        model_vectors=np.concatenate([data.model_vectors, wider.model_vectors[5:]]),
    )
    asked = wider.questions(np.arange(len(table) - 4, len(table)))
    cold = router.score(wider.select(np.flatnonzero(table.split == TRAIN)[:-4]), asked)
    assert np.isfinite(cold).all()
    assert (cold[0] == cold[1]).all()
    warm = router.score(wider.select(np.arange(len(table))), asked)
    assert warm[0, 0] - warm[0, 1] > cold[0, 0] - cold[0, 1]


def test_a_learned_covariance_carries_over_to_new_models():
    data = random_dataset(9, models=6)
    router = HierarchicalBradleyTerry()
    prior = router.user_covariance(data)
    narrow = np.r_[:4, 6:8]
    assert extended_covariance(prior[np.ix_(narrow, narrow)], prior) == pytest.approx(prior)
    learned = 2 * prior[np.ix_(narrow, narrow)]
    wide = extended_covariance(learned, prior)
    assert wide[np.ix_(narrow, narrow)] == pytest.approx(learned)
    assert (np.linalg.eigvalsh(wide) > 0).all()


def test_no_votes_at_all_score_every_model_alike():
    data = random_dataset(0)
    questions = data.questions(np.arange(3))
    for history in (data.select(np.zeros(0, int)), data.with_table(data.table.without_ratings())):
        router = HierarchicalBradleyTerry().fit(history)
        assert (router.score(history, questions)[:, :2] == 0).all()
        assert router.condition(history).covariances(data, questions).shape == (3, 2, 2)


def test_a_lone_rating_is_one_more_observation_and_padding_scores_minus_infinity():
    data = small(10, max_candidates=4)
    lone = [Comparison("user0", "alone", 0, "question 0 turn 0", (Candidate("model0", None, 1.0),))]
    with_lone = dataset_of(data.table.append(lone))
    questions, router = data.questions(np.arange(10)), HierarchicalBradleyTerry(SETTINGS)
    assert (np.isfinite(router.score(data, questions)) == (questions.candidates >= 0)).all()
    votes = VoteHistory.read(with_lone, (), with_lone.vectors.mean(0))
    assert len(votes) == len(votes_of(data.table)) + 1 and votes.lone.sum() == 1


def test_many_questions_keep_sixteen_components():
    rng = np.random.default_rng(0)
    models, better = 10, rng.normal(0, 1, 10)
    comparisons = []
    for i in range(4000):
        a, b = rng.choice(models, 2, replace=False)
        won = float(rng.random() < expit(better[a] - better[b]))
        pair = (Candidate(f"m{a}", None, won), Candidate(f"m{b}", None, 1 - won))
        comparisons.append(Comparison(f"u{i % 40}", f"c{i}", 0, f"question {i % 2000}", pair, task=f"t{i % 3}"))
    data = dataset_of(InteractionTable.from_comparisons(comparisons), width=48)
    posterior = HierarchicalBradleyTerry(SETTINGS).condition(data)
    assert posterior.votes.queries.coordinates.shape == (2000, 16)
    scores = posterior.score(data, data.questions(np.arange(500)))
    shared = BradleyTerry().score(data, data.questions(np.arange(500)))
    right = pairs_of(data.table.ratings[:500]).differences(scores) > 0
    assert right.mean() > 0.6 and np.corrcoef(scores.ravel(), shared.ravel())[0, 1] > 0.8


def test_components_of_full_width_change_nothing(monkeypatch):
    data = small(11)
    data = replace(data, vectors=data.vectors[:, :12])
    router, questions = HierarchicalBradleyTerry(SETTINGS), data.questions(np.arange(20))
    whole = router.condition(data)
    monkeypatch.setattr(kernels, "DENSE_QUERIES", 1)
    reduced = router.condition(data)
    assert reduced.votes.queries.basis is not None and whole.votes.queries.basis is None
    assert reduced.score(data, questions) == pytest.approx(whole.score(data, questions), abs=1e-6)


def test_tasks_bring_queries_closer():
    keys = QueryKeys(*(np.array(column) for column in ([0, 1, 2, 2], [-1, -1, 7, 8], [0, 0, 1, 1], [0, 0, -1, -1])))
    vectors = np.random.default_rng(0).normal(size=(3, 5))
    kernel = kernels.QueryKernel.of(keys, vectors, vectors.mean(0))
    found = kernel.to_known(keys, vectors)
    place = kernels.centred(vectors, vectors.mean(0))
    text = 0.3 * (0.3 + 0.7 * place @ place.T)
    assert found[0, 1] == pytest.approx(0.2 + text[0, 1]) and found[2, 3] == pytest.approx(text[2, 2])
    assert np.diag(found) == pytest.approx(1.0) and found == pytest.approx(kernel.apply(np.eye(4)))
    codes = np.arange(4)[None]
    assert kernel.between(codes, codes)[0] == pytest.approx(found)


class Wished:
    """Say which answers a person wished for."""

    def __init__(self, history):
        self.wished = np.array([name == "model1" for name in history.table.models], float)

    def of_rows(self, history):
        return self.wished[history.table.model][:, None]

    def of_candidates(self, data, questions):
        return self.wished[questions.candidates][:, :, None]


def test_learned_features_enter_only_with_an_amplitude():
    data = small(12)
    questions = data.questions(np.arange(len(data.table)))
    plain = HierarchicalBradleyTerry(SETTINGS).score(data, questions)
    silent = HierarchicalBradleyTerry(SETTINGS, Wished).score(data, questions)
    assert silent == pytest.approx(plain, abs=1e-9)
    loud = HierarchicalBradleyTerry(replace(SETTINGS, trait_variance=2.0), Wished).score(data, questions)
    moved = np.where(questions.candidates >= 0, loud - plain, 0.0)
    assert np.abs(moved).max() > 0.1


def test_style_reads_form():
    assert style_of("") == (0.0, 0.0, 0.0, 0.0, 1.0)
    length, lines, code, bullets, empty = style_of("Some steps follow:\n- one\n- two\n```x```")
    assert lines > 1 and code == bullets == 1.0 and empty == 0.0 and length > 3
    data = small(13)
    style = AnswerStyle.of(data)
    assert style.of_rows(data).mean(0) == pytest.approx(0, abs=1e-9)
    assert style.of_candidates(data, data.questions(np.arange(3))).shape == (3, 2, 5)


def test_people_in_batches_equal_people_one_by_one(monkeypatch):
    data = random_dataset(14, users=9, personal=2.0)
    data = data.select(np.random.default_rng(0).permutation(len(data.table))[:90])
    questions, router = data.questions(np.arange(60)), HierarchicalBradleyTerry(SETTINGS)
    together = router.score(data, questions)
    monkeypatch.setattr("gmt.posterior.vote_history.NUMBERS_AT_ONCE", 1)
    monkeypatch.setattr("gmt.posterior.targets.TARGET_NUMBERS_AT_ONCE", 1)
    assert router.score(data.select(np.arange(90)), questions) == pytest.approx(together, abs=1e-8)


def test_a_landslide_stays_finite():
    pair = (Candidate("a", None, 1.0), Candidate("b", None, 0.0))
    table = InteractionTable.from_comparisons([Comparison(f"u{i % 3}", f"c{i}", 0, "q", pair) for i in range(1500)])
    data = dataset_of(table)
    router = HierarchicalBradleyTerry(replace(SETTINGS, quality_variance=2.0, query_kernel_scale=3.0))
    scores = router.score(data, data.questions(np.arange(3)))
    assert np.isfinite(scores).all() and (scores[:, 0] - scores[:, 1] > 3).all()


def test_the_rival_is_known_by_name_and_beats_strengths_where_people_differ():
    data = random_dataset(15, users=25, comparisons_per_user=40, personal=2.5)
    test = np.flatnonzero(data.table.split == TEST)
    history, questions = data.select(data.table.split == TRAIN), data.questions(test)
    pairs = pairs_of(data.table.ratings[test])
    right = {}
    for name in ("hierarchical_bradley_terry", "bradley_terry"):
        router = make_router(name).fit(data.select(data.table.split != TEST))
        right[name] = (pairs.differences(router.score(history, questions)) > 0).mean()
    assert (data.table.split == VALID).any()
    assert right["hierarchical_bradley_terry"] > right["bradley_terry"] + 0.1


def test_a_person_padded_beside_another_has_no_part_in_it():
    data = small(16)
    votes = VoteHistory.read(data, (AnswerStyle.of(data),), data.vectors.mean(0))
    users = UserBatch(votes, np.array([[0, 1, 2], [3, -1, -1]]), np.zeros(len(votes)), np.eye(6))
    kernel = users.among().blend(1.0, 1.0, (0.1,))
    assert (kernel[1, 1:] == 0).all() and (kernel[1, :, 1:] == 0).all()
    assert (users.solve(kernel)[1, 1:] == 0).all()


def test_the_historys_own_votes_cast_again_give_the_same_beliefs():
    data, _ = planted_dataset(PlantedSettings(users=12, votes=12, models=5, questions=20))
    posterior = HierarchicalBradleyTerry().fit(data).condition(data)
    every = np.arange(len(data.table))
    questions, votes = data.questions(every), votes_of(data.table)
    again = posterior.with_votes(data, questions, np.zeros(len(every), int), np.ones(len(every), int), votes.y)
    assert again.score(data, questions) == pytest.approx(posterior.score(data, questions), abs=1e-6)
    few = np.flatnonzero(data.table.user == 3)[:4]
    part = posterior.with_votes(data, data.questions(few), np.zeros(4, int), np.ones(4, int), votes.y[few])
    others = data.questions(np.flatnonzero(data.table.user != 3))
    assert part.score(data, others) == pytest.approx(posterior.impersonal(data, others))


def test_a_vote_on_a_query_the_history_does_not_hold_is_refused():
    data, _ = planted_dataset(PlantedSettings(users=12, votes=12, models=5, questions=20))
    known = data.select(data.table.query != data.table.query[0])
    posterior = HierarchicalBradleyTerry().fit(known).condition(known)
    with pytest.raises(DataError, match="only about known queries"):
        posterior.with_votes(data, data.questions(np.array([0])), np.zeros(1, int), np.ones(1, int), np.ones(1))
