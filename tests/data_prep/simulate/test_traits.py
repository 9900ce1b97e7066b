"""Check people who weigh traits of real answers, and the shapes in which answers are read."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data_prep.prepare import PrepOptions, prepare
from data_prep.simulate.answer_traits import raw_traits, standardised
from data_prep.simulate.prices import priced, size
from data_prep.simulate.response_files import read_responses
from data_prep.simulate.response_table import Answer, ResponseTable, Round
from data_prep.simulate.traits import TraitSettings, TraitTruth, trait_dataset, trait_table, write_traits
from data_prep.sources.jsonl import read
from data_prep.sources.source import SourceOptions
from gmt.data.dataset import ModelInfo
from gmt.errors import ConfigError, DataError
from tests.data_prep.samples import jsonl, real

WORDS = ["the", "a", "cat", "sat", "on", "some", "mat", "with", "quiescent", "zephyrs", "amid", "umbrageous", "cedars"]


def answers(questions: int = 20, models: int = 5, turns: int = 1, seed: int = 0) -> ResponseTable:
    """Make answers of different length, wording and quality."""
    rng = np.random.default_rng(seed)
    cards = {f"m{m}": ModelInfo(f"model {m}", 0.5 * m + 0.1, 1.0 * m + 0.1) for m in range(models)}
    rounds = {
        f"q{q}": [
            Round(f"ask {q} {t}", {name: Answer(" ".join(rng.choice(WORDS, rng.integers(3, 60))), float(rng.random()))
                                   for name in cards})
            for t in range(turns)
        ]
        for q in range(questions)
    }  # fmt: skip
    return ResponseTable(rounds, {f"q{q}": f"task{q % 2}" for q in range(questions)}, cards)


TABLE = answers()


def test_utility_is_the_stated_formula() -> None:
    table, truth = trait_table(TABLE, TraitSettings(users=5, votes=10))
    scores = truth.table_scores(table)
    raw = raw_traits(TABLE)
    gap = raw - raw.mean(axis=1, keepdims=True)
    z = gap / gap.reshape(-1, 4).std(axis=0)
    for c in (0, 17, 49):
        place = truth.rounds.index((table.questions[table.question[c]], int(table.turn[c])))
        weights = list(truth.to_json()["users"][table.users[table.user[c]]].values())
        shown = [truth.models.index(table.models[m]) for m in table.candidates[c]]
        wanted = [sum(w * v for w, v in zip(weights, z[place, m], strict=True)) for m in shown]
        assert scores[c] == pytest.approx(wanted, abs=1e-4)


def test_traits_measure_what_they_say() -> None:
    items = {
        "plain": Answer("the cat sat", 1.0),
        "rare": Answer("umbrageous cedars sat", 0.0),
        "long": Answer("the cat sat " * 9),
    }
    cards = {name: ModelInfo(name, 1.0, 4.0) for name in items}
    table = ResponseTable({"q": [Round("why?", items)]}, {}, cards)
    raw = raw_traits(table)[0]
    assert raw[:2, 0].tolist() == [1, 0] and np.isnan(raw[2, 0])
    assert raw[0, 1] == pytest.approx(np.log((4 * 1 + 11 * 4) / 4 / 1e6), abs=1e-3)
    assert raw[:, 2] == pytest.approx(np.log1p([3, 3, 27]))
    assert raw[0, 3] == pytest.approx(np.mean(np.log([3 / 2, 3 / 2, 3 / 3])))
    assert raw[1, 3] > raw[0, 3]
    z = standardised(raw[None])
    assert z[0, 2, 0] == 0 and np.allclose(z[0].sum(axis=0), 0)


def test_people_differ_and_their_weights_are_signed() -> None:
    weights = trait_table(TABLE, TraitSettings(users=300, votes=1))[1].weights
    assert np.allclose(np.linalg.norm(weights, axis=1), 1)
    assert (weights[:, 0] >= 0).all() and (weights[:, 1] <= 0).all()
    assert 0.4 < (weights[:, 2] > 0).mean() < 0.6


def test_noise_decides_how_well_the_truth_foretells_votes() -> None:
    def right(noise: float) -> float:
        table, truth = trait_table(TABLE, TraitSettings(users=50, noise=noise))
        scores = truth.table_scores(table)
        return float(((scores[:, 0] > scores[:, 1]) == (table.ratings[:, 0] > table.ratings[:, 1])).mean())

    assert right(0.0) == 1.0
    assert 0.8 < right(0.3) < 0.95
    assert right(3.0) < 0.7


@pytest.mark.parametrize("feedback", ["votes", "ratings", "rankings", "thumbs"])
def test_written_rows_are_the_table_in_memory(tmp_path: Path, feedback: str) -> None:
    settings = TraitSettings(users=4, votes=7, feedback=feedback, ties=0.2 if feedback == "votes" else 0)
    table = answers(turns=2)
    write_traits(table, settings, tmp_path / "people.jsonl")
    data = read(tmp_path / "people.jsonl", SourceOptions())
    wanted, truth = trait_table(table, settings)
    assert data.rejected == [] and data.comparisons == wanted.to_comparisons()
    again = TraitTruth.load(tmp_path / "people.jsonl")
    assert np.allclose(again.table_scores(data.as_table()), truth.table_scores(wanted))
    assert "weight" not in (tmp_path / "people.jsonl").read_text()


def test_a_conversation_keeps_its_models_over_its_turns() -> None:
    table, _ = trait_table(answers(turns=3), TraitSettings(users=4, votes=8))
    assert [int((table.user == u).sum()) for u in range(4)] == [8] * 4
    for talk in range(len(table.conversations)):
        rows = np.flatnonzero(table.conversation == talk)
        assert table.turn[rows].tolist() == list(range(len(rows)))
        assert (table.candidates[rows] == table.candidates[rows[0]]).all()
    for user in range(4):
        assert (np.diff(table.timestamp[table.user == user]) > 0).all()


def test_the_data_set_is_split_and_embedded() -> None:
    data, truth = trait_dataset(TABLE, TraitSettings(users=6), "hash:32", "new-questions")
    assert data.card["protocol"] == "new-questions" and {0, 1, 2} == set(data.table.split.tolist())
    assert truth.table_utilities(data.table).shape == (len(data.table), 5)


@pytest.mark.parametrize(
    "change", [{"users": 0}, {"noise": -1}, {"feedback": "text"}, {"candidates": 1}, {"candidates": 3}]
)
def test_settings_out_of_range_are_named(change: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        replace(TraitSettings(), **change)  # pyright: ignore[reportArgumentType]


def solutions(home: Path) -> Path:
    rows = [
        {"question": f"q{n}", "ground_truth": "1", "6b": {"is_correct": n % 2 == 0, "solution": f"six {n}"}}
        for n in range(3)
    ]
    jsonl(home / "solutions.jsonl", rows)
    (home / "more.csv").write_text("prompt,gpt-4,gpt-4_response\n" + "".join(f"q{n},True,four {n}\n" for n in range(3)))
    return home


def test_solutions_are_joined_on_the_question(tmp_path: Path) -> None:
    table = read_responses(solutions(tmp_path))
    assert [[(name, item.quality) for name, item in rounds[0].answers.items()] for rounds in table.rounds.values()] == [
        [("gpt-4", 1.0), ("6b", 1.0)],
        [("gpt-4", 1.0), ("6b", 0.0)],
        [("gpt-4", 1.0), ("6b", 1.0)],
    ]
    assert (table.models["gpt-4"].output_price, table.models["6b"].output_price) == (60.0, 0.12)


def mt_bench(home: Path) -> Path:
    jsonl(home / "question.jsonl", [{"question_id": 81, "category": "writing", "turns": ["one?", "two?"]}])
    for name in ("x-7b", "y-13b"):
        jsonl(
            home / "model_answer" / f"{name}.jsonl",
            [{"question_id": 81, "choices": [{"turns": [f"{name} 1", f"{name} 2"]}]}],
        )
    vote = {"judge": "j", "model_a": "x-7b", "model_b": "y-13b", "question_id": 81, "turn": 1, "winner": "model_a"}
    jsonl(home / "human.jsonl", [vote])
    return home


def test_mt_bench_answers_keep_their_turns_and_get_quality_from_votes(tmp_path: Path) -> None:
    table = read_responses(mt_bench(tmp_path))
    assert [item.query for item in table.rounds["81"]] == ["one?", "two?"]
    assert [item.quality for item in table.rounds["81"][0].answers.values()] == [1.0, 0.0]
    assert [item.quality for item in table.rounds["81"][1].answers.values()] == [None, None]
    assert table.tasks == {"81": "writing"} and table.notes == []


def test_answers_without_votes_need_their_questions_and_say_that_quality_is_unknown(tmp_path: Path) -> None:
    home = mt_bench(tmp_path / "a")
    with pytest.raises(DataError, match=r"name the file of question_id and turns with --questions"):
        read_responses(home / "model_answer")
    table = read_responses(home / "model_answer", home / "question.jsonl")
    assert "nothing states the quality" in table.notes[0]
    weights = trait_table(table, TraitSettings(users=20, votes=2))[1].weights
    assert (weights[:, 0] == 0).all() and np.allclose(np.linalg.norm(weights, axis=1), 1)


def test_a_data_folder_gives_answers_and_the_ratings_they_got(tmp_path: Path) -> None:
    prepare(PrepOptions("mt-bench", tmp_path / "out", mt_bench(tmp_path / "raw"), "hash:32", "seen", (0.9, 0.05, 0.05)))
    table = read_responses(tmp_path / "out")
    (rounds,) = table.rounds.values()
    assert {name: item.quality for name, item in rounds[0].answers.items()} == {"x-7b": 1.0, "y-13b": 0.0}


def test_rows_in_the_tables_own_columns_are_read(tmp_path: Path) -> None:
    vote = {
        "user": "a",
        "query": "q",
        "model_a": "x",
        "model_b": "y",
        "winner": "tie",
        "response_a": "u",
        "response_b": "v",
    }
    table = read_responses(jsonl(tmp_path / "rows.jsonl", [vote]))
    assert [item.text for item in next(iter(table.rounds.values()))[0].answers.values()] == ["u", "v"]
    with pytest.raises(DataError, match="no question that two models answered"):
        read_responses(jsonl(tmp_path / "bare.jsonl", [{"user": "a", "query": "q", "model": "x", "rating": 1}]))
    with pytest.raises(DataError, match="expected answers in the columns of gmt prep jsonl"):
        read_responses(jsonl(tmp_path / "odd.jsonl", [{"a": 1}]))


def test_prices_are_stated_listed_or_guessed_from_the_size() -> None:
    assert priced("gpt-4", ModelInfo("mine", 1.0, 2.0)) == ModelInfo("mine", 1.0, 2.0)
    assert priced("llama-13b").output_price == pytest.approx(0.26)
    names = ("Mixtral-8x7B-v0.1", "stablelm-1.6b", "koala", "gpt4all-13b-snoozy", "175b_ft")
    assert [size(name) for name in names] == [
        56, 1.6, 10, 13, 175,
    ]  # fmt: skip


def test_real_answers_of_two_turns() -> None:
    table = read_responses(real("mtbench_answers"), real("mtbench_human") / "question.jsonl")
    assert (len(table.rounds), len(table.models)) == (80, 35)
    people, truth = trait_table(table, TraitSettings(users=10))
    assert people.turn.max() == 1 and np.isfinite(truth.table_scores(people)).all()


def test_real_solutions() -> None:
    table = read_responses(real("gsm8k"))
    assert (len(table.rounds), len(table.models)) == (1319, 6)
    assert {item.quality for rounds in table.rounds.values() for item in rounds[0].answers.values()} == {0.0, 1.0}


def test_the_truth_is_plain_json(tmp_path: Path) -> None:
    write_traits(TABLE, TraitSettings(users=3, votes=2), tmp_path / "people.jsonl")
    found = json.loads((tmp_path / "people.truth.json").read_text())
    assert list(found["users"]["t00000"]) == ["quality", "cost", "length", "rare words"]
    assert "sigmoid" in found["formula"]


def test_a_model_without_an_answer_has_no_utility_and_is_not_shown() -> None:
    table = answers(turns=2)
    for question in list(table.rounds)[:10]:
        del table.rounds[question][1].answers["m3"]
    people, truth = trait_table(table, TraitSettings(users=10))
    assert np.isfinite(truth.table_scores(people)).all()
    gone = np.isnan(truth.table_utilities(people))
    absent = (people.turn == 1) & np.isin(people.question, [people.questions.index(f"q{q}") for q in range(10)])
    assert (gone.any(axis=1) == absent).all() and gone[:, people.models.index("m3")][absent].all()
