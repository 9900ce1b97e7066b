from dataclasses import replace

import numpy as np
import pytest
import torch

from gmt.config import EpisodeConfig, GraphConfig, ModelConfig
from gmt.data.build_graph import build_graph
from gmt.data.comparisons import Candidate, Comparison
from gmt.data.episodes import EpisodeSampler
from gmt.data.interactions import InteractionTable
from gmt.data.schema import turn_schema
from gmt.hybrid import network_router
from gmt.hybrid.network_router import NetworkRouter
from gmt.model.scorer import GraphScorer
from gmt.training.losses import pairwise_loss
from tests.factories import dataset_of, random_dataset

SMALL = ModelConfig(width=16, heads=2, hidden=8, dropout=0.0)
MODELS = [f"model{number}" for number in range(5)]


def scorer_for(data, config=SMALL, seed=0, models=None, turn_edges=True):
    """Return a scorer whose every weight differs from zero, as after training."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        scorer = GraphScorer(config, turn_schema(turn_edges), data.vectors.shape[1], models or len(data.table.models))
    with torch.no_grad():
        for parameter in scorer.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return scorer.eval()


def rich_dataset(seed=0):
    """Draw several rounds, several candidates, ties, gaps and feedback in words."""
    data = random_dataset(seed, users=6, max_turns=3, max_candidates=4, unrated=0.1)
    feedback = np.where(np.arange(len(data.table.model)) % 7 == 0, data.table.query[0], -1)
    return data.with_table(replace(data.table, feedback=feedback))


def halves(data):
    """Return (history, positions asked), cut between conversations."""
    asked = data.table.conversation % 2 == 0
    return data.select(~asked), np.flatnonzero(asked)


def gap(scores):
    """Return the second candidate's lead over the first, which is what a ranking sees."""
    return scores[:, 1] - scores[:, 0]


@pytest.fixture(scope="module")
def rich():
    data = rich_dataset()
    history, positions = halves(data)
    return data, history, positions, build_graph(history, data.questions(positions), GraphConfig())


def test_padding_scores_minus_infinity(rich):
    data, *_, graph = rich
    scores = scorer_for(data)(graph)
    assert scores.shape == graph.mask.shape and (~graph.mask).any()
    assert torch.isneginf(scores[~graph.mask]).all() and torch.isfinite(scores[graph.mask]).all()


def test_permuting_candidates_permutes_scores(rich):
    data, *_, graph = rich
    scorer = scorer_for(data)
    order = torch.tensor([3, 1, 0, 2])
    moved = replace(graph, candidates=graph.candidates[:, order], mask=graph.mask[:, order])
    torch.testing.assert_close(scorer(moved), scorer(graph)[:, order])


def test_every_weight_learns_but_what_meets_people_in_the_first_layer():
    data = rich_dataset()
    history, positions = halves(data)
    graph = build_graph(history, data.questions(positions), GraphConfig(), data.table.select(positions).ratings)
    scorer = scorer_for(data, replace(SMALL, residual_dropout=0.0))
    loss, pairs = pairwise_loss(scorer(graph), graph.rating)
    loss.backward()
    assert pairs > 50 and graph.written is not None and graph.precedes.shape[1] > 0
    idle = {name for name, p in scorer.named_parameters() if p.grad is None or not p.grad.abs().max() > 1e-9}
    # People start at zero, so what the first layer multiplies their state with learns nothing.
    wanted = {"encoder.layers.0.key_value.user.weight", "encoder.layers.0.query.user.weight"}
    # The one bias of a linear score, and whatever adds the same to all candidates, cancels in every pair.
    assert idle - wanted <= {"head.score.bias", "term_llm.bias", "affinity_llm.bias"} and wanted <= idle


