"""Woodbury's identity over blocks gives what a dense solve gives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmt.posterior.block_low_rank import BlockLowRank


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.integers(1, 4), max_size=6), st.integers(0, 5), st.integers(1, 3))
def test_the_inverse_is_that_of_the_dense_matrix(seed, sizes, rank, columns):
    rng = np.random.default_rng(seed)
    # Two rows stand in no block; the others are spread over blocks in any order.
    count = sum(sizes) + 2
    order, dense, blocks = rng.permutation(count), np.eye(count), []
    for size in set(sizes):
        many = sizes.count(size)
        index, order = order[: many * size].reshape(many, size), order[many * size :]
        root = rng.normal(size=(many, size, size))
        entries = root @ root.swapaxes(1, 2)
        blocks.append((index, entries))
        for rows, values in zip(index, entries, strict=True):
            dense[np.ix_(rows, rows)] += values
    basis, right = rng.normal(size=(count, rank)), rng.normal(size=(count, columns))
    found = BlockLowRank(blocks, basis).solve(right)
    assert found == pytest.approx(np.linalg.solve(dense + basis @ basis.T, right), abs=1e-9)
