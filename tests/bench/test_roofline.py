"""Check that operators are counted by what they compute and move, and what follows from it."""

import pytest
import torch

from gmt.bench.roofline import bound, copying, counted
from gmt.bench.timing import matmul

CPU = torch.device("cpu")
F32 = 4


def test_a_matrix_product_is_counted_exactly():
    work, size = matmul(30, 20, 10, CPU)
    found = counted(work)["aten.mm"]
    assert size == 12_000 == found.flops
    assert found.bytes == F32 * (30 * 20 + 20 * 10 + 30 * 10) and found.calls == 1


def test_views_move_nothing_and_what_is_expanded_only_what_it_holds():
    x = torch.randn(6, 4)
    assert not counted(lambda: x.T.reshape(2, 12).view(24)[:5] if x.T.is_contiguous() else x.view(24)[:5])
    one = torch.randn(1, 4)
    moved = counted(lambda: one.expand(6, 4) + x)["aten.add"].bytes
    assert moved == F32 * (4 + 24 + 24)


def test_what_goes_back_is_counted_too():
    weight, x = torch.randn(5, 3, requires_grad=True), torch.randn(7, 5)
    found = counted(lambda: (x @ weight).square().sum().backward())
    # One product forward; back only the weight wants a gradient.
    assert found["aten.mm"].calls == 2 and found["aten.mm"].flops == 2 * (2 * 7 * 5 * 3)


def test_no_operator_is_under_its_roof():
    copy, moved = copying(100, 10, CPU)
    work = counted(copy)
    assert moved == 2 * F32 * 1000 == sum(one.bytes for one in work.values())
    assert bound(work, peak=1.0, bandwidth=10.0) == pytest.approx(moved / 10)
    product, size = matmul(8, 8, 8, CPU)
    both = counted(lambda: (copy(), product()))
    # A product that is bound by its operations, a copy by its bytes: the times add up.
    assert bound(both, peak=1.0, bandwidth=10.0) == pytest.approx(moved / 10 + size)
