from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch_geometric.nn import HGTConv

from gmt.config import load_config
from gmt.data.schema import turn_schema
from gmt.data.turn_links import TurnLinks
from gmt.errors import DataError
from gmt.model.encoder import GraphEncoder
from gmt.model.hgt import HGTLayer, key
from gmt.model.leaf import Leaf
from gmt.model.turn_layer import TurnStates

WIDTH, HEADS, WORDS, MARKS = 16, 2, 12, 3
PAPER = Path(__file__).resolve().parents[2] / "configs" / "paper.yaml"


@pytest.fixture(autouse=True)
def exact():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def random_links(seed=0, users=5, turns=23, queries=7, responses=9, llms=4, talks=True, views=2):
    """Draw a turn graph: user 0 has no turn, the last `views` users hear turns of others too."""
    generator = torch.Generator().manual_seed(seed)

    def draw(high, low=0, count=turns):
        return torch.randint(low, high, (count,), generator=generator)

    owner = draw(users - views, 1)
    order = torch.randperm(turns, generator=generator)
    pairs = order[: turns // 2 * 2].view(2, -1)[:, : turns // 3] if talks else order.new_zeros(2, 0)
    extra = (
        torch.stack([draw(turns, count=3 * turns), draw(users, users - views, 3 * turns)]) if views and turns else None
    )
    updates = torch.stack([torch.arange(turns), owner])
    if extra is not None:
        updates = torch.cat([updates, extra], 1)[:, torch.randperm(4 * turns, generator=generator)]
    return TurnLinks(users, owner, draw(queries), draw(responses), draw(llms), pairs, updates)


def random_states(links, seed=0, user=True, turn=True, width=WIDTH, texts=True, queries=7, responses=9, llms=4):
    """Draw states with gradients; leaves wait for their projection where `texts`."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=generator).requires_grad_()

    def leaf(count):
        return Leaf(draw(count, WORDS), draw(width, WORDS), draw(width)) if texts else Leaf(draw(count, width))

    return TurnStates(
        user=draw(links.users, width) if user else None,
        turn=draw(len(links), width) if turn else None,
        query=leaf(queries),
        llm=Leaf(draw(llms, width)),
        response=leaf(responses),
        feedback=draw(len(links), MARKS) if texts else None,
        feedback_weight=draw(width, MARKS) if texts else None,
        written=Leaf(torch.cat([torch.zeros(1, WORDS), draw(2, WORDS)]), draw(width, WORDS)) if texts else None,
        turn_written=torch.randint(3, (len(links),), generator=generator) if texts else None,
    )


def leaves_of(states):
    """Return every tensor of `states` that takes a gradient."""
    found = [states.user, states.turn, states.feedback, states.feedback_weight]
    for leaf in (states.query, states.llm, states.response, states.written):
        found += [] if leaf is None else [leaf.rows, leaf.weight, leaf.bias]
    return [x for x in found if x is not None and x.is_leaf and x.requires_grad]


def shaken(module, seed=0):
    """Give every parameter a random value, priors and gates too, so that none can hide."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.4)
    return module


def encoder_of(schema, layers=1, backend="turn", outputs=None, dropout=0.0, seed=0, heads=HEADS):
    return shaken(GraphEncoder(WIDTH, heads, layers, dropout, schema, outputs, backend), seed)


def gradients(encoder, states, links, wish):
    """Return the gradients of a random sum of what comes out, zero where there is none."""
    found = encoder(states, links)
    loss = sum((getattr(found, kind) * wish[kind]).sum() for kind in wish if getattr(found, kind) is not None)
    wanted = [*leaves_of(states), *encoder.parameters()]
    if not loss.requires_grad:
        return found, [torch.zeros_like(x) for x in wanted]
    return found, torch.autograd.grad(loss, wanted, allow_unused=True, materialize_grads=True)


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


def nodes_of(states, links):
    """Return the states as a general graph has them: zeros written out, a response per turn."""
    zeros = states.response.rows.new_zeros
    return {
        "user": zeros(links.users, WIDTH) if states.user is None else states.user,
        "turn": zeros(len(links), WIDTH) if states.turn is None else states.turn,
        "query": states.query.state,
        "response": states.responses(links),
        "llm": states.llm.state,
    }


@pytest.mark.parametrize("turn_schema_edges", [True, False])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize(("user", "turn"), [(False, False), (False, True), (True, True)])
@pytest.mark.parametrize("outputs", [None, ("user", "llm")])
@pytest.mark.parametrize("rows", ["few", "many"])
def test_the_encoder_equals_hgtconv_in_outputs_and_gradients(turn_schema_edges, layers, user, turn, outputs, rows):
    schema = turn_schema(turn_schema_edges)
    sizes = {"queries": 7, "responses": 9} if rows == "few" else {"queries": 20, "responses": 19}
    links = random_links(1, **sizes)
    wish = {kind: torch.randn(count, WIDTH) for kind, count in (("user", links.users), ("turn", len(links)))}
    if outputs:
        del wish["turn"]
    fast, plain = (encoder_of(schema, layers, backend, outputs) for backend in ("turn", "pyg"))
    (ours, own), (theirs, other) = (
        gradients(encoder, random_states(links, 2, user, turn, **sizes), links, wish) for encoder in (fast, plain)
    )
    for kind in wish:
        torch.testing.assert_close(getattr(ours, kind), getattr(theirs, kind), rtol=1e-9, atol=1e-9)
    for a, b in zip(own, other, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-8)
    assert max(g.abs().max() for g in own) > 1e-3


@pytest.mark.parametrize("turns", [0, 1, 2, 300])
@pytest.mark.parametrize("views", [0, 2])
def test_any_number_of_turns_equals_hgtconv(turns, views):
    schema = turn_schema()
    links = random_links(3, users=40 if turns == 300 else 4, turns=turns, views=views)
    wish = {"user": torch.randn(links.users, WIDTH)}
    for bound in (False, True):
        results = [
            gradients(
                encoder_of(schema, 2, backend, ("user",)),
                random_states(links, 4, False, bound, texts=bound),
                links,
                wish,
            )
            for backend in ("turn", "pyg")
        ]
        torch.testing.assert_close(results[0][0].user, results[1][0].user, rtol=1e-9, atol=1e-9)
        for a, b in zip(results[0][1], results[1][1], strict=True):
            torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("turn_schema_edges", [True, False])
def test_the_plain_backend_is_hgtconv_with_the_weights_renamed(turn_schema_edges):
    schema = turn_schema(turn_schema_edges)
    layer = shaken(HGTLayer(WIDTH, HEADS, schema))
    conv = twin(layer)
    links = random_links(1)
    edges = schema.edges(links)
    nodes = {kind: state.detach() for kind, state in nodes_of(random_states(links, 2), links).items()}
    ours, theirs = layer(nodes, edges), conv(nodes, edges)
    for kind in nodes:
        torch.testing.assert_close(ours[kind], theirs[kind] if kind in theirs else nodes[kind], rtol=0, atol=0)
    wish = {kind: torch.randn(theirs[kind].shape) for kind in ("user", "turn")}
    for out in (ours, theirs):
        sum((out[kind] * wish[kind]).sum() for kind in wish).backward()
    checked = 0
    for own, other, where in pairs_of_weights(layer, conv):
        torch.testing.assert_close(own.grad, other.grad[where], rtol=1e-12, atol=1e-12)
        checked += own.numel()
    assert checked == sum(parameter.numel() for parameter in layer.parameters())


@pytest.mark.parametrize("backend", ["turn", "pyg"])
def test_the_published_encoder_equals_a_stack_of_hgtconv(backend):
    config = load_config(PAPER)
    model, schema = replace(config.model, width=WIDTH), turn_schema(config.graph.turn_edges)
    assert (model.layers, model.heads, config.graph.turn_edges) == (3, 4, True)
    encoder = encoder_of(schema, model.layers, backend, dropout=model.dropout, heads=model.heads).eval()
    links = random_links(3)
    states = random_states(links, 3, False, False)
    wanted = nodes_of(states, links)
    for layer, norms in zip(encoder.layers, encoder.norms, strict=True):
        assert isinstance(layer, HGTLayer) and isinstance(norms, nn.ModuleDict)
        for kind, out in twin(layer)(wanted, schema.edges(links)).items():
            wanted[kind] = norms[kind](out)
    found = encoder(states, links)
    torch.testing.assert_close(found.user, wanted["user"], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(found.turn, wanted["turn"], rtol=1e-9, atol=1e-9)
    assert found.llm is states.llm


@pytest.mark.parametrize("backend", ["turn", "pyg"])
@pytest.mark.parametrize(("layers", "outputs"), [(1, ("user",)), (2, ("user", "llm")), (3, ("turn",)), (4, ("user",))])
def test_what_nobody_reads_afterwards_is_left_out_and_changes_no_output(layers, outputs, backend):
    schema, links = turn_schema(), random_links()
    states = random_states(links)
    whole, lean = (encoder_of(schema, layers, backend, wanted) for wanted in (None, outputs))
    assert set(lean.state_dict()) < set(whole.state_dict())
    lean.load_state_dict({name: whole.state_dict()[name] for name in lean.state_dict()})
    wanted, found = whole(states, links), lean(states, links)
    read = [kind for kind in outputs if kind != "llm"]
    for kind in read:
        torch.testing.assert_close(getattr(found, kind), getattr(wanted, kind))
    sum(getattr(found, kind).square().sum() for kind in read).backward()
    assert all(weight.grad is not None for weight in lean.parameters()), "a weight that nothing reads"


def test_edges_in_another_order_change_hgtconv_and_are_refused_by_ours():
    schema, links = turn_schema(), random_links()
    layer = shaken(HGTLayer(WIDTH, HEADS, schema))
    nodes, edges = nodes_of(random_states(links), links), schema.edges(links)
    turned = dict(reversed(edges.items()))
    conv = twin(layer)
    assert (conv(nodes, edges)["turn"] - conv(nodes, turned)["turn"]).abs().max() > 1e-3
    with pytest.raises(DataError, match="in this order"):
        layer(nodes, turned)


def test_a_graph_without_turns_gives_every_user_the_same_state():
    links = random_links(turns=0, users=3, views=0)
    for backend in ("turn", "pyg"):
        encoder = encoder_of(turn_schema(), 2, backend, dropout=0.1).eval()
        found = encoder(random_states(links, user=False, turn=False), links)
        assert found.user.shape == (3, WIDTH) and found.turn.shape == (0, WIDTH)
        assert torch.isfinite(found.user).all() and found.user[0].abs().sum() > 0
        assert torch.equal(found.user[0], found.user[1]) and torch.equal(found.user[1], found.user[2])


@pytest.mark.parametrize("backend", ["turn", "pyg"])
def test_no_layers_return_the_states_as_they_are(backend):
    links = random_links()
    states = random_states(links)
    found = GraphEncoder(WIDTH, HEADS, 0, 0.5, turn_schema(), backend=backend)(states, links)
    assert torch.equal(found.user, states.user) and torch.equal(found.turn, states.turn)


def test_numbering_nodes_and_edges_otherwise_changes_nothing():
    links = random_links(5)
    states = random_states(links, 6)
    encoder = encoder_of(turn_schema(), 2)
    generator = torch.Generator().manual_seed(6)
    user, turn, query = (torch.randperm(n, generator=generator) for n in (links.users, len(links), 7))
    place = {"user": user.argsort(), "turn": turn.argsort(), "query": query.argsort()}
    updates = links.updates[:, torch.randperm(links.updates.shape[1], generator=generator)]
    moved = TurnLinks(
        links.users, place["user"][links.user[turn]], place["query"][links.query[turn]], links.response[turn],
        links.llm[turn], place["turn"][links.precedes],
        torch.stack([place["turn"][updates[0]], place["user"][updates[1]]]),
    )  # fmt: skip
    same = replace(
        states, user=states.user[user], turn=states.turn[turn], feedback=states.feedback[turn],
        turn_written=states.turn_written[turn],
        query=Leaf(states.query.rows[query], states.query.weight, states.query.bias),
    )  # fmt: skip
    wanted, found = encoder(states, links), encoder(same, moved)
    torch.testing.assert_close(found.user, wanted.user[user], rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(found.turn, wanted.turn[turn], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("backend", ["turn", "pyg"])
def test_dropout_acts_in_training_only(backend):
    links = random_links()
    states = random_states(links)
    encoder = encoder_of(turn_schema(), 1, backend, dropout=0.5)
    torch.manual_seed(0)
    assert not torch.allclose(encoder(states, links).user, encoder(states, links).user)
    encoder.eval()
    assert torch.equal(encoder(states, links).user, encoder(states, links).user)