@pytest.mark.parametrize("switch", ["bind", "strengths", "query_terms"])
def test_a_switch_adds_its_own_weights_and_they_move_the_scores(rich, switch):
    data, *_, graph = rich
    off = scorer_for(data, replace(SMALL, **{switch: False}))
    on = scorer_for(data)
    own = set(on.state_dict()) - set(off.state_dict())
    prefixes = {
        "bind": ("bind", "affinity", "patience"),
        "strengths": ("strength", "llm_residual"),
        "query_terms": ("term",),
    }
    assert own and all(name.startswith(prefixes[switch]) for name in own)
    assert set(off.state_dict()) < set(on.state_dict())
    on.load_state_dict(off.state_dict(), strict=False)  # the shared weights are now the same
    assert (gap(on(graph)) - gap(off(graph))).abs().max() > 1e-3


def test_all_switches_off_is_the_published_head_alone(rich):
    data, *_, graph = rich
    scorer = scorer_for(data, replace(SMALL, bind=False, strengths=False, query_terms=False))
    assert {name.split(".")[0] for name in scorer.state_dict()} == {
        "project_query", "project_response", "project_written", "project_llm", "encoder", "head",
    }  # fmt: skip
    assert torch.isfinite(scorer(graph)[graph.mask]).all()


def test_without_layers_two_people_with_equally_many_votes_score_alike():
    data = random_dataset(0, users=4, comparisons_per_user=10)
    questions = data.questions(np.array([0, 0]))
    questions = replace(questions, user=np.array([1, 2]))
    history = data.select(data.table.user > 0)
    none, some = (
        gap(NetworkRouter(scorer_for(data, replace(SMALL, layers=layers)), GraphConfig()).score(history, questions))
        for layers in (0, 1)
    )
    assert none[0] == pytest.approx(none[1], abs=1e-6)
    assert abs(some[0] - some[1]) > 1e-3


@pytest.mark.parametrize(("name", "value"), [("width", 8), ("hidden", 16), ("heads", 1), ("layers", 1)])
def test_a_size_shapes_the_weights(rich, name, value):
    data, *_, graph = rich
    scorer = scorer_for(data, replace(SMALL, **{name: value}))
    shapes = {part: tuple(tensor.shape) for part, tensor in scorer.state_dict().items()}
    assert shapes != {part: tuple(tensor.shape) for part, tensor in scorer_for(data).state_dict().items()}
    assert torch.isfinite(scorer(graph)[graph.mask]).all()


@pytest.mark.parametrize("name", ["dropout", "residual_dropout"])
def test_each_dropout_acts_in_training_and_only_there(rich, name):
    data, *_, graph = rich
    quiet = scorer_for(data, replace(SMALL, dropout=0.0, residual_dropout=0.0)).train()
    noisy = scorer_for(data, replace(SMALL, **{"dropout": 0.0, "residual_dropout": 0.0, name: 0.5})).train()
    torch.manual_seed(0)
    assert torch.equal(quiet(graph), quiet(graph))
    assert not torch.allclose(noisy(graph)[graph.mask], noisy(graph)[graph.mask], atol=1e-3)
    torch.testing.assert_close(noisy.eval()(graph), quiet.eval()(graph))


def test_models_beyond_those_trained_on_have_no_residual():
    data = random_dataset(0, models=5, max_candidates=5)
    questions = replace(data.questions(np.arange(8)), user=np.full(8, -1))
    graph = build_graph(data, questions, GraphConfig())
    scorer = scorer_for(data, models=3)
    before = scorer(graph)
    with torch.no_grad():
        scorer.strength_residual += torch.tensor([1.0, -2.0, 3.0])
        scorer.llm_residual += 1.0
    moved = (scorer(graph) - before).abs()[graph.mask]
    new = (graph.candidates >= 3)[graph.mask]
    assert moved[new].max() == 0 and moved[~new].min() > 1e-2 and new.any()


def test_a_new_model_with_the_text_of_another_new_one_scores_like_it():
    data = random_dataset(0, models=5, max_candidates=5)
    same = data.model_vectors.copy()
    same[4] = same[3]
    data = replace(data, model_vectors=same)
    both = np.flatnonzero((data.table.candidates == 3).any(1) & (data.table.candidates == 4).any(1))
    history = data.select(np.setdiff1d(np.arange(len(data.table)), both))
    questions = data.questions(both)
    scores = NetworkRouter(scorer_for(data, models=3), GraphConfig()).score(history, questions)
    trained = NetworkRouter(scorer_for(data, models=5), GraphConfig()).score(history, questions)
    for number, candidates in enumerate(questions.candidates.tolist()):
        a, b = candidates.index(3), candidates.index(4)
        assert scores[number, a] == pytest.approx(scores[number, b], abs=1e-6)
        assert abs(trained[number, a] - trained[number, b]) > 1e-4


