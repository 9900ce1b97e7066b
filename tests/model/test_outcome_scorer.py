"""Check the single-turn network: outcomes reach who they should and nobody else, and every weight learns."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from gmt.config import EpisodeConfig, GraphConfig, ModelConfig, load_config
from gmt.data.build_graph import build_graph
from gmt.data.episodes import EpisodeSampler
from gmt.data.schema import graph_schema, outcome_schema
from gmt.errors import DataError
from gmt.hybrid.network_router import NetworkRouter
from gmt.model.build import scorer_for
from gmt.model.outcome_scorer import OutcomeLayer, OutcomeScorer
from gmt.runs import RunFolder
from gmt.training.losses import loss_of
from gmt.training.train_network import train_scorer
from tests.factories import random_dataset

SMALL = ModelConfig(width=16, heads=2, hidden=8, dropout=0.0)
GRAPH = GraphConfig(schema="outcomes")


def tasked(seed=0, **settings):
    """Draw single-turn comparisons of up to four models, each of one of three tasks."""
    data = random_dataset(seed, users=6, models=5, max_candidates=4, **settings)
    table = data.table
    return data.with_table(replace(table, tasks=("a", "b", "c"), task=table.question % 3))


def scorer_of(data, config=SMALL, seed=0):
    """Return a scorer whose every weight differs from zero, as after training."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        scorer = scorer_for(config, outcome_schema(), data.vectors.shape[1], len(data.table.models))
        with torch.no_grad():
            for parameter in scorer.parameters():
                parameter.add_(torch.randn(parameter.shape) * 0.3)
    return scorer.eval()


def halves(data):
    asked = data.table.conversation % 2 == 0
    return data.select(~asked), np.flatnonzero(asked)


def test_the_schema_decides_the_network():
    assert graph_schema(GRAPH) == outcome_schema()
    assert isinstance(scorer_for(SMALL, outcome_schema(), 8, 3), OutcomeScorer)
    assert not isinstance(scorer_for(SMALL, graph_schema(GraphConfig()), 8, 3), OutcomeScorer)


def test_edges_join_what_the_table_says():
    data = tasked()
    history, positions = halves(data)
    batch = build_graph(history, data.questions(positions), GRAPH)
    links, table = batch.outcomes, history.table
    assert tuple(batch.edges) == batch.schema.edge_types
    codes = batch.user_code.numpy()
    told = set()
    for query, llm in zip(links.outcome_query.tolist(), links.outcome_llm.tolist(), strict=True):
        task = int(links.query_task[query])
        told.add((int(codes[links.task_user[task]]), task, llm))
    people = {(int(table.user[c]), int(m)) for c, m in zip(table.row_comparison, table.model, strict=True)}
    assert {(user, llm) for user, _, llm in told} == people
    pairs = {(int(u), int(t)) for u, t in zip(table.user, table.task, strict=True)}
    asked = {(int(table.user[0]) * 0 + int(data.table.user[p]), int(data.table.task[p])) for p in positions}
    assert len(links.task_user) == len(pairs | asked)
    assert (links.task_user[links.target_task] == batch.target_user).all()


def test_wrong_edge_order_is_refused():
    data = tasked()
    history, positions = halves(data)
    batch = build_graph(history, data.questions(positions), GRAPH)
    edges = batch.schema.edges(batch.outcomes)
    turned = dict(reversed(edges.items()))
    with pytest.raises(DataError, match="in this order"):
        OutcomeLayer(8, 2, outcome_schema(), True)({}, turned, batch.feedback)


def test_a_message_that_comes_twice_counts_once_and_without_messages_nothing_is_added():
    """Attention adds up to one over the edges into a node, and to nothing where there is none."""
    schema = outcome_schema()
    layer = OutcomeLayer(8, 2, schema, bind=True)
    nodes = {kind: torch.randn(3, 8) for kind in schema.node_types}
    none, one = torch.zeros(2, 0, dtype=torch.long), torch.tensor([[1], [2]])

    def queries(index):
        edges = dict.fromkeys(schema.edge_types, none)
        edges["llm", "got", "query"] = index
        edges["query", "rates", "llm"] = index.flip(0)
        return layer(nodes, edges, torch.ones(index.shape[1], 6))["query"]

    once, twice, never = queries(one), queries(one.expand(2, 2)), queries(none)
    torch.testing.assert_close(once, twice)
    keep = torch.sigmoid(layer.hgt.skip["query"])
    torch.testing.assert_close(never, keep * layer.hgt.out["query"].bias + (1 - keep) * nodes["query"])
    torch.testing.assert_close(once[:2], never[:2])
    assert (once[2] - never[2]).abs().max() > 1e-4


