import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gmt.config import TrainConfig
from gmt.training.losses import SHARPNESS, choice_loss, loss_of, pairwise_loss, reward_loss

NONE = math.nan
CASES = st.lists(
    st.lists(
        st.tuples(st.floats(-20, 20), st.sampled_from([NONE, 0.0, 0.25, 0.5, 1.0])), min_size=4, max_size=4
    ),
    min_size=1,
    max_size=5,
)  # fmt: skip


def by_hand(scores, ratings, ties):
    total, count = 0.0, 0
    for row, told in zip(scores, ratings, strict=True):
        for a, b in itertools.combinations(range(len(row)), 2):
            if math.isnan(told[a]) or math.isnan(told[b]) or (told[a] == told[b] and ties == "ignore"):
                continue
            margin = row[a] - row[b]
            lost = [math.log1p(math.exp(-abs(m))) + max(-m, 0.0) for m in (margin, -margin)]  # -log sigmoid
            total += lost[0] if told[a] > told[b] else lost[1] if told[a] < told[b] else sum(lost) / 2
            count += 1
    return total, count


@pytest.mark.parametrize("ties", ["half", "ignore"])
@given(cases=CASES)
def test_the_loss_is_the_sum_over_rated_pairs(ties, cases):
    scores = torch.tensor([[score for score, _ in row] for row in cases], dtype=torch.float64)
    ratings = torch.tensor([[rating for _, rating in row] for row in cases], dtype=torch.float64)
    loss, pairs = pairwise_loss(scores, ratings, ties)
    wanted, count = by_hand(scores.tolist(), ratings.tolist(), ties)
    assert pairs == count and loss.item() == pytest.approx(wanted, abs=1e-9)


def test_ties_pull_together_or_teach_nothing():
    ratings = torch.tensor([[0.5, 0.5]])
    for ties, pairs, sign in [("half", 1, 1.0), ("ignore", 0, 0.0)]:
        scores = torch.tensor([[2.0, -1.0]], requires_grad=True)
        loss, count = pairwise_loss(scores, ratings, ties)
        loss.backward()
        assert count == pairs and torch.sign(scores.grad).tolist() == [[sign, -sign]]
    even, _ = pairwise_loss(torch.zeros(1, 2), ratings)
    assert even.item() == pytest.approx(math.log(2))


def test_the_gradient_raises_the_preferred_and_lowers_the_other():
    scores = torch.zeros(2, 3, requires_grad=True)
    loss, pairs = pairwise_loss(scores, torch.tensor([[0.0, 0.5, 1.0], [1.0, NONE, 0.0]]))
    loss.backward()
    assert pairs == 4
    torch.testing.assert_close(scores.grad, torch.tensor([[1.0, 0.0, -1.0], [-0.5, 0.0, 0.5]]))


def test_padding_adds_nothing_and_keeps_gradients_finite():
    plain = torch.tensor([[1.0, 2.0]], requires_grad=True)
    padded = torch.tensor([[1.0, 2.0, -math.inf, -math.inf]], requires_grad=True)
    ratings = torch.tensor([[0.0, 1.0]])
    wanted, _ = pairwise_loss(plain, ratings)
    found, pairs = pairwise_loss(padded, torch.cat([ratings, torch.full((1, 2), NONE)], dim=1))
    wanted.backward()
    found.backward()
    assert pairs == 1 and found.item() == wanted.item()
    torch.testing.assert_close(padded.grad, torch.cat([plain.grad, torch.zeros(1, 2)], dim=1))


def test_only_the_order_of_ratings_matters():
    scores = torch.tensor([[0.3, -0.2]])
    assert pairwise_loss(scores, torch.tensor([[1.0, 0.0]])) == pairwise_loss(scores, torch.tensor([[0.6, 0.5]]))


@pytest.mark.parametrize("shape", [(0, 0), (0, 2), (3, 1)])
def test_nothing_to_compare_is_a_loss_of_zero(shape):
    scores = torch.zeros(shape, requires_grad=True)
    loss, pairs = pairwise_loss(scores, torch.zeros(shape))
    loss.backward()
    assert pairs == 0 and loss.item() == 0


SCORES = torch.tensor([[1.0, -0.5, 2.0], [0.0, 3.0, -math.inf], [1.0, 2.0, 3.0]], dtype=torch.float64)
RATINGS = torch.tensor([[1.0, 0.0, 1.0], [0.2, 0.6, NONE], [NONE, 0.5, NONE]], dtype=torch.float64)


def test_the_choice_loss_is_the_cross_entropy_of_the_best_who_share():
    loss, count = choice_loss(SCORES, RATINGS)
    first = torch.log_softmax(SCORES[0], 0)
    wanted = -(first[0] + first[2]) / 2 - torch.log_softmax(SCORES[1, :2], 0)[1]
    assert count == 2 and float(loss) == pytest.approx(float(wanted))


def test_the_reward_loss_compares_differences_and_minds_their_size():
    loss, count = reward_loss(SCORES, RATINGS)
    first = (SCORES[0] - SCORES[0].mean()) - SHARPNESS * (RATINGS[0] - RATINGS[0].mean())
    second = (SCORES[1, :2] - 1.5) - SHARPNESS * torch.tensor([-0.2, 0.2])
    assert count == 5 and float(loss) == pytest.approx(float(first.square().sum() + second.square().sum()))
    exact = SHARPNESS * torch.where(torch.isnan(RATINGS), 0.0, RATINGS) + 7
    assert float(reward_loss(exact, RATINGS)[0]) == pytest.approx(0)


@pytest.mark.parametrize("loss", ["pairwise", "choice", "reward"])
def test_no_loss_gives_padding_or_unrated_answers_a_gradient(loss):
    scores = SCORES.clone().requires_grad_()
    found, _ = loss_of(TrainConfig(loss=loss), scores, RATINGS)
    found.backward()
    assert scores.grad is not None and torch.isfinite(scores.grad).all()
    assert (scores.grad[torch.isnan(RATINGS)] == 0).all() and (scores.grad[2] == 0).all()
    assert (scores.grad[:2, :2] != 0).any()


@pytest.mark.parametrize("loss", ["pairwise", "choice", "reward"])
def test_nothing_to_compare_costs_nothing(loss):
    found, count = loss_of(TrainConfig(loss=loss), SCORES[2:], RATINGS[2:])
    assert (float(found), count) == (0.0, 0)


def test_the_pairs_of_a_comparison_grow_with_its_answers():
    generator = torch.Generator().manual_seed(0)
    counts = [pairwise_loss(torch.zeros(1, k), torch.rand(1, k, generator=generator))[1] for k in (10, 20, 40, 80)]
    assert counts == [30, 60, 120, 240]
