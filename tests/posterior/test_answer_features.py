"""Check what is known of answers: from the visible history alone, their own text before their model's habits."""

from dataclasses import replace

import numpy as np
import pytest

from gmt.data.comparisons import Candidate, Comparison
from gmt.data.interactions import TEST, TRAIN, InteractionTable
from gmt.posterior.answer_aware import AnswerAwareBradleyTerry
from gmt.posterior.answer_features import ANSWER_COMPONENTS, KnownAnswers
from gmt.posterior.hierarchical import HierarchicalBradleyTerry
from gmt.posterior.hierarchical_settings import HierarchicalSettings
from gmt.posterior.style import STYLE, AnswerStyle
from gmt.routing.query_keys import QueryKeys
from tests.factories import dataset_of, random_dataset, random_table

SETTINGS = HierarchicalSettings(
    quality_variance=0.7, query_kernel_scale=1.5, prior_scale=0.8, style_variance=0.1, answer_variance=0.2
)
NEAR = len(STYLE)  # where nearness to the query stands


def vote(user, query, first, second, number=0, rating=1.0, turn=0, question=""):
    """Return a round in which `first`, (model, answer), was rated and `second` got the rest."""
    pair = (
        Candidate(*first, None if rating is None else rating),
        Candidate(*second, None if rating is None else 1 - rating),
    )
    return Comparison(user, f"{user}-{number}", turn, query, pair, question=question)


def told():
    """Return votes on three queries by three models; the answer of z to "cook" was never seen."""
    return [
        vote("ana", "sum", ("x", "3"), ("y", "The sum is\n- 3\n- three"), 0),
        vote("ana", "cook", ("x", "Boil it."), ("y", "- pot\n- water\n- salt and a long, long time"), 1),
        vote("bo", "sum", ("z", "```3```"), ("y", "The sum is\n- 3\n- three"), 0),
        vote("bo", "sing", ("z", "la la la"), ("x", "I cannot sing, but here is a text."), 1),
    ]


def asked(data, query, models, turn=0):
    """Ask models a query of a data set."""
    at = int(np.flatnonzero(data.table.query == data.table.texts.index(query))[0])
    codes = np.array([[data.table.models.index(name) for name in models]])
    return replace(data.questions(np.array([at])), candidates=codes, turn=np.array([turn]))


def varied(seed=0, **settings):
    """Draw votes whose answers differ in form, also from person to person."""
    items = [
        replace(
            item,
            candidates=tuple(
                replace(
                    one, response=f"{one.response}, dear {item.user}" + "\n- more" * (len(item.conversation) + slot)
                )
                for slot, one in enumerate(item.candidates)
            ),
        )
        for item in random_table(seed, users=6, models=4, questions=4, **settings).to_comparisons()
    ]
    return dataset_of(InteractionTable.from_comparisons(items))


def test_a_known_answer_is_described_by_its_own_text_and_another_by_its_models_habits():
    data = dataset_of(InteractionTable.from_comparisons(told()))
    known, table = KnownAnswers.of(data), data.table
    assert known.rows.shape == (8, NEAR + 1 + ANSWER_COMPONENTS)
    found = known.of_candidates(data, asked(data, "cook", ["y", "z", "x"]))[0]
    row = {
        (table.texts[table.query[c]], table.models[m]): i
        for i, (c, m) in enumerate(zip(table.row_comparison, table.model, strict=True))
    }
    assert found[0] == pytest.approx(known.rows[row["cook", "y"]])
    assert found[2] == pytest.approx(known.rows[row["cook", "x"]])
    assert found[1] == pytest.approx(known.means[table.models.index("z")])
    assert np.abs(found[0] - known.means[table.models.index("y")]).max() > 0.1


def test_a_later_turn_is_another_query():
    data = dataset_of(InteractionTable.from_comparisons(told()))
    known = KnownAnswers.of(data)
    later = known.of_candidates(data, asked(data, "cook", ["y"], turn=1))[0, 0]
    assert later == pytest.approx(known.means[data.table.models.index("y")])


def test_several_answers_to_one_query_are_known_by_their_mean_in_any_order():
    other = vote("cy", "sum", ("x", "It is three, as everybody knows.\nEverybody."), ("z", "```3```"))
    data = dataset_of(InteractionTable.from_comparisons([*told(), other]))
    known, shown = KnownAnswers.of(data), asked(data, "sum", ["x", "y", "z"])
    of = [
        i
        for i, m in enumerate(data.table.model)
        if data.table.models[m] == "x" and data.table.row_comparison[i] in (0, 4)
    ]
    assert known.of_candidates(data, shown)[0, 0] == pytest.approx(known.rows[of].mean(0))
    turned = KnownAnswers.of(data.select(np.arange(5)[::-1]))
    assert turned.of_candidates(data, shown)[..., : NEAR + 1] == pytest.approx(
        known.of_candidates(data, shown)[..., : NEAR + 1]
    )


