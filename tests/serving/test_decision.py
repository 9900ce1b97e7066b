"""Check what a decision says: order, chances and margins."""

import json

import numpy as np
import pytest
from scipy.special import expit

from gmt.errors import UserError
from gmt.routing.staying import Staying
from gmt.serving.decision import Decision, Stay, rank
from gmt.serving.explain import Reason

MODELS = ["a", "b", "c"]


def test_candidates_stand_best_first_with_their_chance_against_the_others():
    scores = np.array([0.0, 2.0, 1.0])
    ranking = rank(MODELS, scores, np.zeros(3), 2.0)
    assert [choice.model for choice in ranking] == ["b", "c", "a"]
    assert [choice.score for choice in ranking] == [2.0, 1.0, 0.0]
    wanted = np.mean([expit((2 - 0) / 2), expit((2 - 1) / 2)])
    assert ranking[0].win_probability == pytest.approx(wanted)
    assert np.mean([choice.win_probability for choice in ranking]) == pytest.approx(0.5)


@pytest.mark.parametrize("weight", [-2.0, np.nan, np.inf])
def test_a_weight_of_cost_that_is_none_is_refused(weight):
    with pytest.raises(UserError, match="weight of cost is .*expected a finite number"):
        rank(MODELS, np.zeros(3), np.zeros(3), 1.0, cost=np.ones(3), cost_weight=weight)


def test_equal_scores_are_even_and_stand_by_name():
    ranking = rank(["c", "a", "b"], np.zeros(3), np.zeros(3), 1.0)
    assert [choice.model for choice in ranking] == MODELS
    assert [choice.win_probability for choice in ranking] == pytest.approx([0.5] * 3)


def test_margins_are_centred_and_zero_for_somebody_unknown():
    scores, unknown = np.array([3.0, 1.0, 2.0]), np.array([10.0, 11.0, 9.0])
    margins = {choice.model: choice.margin for choice in rank(MODELS, scores, unknown, 1.0)}
    assert margins == pytest.approx({"a": 1.0, "b": -2.0, "c": 1.0})
    assert sum(margins.values()) == pytest.approx(0)
    assert [choice.margin for choice in rank(MODELS, unknown, unknown, 1.0)] == [0, 0, 0]


def test_a_shift_of_all_scores_changes_no_chance_and_a_temperature_draws_to_even():
    scores = np.array([0.3, -0.2, 0.9])
    sharp, shifted, soft = (rank(MODELS, s, scores, t) for s, t in ((scores, 0.1), (scores + 7, 0.1), (scores, 10)))
    assert [c.win_probability for c in sharp] == pytest.approx([c.win_probability for c in shifted])
    assert abs(soft[0].win_probability - 0.5) < abs(sharp[0].win_probability - 0.5)


def test_a_single_candidate_wins():
    (only,) = rank(["a"], np.array([-3.0]), np.array([1.0]), 1.0)
    assert (only.win_probability, only.margin) == (1.0, 0.0)


def test_a_decision_is_plain_json():
    ranking = rank(MODELS, np.array([0.0, 2.0, 1.0]), np.zeros(3), 1.0)
    reason = Reason("then", ("a", "b"), (1.0, None), -0.5, {"any query": -0.5}, ("too long", None))
    decision = Decision("ana", "why?", ranking, 3, (reason,))
    assert decision.model == "b"
    read = json.loads(json.dumps(decision.to_json()))
    assert set(read) == {"user", "query", "model", "votes", "ranking", "reasons"}
    assert read["ranking"][0] == {"model": "b", "score": 2.0, "win_probability": pytest.approx(0.806, abs=1e-3)} | {
        "margin": pytest.approx(1.0),
        "uncertainty": None,
        "cost": None,
    }
    assert read["reasons"] == [
        {"query": "then", "models": ["a", "b"], "ratings": [1.0, None], "effect": -0.5, "ways": {"any query": -0.5}}
        | {"said": ["too long", None], "shown": False}
    ]


def test_cost_takes_preference_away_in_proportion():
    scores, cost = np.array([1.0, 0.5, 0.0]), np.array([1.0, 0.1, 0.0])
    plain = rank(MODELS, scores, scores, 2.0, cost=cost)
    assert [choice.model for choice in plain] == MODELS and [choice.cost for choice in plain] == [1.0, 0.1, 0.0]
    thrifty = rank(MODELS, scores, scores, 2.0, cost=cost, cost_weight=0.5)
    assert {choice.model: choice.score for choice in thrifty} == pytest.approx({"a": 0.0, "b": 0.4, "c": 0.0})
    assert thrifty[0].model == "b" and all(choice.margin == pytest.approx(0) for choice in thrifty)
    assert [choice.model for choice in rank(MODELS, scores, scores, 2.0, cost=cost, cost_weight=9.0)] == ["c", "b", "a"]


