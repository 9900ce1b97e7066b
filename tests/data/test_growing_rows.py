"""Check that rows, vectors and names grow as a plain list does, and that what was handed out stays as it is."""

import numpy as np
import pytest

from gmt.data.growing_rows import GrowingRows, LayeredVectors
from gmt.data.vocabulary import Vocabulary


def test_rows_grow_and_earlier_views_stay():
    rows, views = GrowingRows(np.arange(3)), []
    for number in range(3, 200):
        views.append(rows.view())
        rows.put(np.array([number]))
    assert rows.view().tolist() == list(range(200))
    assert all(view.tolist() == list(range(3 + place)) for place, view in enumerate(views))


def test_layers_are_read_as_one_array_and_do_not_see_each_other():
    base = LayeredVectors.of(np.arange(6.0).reshape(3, 2))
    grown = base.grown(np.full((2, 2), 7.0))
    asked, other = grown.beside(np.full((1, 2), 8.0)), base.grown(np.full((1, 2), 9.0))
    whole = np.concatenate([np.arange(6.0).reshape(3, 2), np.full((2, 2), 7.0), np.full((1, 2), 8.0)])
    at = np.array([[5, 0], [-1, 3]])
    assert np.array_equal(asked[at], whole[at]) and np.array_equal(np.asarray(asked), whole)
    assert (len(base), len(grown), len(asked), other[3].tolist()) == (3, 5, 6, [9.0, 9.0])
    assert grown[3].tolist() == [7.0, 7.0]
    with pytest.raises(IndexError, match="outside"):
        base[np.array([3])]


def test_names_keep_their_codes_and_older_vocabularies_do_not_see_newer_names():
    first = Vocabulary.of(["a", "b"])
    second = first.grown(["b", "c"])
    aside, branch = second.beside(["d", "a"]), first.grown(["z"])
    assert (tuple(first), tuple(second), tuple(aside)) == (("a", "b"), ("a", "b", "c"), ("a", "b", "c", "d"))
    assert tuple(branch) == ("a", "b", "z") and branch.code("c") == -1 == first.code("c")
    assert (aside.code("d"), second.code("d"), aside[3], aside[-1], second[1:]) == (3, -1, "d", "d", ("b", "c"))
    assert second == ("a", "b", "c") and "c" in second and "c" not in first and second.index("c") == 2
    with pytest.raises(ValueError, match="not in"):
        first.index("c")
