"""Check that frozen dataclasses come back from arrays and a description as they were, or are refused."""

import json
from dataclasses import fields, is_dataclass

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from gmt.posterior.answer_features import KnownAnswers
from gmt.posterior.stored_fields import FieldWriter, UnreadableFields, read_fields
from gmt.routing.kernels import QueryKernel
from gmt.routing.query_keys import QueryKeys


def there_and_back(value, outside=None):
    writer = FieldWriter(outside or {})
    described = writer.description(value)
    return read_fields(described, writer.arrays, outside or {}), writer


def same(one, other):
    """Tell whether two values hold the same, whatever dataclasses they are made of."""
    assert type(one) is type(other)
    if is_dataclass(one):
        return all(same(getattr(one, item.name), getattr(other, item.name)) for item in fields(one))
    if isinstance(one, csr_matrix):
        return one.shape == other.shape and (one != other).nnz == 0
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    return all(map(same, one, other)) if isinstance(one, tuple) else one == other


def keys(count):
    numbers = np.arange(count)
    return QueryKeys(numbers, numbers - 1, numbers % 2, np.full(count, -1))


def kernel(count=4):
    return QueryKernel(keys(count), np.random.default_rng(0).normal(size=(count, 3)), np.zeros(3))


def test_every_kind_of_value_comes_back_as_it_was():
    value = (kernel(), csr_matrix(np.eye(3)[:2]), 0.5, 3, None, True, "a", (), np.array([True, False]), np.float32(2.5))
    found, _ = there_and_back(value)
    assert same(found[:-1], value[:-1]) and found[-1] == 2.5


def test_what_is_one_object_stays_one():
    known = kernel()
    longer = known.extended(keys(2), np.ones((2, 3)))
    (first, second, again), writer = there_and_back((known, longer, known))
    assert second.begins_with(first) and again is first
    assert len({id(array) for array in writer.arrays.values()}) == len(writer.arrays)


def test_objects_kept_elsewhere_are_given_back():
    network = object()
    found, writer = there_and_back((network, 1), {"traits": network})
    assert found[0] is network and not writer.arrays


def test_rows_that_only_a_fit_reads_are_left_out():
    known = KnownAnswers(np.ones((9, 2)), np.ones((3, 2)), keys(2), np.arange(2), np.zeros((2, 2)))
    found, _ = there_and_back(known)
    assert found.rows.shape == (0, 2) and np.array_equal(found.means, known.means)


@pytest.mark.parametrize("value", [object(), {"a": 1}, np.array(["a"]), json.JSONDecoder()])
def test_other_values_are_refused(value):
    with pytest.raises(UnreadableFields):
        FieldWriter({}).description((1, value))


@pytest.mark.parametrize(
    "change",
    [
        lambda nodes: nodes[-1].update({"class": "os:system"}),
        lambda nodes: nodes[-1].update({"class": "gmt.posterior.style:style_of"}),
        lambda nodes: nodes[-1].update({"class": "gmt.routing.kernels:NoSuchClass"}),
        lambda nodes: nodes[-1]["fields"].pop("basis"),
        lambda nodes: nodes[-1]["fields"].update({"new": 0}),
        lambda nodes: nodes[-1]["fields"].update({"keys": 10_000}),
        lambda nodes: nodes[0].update({"array": "array.99"}),
        lambda nodes: nodes.clear(),
    ],
)
def test_descriptions_of_another_gmt_are_refused(change):
    writer = FieldWriter({})
    nodes = json.loads(writer.description(kernel()))
    change(nodes)
    with pytest.raises(UnreadableFields):
        read_fields(json.dumps(nodes), writer.arrays, {})