def test_somebody_without_history_scores_as_an_unknown_user():
    data = random_dataset(0, max_candidates=4)
    router = NetworkRouter(scorer_for(data), GraphConfig())
    history = data.select(data.table.user != 3)
    twice = data.questions(np.repeat(np.flatnonzero(data.table.user == 3)[:5], 2))
    twice = replace(twice, user=np.tile([3, -1], 5))
    scores = router.score(history, twice)
    np.testing.assert_array_equal(scores[0::2], scores[1::2])
    known = router.score(history, replace(twice, user=np.tile([2, -1], 5)))
    assert np.abs(gap(known[0::2]) - gap(known[1::2])).min() > 1e-4
    np.testing.assert_allclose(known[1::2], scores[1::2], atol=1e-6)


def test_a_persons_own_word_counts_the_more_the_more_they_rated():
    data = random_dataset(0, users=2, comparisons_per_user=12, unrated=0.25)
    scorer = scorer_for(data)
    with torch.no_grad():
        scorer.patience.fill_(1.0)
    own = np.flatnonzero(data.table.user == 0)
    for shown in (0, 1, 4, 11):
        graph = build_graph(data.select(own[:shown]), data.questions(own[[11]]), GraphConfig())
        votes = 2 * int(data.table.rated[own[:shown]].sum())  # both answers of a round are rated
        assert scorer._trust(graph).item() == pytest.approx(votes / (votes + np.e), abs=1e-6)
    wished = scorer(graph)
    with torch.no_grad():
        scorer.patience.fill_(50.0)  # nobody is ever trusted
        doubtful = scorer(graph)
        scorer.affinity_llm.weight.mul_(5)
    assert (gap(wished) - gap(doubtful)).abs().item() > 1e-3
    assert torch.allclose(scorer(graph), doubtful, atol=1e-5)


def test_other_peoples_history_changes_no_score():
    data = rich_dataset()
    history, positions = halves(data)
    questions = data.questions(positions[data.table.user[positions] == 1])
    router = NetworkRouter(scorer_for(data), GraphConfig())
    others = history.table.user[history.table.row_comparison] != 1
    flipped = replace(history.table, rating=np.where(others, 1 - history.table.rating, history.table.rating))
    alone = history.select(history.table.user == 1)
    wanted = router.score(history, questions)
    np.testing.assert_allclose(router.score(history.with_table(flipped), questions), wanted, atol=1e-5)
    np.testing.assert_allclose(router.score(alone, questions), wanted, atol=1e-5)
    own = replace(history.table, rating=np.where(others, history.table.rating, 1 - history.table.rating))
    assert np.abs(gap(router.score(history.with_table(own), questions)) - gap(wanted)).max() > 1e-2


@pytest.mark.parametrize("at_once", [1, 50, 10**9])
def test_a_score_does_not_depend_on_what_is_asked_beside_it(monkeypatch, at_once):
    data = rich_dataset()
    history, positions = halves(data)
    questions = data.questions(np.random.default_rng(0).permutation(positions))
    questions = replace(questions, user=np.where(np.arange(len(questions)) % 9 == 0, -1, questions.user))
    router = NetworkRouter(scorer_for(data), GraphConfig())
    alone = np.concatenate([router.score(history, questions.select(np.array([i]))) for i in range(len(questions))])
    monkeypatch.setattr(network_router, "TURNS_AT_ONCE", at_once)
    parts = router._parts(history, questions)
    assert sorted(np.concatenate(parts)) == list(range(len(questions)))
    assert len(parts) == 1 if at_once == 10**9 else len(parts) > 3
    np.testing.assert_allclose(router.score(history, questions), alone, atol=1e-5)


