"""Check both published shapes of the MT-Bench votes."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_prep.sources.mt_bench import read
from data_prep.sources.source import SourceOptions
from gmt.errors import DataError
from tests.data_prep.samples import chat, jsonl, real

OPTIONS = SourceOptions()


def vote(turn: int, winner: str = "model_a", a: str = "m1", b: str = "m2") -> dict[str, object]:
    return {"judge": "j", "model_a": a, "model_b": b, "question_id": 81, "turn": turn, "winner": winner}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    jsonl(tmp_path / "question.jsonl", [{"question_id": 81, "category": "poetry", "turns": ["q1", "q2"]}])
    for model in ("m1", "m2"):
        answers = {"question_id": 81, "choices": [{"turns": [f"{model} first", f"{model} second"]}]}
        jsonl(tmp_path / "model_answer" / f"{model}.jsonl", [answers])
    return tmp_path


def test_a_vote_on_the_second_turn_brings_the_first_along_unrated(folder: Path) -> None:
    jsonl(folder / "human.jsonl", [vote(2, "model_b")])
    first, second = read(folder, OPTIONS).comparisons
    assert (first.turn, first.query, first.candidates[0].response) == (0, "q1", "m1 first")
    assert [candidate.rating for candidate in first.candidates] == [None, None]
    assert [candidate.rating for candidate in second.candidates] == [0.0, 1.0]
    assert (second.conversation, second.task, second.question) == (first.conversation, "poetry", "81")


def test_two_votes_on_one_round_are_two_conversations(folder: Path) -> None:
    jsonl(folder / "human.jsonl", [vote(1), vote(1, "tie", a="m2", b="m1"), vote(2)])
    found = read(folder, OPTIONS).comparisons
    assert [item.turn for item in found] == [0, 1, 0]
    assert len({item.conversation for item in found}) == 2
    assert [candidate.model for candidate in found[2].candidates] == ["m2", "m1"]


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_the_upstream_shape_carries_its_texts(tmp_path: Path, suffix: str) -> None:
    texts = {"conversation_a": chat("q1", "a1", "q2", "a2"), "conversation_b": chat("q1", "b1", "q2", "b2")}
    rows = [vote(1) | texts, vote(2, "tie (bothbad)") | texts]
    path = tmp_path / f"human.{suffix}"
    if suffix == "jsonl":
        jsonl(path, rows)
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    first, second = read(tmp_path, OPTIONS).comparisons
    assert [candidate.response for candidate in second.candidates] == ["a2", "b2"]
    assert [candidate.feedback for candidate in second.candidates] == ["both bad", "both bad"]
    assert (first.turn, first.task) == (0, "writing")


def test_bad_votes_are_named(folder: Path) -> None:
    jsonl(folder / "human.jsonl", [vote(3), vote(1, "left"), vote(1, b="m1"), {**vote(1), "question_id": 7}])
    data = read(folder / "human.jsonl", OPTIONS)
    assert not data.comparisons
    assert [row.line for row in data.rejected] == [1, 2, 3, 4]
    assert "expected 1 or 2" in data.rejected[0].reason
    assert "winner is 'left'" in data.rejected[1].reason
    assert "against itself" in data.rejected[2].reason
    assert "question 7" in data.rejected[3].reason


def test_a_folder_without_votes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="0 files of votes"):
        read(tmp_path, OPTIONS)


def test_real_votes() -> None:
    data = read(real("mtbench_human"), OPTIONS)
    rated = [item for item in data.comparisons if item.candidates[0].rating is not None]
    assert (len(rated), data.rejected) == (2953, [])
    assert len({item.user for item in rated}) == 55
    assert all(candidate.response is not None for item in rated for candidate in item.candidates)
