import pytest
import torch

from gmt.model.head import PreferenceHead

C, K, WIDTH, TEXT = 6, 4, 16, 12


@pytest.fixture
def head():
    torch.manual_seed(0)
    return PreferenceHead(WIDTH, TEXT, 8, 2, 0.3).eval()


@pytest.fixture
def inputs():
    torch.manual_seed(1)
    mask = torch.ones(C, K, dtype=torch.bool)
    mask[0, 2:] = mask[3, 1:] = False
    return torch.randn(C, WIDTH), torch.randn(C, TEXT), torch.randn(C, K, WIDTH), mask


def test_padding_scores_minus_infinity_and_nothing_else_does(head, inputs):
    scores = head(*inputs)
    mask = inputs[-1]
    assert scores.shape == (C, K)
    assert torch.isneginf(scores[~mask]).all() and torch.isfinite(scores[mask]).all()


def test_what_stands_under_padding_changes_no_score(head, inputs):
    user, query, offered, mask = inputs
    other = torch.where(mask.unsqueeze(-1), offered, torch.full_like(offered, 1e6))
    assert torch.equal(head(user, query, offered, mask), head(user, query, other, mask))


def test_permuting_candidates_permutes_scores(head, inputs):
    user, query, offered, mask = inputs
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(head(user, query, offered[:, order], mask[:, order]), head(*inputs)[:, order])


def test_a_question_alone_scores_as_in_a_batch(head, inputs):
    alone = torch.cat([head(*(value[i : i + 1] for value in inputs)) for i in range(C)])
    torch.testing.assert_close(alone, head(*inputs))


@pytest.mark.parametrize("place", [0, 1, 2], ids=["user", "query", "candidates"])
def test_every_input_moves_the_order_of_candidates(head, inputs, place):
    mask = torch.ones(C, K, dtype=torch.bool)
    changed = [*inputs[:3]]
    changed[place] = torch.randn(changed[place].shape, generator=torch.Generator().manual_seed(5))
    before, after = head(*inputs[:3], mask), head(*changed, mask)
    gaps = [scores - scores.mean(1, keepdim=True) for scores in (before, after)]
    assert (gaps[0] - gaps[1]).abs().max() > 1e-3


def test_dropout_acts_in_training_only(head, inputs):
    mask = inputs[-1]
    assert torch.equal(head(*inputs), head(*inputs))
    head.train()
    assert not torch.equal(head(*inputs)[mask], head(*inputs)[mask])


def test_every_weight_learns(head, inputs):
    scores = head(*inputs)
    scores[inputs[-1]].square().sum().backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all() and parameter.grad.any(), name