def test_asking_nothing_gives_nothing():
    data = random_dataset(0)
    router = NetworkRouter(scorer_for(data), GraphConfig())
    assert router.score(data, data.questions(np.arange(3)).select(np.zeros(0, int))).shape == (0, 2)
    scores = scorer_for(data)(build_graph(data, data.questions(np.zeros(0, int)), GraphConfig()))
    assert scores.shape[0] == 0


def test_scoring_leaves_the_mode_of_the_scorer_as_it_was():
    data = random_dataset(0)
    scorer = scorer_for(data, replace(SMALL, dropout=0.5)).train()
    router = NetworkRouter(scorer, GraphConfig())
    questions = data.questions(np.arange(5))
    history = data.select(np.arange(20, 100))
    np.testing.assert_array_equal(router.score(history, questions), router.score(history, questions))
    assert scorer.training


def test_a_shift_moves_its_own_user_alone():
    data = rich_dataset()
    history, positions = halves(data)
    questions = data.questions(positions)
    router = NetworkRouter(scorer_for(data), GraphConfig())
    plain = router.score(history, questions)
    np.testing.assert_array_equal(router.score(history, questions, {2: torch.zeros(16)}), plain)
    moved = router.score(history, questions, {2: torch.full((16,), 2.0)})
    theirs = questions.user == 2
    np.testing.assert_array_equal(moved[~theirs], plain[~theirs])
    assert (np.abs(gap(moved) - gap(plain))[theirs] > 1e-4).all()  # in the middle of a conversation too


def camp(user, likes, count, rng, start=0):
    """Make votes of one person who always prefers the models of their own camp."""
    out = []
    for number in range(start, start + count):
        a, b = int(rng.choice([0, 1])), int(rng.choice([2, 3]))
        shown = [a, b] if rng.random() < 0.5 else [b, a]
        pair = tuple(
            Candidate(MODELS[m], f"answer {m}.{number % 10}", float((m in (0, 1)) == (likes == "low"))) for m in shown
        )
        out.append(Comparison(user, f"{user}-{number}", 0, f"question {number % 10}", pair))
    return out


@pytest.fixture(scope="module")
def camps():
    """Train on people of two camps; return the data, the router and the two people it has not met."""
    rng = np.random.default_rng(0)
    known = [item for n in range(12) for item in camp(f"user{n}", "low" if n % 2 else "high", 20, rng)]
    new = camp("ana", "low", 30, rng) + camp("bo", "high", 30, rng)
    data = dataset_of(InteractionTable.from_comparisons([*known, *new], models=MODELS[:4]))
    shown = data.select(np.arange(len(known)))
    torch.manual_seed(0)
    scorer = GraphScorer(replace(SMALL, dropout=0.1), turn_schema(), data.vectors.shape[1], 4)
    optimizer = torch.optim.AdamW(scorer.parameters(), 5e-3)
    sampler = EpisodeSampler(shown.table, EpisodeConfig(users=12, targets=6, history=14), 0)
    for step in range(60):
        episode = sampler.draw(step)
        ratings = shown.table.select(episode.targets).ratings
        graph = build_graph(shown.select(episode.history), shown.questions(episode.targets), GraphConfig(), ratings)
        loss, pairs = pairwise_loss(scorer(graph), graph.rating)
        optimizer.zero_grad()
        (loss / pairs).backward()
        optimizer.step()
    return data, NetworkRouter(scorer, GraphConfig()), len(known)


def right(scores, ratings):
    return float((scores.argmax(1) == ratings.argmax(1)).mean())


def test_two_new_people_of_opposite_taste_get_opposite_rankings(camps):
    data, router, known = camps
    table = data.table
    own = np.arange(known, len(table))
    shots = np.concatenate([own[table.user[own] == user][:10] for user in np.unique(table.user[own])])
    asked = data.questions(np.setdiff1d(own, shots))
    ana, bo = (table.users.index(name) for name in ("ana", "bo"))
    both = [router.score(data.select(shots), replace(asked, user=np.full(len(asked), user))) for user in (ana, bo)]
    assert ((both[0].argmax(1) != both[1].argmax(1)).mean()) > 0.95
    ratings = table.select(np.setdiff1d(own, shots)).ratings
    assert right(router.score(data.select(shots), asked), ratings) > 0.95


