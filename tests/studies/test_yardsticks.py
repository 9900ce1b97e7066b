"""Run the published protocols on made rows of the published shapes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data_prep.prepare import PrepOptions, prepare
from gmt.cli.main import main
from gmt.data.comparisons import text_id
from gmt.data.dataset import Dataset
from gmt.data.interactions import TEST, TRAIN
from gmt.errors import DataError
from gmt.studies import yardsticks
from gmt.studies.both_orders import right_in_both_orders, turned_round
from tests.data_prep.samples import jsonl

SHORT, LONG = "yes {}", "well, {}, and then\n" + "there is much more to say of it\n" * 6


def word(person: int, at: int) -> str:
    """Return a word that tells nobody's name, or vectors of texts would know whose they are."""
    return text_id(f"{person}/{at}")


def pairs(people: int = 8, each: int = 12) -> list[dict[str, Any]]:
    """Return pairs of a short and a long answer; even people like short ones, odd people long ones."""
    rows = []
    for person in range(people):
        for at in range(each):
            said = [SHORT.format(word(person, at)), LONG.format(word(person, at))]
            said = said[:: 1 if person % 2 == 0 else -1]
            part = "test" if at % 4 == 3 else "val" if at % 4 == 2 else "train"
            rows.append(
                {
                    "conversation_id": f"c{person}-{at}",
                    "user_id": f"u{person}",
                    "context": f"question {word(person, at)}",
                }
                | {"chosen": said[0], "rejected": said[1], "turns": 1, "type": "t", "split": part, "flip": False}
            )
    return rows


def dialogues(people: int = 8, each: int = 8) -> list[dict[str, Any]]:
    """Return utterances of PRISM by people of the same two tastes."""
    rows = []
    for person in range(people):
        for at in range(each):
            for place in (0, 1):
                long = bool(place) == bool(at % 2)
                likes = long == bool(person % 2)
                rows.append(
                    {"user_id": f"u{person}", "conversation_id": f"c{person}-{at}", "interaction_id": f"i{person}-{at}"}
                    | {
                        "turn": 0,
                        "within_turn_id": place,
                        "user_prompt": f"question {word(person, at)}",
                        "if_chosen": likes,
                    }
                    | {"model_response": (LONG if long else SHORT).format(word(person, at)), "model_name": f"m{place}"}
                    | {"score": 90 if likes else 20, "conversation_type": "unguided"}
                )
    return rows


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return jsonl(tmp_path_factory.mktemp("bench") / "pairs.jsonl", pairs())


def accuracy(found: dict[str, Any]) -> dict[tuple[str, str], float]:
    return {(row["method"], row["column"]): row["accuracy"] for row in found["measured"]}


def test_tastes_for_form_are_found_and_a_blind_router_is_at_chance(bench: Path, tmp_path: Path) -> None:
    found = yardsticks.reproduce("personal-reward-bench", bench, tmp_path / "out", "hash:16")
    measured = accuracy(found)
    assert measured["gmt", "all"] > 95
    # Both tastes are as common, so nothing that all like tells which is preferred.
    assert 35 < measured["gmt, user-blind", "all"] < 65
    assert 35 < measured["ridge on answers, user-blind", "all"] < 65
    assert {(row["pairs"], row["people"]) for row in found["measured"]} == {(24, 8)}
    assert ("P-GenRM", "Arena", 72.68) in {(r["method"], r["column"], r["accuracy"]) for r in found["published"]}
    assert "made rows only" in found["notes"][0]


def test_unseen_people_are_known_by_their_own_pairs_alone(bench: Path, tmp_path: Path) -> None:
    found = yardsticks.reproduce("p-check", bench, tmp_path / "out", "hash:16", seed=1)
    assert [row["people"] for row in found["measured"]] == [4, 4, 4, 4]
    assert accuracy(found)["gmt", "unseen"] > 90
    cut = yardsticks.unseen_people(Dataset.load(tmp_path / "out"), 1)
    table = cut.data.table
    assert not set(table.user[cut.fit]) & set(table.user[cut.targets["unseen"]])
    assert set(table.split[cut.targets["unseen"]]) == {TEST}
    assert set(table.split[cut.history]) == {TRAIN}


