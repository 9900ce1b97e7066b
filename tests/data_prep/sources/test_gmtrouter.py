"""Check the released JSONL, read and written."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.sources.gmtrouter import read
from data_prep.sources.gmtrouter_export import write
from data_prep.sources.source import SourceOptions
from gmt.data.comparisons import Candidate, Comparison
from gmt.data.dataset import Dataset, ModelInfo
from gmt.data.encoders import EncoderCard
from gmt.data.interactions import InteractionTable
from gmt.errors import DataError
from tests.data_prep.samples import jsonl

OPTIONS = SourceOptions()


def line(model: str, *ratings: float | None, **more: Any) -> dict[str, Any]:
    rounds = [
        {"query": f"q{turn}", "query_emb": [1.0, turn], "response": f"{model} {turn}", "rating": rating}
        for turn, rating in enumerate(ratings)
    ]
    base = {"judge": "ann", "model": model, "question_id": 7, "turn": len(ratings), "conversation": rounds}
    return {**base, "model_emb": [0.5, 0.5], **more}


def test_lines_of_one_question_are_candidates_of_its_rounds(tmp_path: Path) -> None:
    rows = [line("x", 1, 0), line("y", 0, 1), line("z", 0.5, None), line("x", 1, 1), line("y", 0, 0)]
    data = read(jsonl(tmp_path / "set.jsonl", rows), OPTIONS)
    assert [(item.turn, [c.model for c in item.candidates]) for item in data.comparisons] == [
        (0, ["x", "y", "z"]),
        (1, ["x", "y", "z"]),
        (0, ["x", "y"]),
        (1, ["x", "y"]),
    ]
    assert len({item.conversation for item in data.comparisons}) == 2
    assert data.comparisons[1].candidates[2].rating is None
    assert data.vectors is not None and set(data.vectors) == {"q0", "q1"}
    assert data.model_vectors is not None and set(data.model_vectors) == {"x", "y", "z"}


def test_rounds_on_lines_of_their_own_are_one_conversation(tmp_path: Path) -> None:
    rows = [line("x", 1), line("y", 0), line("x", 0, turn=2), line("y", 1, turn=2)]
    found = read(jsonl(tmp_path / "set.jsonl", rows), OPTIONS).comparisons
    assert [item.turn for item in found] == [0, 1]
    assert found[0].conversation == found[1].conversation


def test_a_line_that_repeats_the_earlier_round_adds_only_the_new_one(tmp_path: Path) -> None:
    rows = [line("x", 1), line("y", 0), line("x", 1, 0), line("y", 0, 1)]
    found = read(jsonl(tmp_path / "set.jsonl", rows), OPTIONS).comparisons
    assert [item.turn for item in found] == [0, 1]


def test_the_scale_must_be_stated(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "set.jsonl", [line("x", 8), line("y", 3)])
    with pytest.raises(DataError, match="line 1: rating is 8, outside 0 to 1; state the scale"):
        read(path, OPTIONS)
    (found,) = read(path, SourceOptions(rating_scale=(0, 10))).comparisons
    assert [candidate.rating for candidate in found.candidates] == [0.8, 0.3]


def test_bad_lines_are_named(tmp_path: Path) -> None:
    rows = [line("x", 1), line("y"), line("y", 1, model_emb=[1, 2, 3]), line("y", 1, model_emb=["a"])]
    rows += [line("y", 1, model_emb=[10**400, 1]), line("y", 1, model_emb=[1e300, 1]), line("y", 1, model_emb=[])]
    data = read(jsonl(tmp_path / "set.jsonl", rows), OPTIONS)
    assert [row.line for row in data.rejected] == [2, 3, 4, 5, 6, 7]
    assert "expected one width" in data.rejected[1].reason


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=8).filter(str.strip)
NAMES = WORDS.map(str.strip)
RATINGS = st.none() | st.floats(0, 1)


@st.composite
def conversations(draw: st.DrawFn) -> list[Comparison]:
    found = []
    for number, user in enumerate(draw(st.lists(NAMES, min_size=1, max_size=3))):
        question = draw(NAMES)
        for turn in range(draw(st.integers(1, 3))):
            models = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
            candidates = tuple(Candidate(name, draw(st.none() | st.just("") | WORDS), draw(RATINGS)) for name in models)
            found.append(Comparison(user, f"k{number}", turn, draw(WORDS), candidates, question))
    return found


@settings(max_examples=40, deadline=None)
@given(conversations())
def test_round_trip(comparisons: list[Comparison]) -> None:
    table = InteractionTable.from_comparisons(comparisons)
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(len(table.texts), 3)).astype(np.float32)
    model_vectors = rng.normal(size=(len(table.models), 3)).astype(np.float32)
    cards = {name: ModelInfo(name) for name in table.models}
    data = Dataset(table, vectors, model_vectors, cards, EncoderCard("e", "1", 3), {})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "set.jsonl"
        write(data, path)
        found = read(path, OPTIONS)
    assert not found.rejected
    assert found.comparisons == comparisons
    assert found.vectors is not None and found.model_vectors is not None
    assert all((found.vectors[text] == vector).all() for text, vector in zip(table.texts, vectors, strict=True))
    assert all(
        (found.model_vectors[name] == vector).all() for name, vector in zip(table.models, model_vectors, strict=True)
    )
