"""Check that the votes of the tables are cut out of published files, whole and by their ids alone."""

import gzip
from pathlib import Path

import pytest

from data_prep import published_parts
from data_prep.published_parts import PARTS, cut_part
from gmt.errors import DataError
from tests.data_prep.samples import jsonl, real

HEADER = "id,prompt,model_x,model_y,worker,winner,left,right"


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of made votes, of which two are used."""
    ids = tmp_path / "ids"
    ids.mkdir()
    (ids / "llmfao.csv.gz").write_bytes(gzip.compress(b"worker,id\n1,7\n2,7\n"))
    (ids / "mtbench.csv.gz").write_bytes(gzip.compress(b"judge,question_id,turn,model_a,model_b\nexpert_1,81,2,x,y\n"))
    monkeypatch.setattr(published_parts, "IDS", ids)
    folder = tmp_path / "published"
    folder.mkdir()
    rows = ["7,8,1,2,1,left,A,B", '7,8,1,2,3,tie,A,"B, the second"', "7,8,1,2,2,tie,A,B", "9,8,1,2,1,left,A,B"]
    (folder / "crowd-comparisons.csv").write_bytes("\r\n".join([HEADER, *rows, ""]).encode())
    (folder / "prompts.jsonl").write_text("{}\n", "utf-8")
    (folder / "more").mkdir()
    (folder / "more" / "x.txt").write_text("x", "utf-8")
    return folder


def test_only_the_votes_of_the_part_are_kept_and_what_lies_beside_is_copied(published: Path, tmp_path: Path) -> None:
    found = cut_part("llmfao", str(published), tmp_path / "real" / "llmfao")
    assert (found.kept, found.published) == (2, 4)
    lines = found.file.read_bytes().decode().split("\r\n")
    assert lines == [HEADER, "7,8,1,2,1,left,A,B", "7,8,1,2,2,tie,A,B", ""]
    assert (tmp_path / "real" / "llmfao" / "more" / "x.txt").read_text() == "x"
    # A folder inside the published one is not copied into itself.
    cut_part("llmfao", str(published), published / "cut")
    assert not (published / "cut" / "cut").exists()


def test_votes_of_the_hub_keep_their_texts(published: Path, tmp_path: Path) -> None:
    row = {"judge": "expert_1", "question_id": 81, "turn": 2, "model_a": "x", "model_b": "y", "conversation_a": []}
    jsonl(published / "human.jsonl", [row, row | {"turn": 1}])
    found = cut_part("mtbench", str(published / "human.jsonl"), tmp_path / "out")
    assert (found.kept, found.published) == (1, 2)
    assert '"conversation_a":[]' in found.file.read_text()


def test_another_version_of_the_file_is_refused(published: Path, tmp_path: Path) -> None:
    votes = published / "crowd-comparisons.csv"
    votes.write_text("\n".join(votes.read_text().splitlines()[:2]) + "\n", "utf-8")
    with pytest.raises(DataError, match="1 of the 2 votes used are not in .*, e.g. worker 2, id 7"):
        cut_part("llmfao", str(published), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(DataError, match="no ids of 'arena'; expected one of llmfao, mtbench"):
        cut_part("arena", str(published), tmp_path / "out")
    with pytest.raises(DataError, match="is the folder of the published files"):
        cut_part("llmfao", str(votes), published)
    with pytest.raises(DataError, match="holds 0 files called human"):
        cut_part("mtbench", str(published), tmp_path / "out")


@pytest.mark.parametrize(("name", "folder", "votes"), [("llmfao", "llmfao", 5792), ("mtbench", "mtbench_human", 2953)])
def test_the_ids_that_ship_are_those_of_the_real_votes(name: str, folder: str, votes: int, tmp_path: Path) -> None:
    assert len(PARTS[name].ids()) == votes
    source = real(folder)
    found = cut_part(name, str(source), tmp_path / folder)
    assert found.kept == votes and found.file.read_bytes() == (source / found.file.name).read_bytes()