def test_the_order_of_rounds_changes_no_score():
    data = varied(2, max_turns=2, max_candidates=3, unrated=0.2)
    router, questions = AnswerAwareBradleyTerry(SETTINGS), data.questions(np.arange(len(data.table)))
    scores = router.score(data, questions)
    shuffled = data.select(np.random.default_rng(0).permutation(len(data.table)))
    assert router.score(shuffled, questions) == pytest.approx(scores, abs=1e-8)


def test_texts_are_left_out_where_only_form_is_wanted():
    data = dataset_of(InteractionTable.from_comparisons(told()))
    form, whole = KnownAnswers.of(data, texts=False), KnownAnswers.of(data)
    assert form.rows == pytest.approx(whole.rows[:, :NEAR]) and form.rows == pytest.approx(
        AnswerStyle.of(data).of_rows(data)
    )
    assert form.features.shape[1] == form.means.shape[1] == NEAR


def test_text_features_are_nearness_and_components_of_total_variance_one():
    data = varied(1)
    table = data.table
    rows = KnownAnswers.of(data).rows[:, NEAR:]
    near = (data.vectors[table.response] * data.vectors[table.query[table.row_comparison]]).sum(1)
    assert np.corrcoef(near, rows[:, 0])[0, 1] == pytest.approx(1, abs=1e-6)
    assert rows[:, 0].mean() == pytest.approx(0, abs=1e-6) and rows[:, 0].std() == pytest.approx(1, abs=1e-6)
    _, first = np.unique(table.response, return_index=True)
    assert rows[first, 1:].var(axis=0).sum() == pytest.approx(1)
    # The vectors have 16 numbers, so 16 components keep all of their products.
    centred = data.vectors[table.response[first]].astype(float)
    centred -= centred.mean(0)
    assert rows[first, 1:] @ rows[first, 1:].T * centred.var(axis=0).sum() == pytest.approx(
        centred @ centred.T, abs=1e-9
    )


def test_narrow_vectors_leave_components_empty():
    data = dataset_of(varied().table, width=5)
    rows = KnownAnswers.of(data).rows
    assert rows.shape[1] == NEAR + 1 + ANSWER_COMPONENTS
    assert (rows[:, NEAR + 6 :] == 0).all() and (rows[:, NEAR + 1 : NEAR + 6].var(0) > 0).all()


def test_the_response_of_a_question_is_never_read():
    data = varied(3, max_turns=2)
    rng = np.random.default_rng(0)
    hidden = np.zeros(len(data.table), bool)
    hidden[rng.permutation(len(data.table))[:30]] = True
    hidden &= data.table.turn == 0
    history = data.select(~hidden & ~np.isin(data.table.conversation, data.table.conversation[hidden]))
    own = hidden[data.table.row_comparison]
    other = rng.choice(data.table.response[~own], len(own))
    scores = []
    for response in (
        data.table.response,
        np.where(own, other, data.table.response),
        np.where(own, -1, data.table.response),
    ):
        version = data.with_table(replace(data.table, response=response))
        questions = version.questions(np.flatnonzero(hidden))
        scores.append(AnswerAwareBradleyTerry(SETTINGS).score(history, questions))
    assert (scores[0] == scores[1]).all() and (scores[0] == scores[2]).all()
    # What somebody else was answered is visible, and read.
    theirs = rng.choice(history.table.response, len(history.table.response))
    swapped = history.with_table(replace(history.table, response=theirs))
    questions = data.questions(np.flatnonzero(hidden))
    assert np.abs(AnswerAwareBradleyTerry(SETTINGS).score(swapped, questions) - scores[0]).max() > 1e-3


def test_no_asked_response_reaches_what_is_fitted():
    data = random_dataset(4, unrated=0.1)
    table = data.table
    asked_rows = table.split[table.row_comparison] == TEST
    found = []
    for response in (table.response, np.where(asked_rows, -1, table.response)):
        version = data.with_table(replace(table, response=response))
        router = AnswerAwareBradleyTerry().fit(version.select(table.split != TEST))
        questions = version.questions(np.flatnonzero(table.split == TEST))
        found.append(router.score(version.select(table.split == TRAIN), questions))
    assert (found[0] == found[1]).all()


