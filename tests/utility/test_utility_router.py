"""Check the utility: α follows what users said and nothing else, and new users and models need no fit."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import spearmanr

from data_prep.simulate.cost import CostSettings, cost_dataset
from data_prep.sources.score_matrix import ScoreMatrix
from gmt.data.dataset import ModelInfo
from gmt.data.interactions import TEST, TRAIN, VALID
from gmt.errors import DataError
from gmt.evaluation.top_choice import chosen, with_all_models
from gmt.routing.costs import CostModel, price_shares
from gmt.utility.ability import NODE_WEIGHTS, NODES, Ability
from gmt.utility.observed_outcomes import ObservedOutcomes
from gmt.utility.outcome_likelihoods import log_likelihoods, vote_log_likelihoods
from gmt.utility.quality_weight import GRID, weight_posterior
from gmt.utility.utility_router import TEXT_VARIANCES, UtilityRouter
from tests.factories import random_dataset

PRICES = (0.1, 0.2, 1.0, 2.0)
RIGHT = np.array([[0.3, 0.6, 0.5, 0.95], [0.6, 0.2, 0.9, 0.7], [0.1, 0.5, 0.4, 0.9]])


def matrix(questions=240, seed=0):
    """Draw right and wrong answers of four models on three tasks; the dearer, the better, roughly."""
    rng = np.random.default_rng(seed)
    task = np.arange(questions) % 3
    score = (rng.random((questions, 4)) < RIGHT[task]).astype(float)
    cards = {f"m{m}": ModelInfo(f"model {m}", price / 10, price) for m, price in enumerate(PRICES)}
    queries = tuple(f"question {n} of task {t}" for n, t in enumerate(task))
    cost = np.tile(np.array(PRICES) / max(PRICES), (questions, 1))
    side = np.where(np.arange(questions) < 60, TEST, TRAIN)
    return ScoreMatrix(queries, tuple(f"task{t}" for t in task), cards, score, cost, side)


SCORES = matrix()


def people(feedback="full", users=40, seed=0, per_user=30):
    return cost_dataset(SCORES, CostSettings(users, "uniform:0.2,1", per_user, feedback=feedback, seed=seed))


def reward_of(router, data, truth):
    targets = np.flatnonzero(data.table.split == TEST)
    asked = with_all_models(data.questions(targets), len(data.table.models))
    scores = router.score(data.select(data.table.split == TRAIN), asked)
    return (chosen(scores) * truth.rewards(data.table, SCORES)[targets]).sum(axis=1)


def fitted(data, **settings):
    return UtilityRouter(**settings).fit(data.select(data.table.split != TEST))


def alphas(router, data, truth):
    found = router.condition(data.select(data.table.split == TRAIN)).quality_weights[:-1]
    return found, np.array([truth.alpha[name] for name in data.table.users])


@pytest.mark.parametrize(
    ("feedback", "correlation"), [("full", 0.99), ("random", 0.99), ("pair", 0.6), ("chosen", 0.5)]
)
def test_alpha_is_inferred_from_any_form_of_feedback(feedback, correlation):
    data, truth = people(feedback, per_user=100)
    found, true = alphas(fitted(data), data, truth)
    assert spearmanr(found, true)[0] > correlation


def test_choices_earn_nearly_what_knowing_everything_earns():
    data, truth = people()
    task = np.array([int(name[-1]) for name in data.table.tasks])
    targets = np.flatnonzero(data.table.split == TEST)
    alpha = np.array([truth.alpha[name] for name in data.table.users])[data.table.user[targets]][:, None]
    cost = np.array(PRICES) / max(PRICES)
    wise = (alpha * RIGHT[task[data.table.task[targets]]] - (1 - alpha) * cost).argmax(axis=1)
    known = truth.rewards(data.table, SCORES)[targets][np.arange(len(targets)), wise].mean()
    assert reward_of(fitted(data), data, truth).mean() > known - 0.01


def test_two_people_of_different_weights_get_different_scores_for_one_question():
    data, truth = people()
    router, names = fitted(data), sorted(truth.alpha, key=lambda name: truth.alpha[name])
    first, last = (data.table.users.index(names[place]) for place in (0, -1))
    question = with_all_models(data.questions(np.flatnonzero(data.table.split == TEST)[[0, 0]]), 4)
    scores = router.score(data.select(data.table.split == TRAIN), replace(question, user=np.array([first, last])))
    assert np.abs(scores[0] - scores[1]).max() > 0.1
    assert scores[0, 3] - scores[0, 0] < scores[1, 3] - scores[1, 0]  # who minds cost wants the dear model less


def test_whose_history_it_is_matters():
    data, truth = people(per_user=60)
    router, table = fitted(data), data.table
    turned = data.with_table(replace(table, user=np.where(table.split == TEST, table.user, (table.user + 17) % 40)))
    assert reward_of(router, data, truth).mean() > reward_of(router, turned, truth).mean() + 0.02


def test_no_rating_asked_reaches_a_score():
    data, _ = people("pair")
    table = data.table
    blind = table.rating.copy()
    blind[(table.split == TEST)[table.row_comparison]] = 1 - blind[(table.split == TEST)[table.row_comparison]]
    changed = data.with_table(replace(table, rating=blind))
    questions = data.questions(np.flatnonzero(table.split == TEST))
    scores = [fitted(one).score(one.select(table.split == TRAIN), questions) for one in (data, changed)]
    assert (scores[0] == scores[1]).all()


def test_no_cost_asked_reaches_a_score():
    data, _ = people()
    table, asked = data.table, data.table.split == TEST
    cost = np.where(asked[table.row_comparison], 9.0, table.cost)
    changed = data.with_table(replace(table, cost=cost))
    questions = data.questions(np.flatnonzero(asked))
    scores = [fitted(one).score(one.select(~asked), questions) for one in (data, changed)]
    assert (scores[0] == scores[1]).all()


def test_a_new_user_is_weighed_without_touching_what_was_trained():
    data, truth = people(users=50)
    table, new = data.table, data.table.user >= 40
    router = fitted(data.select(~new))
    before = {name: value.copy() for name, value in router.state_dict().items()}
    found, true = alphas(router, data, truth)
    assert spearmanr(found[40:], true[40:])[0] > 0.95
    assert all((before[name] == value).all() for name, value in router.state_dict().items())
    unknown = router.condition(data.select((table.split == TRAIN) & ~new))
    assert (unknown.chances[40:] == unknown.chances[-1]).all()


def test_an_unknown_user_gets_exactly_the_ranking_of_somebody_without_votes():
    data, _ = people()
    router, table = fitted(data), data.table
    history = data.select((table.split == TRAIN) & (table.user != 3))
    questions = data.questions(np.flatnonzero((table.split == TEST) & (table.user == 3)))
    nobody = replace(questions, user=np.full(len(questions), -1))
    assert (router.score(history, questions) == router.score(history, nobody)).all()


@given(st.integers(0, 10_000))
@settings(max_examples=8, deadline=None)
def test_the_order_of_votes_changes_nothing_without_a_half_life(seed):
    data, _ = people("pair", users=9)
    history = data.select(data.table.split == TRAIN)
    router = fitted(data)
    shuffled = history.select(np.random.default_rng(seed).permutation(len(history.table)))
    assert router.condition(shuffled).chances == pytest.approx(router.condition(history).chances, abs=1e-9)


def test_a_half_life_makes_the_newest_rounds_count_most():
    data, _ = people("full", users=12)
    history, other = data.select(data.table.split == TRAIN), people("full", users=12, seed=9)[0]
    table = other.table
    first = np.isin(table.conversation, table.conversation[table.split == TRAIN])
    late = [item for item in other.select(first).table.to_comparisons() if item.query in history.table.texts]
    late = [replace(item, user=history.table.users[0], conversation=f"late {n}") for n, item in enumerate(late[:20])]
    router, forgetful = fitted(data), fitted(data, half_life=3.0)
    alone = replace(data, table=history.table)
    joined = alone.with_table(history.table.append(late, TRAIN))
    only = joined.select(np.arange(len(history.table), len(joined.table)))
    wanted = router.condition(only).quality_weights[0]
    after, before = (forgetful.condition(part).quality_weights for part in (joined, alone))
    assert abs(after[0] - wanted) < abs(router.condition(joined).quality_weights[0] - wanted)
    assert after[1:] == pytest.approx(before[1:], abs=1e-4)


def test_a_new_model_joins_by_its_outcomes():
    data, _ = people("full")
    table = data.table
    part = data.select(table.split != TEST).table.to_comparisons()
    less = [replace(c, candidates=tuple(one for one in c.candidates if one.model != "m3")) for c in part]
    split = table.split[table.split != TEST].tolist()
    names = tuple(name for name in table.models if name != "m3")
    known = type(table).from_comparisons(less, split, names)
    vectors = np.stack([data.vectors[table.texts.index(text)] for text in known.texts])
    at = [table.models.index(name) for name in names]
    small = replace(data, table=known, vectors=vectors, model_vectors=data.model_vectors[at])
    router = UtilityRouter().fit(small)
    order = (*names, "m3")
    places = np.array([order.index(name) for name in table.models])
    grown = replace(
        data,
        table=replace(table, models=order, model=places[table.model]),
        model_vectors=np.concatenate([data.model_vectors[at], data.model_vectors[[table.models.index("m3")]]]),
    )
    before = router.condition(grown.select((table.split == TRAIN) & (np.arange(len(table)) < 0)))
    after = router.condition(grown.select(table.split == TRAIN))
    features, task = router.fitted.reader.features(grown, grown.table.query[:60], grown.table.task[:60])
    true = RIGHT[[int(table.tasks[t][-1]) for t in grown.table.task[:60]], 3]
    close = np.abs(after.ability.chances(features, task)[:, 3] - true).mean()
    assert close < 0.1 and close < np.abs(before.ability.chances(features, task)[:, 3] - true).mean()
    assert (after.ability.weights[:, :3] == router.state_dict()["weights"]).all()


def test_what_was_saved_scores_the_same():
    data, _ = people("pair")
    router = fitted(data, half_life=5.0)
    again = UtilityRouter().load_state_dict(router.state_dict())
    questions, history = data.questions(np.arange(20)), data.select(data.table.split == TRAIN)
    assert (again.score(history, questions) == router.score(history, questions)).all()


def test_a_state_saved_as_a_row_of_numbers_is_read():
    data, _ = people("pair")
    router = fitted(data, half_life=5.0)
    state = router.state_dict()
    order = ("half_life", "text_variance", "tasks", "scale", "log_noise", "lapse", "mean_cost")
    old = {name: value for name, value in state.items() if name not in (*order, "rewards", "unknown_user")}
    old["log_spread"] = old.pop("log_difficulty_scale")
    old |= {"numbers": np.array([float(state[name]) for name in order]), "stranger": state["unknown_user"]}
    again = UtilityRouter().load_state_dict(old)
    questions, history = data.questions(np.arange(20)), data.select(data.table.split == TRAIN)
    assert again.half_life == 5.0
    assert (again.score(history, questions) == router.score(history, questions)).all()


def test_whether_ratings_are_rewards_is_decided_in_training():
    data, _ = people("full", users=9)
    router, table = fitted(data), data.table
    history = data.select(table.split == TRAIN)
    # One user's few rewards may all look like votes; what was learned from everybody says what they are.
    own = (history.table.user == 0)[history.table.row_comparison]
    high = np.where(own, 1.0, history.table.rating)
    found = router.condition(history.with_table(replace(history.table, rating=high)).select(history.table.user == 0))
    assert len(found.observed) == own.sum() and (found.user == 0).all()


def test_another_half_life_needs_no_fit():
    data, _ = people("full", users=9)
    router, history = fitted(data), data.select(data.table.split == TRAIN)
    other = router.with_half_life(3.0)
    assert router.half_life == 0 and other.half_life == 3.0
    assert not np.allclose(other.condition(history).chances, router.condition(history).chances)
    assert (other.with_half_life(0.0).condition(history).chances == router.condition(history).chances).all()


def test_past_rounds_explain_what_leaving_them_out_changes():
    data, _ = people("full", users=9)
    router, table = fitted(data), data.table
    history = data.select(table.split == TRAIN)
    question = data.questions(np.flatnonzero(table.split == TEST)[:1])
    person = int(question.user[0])
    found = router.condition(history).explain(history, question, 0)
    one = found.comparison[0]
    rows = np.flatnonzero(found.comparison == one)
    assert len(rows) == 4 and (history.table.user[found.comparison] == person).all()
    assert found.votes.shape == (len(found.comparison), 4)


def test_data_without_costs_are_refused():
    data = random_dataset(0)
    with pytest.raises(DataError, match="no answer has a cost"):
        UtilityRouter().fit(data)
    with pytest.raises(DataError, match="not fitted"):
        UtilityRouter().condition(data)


def test_the_chance_of_a_vote_is_that_of_counting_all_cases():
    """By hand: difficulty, who of the two is right, and which utility is then higher."""
    rng = np.random.default_rng(0)
    weights, spread = rng.normal(size=(2, 3)), np.array([0.3, -0.5])
    features = np.array([[1.0, 0.2], [1.0, -0.4]])
    outcomes = ObservedOutcomes(
        features, np.array([0, 1]), np.array([0, 0]), np.array([0, 1]), np.array([0, 2]), np.array([1, 0]),
        np.array([0.1, 0.9]), np.array([0.6, 0.2]), np.array([1.0, 0.0]), np.arange(2),
    )  # fmt: skip
    ability = Ability(weights, spread, np.log(0.2), -2.0)
    found = log_likelihoods(outcomes, ability)
    for vote, (query, a, b) in enumerate([(0, 0, 1), (1, 2, 0)]):
        for place in (0, 17, 40):
            alpha, wins = GRID[place], 0.0
            for node, share in zip(NODES, NODE_WEIGHTS, strict=True):
                right = expit(features[query] @ weights + np.exp(spread[query]) * node)
                for sa in (0, 1):
                    for sb in (0, 1):
                        chance = np.prod([right[m] if s else 1 - right[m] for m, s in ((a, sa), (b, sb))])
                        gap = alpha * (sa - sb) - (1 - alpha) * (outcomes.cost_a[vote] - outcomes.cost_b[vote])
                        wins += share * chance * expit(gap / 0.2)
            wins = expit(-2.0) / 2 + (1 - expit(-2.0)) * wins
            wanted = np.log(wins if outcomes.y[vote] == 1 else 1 - wins)
            assert found[vote, place] == pytest.approx(wanted, abs=1e-6)


def test_gradients_of_the_votes_are_those_of_finite_differences():
    rng = np.random.default_rng(1)
    outcomes = ObservedOutcomes(
        rng.normal(size=(4, 3)), np.array([0, 1, 1, 0]), np.zeros(6, int), rng.integers(0, 4, 6),
        np.array([0, 1, 2, 0, 1, 2]), np.array([1, 2, 0, 2, 0, 1]), rng.random(6), rng.random(6), rng.random(6).round(),
        np.arange(6),
    )  # fmt: skip
    parts = [
        torch.tensor(rng.normal(size=shape), dtype=torch.float64, requires_grad=True)
        for shape in ((3, 3), (2,), (), ())
    ]
    assert torch.autograd.gradcheck(lambda *values: vote_log_likelihoods(outcomes, *values).logsumexp(0).sum(), parts)


@given(st.lists(st.floats(-50, 0), min_size=2, max_size=6))
@settings(deadline=None)
def test_chances_of_alpha_add_up_to_one(values):
    observed = np.tile(np.array(values)[:, None], (1, len(GRID))) * np.linspace(0, 1, len(GRID))
    found = weight_posterior(np.zeros(len(values), int), observed, 2)
    assert found.sum(axis=1) == pytest.approx(1) and found[1] == pytest.approx(1 / len(GRID))


def test_costs_billed_by_the_token_are_predicted_exactly():
    data, _ = people()
    table = data.table
    length = np.array([len(text) for text in table.texts])[table.query[table.row_comparison]]
    price = np.array([PRICES[int(table.models[m][-1])] for m in table.model])
    cost = length * price / 10 + 512 * price
    priced = data.with_table(replace(table, cost=cost))
    learned = CostModel.of(priced.select(table.split == TRAIN))
    targets = np.flatnonzero(table.split == TEST)
    found = learned.of_answers(priced, table.query[targets], table.task[targets], table.candidates[targets])
    wanted = np.array([cost[table.start[t] : table.start[t + 1]] for t in targets])
    assert found == pytest.approx(wanted, rel=1e-3)
    assert (found / learned.scale <= 1.01).all()


def test_costs_without_prices_are_the_means_of_model_and_task():
    data, _ = people()
    nameless = replace(data, models={name: ModelInfo(name) for name in data.table.models})
    history = nameless.select(data.table.split == TRAIN)
    learned = CostModel.of(history)
    dear = data.table.models.index("m3")
    found = learned.of_answers(nameless, data.table.query[:5], data.table.task[:5], np.full((5, 1), dear))
    assert found == pytest.approx(1.0)
    nowhere = replace(learned, means=np.full_like(learned.means, np.nan))
    unknown = nowhere.of_answers(nameless, data.table.query[:1], np.array([-1]), np.array([[dear, -1]]))
    assert unknown[0, 0] == pytest.approx(learned.overall) and unknown[0, 1] == 0
    assert CostModel.of(history.select(np.zeros(0, int))) is None


def test_price_shares_need_every_price():
    assert price_shares(SCORES.models, ["m0", "m3"]) == pytest.approx([0.05, 1.0])
    assert price_shares({"m0": ModelInfo("m0")}, ["m0"]) is None


def test_valid_outcomes_choose_how_much_texts_may_say():
    data, _ = people("pair")
    assert (data.table.split == VALID).any()
    assert fitted(data).text_variance in TEXT_VARIANCES
