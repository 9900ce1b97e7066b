import numpy as np
import pytest

from gmt.data.comparisons import Candidate, Comparison
from gmt.data.interactions import InteractionTable
from gmt.errors import DataError
from gmt.report import user_graph


def talk(turns=3):
    return InteractionTable.from_comparisons(
        [
            Comparison(
                "bo", "c1", t, f"question {t} costs $5?", (Candidate("a", "yes", 1.0), Candidate("b", None, 0.0))
            )
            for t in range(turns)
        ]
        + [Comparison("kim", "c2", 0, "hello", (Candidate("a", "hi"), Candidate("c", "hey")))]
    )


def test_turn_edges_run_forward_along_one_model():
    picture = user_graph.picture_of(talk(), "bo")
    kinds = [node.kind for node in picture.nodes]
    assert {kind: kinds.count(kind) for kind in user_graph.KINDS} == {
        "user": 1,
        "turn": 6,
        "query": 3,
        "response": 3,
        "llm": 2,
    }
    between = [(a, b) for a, b in picture.edges if kinds[a] == kinds[b] == "turn"]
    assert len(between) == 4 and all(a < b for a, b in between)
    for a, b in between:
        models = [{y for x, y in picture.edges if x == turn and kinds[y] == "llm"} for turn in (a, b)]
        assert models[0] == models[1]


def test_the_longest_conversation_is_drawn():
    table = talk()
    assert user_graph.longest_talk(table) == "bo"
    drawn = [text.get_text() for text in user_graph.user_graph_figure(user_graph.picture_of(table, "bo")).axes[0].texts]
    assert set(user_graph.KINDS) <= set(drawn)
    assert drawn.count("turn 0\nrated 1") == 1
    assert "unrated" in " ".join(node.label for node in user_graph.picture_of(table, "kim").nodes)


def test_odd_pictures_are_refused():
    with pytest.raises(DataError, match="'cat'"):
        user_graph.GraphPicture((user_graph.Node("cat", "x"),), ())
    with pytest.raises(DataError, match="outside"):
        user_graph.GraphPicture((user_graph.Node("user", "x"),), ((0, 1),))
    with pytest.raises(DataError, match="'nobody'"):
        user_graph.picture_of(talk(), "nobody")
    with pytest.raises(DataError, match="no comparison"):
        user_graph.longest_talk(talk().select(np.zeros(0, np.int64)))
