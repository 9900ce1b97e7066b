"""Check that types come in one order, are refused in another, and run through PyTorch Geometric's own layer."""

import numpy as np
import pytest
import torch

from gmt.config import GraphConfig
from gmt.data.build_graph import build_graph
from gmt.data.schema import TurnSchema, outcome_schema, turn_schema
from gmt.errors import DataError
from tests.factories import random_dataset


def test_the_schema_has_one_order():
    nodes, edges = turn_schema().metadata
    assert nodes == ["user", "turn", "query", "response", "llm"]
    assert [edge[1] for edge in edges] == ["asks", "opens", "answers", "writes", "precedes", "updates"]
    assert [edge[1] for edge in turn_schema(False).edge_types] == ["asks", "opens", "answers", "writes", "updates"]
    assert edges[-1] == ("turn", "updates", "user") and {edge[2] for edge in edges[:-1]} == {"turn"}


def test_edges_in_another_order_are_refused():
    schema, data = turn_schema(), random_dataset(0, max_turns=2)
    edges = build_graph(data, data.questions(np.arange(3)), GraphConfig()).edges
    schema.check(edges)
    turned = dict(reversed(edges.items()))
    with pytest.raises(DataError, match="expected .'asks', 'opens'.* in this order"):
        schema.check(turned)
    with pytest.raises(DataError, match="in this order"):
        schema.check({edge: index for edge, index in edges.items() if edge[1] != "precedes"})


def test_hetero_data_has_the_types_in_schema_order_and_runs_through_hgtconv():
    from torch_geometric.nn import HGTConv

    data = random_dataset(0, users=4, max_turns=3)
    graph = build_graph(data, data.questions(np.arange(10)), GraphConfig())
    hetero = graph.to_hetero_data()
    assert hetero.node_types == list(graph.schema.node_types) and hetero.edge_types == list(graph.schema.edge_types)
    assert hetero.validate()
    for edge, index in graph.edges.items():
        assert torch.equal(hetero[edge].edge_index, index)
    widths = {kind: hetero[kind].x.shape[1] for kind in hetero.node_types}
    torch.manual_seed(0)
    out = HGTConv(widths, 8, hetero.metadata(), heads=2)(hetero.x_dict, hetero.edge_index_dict)
    assert out["user"].shape == (len(graph.user_code), 8) and out["turn"].shape == (len(graph.turn_user), 8)
    assert torch.isfinite(out["user"]).all() and out["user"].abs().sum() > 0


def test_a_schema_is_checked_by_name_not_by_length():
    schema = TurnSchema(("a",), (("a", "x", "a"), ("a", "y", "a")))
    with pytest.raises(DataError, match=r"\['y', 'x'\]; expected \['x', 'y'\]"):
        schema.check({("a", "y", "a"): 0, ("a", "x", "a"): 0})


@pytest.mark.parametrize("schema", [turn_schema(), outcome_schema()])
def test_a_layer_gets_the_edges_that_somebody_reads_after_it(schema):
    first, last = schema.restricted(2, ("user",))
    assert type(first) is type(schema) and first.node_types == schema.node_types
    assert {edge[2] for edge in last.edge_types} == {"user"}
    assert {edge[2] for edge in first.edge_types} == {"user", *(edge[0] for edge in last.edge_types)}
    assert [edge for edge in schema.edge_types if edge in last.edge_types] == list(last.edge_types)
    assert schema.restricted(0, ("user",)) == []


def test_only_edges_between_queries_and_llms_of_the_single_turn_graph_carry_outcomes():
    assert not any(turn_schema().carries_outcome(edge) for edge in turn_schema().edge_types)
    assert [edge[1] for edge in outcome_schema().edge_types if outcome_schema().carries_outcome(edge)] == [
        "got",
        "rates",
    ]
