"""Check that the graph of answers shows what is visible, once, whatever the order of the table, and no outcome."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from gmt.data.answer_graph import AnswerGraph
from gmt.model.answer_encoder import AnswerEncoder
from gmt.model.trait_network import TraitNetwork
from gmt.posterior.asked_queries import AskedQueries
from gmt.posterior.earlier_turns import EARLIER_ROUNDS
from gmt.posterior.trait_features import TraitFeatureMaker
from gmt.posterior.visible_answers import HEARD, VisibleAnswers
from gmt.routing.conversation_reading import ConversationReading
from tests.factories import random_dataset


@pytest.fixture(scope="module")
def data():
    return random_dataset(3, users=10, max_turns=6)


def network(data, layers=2):
    torch.manual_seed(1)
    encoder = AnswerEncoder(data.vectors.shape[1], 8, 2, layers)
    made = TraitNetwork(data.vectors.shape[1], len(data.table.models), 4, 0, encoder)
    with torch.no_grad():
        for weight in made.parameters():
            weight += 0.5 * torch.randn_like(weight)
    return made.eval()


def drawn_of(data, positions=None):
    every = np.arange(len(data.table)) if positions is None else positions
    asked = AskedQueries.rounds(data.table, every, ConversationReading().read(data, data.table))
    return VisibleAnswers.of(data).draw(asked, data.table.candidates[every])


def test_every_node_and_edge_is_what_the_table_says(data):
    table, drawn = data.table, drawn_of(data)
    graph, edges = drawn.graph, {kind[1]: edge.numpy() for kind, edge in drawn.graph.edges.items()}
    for position in range(len(table)):
        node = drawn.node[position]
        assert (graph.query[node].numpy() == data.vectors[table.query[position]]).all()
        # Turns before it, by brute force: the newest rounds of the conversation, every answer of each.
        turns = edges["leads"][0][edges["leads"][1] == int(node)]
        before = np.flatnonzero(
            (table.conversation == table.conversation[position]) & (table.turn < table.turn[position])
        )
        before = before[np.argsort(table.turn[before])][-EARLIER_ROUNDS:]
        rows = np.flatnonzero(np.isin(table.row_comparison, before))
        assert len(turns) == len(rows)
        of = {kind: dict(zip(edges[kind][1], edges[kind][0], strict=True)) for kind in ("opens", "answers", "writes")}
        found = {(int(of["writes"][t]), tuple(graph.response[of["answers"][t]].tolist())) for t in turns}
        wanted = {(int(table.model[r]), tuple(data.vectors[table.response[r]].tolist())) for r in rows}
        assert found == wanted
        texts = {tuple(graph.query[of["opens"][t]].tolist()) for t in turns}
        assert texts == {tuple(data.vectors[table.query[b]].tolist()) for b in before}
        for slot, model in enumerate(table.candidates[position]):
            if model >= 0:
                place = int(drawn.response[position, slot])
                assert place >= 0 and int(edges["draws"][0][edges["draws"][1] == place][0]) >= len(drawn.task)
    assert np.bincount(edges["shows"][1]).max() <= HEARD
    follows = edges["precedes"]
    assert follows.shape[1] > 0 and (np.diff(follows, axis=0) != 0).all()


def test_a_graph_has_no_place_for_an_outcome(data):
    assert {item.name for item in fields(AnswerGraph)} == {"query", "response", "llm", "turns", "edges"}
    table = data.table
    blind = data.with_table(replace(table, rating=np.full_like(table.rating, 0.25), user=np.zeros_like(table.user)))
    one, other = drawn_of(data).graph, drawn_of(blind).graph
    assert torch.equal(one.query, other.query) and torch.equal(one.response, other.response)
    assert all(torch.equal(one.edges[kind], other.edges[kind]) for kind in one.edges)


def test_traits_do_not_depend_on_what_else_is_asked_nor_on_the_order_of_the_table(data):
    made = TraitFeatureMaker(network(data))
    every = np.arange(len(data.table))
    whole = made(data).of_candidates(data, data.questions(every))
    order = np.random.default_rng(0).permutation(every)
    shuffled = made(data.select(order)).of_candidates(data, data.questions(order))
    assert shuffled == pytest.approx(whole[order], abs=1e-5)
    alone = np.concatenate([made(data).of_candidates(data, data.questions(every[[one]])) for one in (3, 40, 77)])
    assert alone == pytest.approx(whole[[3, 40, 77]], abs=1e-5)


def test_an_opening_is_one_query_and_a_follow_up_is_read_with_its_conversation(data):
    table, made = data.table, TraitFeatureMaker(network(data))(data)
    later = np.flatnonzero(table.turn == 1)
    questions = data.questions(later)
    found = made.of_candidates(data, questions)
    nothing = made.of_candidates(data, replace(questions, conversation=np.full(len(later), -1)))
    assert (np.abs(found - nothing).max(axis=(1, 2)) > 1e-4).all()
    first = np.flatnonzero(table.turn == 0)
    opening = data.questions(first)
    apart = replace(opening, conversation=np.full(len(first), -1))
    assert made.of_candidates(data, opening) == pytest.approx(made.of_candidates(data, apart), abs=1e-6)


def test_the_answer_to_a_target_is_read_only_where_the_history_shows_it(data):
    table = data.table
    first = np.flatnonzero(table.turn == 0)
    history = data.select(first[len(first) // 2 :])
    questions = data.questions(first[: len(first) // 2])
    visible = VisibleAnswers.of(history)
    asked = AskedQueries.of(questions, ConversationReading().read(data, questions))
    drawn = visible.draw(asked, questions.candidates)
    shown = history.table
    keys = set(zip(shown.query[shown.row_comparison].tolist(), shown.model.tolist(), strict=True))
    for row in range(len(questions)):
        for slot, model in enumerate(questions.candidates[row]):
            known = (int(questions.query[row]), int(model)) in keys
            assert (int(drawn.response[row, slot]) >= 0) == known
    assert 0 < (drawn.response >= 0).float().mean() < 1
    # Other texts in the rows of the targets themselves change nothing.
    own = TraitFeatureMaker(network(data))(history).of_candidates(data, questions)
    blanked = np.where(np.isin(table.row_comparison, first[: len(first) // 2]), -1, table.response)
    other = data.with_table(replace(table, response=blanked))
    again = TraitFeatureMaker(network(data))(history).of_candidates(other, other.questions(first[: len(first) // 2]))
    assert (own == again).all()


def test_a_history_that_shows_nothing_is_read(data):
    empty = data.select(np.zeros(0, np.int64))
    questions = data.questions(np.arange(5))
    found = TraitFeatureMaker(network(data))(empty).of_candidates(empty, questions)
    assert found.shape == (5, 2, 4) and np.isfinite(found).all()