def test_giving_people_each_others_history_costs_the_accuracy(camps):
    data, router, known = camps
    table = data.table
    ana, bo = (table.users.index(name) for name in ("ana", "bo"))
    own = np.arange(known, len(table))
    shots = np.concatenate([own[table.user[own] == user][:10] for user in (ana, bo)])
    targets = np.setdiff1d(own, shots)
    history = data.select(shots)
    swapped = history.with_table(replace(history.table, user=np.where(history.table.user == ana, bo, ana)))
    ratings = table.select(targets).ratings
    assert right(router.score(swapped, data.questions(targets)), ratings) < 0.05
    nobody = router.score(data.select(np.zeros(0, int)), data.questions(targets))
    assert 0.2 < right(nobody, ratings) < 0.8  # the camps are even: without history there is nothing to know


def rows_of(graph, user):
    return graph.updates[0][graph.updates[1] == user]


class NoVectors:
    """Give the vectors of no texts at all, which is what data that know every text ask for."""

    def __init__(self, width):
        self.width = width

    def vectors(self, texts):
        assert not texts
        return np.zeros((0, self.width), np.float32)


def test_a_pooled_history_is_a_mean_that_only_uneven_repetition_moves(rich):
    data, rows, positions, _ = rich
    scorer = scorer_for(data, replace(SMALL, history="pooled"))
    items = [replace(item, conversation=f"{item.conversation} again") for item in rows.table.to_comparisons()]

    def scores(more):
        shown = rows.append(more, NoVectors(data.vectors.shape[1]), data.models)
        graph = build_graph(shown, data.questions(positions), GraphConfig(conversation=False))
        return scorer(graph)[graph.mask]

    with torch.no_grad():
        scorer.patience.fill_(-50)  # votes are trusted in full, however many there are, for that has its own test
        once, twice, uneven = scores([]), scores(items), scores(items[::2])
    assert torch.allclose(once, twice, atol=1e-5) and not torch.allclose(once, uneven, atol=1e-3)


def test_a_pooled_history_reads_no_messages(rich):
    data, *_, graph = rich
    scorer = scorer_for(data, replace(SMALL, history="pooled"))
    assert not len(scorer.encoder.layers)
    with torch.no_grad():
        alone = replace(graph, precedes=graph.precedes[:, :0])
        assert torch.equal(scorer(graph)[graph.mask], scorer(alone)[graph.mask])


@pytest.mark.parametrize(("history", "same"), [("apart", True), ("pooled", False), ("graph", False)])
def test_without_turn_nodes_it_does_not_matter_which_model_was_rated_how(rich, history, same):
    data, *_, graph = rich
    scorer = scorer_for(data, replace(SMALL, history=history))
    graph = replace(graph, precedes=graph.precedes[:, :0])
    mixed = graph.turn_llm.clone()
    for user in graph.turn_user.unique():
        own = torch.nonzero(graph.turn_user == user).flatten()
        mixed[own] = graph.turn_llm[own.flip(0)]
    with torch.no_grad():
        there, mask = scorer(graph), graph.mask
        assert torch.allclose(scorer(replace(graph, turn_llm=mixed))[mask], there[mask], atol=1e-5) == same


def test_without_layers_the_history_is_not_heard_but_pooled_it_is(rich):
    data, history, positions, graph = rich
    empty = build_graph(history.select(np.zeros(0, int)), data.questions(positions), GraphConfig(conversation=False))
    full = build_graph(history, data.questions(positions), GraphConfig(conversation=False))
    for config, heard in ((replace(SMALL, layers=0, bind=False), False), (replace(SMALL, history="pooled"), True)):
        scorer = scorer_for(data, config)
        with torch.no_grad():
            differ = not torch.allclose(scorer(empty)[empty.mask], scorer(full)[full.mask], atol=1e-5)
        assert differ == heard


def test_without_texts_a_graph_holds_no_vector(rich):
    data, history, positions, _ = rich
    graph = build_graph(history, data.questions(positions), GraphConfig(texts=False))
    for name in ("query", "response", "llm", "target_query", "written"):
        assert not getattr(graph, name).any()
