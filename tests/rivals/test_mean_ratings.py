from dataclasses import replace

import numpy as np
import pytest

from gmt.data.interactions import TEST, TRAIN
from gmt.rivals.mean_ratings import BestSingle, ModelMean, UserMean
from gmt.rivals.model_means import model_means
from gmt.rivals.shrunk_means import CentredRatings, ShrunkMeans, user_task_means
from tests.factories import random_dataset


def cut(data, code):
    return np.flatnonzero(data.table.split == code)


def test_best_single_puts_one_model_above_all_others():
    data = random_dataset(0, personal=0.0, shared=3.0)
    questions = data.questions(cut(data, TEST))
    scores = BestSingle().score(data.select(cut(data, TRAIN)), questions)
    best = model_means(data.select(cut(data, TRAIN)).table).argmax()
    assert (scores == (questions.candidates == best)).all()


def test_user_mean_is_drawn_towards_the_models():
    data = random_dataset(0)
    questions, history = data.questions(cut(data, TEST)), data.select(cut(data, TRAIN))
    shared = ModelMean().score(history, questions)
    assert UserMean(1e9).score(history, questions) == pytest.approx(shared, abs=1e-6)
    assert np.abs(UserMean(1.0).score(history, questions) - shared).max() > 0.1


def test_the_means_of_a_user_and_task_are_drawn_to_wider_ones():
    data = random_dataset(0)
    table = replace(data.table, tasks=("a", "b"), task=data.table.question % 2)
    rows = np.flatnonzero(~np.isnan(table.rating))
    at, model = table.row_comparison[rows], table.model[rows]
    wide = ShrunkMeans.of(table.user[at], model, table.rating[rows], (len(table.users), len(table.models)), 2.0)
    found = user_task_means(table, 2.0, np.array([3, -1]), np.array([1, 0]))
    own = (table.user[at] == 3) & (table.task[at] == 1) & (model == 0)
    wanted = (table.rating[rows][own].sum() + 2 * wide.at(np.array([3]))[0, 0]) / (own.sum() + 2)
    assert found[0, 0] == pytest.approx(wanted)
    assert found[1] == pytest.approx(wide.at(np.array([-1]))[0])


def test_means_without_a_comparison_are_those_of_the_table_without_it():
    data = random_dataset(0, max_candidates=4, unrated=0.1)
    rows = CentredRatings.of(data.table)
    own = np.flatnonzero(rows.model == 2)
    found = rows.means(2.0).without(rows.user[own], *rows.beside(own))
    for place, row in enumerate(own[:20]):
        kept = rows.comparison != rows.comparison[row]
        less = ShrunkMeans.of(rows.user[kept], rows.model[kept], rows.rating[kept], rows.shape, 2.0)
        less = replace(less, overall=rows.means(2.0).overall)  # what all users together say stays
        assert found[place] == pytest.approx(less.at(rows.user[[row]])[0])


def test_centred_ratings_of_a_comparison_sum_to_nothing():
    rows = CentredRatings.of(random_dataset(0, max_candidates=4).table)
    assert np.bincount(rows.comparison, rows.rating) == pytest.approx(0, abs=1e-12)