def test_half_of_the_dialogues_are_shown_and_seen_and_unseen_people_told_apart(tmp_path: Path) -> None:
    few = [{**row, "user_id": "rare", "conversation_id": f"r{at}"} for at, row in enumerate(dialogues(1, 2))]
    path = jsonl(tmp_path / "utterances.jsonl", dialogues() + few)
    found = yardsticks.reproduce("mrm", path, tmp_path / "out", "hash:16")
    assert {(row["column"], row["people"], row["pairs"]) for row in found["measured"]} == {
        *(("seen", 4, 16), ("unseen", 4, 16)),
    }
    assert accuracy(found)["gmt", "unseen"] > 90
    cut = yardsticks.half_of_dialogues(Dataset.load(tmp_path / "out"), 0)
    table, asked = cut.data.table, cut.targets["seen"] | cut.targets["unseen"]
    assert not (asked & (cut.history | cut.fit)).any()
    assert not set(table.user[cut.fit]) & set(table.user[cut.targets["unseen"]])
    assert "rare" not in {table.users[code] for code in table.user[cut.history | cut.fit | asked]}


def test_the_other_order_turns_texts_and_not_places(bench: Path, tmp_path: Path) -> None:
    prepare(PrepOptions("personal-reward-bench", tmp_path / "out", bench, "hash:16"))
    data = Dataset.load(tmp_path / "out")
    targets = np.flatnonzero(data.table.split == TEST)
    questions = data.questions(targets)
    other, order = turned_round(questions)
    assert questions.responses is not None
    assert other.responses is not None
    assert (other.candidates == questions.candidates).all()
    assert (other.responses == questions.responses[:, ::-1]).all()
    assert (order == [1, 0]).all()

    class FirstPlace:
        """Prefer what stands first."""

        name = "first"

        def score(self, history, questions):
            return np.tile([1.0, 0.0], (len(questions), 1))

    # Half right in each pair, whichever answer is preferred: a liking of places wins nothing.
    right, _ = right_in_both_orders(FirstPlace(), data, data, targets)  # type: ignore[arg-type]
    assert set(right) == {0.5}


def test_the_command_prints_published_rows_beside_its_own(bench: Path, tmp_path: Path, capsys: Any) -> None:
    line = ["reproduce", "personal-reward-bench", str(bench), "--out", str(tmp_path / "out"), "--encoder", "hash:16"]
    with pytest.raises(SystemExit, match="0"):
        main([*line, "--json"])
    found = json.loads(capsys.readouterr().out)
    assert [row["method"] for row in found["measured"]] == [
        *("gmt", "gmt, user-blind", "ridge on answers", "ridge on answers, user-blind"),
    ]
    with pytest.raises(SystemExit, match="0"):
        main(line)
    said = capsys.readouterr()
    assert "SynthesizeMe, arXiv 2506.05598" in said.out
    assert "tested on made rows only" in " ".join(said.err.split())


def test_what_cannot_be_measured_is_said(bench: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no yardstick 'x'; expected one of personal-reward-bench"):
        yardsticks.reproduce("x", bench, tmp_path / "out")
    path = jsonl(tmp_path / "utterances.jsonl", dialogues(3))
    with pytest.raises(DataError, match="3 people have 6 dialogues or more; expected 4"):
        yardsticks.reproduce("mrm", path, tmp_path / "out", "hash:16")


def test_the_study_writes_accuracies_by_group_for_the_map(bench: Path, tmp_path: Path) -> None:
    yardsticks.main(["p-check", str(bench), "--out", str(tmp_path / "out"), "--encoder", "hash:16", "--seed", "1"])
    found = json.loads((tmp_path / "out/yardstick.json").read_text())
    assert set(found["groups"]["unseen"]) == {
        *("gmt", "gmt, user-blind", "ridge on answers", "ridge on answers, user-blind"),
    }
    assert found["groups"]["unseen"]["gmt"] == found["measured"][0]["accuracy"]


def test_a_yardstick_is_a_part_of_the_map_too(bench: Path, tmp_path: Path, capsys: Any) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["reproduce", "p-check", "--input", str(bench), "--quick", "--out", str(tmp_path / "out"), "--json"])
    found = json.loads(capsys.readouterr().out)
    (row,) = found["rows"]
    assert found["parts"][0]["status"] == "done" and row["status"].startswith("quick, not a result")
    assert row["rival"].startswith("ridge on answers") or row["rival"].startswith("gmt, user-blind")
    assert "65.11 PRISM" in row["published"] and row["against"].endswith("the range")
