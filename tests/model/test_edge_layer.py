"""Check the sums over edges against PyTorch Geometric's own layer, with nodes that nothing leads to."""

import pytest
import torch

from gmt.data.answer_graph import AnswerGraph
from gmt.errors import DataError
from gmt.model.answer_encoder import AnswerEncoder
from gmt.model.edge_layer import pass_messages
from gmt.model.hgt import HGTLayer

SIZES = {"query": 7, "response": 9, "llm": 4, "turn": 6}


def random_edges(seed, empty=()):
    generator = torch.Generator().manual_seed(seed)

    def draw(edge):
        count = 0 if edge[1] in empty else 11
        return torch.stack([torch.randint(SIZES[kind], (count,), generator=generator) for kind in (edge[0], edge[2])])

    return {edge: draw(edge) for edge in AnswerGraph.schema.edge_types}


@pytest.mark.parametrize("empty", [(), ("precedes",), ("leads", "shows"), ("opens", "answers", "writes", "precedes")])
def test_the_layer_is_that_of_pytorch_geometric(empty):
    torch.manual_seed(0)
    layer = HGTLayer(16, 4, AnswerGraph.schema).double()
    with torch.no_grad():
        for weight in layer.parameters():
            weight.normal_()
    states = {kind: torch.randn(size, 16, dtype=torch.float64) for kind, size in SIZES.items()}
    edges = random_edges(1, empty)
    found, wanted = pass_messages(layer, states, edges), layer(states, edges)
    assert set(found) == {"query", "response", "llm", "turn"}
    for kind, state in found.items():
        assert torch.allclose(state, wanted[kind], atol=1e-9), kind


def test_gradients_are_those_of_finite_differences():
    torch.manual_seed(0)
    layer = HGTLayer(4, 2, AnswerGraph.schema).double()
    states = {kind: torch.randn(size, 4, dtype=torch.float64) for kind, size in SIZES.items()}
    edges = random_edges(2)

    def run(query, response):
        found = pass_messages(layer, states | {"query": query, "response": response}, edges)
        return found["turn"], found["llm"], found["response"]

    assert torch.autograd.gradcheck(run, (states["query"].requires_grad_(), states["response"].requires_grad_()))


def graph(seed=0, empty=(), words=12):
    torch.manual_seed(seed)
    query, response, llm = (torch.randn(SIZES[kind], words) for kind in ("query", "response", "llm"))
    return AnswerGraph(query, response, llm, SIZES["turn"], random_edges(seed, empty))


def test_an_edge_to_nowhere_is_refused():
    edges = random_edges(0)
    edges["response", "shows", "llm"] = torch.tensor([[9], [0]])
    with pytest.raises(DataError, match="'shows' reaches outside"):
        AnswerGraph(torch.zeros(7, 2), torch.zeros(9, 2), torch.zeros(4, 2), 6, edges)


def test_two_layers_carry_an_earlier_round_to_the_query_and_answers_to_their_model():
    torch.manual_seed(1)
    encoder = AnswerEncoder(12, 8, 2, 2)
    one = graph()
    edges = {kind: torch.zeros(2, 0, dtype=torch.int64) for kind in one.edges}
    edges |= {
        ("query", "opens", "turn"): torch.tensor([[1], [0]]),
        ("turn", "leads", "query"): torch.tensor([[0], [0]]),
        ("response", "shows", "llm"): torch.tensor([[3], [2]]),
    }
    one = AnswerGraph(one.query, one.response, one.llm, one.turns, edges)
    query, response = one.query.clone(), one.response.clone()
    query[1] += 1
    response[3] += 1
    other = AnswerGraph(query, response, one.llm, one.turns, edges)
    before, after = encoder(one), encoder(other)
    moved = {kind: (getattr(before, kind) != getattr(after, kind)).any(1) for kind in AnswerEncoder.OUTPUTS}
    assert moved["query"].nonzero().flatten().tolist() == [0, 1]
    assert moved["response"].nonzero().flatten().tolist() == [3]
    assert moved["llm"].nonzero().flatten().tolist() == [2]


@pytest.mark.parametrize("layers", [0, 1, 3])
def test_an_encoder_is_rebuilt_from_its_state(layers):
    encoder = AnswerEncoder(12, 8, 2, layers)
    again = AnswerEncoder.from_state(encoder.state_dict())
    again.load_state_dict(encoder.state_dict())
    one, other = encoder(graph()), again(graph())
    assert all(torch.equal(getattr(one, kind), getattr(other, kind)) for kind in AnswerEncoder.OUTPUTS)