def test_costs_that_are_not_known_cannot_count():
    with pytest.raises(UserError, match="--output-price"):
        rank(MODELS, np.zeros(3), np.zeros(3), 1.0, cost_weight=1.0)


def test_exploring_draws_in_proportion_to_what_is_uncertain() -> None:
    models, scores, nobody = ["sure", "doubtful", "poor"], np.array([0.2, 0.0, -5.0]), np.zeros(3)
    covariance = np.diag([0.01, 1.0, 0.01])
    draws = np.random.default_rng(0)
    winners = [rank(models, scores, nobody, 1.0, covariance, draws)[0].model for _ in range(300)]
    assert 60 < winners.count("doubtful") < 180  # P(N(0, 1) > N(.2, .01)) is about .42
    assert winners.count("poor") == 0


def test_without_a_draw_uncertainty_is_shown_and_changes_no_order() -> None:
    models, scores = ["a", "b"], np.array([0.1, 0.0])
    plain, shown = rank(models, scores, scores, 1.0), rank(models, scores, scores, 1.0, np.diag([1.0, 3.0]))
    assert [choice.model for choice in plain] == [choice.model for choice in shown] == ["a", "b"]
    assert plain[0].uncertainty is None
    # Centred over two candidates each score is half their difference, whose variance is 4.
    assert [choice.uncertainty for choice in shown] == pytest.approx([1.0, 1.0])


def test_equal_seeds_draw_equal_orders_and_no_posterior_is_refused() -> None:
    models, scores, covariance = ["a", "b", "c"], np.zeros(3), np.eye(3)
    first, second = (rank(models, scores, scores, 1.0, covariance, np.random.default_rng(5)) for _ in range(2))
    assert first == second
    with pytest.raises(UserError, match="no posterior"):
        rank(models, scores, scores, 1.0, None, np.random.default_rng(0))


def staying(weight, current="b"):
    return Staying(current, weight, np.array([1.0, 1.0, 3.0]))


def test_a_switch_takes_its_cost_from_every_other_model_and_from_no_margin():
    scores, unknown = np.array([2.0, 1.0, 2.5]), np.array([1.0, 0.0, 3.0])
    plain = {choice.model: choice for choice in rank(MODELS, scores, unknown, 2.0)}
    kept = {choice.model: choice for choice in rank(MODELS, scores, unknown, 2.0, staying=staying(0.25))}
    lost = {name: plain[name].score - kept[name].score for name in MODELS}
    assert lost == pytest.approx({"a": 0.5, "b": 0.0, "c": 1.5})
    assert [kept[name].margin for name in MODELS] == pytest.approx([plain[name].margin for name in MODELS])
    assert rank(MODELS, scores, unknown, 2.0, staying=staying(5.0))[0].model == "b"
    # A model that is no candidate cannot be kept: nothing is weighed.
    assert rank(MODELS, scores, unknown, 2.0, staying=staying(5.0, "gone")) == tuple(rank(MODELS, scores, unknown, 2.0))


@pytest.mark.parametrize(
    ("weight", "chosen", "said"),
    [
        (5.0, "b", "stayed with b: the switch to c costs 15.00, the gain is 1.50"),
        (0.1, "c", "left b for c: the switch to c costs 0.30, the gain is 1.50"),
        (0.4, "a", "left b for a: the switch to c costs 1.20, the gain is 1.50"),
    ],
)
def test_a_decision_says_why_it_stayed_or_left(weight, chosen, said):
    scores = np.array([2.0, 1.0, 2.5])
    ranking = rank(MODELS, scores, scores, 1.0, staying=staying(weight))
    stay = Stay.of(staying(weight), MODELS, scores, 1.0, ranking[0].model)
    assert ranking[0].model == chosen and str(stay) == said
    read = json.loads(json.dumps(Decision("ana", "why?", ranking, 3, stay=stay).to_json()))
    assert read["stay"]["reason"] == said and read["stay"]["current"] == "b" and read["stay"]["chosen"] == chosen
    best = Stay.of(staying(weight, "c"), MODELS, scores, 1.0, "c")
    assert str(best) == "stayed with c: no model scores higher"
    assert Stay.of(staying(weight, "gone"), MODELS, scores, 1.0, "c") is None
