import numpy as np
import pytest

from gmt.data.comparisons import Candidate, Comparison
from gmt.data.interactions import InteractionTable
from gmt.errors import DataError
from gmt.report import user_graph
from gmt.report.drawn_text import MASK, MISSING_NOTE
from gmt.report.graph_drawing import draw_user_graph
from gmt.report.graph_layout import GraphLayout
from gmt.report.look import NARROW, WIDE


def talk(turns=3, query="question {t} costs $5?"):
    return InteractionTable.from_comparisons(
        [
            Comparison("bo@x.org", "c1", t, query.format(t=t), (Candidate("a", "yes", 1.0), Candidate("b", None, 0.0)))
            for t in range(turns)
        ]
        + [Comparison("kim", "c2", 0, "hello", (Candidate("a", "hi"), Candidate("c", "hey")))]
    )


def drawn(picture, width=WIDE):
    return draw_user_graph(**picture.to_json(), width=width)


def words(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_turn_edges_run_forward_along_one_model():
    picture = user_graph.picture_of(talk(), "bo@x.org")
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
        models = [picture.joined(turn, "llm") for turn in (a, b)]
        assert models[0] == models[1]


def test_the_longest_conversation_is_drawn():
    table = talk()
    assert user_graph.longest_talk(table) == "bo@x.org"
    said = words(drawn(user_graph.picture_of(table, "bo@x.org")))
    assert {"user", "question", "turn", "answer", "model"} <= set(said)
    assert said.count("round 1\nrated 1") == 1
    assert "unrated" in " ".join(node.label for node in user_graph.picture_of(table, "kim").nodes)


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("turns", [1, 3])
def test_no_box_hides_an_edge_that_says_which_model_wrote_an_answer(width, turns):
    picture = user_graph.picture_of(talk(turns), "bo@x.org")
    layout = GraphLayout.of(picture, width)
    boxes = layout.boxes
    # Every box stands inside the figure, and none on another.
    for i, a in enumerate(boxes):
        assert a.left >= 0
        assert a.right <= width
        assert a.y - a.half_height >= 0
        assert a.y + a.half_height <= layout.height
        for b in boxes[i + 1 :]:
            apart = abs(a.x - b.x) >= a.half_width + b.half_width or abs(a.y - b.y) >= a.half_height + b.half_height
            assert apart
    # The lane from a turn to its model crosses no box of turns, answers or questions.
    for turn in layout.rows:
        lane = layout.lane(turn)
        for node, box in zip(picture.nodes, boxes, strict=True):
            if node.kind in ("turn", "response"):
                assert abs(box.y - lane) > box.half_height


def test_a_line_to_a_model_has_the_colour_of_its_box():
    figure = drawn(user_graph.picture_of(talk(1), "bo@x.org"))
    axes = figure.axes[0]
    frames = {patch.get_edgecolor()[:3] for patch in axes.patches if patch.get_linewidth() > 1.5}
    from matplotlib.colors import to_rgb

    lines = {to_rgb(line.get_color()) for line in axes.get_lines() if line.get_linewidth() > 1}
    assert len(frames) == 2 and frames == lines


def test_addresses_are_masked_and_the_user_is_not_named():
    table = talk(1, "mail me at jo.doe+x@mail.example.com today")
    text = " ".join(" ".join(words(drawn(user_graph.picture_of(table, "bo@x.org")))).split())
    assert "@" not in text and "bo" not in text.split() and MASK in text


def test_letters_without_a_font_are_replaced_and_the_figure_says_so(monkeypatch):
    from gmt.report import drawn_text

    monkeypatch.setattr(drawn_text, "_glyphs", lambda: frozenset(range(0x20, 0x2000)) | {0x2026})
    said = words(drawn(user_graph.picture_of(talk(1, "weather in 東京 today"), "bo@x.org")))
    assert MISSING_NOTE in said
    assert "[2 CJK]" in " ".join(" ".join(said).split())
    assert MISSING_NOTE not in words(drawn(user_graph.picture_of(talk(1), "bo@x.org")))


def test_odd_pictures_are_refused():
    with pytest.raises(DataError, match="'cat'"):
        user_graph.GraphPicture((user_graph.Node("cat", "x"),), ())
    with pytest.raises(DataError, match="outside"):
        user_graph.GraphPicture((user_graph.Node("user", "x"),), ((0, 1),))
    with pytest.raises(DataError, match="'nobody'"):
        user_graph.picture_of(talk(), "nobody")
    with pytest.raises(DataError, match="no comparison"):
        user_graph.longest_talk(talk().select(np.zeros(0, np.int64)))
