"""Check that frozen dataclasses come back from arrays and a description as they were, or are refused."""

import json
from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from gmt.config import TraitsConfig
from gmt.data.growing_rows import LayeredVectors
from gmt.data.interactions import InteractionTable
from gmt.data.signals import SIGNALS
from gmt.posterior.answer_aware import AnswerAwareBradleyTerry
from gmt.posterior.answer_features import KnownAnswers
from gmt.posterior.answer_reader import AnswerReader
from gmt.posterior.likelihood import Outcomes
from gmt.posterior.observations import GAP, LONE, VOTE, WEAK
from gmt.posterior.rating_scales import RatingScales
from gmt.posterior.stored_fields import FieldWriter, UnreadableFields, read_fields
from gmt.posterior.style import AnswerStyle
from gmt.routing.conversation_reading import ReadQueries
from gmt.routing.kernels import QueryKernel
from gmt.routing.query_keys import QueryKeys
from gmt.training.trait_start import initial_traits
from tests.factories import dataset_of, random_dataset, with_lone_ratings


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
    return QueryKeys(numbers, numbers - 1, numbers % 2, np.full(count, -1), np.zeros(count, np.int64))


def kernel(count=4):
    return QueryKernel(keys(count), np.random.default_rng(0).normal(size=(count, 3)), np.zeros(3))


def test_every_kind_of_value_comes_back_as_it_was():
    value = (kernel(), csr_matrix(np.eye(3)[:2]), 0.5, 3, None, True, "a", (), np.array([True, False]), np.float32(2.5))
    found, _ = there_and_back(value)
    assert same(found[:-1], value[:-1]) and found[-1] == 2.5


def test_what_is_one_object_stays_one():
    known = kernel()
    longer = known.extended(ReadQueries.by_text(keys(2), np.ones((4, 3))))
    (first, second, again), writer = there_and_back((known, longer, known))
    assert second.begins_with(first) and again is first
    assert len({id(array) for array in writer.arrays.values()}) == len(writer.arrays)


def test_objects_kept_elsewhere_are_given_back():
    network = object()
    found, writer = there_and_back((network, 1), {"traits": network})
    assert found[0] is network and not writer.arrays


@pytest.mark.parametrize(
    "value",
    [
        Outcomes(np.array([0.0, 0.5])),
        Outcomes(np.ones(2), np.array([-np.inf, 0.0]), np.array([0.0, np.inf]), np.array([1.0, 0.3])),
        RatingScales(),
        RatingScales(lone_edges=np.array([0.5]), lone_cuts=np.array([-0.2]), weak_cut=np.zeros(1)),
    ],
)
def test_parts_that_may_be_missing_come_back_as_they_were(value):
    found, _ = there_and_back(value)
    assert same(found, value)


def mixed():
    """Return votes, ratings that say how far apart, lone ratings, and signals on answers that nobody rated."""
    data = with_lone_ratings(random_dataset(1, users=6, comparisons_per_user=24))
    items = []
    for number, item in enumerate(data.table.to_comparisons()):
        answers = item.candidates
        if number % 5 == 0:
            answers = (replace(answers[0], rating=None, signal=SIGNALS[number % len(SIGNALS)]),)
        elif len(answers) > 1:
            # Four levels, so that a pair of ratings says by how much.
            answers = tuple(replace(one, rating=number * (1 + slot) % 4 / 3) for slot, one in enumerate(answers))
        items.append(replace(item, candidates=answers))
    return dataset_of(InteractionTable.from_comparisons(items, data.table.split.tolist(), models=data.table.models))


@pytest.mark.parametrize("forms", [{VOTE}, {GAP, LONE, WEAK}], ids=["votes alone", "every other form"])
def test_a_belief_comes_back_whatever_was_said(forms):
    data = random_dataset(1, users=6, comparisons_per_user=24) if forms == {VOTE} else mixed()
    belief = AnswerAwareBradleyTerry().fit(data).condition(data)
    belief = replace(belief, effects=replace(belief.effects, solved=belief.effects.alpha))
    found, _ = there_and_back(belief)
    assert set(found.votes.kind.tolist()) == forms and same(found.votes, belief.votes)
    assert same(found.reading, belief.reading) and (found.reading.weak is None) == (forms == {VOTE})
    asked = data.questions(np.arange(12))
    assert np.array_equal(found.score(data, asked), belief.score(data, asked))
    # What comes later is read as it would have been.
    told = [replace(one, conversation=f"new {one.user}") for one in data.select(np.arange(8)).table.to_comparisons()]
    later = data.table.append(told)
    grown, new = replace(data, table=later), np.arange(len(data.table), len(later))
    one, other = (each.with_observed(grown, new) for each in (found, belief))
    assert np.array_equal(one.score(grown, asked), other.score(grown, asked))
    assert not np.array_equal(one.score(grown, asked), found.score(data, asked))


@pytest.mark.parametrize("layers", [0, 2])
def test_a_belief_that_reads_traits_comes_back_without_the_texts_of_its_history(layers):
    data = random_dataset(1, users=6, comparisons_per_user=24, max_turns=3)
    router = AnswerAwareBradleyTerry().fit(data)
    router.settings = replace(router.settings, context_decay=0.9)
    traits = initial_traits(router, data, TraitsConfig(count=3, layers=layers, width=8, heads=2))
    for weight in (*traits.hear.parameters(),) if layers else ():
        weight.data.fill_(0.1)
    router = router.with_learned_traits(traits.eval()).with_trait_quality(0.3)
    # Vectors of a run lie in layers.
    data = replace(data, vectors=LayeredVectors.of(data.vectors))
    belief = router.condition(data)
    belief = replace(belief, effects=replace(belief.effects, solved=belief.effects.alpha))
    found, writer = there_and_back(belief, {"traits": router.traits})
    assert not any(array.shape == data.vectors.shape for array in writer.arrays.values())
    asked = data.questions(np.arange(12))
    assert np.array_equal(found.score(data, asked), belief.score(data, asked))
    told = [replace(one, conversation=f"new {one.user}") for one in data.select(np.arange(8)).table.to_comparisons()]
    grown = replace(data, table=data.table.append(told))
    new = np.arange(len(data.table), len(grown.table))
    one, other = (each.with_observed(grown, new) for each in (found, belief))
    assert np.array_equal(one.score(grown, asked), other.score(grown, asked))


def test_rows_that_only_a_fit_reads_are_left_out():
    reader = AnswerReader(
        AnswerStyle(np.zeros(2), np.ones(2), np.zeros((3, 2))), (0.1, 1.0), np.ones(4), np.ones((4, 3))
    )
    known = KnownAnswers(reader, np.ones((9, 2)), np.ones((3, 2)), keys(2), np.arange(2), np.zeros((2, 2)))
    found, _ = there_and_back(known)
    assert found.rows.shape == (0, 2) and np.array_equal(found.means, known.means)
    assert found.reader.near == reader.near and np.array_equal(found.reader.axes, reader.axes)


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
