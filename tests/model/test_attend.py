"""Check attention that gathers as it goes against the plain sums it stands for, forward and backward."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck

from gmt.model import attend as module
from gmt.model.attend import FEW, attend, meet, pool

HEADS, WIDTH = 2, 6


def plain(weights, tables, indices):
    total = 0
    for weight, table, index in zip(weights, tables, indices, strict=True):
        if index is None:
            said = table.expand(len(weight), -1)
        elif index.is_floating_point():
            said = index @ table
        else:
            said = table[index]
        total = total + weight.unsqueeze(-1) * said.view(len(weight), HEADS, -1)
    return total


def made(turns, kinds, seed):
    """Return weights, tables and indices; a kind is the rows of a table, 0 for an offset, or minus the shares."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    tables, indices = [], []
    for kind in kinds:
        tables.append(draw(max(abs(kind), 1), WIDTH).requires_grad_())
        whole = torch.randint(max(kind, 1), (turns,), generator=generator)
        indices.append(None if kind == 0 else draw(turns, -kind) if kind < 0 else whole)
    return [draw(turns, HEADS).requires_grad_() for _ in kinds], tables, indices


@given(
    st.integers(1, 9),
    st.lists(st.sampled_from([0, -3, 1, 5, FEW, FEW + 1, FEW + 9]), min_size=1, max_size=5),
    st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_it_is_the_plain_sum_in_blocks_of_any_size_and_so_is_its_gradient(turns, kinds, seed):
    weights, tables, indices = made(turns, kinds, seed)
    wanted = plain(weights, tables, indices)
    back = torch.randn(wanted.shape, dtype=torch.float64)
    gradients = torch.autograd.grad(wanted, [*weights, *tables], back)
    for block in (1, 4, 100):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "BLOCK", block)
            found = attend(weights, tables, indices)
            assert torch.allclose(found, wanted, atol=1e-12)
            for one, other in zip(
                torch.autograd.grad(found, [*weights, *tables], back, allow_unused=True), gradients, strict=True
            ):
                assert torch.allclose(torch.zeros_like(other) if one is None else one, other, atol=1e-12)


@given(st.integers(2, 9), st.lists(st.sampled_from([-3, 1, 5, FEW, FEW + 1, FEW + 9]), max_size=5), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_queries_meet_what_turns_read_and_are_taught_by_it(turns, kinds, seed):
    _, tables, indices = made(turns, kinds, seed)
    query = torch.randn(turns, WIDTH, dtype=torch.float64, requires_grad=True)
    one = [torch.ones(turns, HEADS, dtype=torch.float64)]
    wanted = [
        (plain(one, [table], [index]) * query.view(turns, HEADS, -1)).sum(-1)
        for table, index in zip(tables, indices, strict=True)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK", 4)
        found = meet(query, tables, indices, HEADS)
        back = [torch.randn(turns, HEADS, dtype=torch.float64) for _ in kinds]
        assert len(found) == len(wanted)
        for a, b in zip(found, wanted, strict=True):
            assert torch.allclose(a, b, atol=1e-12)
        if kinds:
            ours, theirs = (torch.autograd.grad(out, [query, *tables], back) for out in (found, wanted))
            assert all(torch.allclose(a, b, atol=1e-12) for a, b in zip(ours, theirs, strict=True))


def test_rows_that_stand_in_a_row_are_read_and_taught_like_any_others():
    weights, tables, _ = made(4, [FEW + 8], 3)
    for rows in (torch.arange(5, 9), torch.tensor([5, 6, 8, 8]), torch.tensor([8, 7, 6, 5])):
        wanted = torch.autograd.grad(plain(weights, tables, [rows]).square().sum(), tables)[0]
        found = torch.autograd.grad(attend(weights, tables, [rows]).square().sum(), tables)[0]
        assert torch.allclose(found, wanted, atol=1e-12)


@pytest.mark.parametrize("block", [1, 100])
def test_groups_are_pooled_and_taught_like_a_masked_softmax(monkeypatch, block):
    monkeypatch.setattr(module, "BLOCK", block)
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(7, WIDTH, generator=generator, dtype=torch.float64, requires_grad=True)
    shared = torch.randn(1, HEADS, WIDTH, generator=generator, dtype=torch.float64, requires_grad=True)
    own = torch.randn(2, HEADS, WIDTH, generator=generator, dtype=torch.float64, requires_grad=True)
    rows = [torch.tensor([[0, 1, 2], [3, 4, 0]]), torch.tensor([[5, 2], [6, 5]])]
    hidden = [torch.tensor([[False, False, False], [False, False, True]]), torch.zeros(0, dtype=torch.bool)]

    def both(states, shared, own):
        return tuple(pool(states, [shared, own], rows, hidden))

    told = states[rows[0][1, :2]]
    share = (shared[0] @ told.T).softmax(-1)
    assert torch.allclose(both(states, shared, own)[0][1], share @ told)
    assert gradcheck(both, (states, shared, own))
