from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch_geometric.nn import HGTConv
from torch_geometric.utils import softmax

from gmt.config import load_config
from gmt.data.graph import turn_schema
from gmt.errors import DataError
from gmt.model.encoder import GraphEncoder, HGTLayer, key, segment_softmax

WIDTH, HEADS = 16, 2
SIZES = {"user": 5, "turn": 11, "query": 7, "response": 11, "llm": 4}
PAPER = Path(__file__).resolve().parents[2] / "configs" / "paper.yaml"


@pytest.fixture(autouse=True)
def exact():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def random_graph(schema, seed=0, empty=(), width=WIDTH):
    generator = torch.Generator().manual_seed(seed)
    states = {kind: torch.randn(SIZES[kind], width, generator=generator) for kind in schema.node_types}
    edges = {}
    for edge in schema.edge_types:
        count = 0 if edge[1] in empty else 23
        ends = [torch.randint(SIZES[kind], (count,), generator=generator) for kind in (edge[0], edge[2])]
        edges[edge] = torch.stack(ends)
    return states, edges


def shaken(module, seed=0):
    """Give every parameter a random value, priors and gates too, so that none can hide."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.4)
    return module


def pairs_of_weights(layer, conv):
    """Yield (ours, how to read it off theirs) for every parameter of a layer."""
    schema, width, heads = layer.schema, conv.out_channels, conv.heads
    count = len(schema.edge_types)
    kqv, out = conv.kqv_lin.lins, conv.out_lin.lins
    for kind, linear in layer.key_value.items():
        for name in ("weight", "bias"):
            theirs = getattr(kqv[kind], name)
            yield getattr(linear, name), theirs, torch.cat([torch.arange(width), torch.arange(2 * width, 3 * width)])
    for kind in layer.query:
        for name in ("weight", "bias"):
            yield getattr(layer.query[kind], name), getattr(kqv[kind], name), torch.arange(width, 2 * width)
            yield getattr(layer.out[kind], name), getattr(out[kind], name), slice(None)
        yield layer.skip[kind], conv.skip[kind], slice(None)
    for number, edge in enumerate(schema.edge_types):
        matrices = torch.arange(heads) * count + number
        yield layer.key_relation[key(edge)], conv.k_rel.weight, matrices
        yield layer.value_relation[key(edge)], conv.v_rel.weight, matrices
        yield layer.prior[key(edge)], conv.p_rel[key(edge)], 0


def twin(layer):
    """Return PyTorch Geometric's layer with the weights of ours."""
    conv = HGTConv(layer.heads * layer.head_width, layer.heads * layer.head_width, layer.schema.metadata, layer.heads)
    with torch.no_grad():
        for ours, theirs, where in pairs_of_weights(layer, conv):
            theirs[where] = ours
    return conv


@pytest.mark.parametrize(
    ("turn_edges", "empty"),
    [(True, ()), (False, ()), (True, ("precedes",)), (True, ("asks", "writes", "precedes")), (True, ("tells",))],
)
def test_a_layer_equals_hgtconv_in_outputs_and_gradients(turn_edges, empty):
    schema = turn_schema(turn_edges)
    layer = shaken(HGTLayer(WIDTH, HEADS, schema))
    conv = twin(layer)
    states, edges = random_graph(schema, 1, empty)
    ours_in, theirs_in = ({kind: x.clone().requires_grad_() for kind, x in states.items()} for _ in range(2))
    ours, theirs = layer(ours_in, edges), conv(theirs_in, edges)
    assert {kind for kind, x in theirs.items() if x is not None} == {"user", "turn"} == set(layer.query)
    for kind in states:
        wanted = theirs[kind] if kind in theirs else states[kind]
        torch.testing.assert_close(ours[kind], wanted, rtol=1e-10, atol=1e-10)
    wish = {kind: torch.randn(theirs[kind].shape, generator=torch.Generator().manual_seed(2)) for kind in theirs}
    for out in (ours, theirs):
        sum((out[kind] * wish[kind]).sum() for kind in wish).backward()

    def gradient(tensor):
        return torch.zeros_like(tensor) if tensor.grad is None else tensor.grad

    for kind in states:
        torch.testing.assert_close(gradient(ours_in[kind]), gradient(theirs_in[kind]), rtol=1e-9, atol=1e-9)
    checked = 0
    for own, other, where in pairs_of_weights(layer, conv):
        torch.testing.assert_close(gradient(own), gradient(other)[where], rtol=1e-9, atol=1e-9)
        checked += own.numel()
    assert checked == sum(parameter.numel() for parameter in layer.parameters())


def test_the_published_encoder_equals_a_stack_of_hgtconv():
    config = load_config(PAPER)
    model, schema = replace(config.model, width=WIDTH), turn_schema(config.graph.turn_edges)
    assert (model.layers, model.heads, config.graph.turn_edges) == (3, 4, True)
    encoder = shaken(GraphEncoder(model.width, model.heads, model.layers, model.dropout, schema)).eval()
    states, edges = random_graph(schema, 3)
    wanted = dict(states)
    for layer, norms in zip(encoder.layers, encoder.norms, strict=True):
        assert isinstance(layer, HGTLayer) and isinstance(norms, nn.ModuleDict)
        for kind, out in twin(layer)(wanted, edges).items():
            wanted[kind] = norms[kind](out)
    found = encoder(states, edges)
    for kind in states:
        torch.testing.assert_close(found[kind], wanted[kind], rtol=1e-9, atol=1e-9)
    assert found["llm"] is states["llm"] and not torch.equal(found["turn"], states["turn"])