@pytest.mark.parametrize("layers", [0, 1, 2, 5])
def test_every_depth_scores_and_hides_padding(layers):
    data = tasked()
    history, positions = halves(data)
    batch = build_graph(history, data.questions(positions), GRAPH)
    scores = scorer_of(data, replace(SMALL, layers=layers))(batch)
    assert torch.isfinite(scores[batch.mask]).all() and torch.isneginf(scores[~batch.mask]).all()


def test_two_people_of_opposite_outcomes_get_different_scores():
    data = tasked()
    history, positions = halves(data)
    router = NetworkRouter(scorer_of(data), GRAPH)
    questions = data.questions(positions[[0, 0]])
    scores = router.score(history, replace(questions, user=np.array([0, 1])))
    assert np.abs(scores[0] - scores[1])[np.isfinite(scores[0])].max() > 1e-3


def test_a_shallow_network_hears_nobody_but_the_asker():
    """Within two layers another person's outcomes reach a state only through llms, whose states the head reads."""
    data = tasked()
    history, positions = halves(data)
    scorer = scorer_of(data, replace(SMALL, layers=2))
    scorer.head = Reading()
    table = history.table
    mine = data.questions(positions[data.table.user[positions] == 0])
    others = table.user[table.row_comparison] != 0
    changed = history.with_table(replace(table, rating=np.where(others, 1 - table.rating, table.rating)))
    before, after = (scorer(build_graph(one, mine, GRAPH)) for one in (history, changed))
    assert (before == after).all()


class Reading(nn.Module):
    """Score by the states of person and task alone."""

    def forward(self, user, task, query, candidates):
        return (user + task).sum(dim=1, keepdim=True).expand(candidates.shape[:2])


def test_whatever_is_asked_is_never_shown():
    data = tasked()
    history, positions = halves(data)
    table, asked = data.table, np.zeros(len(data.table), bool)
    asked[positions] = True
    hidden = np.where(asked[table.row_comparison], 1 - table.rating, table.rating)
    changed = data.with_table(replace(table, rating=hidden))
    router = NetworkRouter(scorer_of(data), GRAPH)
    scores = [router.score(history, one.questions(positions)) for one in (data, changed)]
    assert (scores[0] == scores[1]).all()


def test_every_weight_learns():
    data = tasked()
    sampler = EpisodeSampler(data.table, EpisodeConfig(users=6, targets=6), 0)
    episode = sampler.draw(0)
    batch = build_graph(
        data.select(episode.history), data.questions(episode.targets), GRAPH, data.table.select(episode.targets).ratings
    )
    scorer = scorer_of(data).train()
    loss, _ = loss_of(load_config(None).train, scorer(batch), batch.rating)
    loss.backward()
    still = [name for name, value in scorer.named_parameters() if value.grad is None or not value.grad.abs().sum()]
    # People start at zero, so that what reads them first learns a bias alone.
    assert set(still) <= {"layers.0.hgt.key_value.user.weight", "layers.0.hgt.query.user.weight"}


def test_a_new_model_and_a_new_person_are_scored():
    data = tasked()
    history, positions = halves(data)
    scorer = scorer_for(SMALL, outcome_schema(), data.vectors.shape[1], 3)  # trained on three of five
    questions = replace(data.questions(positions), user=np.full(len(positions), -1))
    scores = NetworkRouter(scorer, GRAPH).score(history, questions)
    assert np.isfinite(scores[questions.candidates >= 0]).all()


def test_training_by_hidden_outcomes_learns_a_planted_best_model(tmp_path):
    data = tasked(personal=0.0, shared=3.0, ties=0.0, comparisons_per_user=40)
    overrides = ["graph.schema=outcomes", "model.width=16", "model.hidden=16", "model.heads=2", "train.loss=choice"]
    overrides += ["train.steps=150", "train.eval_every=50", "episode.users=6", "train.lr=0.01"]
    config = load_config(None, overrides, 0)
    scorer, progress = train_scorer(data, config, RunFolder(tmp_path))
    assert isinstance(scorer, OutcomeScorer) and progress.best_accuracy > 0.65


def test_the_batch_is_heterogeneous_data_with_outcomes_on_its_edges():
    data = tasked()
    history, positions = halves(data)
    batch = build_graph(history, data.questions(positions), GRAPH)
    found = batch.to_hetero_data()
    assert found.metadata()[0] == list(batch.schema.node_types)
    assert found["llm", "got", "query"].edge_attr.shape == batch.feedback.shape
    assert found["user"].num_nodes == len(batch.user_code)
