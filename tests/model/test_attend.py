"""Check each hand-written pass against the plain function it stands for, outputs and gradients, in double precision."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gmt.model import attend_passes
from gmt.model.attend import FEW, attend, meet, pool
from gmt.model.attend_reference import plain_attend, plain_meet, plain_pool

HEADS, WIDTH = 2, 6
KINDS = st.sampled_from([0, -3, 1, 5, FEW, FEW + 1, FEW + 9])
IN_A_ROW = st.booleans()


def made(turns, kinds, in_a_row, seed):
    """Return tables and indices; a kind is the rows of a table, 0 for an offset, or minus the shares.

    Args:
        in_a_row: Turns read one row after the other where the table is long enough, which is read as a slice.
    """
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    tables, indices = [], []
    for kind in kinds:
        tables.append(draw(max(abs(kind), 1), WIDTH).requires_grad_())
        whole = torch.randint(max(kind, 1), (turns,), generator=generator)
        if in_a_row and kind > turns:
            whole = torch.arange(turns) + kind - turns
        indices.append(None if kind == 0 else draw(turns, -kind) if kind < 0 else whole)
    return tables, indices, draw


def assert_equal(found, wanted, inputs, draw):
    """Compare tensors, and the gradients of a random sum of them."""
    back = [draw(*one.shape) for one in wanted]
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)
    ours, theirs = (torch.autograd.grad(out, inputs, back, materialize_grads=True) for out in (found, wanted))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


@pytest.fixture(autouse=True, params=[1, 4, 100], ids="block of {}".format)
def block(request, monkeypatch):
    monkeypatch.setattr(attend_passes, "BLOCK", request.param)


SLOW_FIXTURE = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@given(st.integers(1, 9), st.lists(KINDS, min_size=1, max_size=5), IN_A_ROW, st.integers(0, 99))
@SLOW_FIXTURE
def test_attend_equals_the_plain_sum(turns, kinds, in_a_row, seed):
    tables, indices, draw = made(turns, kinds, in_a_row, seed)
    weights = [draw(turns, HEADS).requires_grad_() for _ in kinds]
    found, wanted = attend(weights, tables, indices), plain_attend(weights, tables, indices)
    assert_equal([found], [wanted], [*weights, *tables], draw)


@given(st.integers(2, 9), st.lists(KINDS.filter(bool), min_size=1, max_size=5), IN_A_ROW, st.integers(0, 99))
@SLOW_FIXTURE
def test_meet_equals_the_plain_product(turns, kinds, in_a_row, seed):
    tables, indices, draw = made(turns, kinds, in_a_row, seed)
    query = draw(turns, WIDTH).requires_grad_()
    found, wanted = meet(query, tables, indices, HEADS), plain_meet(query, tables, indices, HEADS)
    assert_equal(found, wanted, [query, *tables], draw)
    assert meet(query, [], [], HEADS) == []


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 4), st.booleans(), st.booleans()), max_size=3), IN_A_ROW)
@SLOW_FIXTURE
def test_pool_equals_a_masked_softmax(groups, in_a_row):
    _, _, draw = made(1, [], False, len(groups))
    states = draw(20, WIDTH).requires_grad_()
    queries, rows, hidden = [], [], []
    for members, length, shared, masked in groups:
        queries.append(draw(1 if shared else members, HEADS, WIDTH).requires_grad_())
        place = torch.arange(members * length) if in_a_row else draw(members * length).abs().mul(7).long() % 20
        rows.append(place.view(members, length))
        mask = torch.arange(length) > torch.arange(members).unsqueeze(1) % length  # all read one at least
        hidden.append(mask if masked else torch.zeros(0, dtype=torch.bool))
    if groups:
        found, wanted = pool(states, queries, rows, hidden), plain_pool(states, queries, rows, hidden)
        assert_equal(found, wanted, [states, *queries], draw)