@pytest.mark.parametrize(("layers", "outputs"), [(1, ("user",)), (2, ("user", "llm")), (3, ("turn",)), (4, ("user",))])
def test_what_nobody_reads_afterwards_is_left_out_and_changes_no_output(layers, outputs):
    schema = turn_schema()
    states, edges = random_graph(schema)
    whole = shaken(GraphEncoder(WIDTH, HEADS, layers, 0.0, schema)).eval()
    lean = GraphEncoder(WIDTH, HEADS, layers, 0.0, schema, outputs).eval()
    assert set(lean.state_dict()) < set(whole.state_dict())
    lean.load_state_dict({name: whole.state_dict()[name] for name in lean.state_dict()})
    wanted, found = whole(states, edges), lean(states, edges)
    for kind in outputs:
        torch.testing.assert_close(found[kind], wanted[kind])
    loss = sum(found[kind].square().sum() for kind in outputs)
    loss.backward()
    assert all(weight.grad is not None for weight in lean.parameters()), "a weight that nothing reads"


def test_edges_in_another_order_change_hgtconv_and_are_refused_by_ours():
    schema = turn_schema()
    layer = shaken(HGTLayer(WIDTH, HEADS, schema))
    states, edges = random_graph(schema)
    turned = dict(reversed(edges.items()))
    conv = twin(layer)
    assert (conv(states, edges)["turn"] - conv(states, turned)["turn"]).abs().max() > 1e-3
    with pytest.raises(DataError, match="in this order"):
        layer(states, turned)


@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_segment_softmax_equals_the_one_of_pytorch_geometric(scale):
    generator = torch.Generator().manual_seed(0)
    logits, segment = scale * torch.randn(40, HEADS, generator=generator), torch.randint(9, (40,), generator=generator)
    segment[segment == 4] = 5
    ours, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    out, wanted = segment_softmax(ours, segment, 9), softmax(theirs, segment, num_nodes=9)
    torch.testing.assert_close(out, wanted, rtol=1e-12, atol=1e-12)
    sums = torch.zeros(9, HEADS).index_add(0, segment, out.detach())
    torch.testing.assert_close(sums, (torch.arange(9) != 4).double()[:, None].expand(9, HEADS))
    wish = torch.randn(40, HEADS, generator=generator)
    (out * wish).sum().backward()
    (wanted * wish).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-10, atol=1e-10)


def test_a_graph_without_turns_gives_every_user_the_same_state():
    schema = turn_schema()
    encoder = shaken(GraphEncoder(WIDTH, HEADS, 2, 0.1, schema)).eval()
    states = {kind: torch.zeros(0 if kind != "user" else 3, WIDTH) for kind in schema.node_types}
    edges = {edge: torch.zeros(2, 0, dtype=torch.long) for edge in schema.edge_types}
    found = encoder(states, edges)
    assert {kind: x.shape for kind, x in found.items()} == {kind: x.shape for kind, x in states.items()}
    assert torch.isfinite(found["user"]).all() and found["user"][0].abs().sum() > 0
    assert torch.equal(found["user"][0], found["user"][1]) and torch.equal(found["user"][1], found["user"][2])


def test_no_layers_return_the_states_as_they_are():
    schema = turn_schema()
    states, edges = random_graph(schema)
    found = GraphEncoder(WIDTH, HEADS, 0, 0.5, schema)(states, edges)
    assert all(torch.equal(found[kind], states[kind]) for kind in states)


def test_numbering_nodes_and_edges_otherwise_changes_nothing():
    schema = turn_schema()
    encoder = shaken(GraphEncoder(WIDTH, HEADS, 2, 0.0, schema))
    states, edges = random_graph(schema, 5)
    generator = torch.Generator().manual_seed(6)
    order = {kind: torch.randperm(len(x), generator=generator) for kind, x in states.items()}
    place = {kind: order[kind].argsort() for kind in order}
    moved = {}
    for edge, index in edges.items():
        index = index[:, torch.randperm(index.shape[1], generator=generator)]
        moved[edge] = torch.stack([place[edge[0]][index[0]], place[edge[2]][index[1]]])
    wanted, found = encoder(states, edges), encoder({kind: x[order[kind]] for kind, x in states.items()}, moved)
    for kind in states:
        torch.testing.assert_close(found[kind], wanted[kind][order[kind]], rtol=1e-10, atol=1e-10)


def test_dropout_acts_in_training_only():
    schema = turn_schema()
    encoder = GraphEncoder(WIDTH, HEADS, 1, 0.5, schema)
    states, edges = random_graph(schema)
    torch.manual_seed(0)
    first, second = encoder(states, edges)["user"], encoder(states, edges)["user"]
    assert not torch.allclose(first, second)
    encoder.eval()
    assert torch.equal(encoder(states, edges)["user"], encoder(states, edges)["user"])