def test_answers_without_a_rating_are_visible_text():
    plain = told()
    unrated = vote("cy", "cook", ("z", "- cut\n- stir\n- serve it all at once"), ("x", "Boil it."), rating=None)
    data = dataset_of(InteractionTable.from_comparisons([*plain, unrated]))
    questions = asked(data, "cook", ["z", "y"])
    with_text, without = (KnownAnswers.of(data.select(np.arange(n))) for n in (5, 4))
    row = int(data.table.start[4])
    assert with_text.of_candidates(data, questions)[0, 0] == pytest.approx(with_text.rows[row])
    assert without.of_candidates(data, questions)[0, 0] == pytest.approx(without.means[data.table.models.index("z")])


def test_without_any_response_it_is_the_model_it_extends():
    data = random_dataset(5, users=6)
    data = data.with_table(replace(data.table, response=np.full_like(data.table.response, -1)))
    known = KnownAnswers.of(data)
    questions = data.questions(np.arange(20))
    assert np.isnan(known.rows).all() and (known.of_rows(data) == 0).all()
    assert (known.of_candidates(data, questions) == 0).all()
    aware, plain = AnswerAwareBradleyTerry(SETTINGS), HierarchicalBradleyTerry(replace(SETTINGS, answer_variance=0.0))
    assert aware.score(data, questions) == pytest.approx(plain.score(data, questions), abs=1e-9)


def test_an_empty_history_knows_nothing():
    data = random_dataset(6)
    empty = data.select(np.zeros(0, int))
    known, questions = KnownAnswers.of(empty), data.questions(np.arange(3))
    assert known.of_rows(empty).shape == (0, NEAR + 1 + ANSWER_COMPONENTS)
    assert (known.of_candidates(data, questions) == 0).all()
    router = AnswerAwareBradleyTerry(SETTINGS)
    assert (router.score(empty, questions)[:, :2] == 0).all()


def test_habits_are_a_models_own_where_many_answers_are_seen_and_told_from_like_models_where_none_is():
    rounds = [vote("ana", f"q{i}", ("x", "One, two."), ("y", "- one\n- two\n- three"), i) for i in range(300)]
    data = dataset_of(InteractionTable.from_comparisons(rounds, models=("x", "y", "twin", "apart")), width=4)
    places = np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [1, 0.05, 0, 0], [0, 0, 1, 0]])
    data = replace(data, model_vectors=places)
    means = KnownAnswers.of(data, texts=False).means
    rows = AnswerStyle.of(data).of_rows(data)
    own = np.stack([rows[data.table.model == m].mean(axis=0) for m in (0, 1)])
    assert means[:2] == pytest.approx(own, rel=0.05)
    # Both known models, opposites, tell of the twin: (.7, −.7) [[1, −.7], [−.7, 1]]⁻¹ (1, −1)ᵀ = 1.4 / 1.7.
    assert means[2] == pytest.approx(1.4 / 1.7 * own[0], rel=0.05, abs=1e-9)
    assert np.abs(means[3]).max() < 0.1 * np.abs(own).max()


def test_a_model_nobody_heard_can_be_asked():
    data = dataset_of(InteractionTable.from_comparisons(told(), models=("x", "y", "z", "newcomer")))
    known = KnownAnswers.of(data)
    found = known.of_candidates(data, asked(data, "cook", ["newcomer", "y"]))[0]
    assert found[0] == pytest.approx(known.means[3]) and (found[1] != 0).any()
    assert np.isfinite(AnswerAwareBradleyTerry(SETTINGS).score(data, asked(data, "sum", ["newcomer", "z"]))).all()
    grown = known.at(QueryKeys.of(asked(data, "cook", ["y"])), np.array([[1, -1]]))  # padding is anything, but no error
    assert grown[0, 0] == pytest.approx(found[1])


def test_an_answer_that_was_liked_is_worth_more_than_its_models_others():
    """Votes praise lists, whoever writes them; a known list of a model that else writes none is worth more."""
    rounds = [
        vote("ana", f"q{i}", (f"m{i % 3}", "- one\n- two\n- three"), (f"m{(i + 1) % 3}", "One, two, three."), i)
        for i in range(30)
    ]
    rounds += [vote("bo", "known", ("quiet", "- one\n- two\n- three"), ("m0", "One, two."), rating=None)]
    rounds += [vote("bo", f"p{i}", ("quiet", "One."), ("m0", "One, two."), i + 1, rating=None) for i in range(9)]
    data = dataset_of(InteractionTable.from_comparisons(rounds), width=4)
    router = AnswerAwareBradleyTerry(SETTINGS)
    scores = [
        router.score(data, replace(asked(data, query, ["quiet", "m1"]), user=np.array([-1])))
        for query in ("known", "p3")
    ]
    gaps = [float(found[0, 0] - found[0, 1]) for found in scores]
    assert gaps[0] > gaps[1] + 0.5
