import dataclasses
import json
from dataclasses import replace

import numpy as np
import pytest

from gmt.data.comparisons import Candidate, Comparison
from gmt.data.dataset import Dataset, ModelInfo, Questions, read_cards, read_run_models
from gmt.data.encoders import EncoderCard
from gmt.data.interactions import InteractionTable
from gmt.data.store import EmbeddingStore
from gmt.errors import DataError, RunError
from tests.factories import dataset_of, random_dataset, random_table

CARD = EncoderCard("random", "0", 16)


def arrays(questions):
    names = [item.name for item in dataclasses.fields(Questions) if item.name != "earlier"]
    return {name: getattr(questions, name) for name in names}


def columns(table):
    return {item.name: np.asarray(getattr(table, item.name)) for item in dataclasses.fields(table) if item.init}


def assert_equal(questions, others):
    for name, value in arrays(questions).items():
        np.testing.assert_array_equal(value, getattr(others, name), err_msg=name)
    wanted = columns(others.earlier)
    for name, value in columns(questions.earlier).items():
        np.testing.assert_array_equal(value, wanted[name], err_msg=f"earlier.{name}")


def store_of(folder, texts, seed=0):
    store = EmbeddingStore.create(folder, CARD)
    store.add(list(texts), np.random.default_rng(seed).normal(size=(len(texts), 16)).astype(np.float32))
    return store


def talk(*ratings, user="ana", name="talk"):
    """Make one conversation; each rating is the first model's, the second gets the rest."""
    return [
        Comparison(
            user,
            name,
            turn,
            f"{name} query {turn}",
            (Candidate("x", f"{name} x {turn}", rating, "fine"), Candidate("y", f"{name} y {turn}", 1 - rating)),
        )
        for turn, rating in enumerate(ratings)
    ]


def test_questions_have_no_place_for_an_outcome():
    names = {item.name for item in dataclasses.fields(Questions)}
    assert not names & {"rating", "ratings", "response", "feedback", "winner", "cost", "rated", "start"}
    assert names == {
        "comparison", "user", "conversation", "turn", "question", "task", "query", "timestamp", "candidates", "earlier",
        "responses",
    }  # fmt: skip
    # Only data that declare their answers visible show any; everywhere else the place stays empty.
    data = random_dataset(0)
    assert data.questions(np.arange(len(data.table))).responses is None


@pytest.mark.parametrize("max_turns", [1, 4])
def test_questions_do_not_change_with_the_outcomes_of_what_is_asked(max_turns):
    data = random_dataset(0, max_turns=max_turns, max_candidates=3)
    table, rng = data.table, np.random.default_rng(0)
    last = np.full(len(table.conversations), -1)
    np.maximum.at(last, table.conversation, table.turn)
    positions = np.flatnonzero(table.turn == last[table.conversation])
    rows = np.isin(table.row_comparison, positions)

    def changed(values, other):
        return np.where(rows, other, values)

    other = replace(
        table,
        rating=changed(table.rating, rng.random(len(rows))),
        response=changed(table.response, rng.permutation(table.response)),
        feedback=changed(table.feedback, table.query[0]),
        cost=changed(table.cost, 3.0),
    )
    assert (other.rating != table.rating).sum() > len(positions) and (other.response != table.response).any()
    for reveal in (False, True):
        assert_equal(data.questions(positions, reveal), data.with_table(other).questions(positions, reveal))


def test_ratings_of_earlier_rounds_that_are_asked_too_change_nothing_unless_revealed():
    data = random_dataset(1, max_turns=4)
    everything = np.arange(len(data.table))
    other = data.with_table(replace(data.table, rating=1 - data.table.rating))
    assert_equal(data.questions(everything), other.questions(everything))
    seen = data.questions(everything, reveal_earlier=True).earlier
    assert len(seen) and (seen.rating != other.questions(everything, reveal_earlier=True).earlier.rating).any()


def test_earlier_rounds_are_blank_unless_revealed_and_hold_the_text():
    data = dataset_of(InteractionTable.from_comparisons(talk(1.0, 0.0, 0.5)))
    blank, shown = data.questions(np.array([2])), data.questions(np.array([2]), reveal_earlier=True)
    for questions in (blank, shown):
        assert questions.earlier.turn.tolist() == [0, 1] and questions.earlier_of(0).tolist() == [0, 1]
        assert [data.table.texts[code] for code in questions.earlier.response] == [
            "talk x 0", "talk y 0", "talk x 1", "talk y 1",
        ]  # fmt: skip
    assert np.isnan(blank.earlier.rating).all() and (blank.earlier.feedback == -1).all()
    assert shown.earlier.rating.tolist() == [1, 0, 0, 1] and (shown.earlier.feedback >= 0).tolist() == [1, 0, 1, 0]


def test_earlier_rounds_are_those_of_the_own_conversation_before_its_turn():
    rounds = [*talk(1, 1, 1, name="a"), *talk(1, 1, name="b"), *talk(0, 0, user="bo", name="c")]
    data = dataset_of(InteractionTable.from_comparisons(rounds[::-1]))
    table = data.table
    questions = data.questions(np.arange(len(table)))
    for number in range(len(questions)):
        found = questions.earlier_of(number)
        assert questions.earlier.turn[found].tolist() == list(range(table.turn[number]))
        assert (questions.earlier.conversation[found] == table.conversation[number]).all()
    assert questions.earlier.turn.max() == 1 and (questions.earlier.user == table.users.index("bo")).sum() == 1
    assert len(data.questions(np.flatnonzero(table.turn == 0)).earlier) == 0


def test_select_takes_questions_and_keeps_their_past():
    data = random_dataset(0, max_turns=3)
    questions = data.questions(np.arange(len(data.table)))
    part = questions.select(np.array([5, 2]))
    assert len(part) == 2 and part.earlier is questions.earlier
    assert part.responses is None
    for name, value in arrays(questions).items():
        if name != "responses":
            np.testing.assert_array_equal(getattr(part, name), value[[5, 2]])


def test_append_keeps_codes_and_vectors_and_adds_new_people_models_and_texts(tmp_path):
    data = dataset_of(InteractionTable.from_comparisons(talk(1.0, 0.0)))
    answers = Candidate("z", "new answer", 1.0), Candidate("x", "talk x 0", 0.0)
    new = Comparison("bo", "new", 0, "a new query", answers)
    store = store_of(tmp_path, ["a new query", "new answer", "a quick model"])
    grown = data.append([new], store, {"z": ModelInfo("a quick model", 1.0, 2.0), "x": ModelInfo("ignored")}, split=2)
    np.testing.assert_array_equal(grown.vectors[: len(data.vectors)], data.vectors)
    np.testing.assert_array_equal(grown.model_vectors[:2], data.model_vectors)
    np.testing.assert_array_equal(grown.vectors[len(data.vectors) :], store.vectors(["a new query", "new answer"]))
    np.testing.assert_array_equal(grown.model_vectors[2:], store.vectors(["a quick model"]))
    assert grown.table.users == ("ana", "bo") and grown.table.models == ("x", "y", "z")
    assert grown.models["z"].input_price == 1.0 and grown.models["x"] == ModelInfo("x")
    assert grown.table.split.tolist() == [0, 0, 2] and grown.table.to_comparisons()[-1].query == "a new query"
    assert len(data.table) == 2 and "z" not in data.models


def test_append_of_nothing_changes_nothing(tmp_path):
    data = random_dataset(0, users=2)
    grown = data.append([], store_of(tmp_path, []), {})
    assert grown.table.to_comparisons() == data.table.to_comparisons() and len(grown.vectors) == len(data.vectors)


def test_append_refuses_a_text_without_a_vector(tmp_path):
    data = random_dataset(0, users=2)
    with pytest.raises(DataError, match="have no vector"):
        data.append(talk(1.0), store_of(tmp_path, ["something else"]), {})


def test_vectors_must_fit_the_table():
    data = random_dataset(0, users=2)
    with pytest.raises(DataError, match="run gmt prep again"):
        replace(data, vectors=data.vectors[:-1])
    with pytest.raises(DataError, match="run gmt prep again"):
        replace(data, model_vectors=data.model_vectors[:-1])


@pytest.fixture
def folder(tmp_path):
    table = random_table(3, users=3, max_turns=2, max_candidates=3)
    table.write(tmp_path / "interactions.parquet")
    # A model nobody has tried yet stands first and must keep its code.
    cards = {"unseen": ModelInfo("an unseen model", 0.5, None), **{name: ModelInfo(name) for name in table.models}}
    (tmp_path / "models.json").write_text(json.dumps({name: info.to_json() for name, info in cards.items()}))
    (tmp_path / "card.json").write_text(json.dumps({"protocol": "seen"}))
    store_of(tmp_path / "embeddings", [*table.texts, *(info.description for info in cards.values())]).save()
    return tmp_path


def test_load_reads_what_prep_writes(folder):
    data, written = Dataset.load(folder), random_table(3, users=3, max_turns=2, max_candidates=3)
    assert data.table.models == ("unseen", *written.models) and data.card == {"protocol": "seen"}
    assert data.models["unseen"] == ModelInfo("an unseen model", 0.5, None) and data.encoder == CARD
    assert data.table.to_comparisons() == written.to_comparisons()
    store = EmbeddingStore.open(folder / "embeddings")
    np.testing.assert_array_equal(data.vectors, store.vectors(data.table.texts))
    np.testing.assert_array_equal(data.model_vectors[0], store.vectors(["an unseen model"])[0])


@pytest.mark.parametrize("name", ["interactions.parquet", "models.json", "card.json", "embeddings/vectors.npy"])
def test_load_names_the_file_that_is_missing(folder, name):
    (folder / name).unlink()
    with pytest.raises(DataError, match=rf"holds no {name.split('/')[-1]}; make the .* with gmt prep"):
        Dataset.load(folder)


@pytest.mark.parametrize("name", ["models.json", "card.json"])
def test_load_names_the_file_that_is_damaged(folder, name):
    (folder / name).write_text('{"a": ')
    with pytest.raises(DataError, match=f"{name} is not JSON .*; run gmt prep again"):
        Dataset.load(folder)
    (folder / name).write_text("[1]")
    with pytest.raises(DataError, match=f"{name} holds no JSON object"):
        Dataset.load(folder)


def test_load_refuses_texts_without_vectors(folder):
    store_of(folder / "embeddings", ["only this"]).save()
    with pytest.raises(DataError, match=r"texts have no vector .*; run gmt prep again"):
        Dataset.load(folder)


@pytest.mark.parametrize(
    ("scale", "wanted"),
    [
        ("-1..1", (-1, 1)),
        ("1..5", (1, 5)),
        ("votes: 1 won, 0 lost, 0.5 tied", (0, 1)),
        ("two .. words", (0, 1)),
        (None, (0, 1)),
    ],
)
def test_the_card_says_what_ratings_stand_for(scale, wanted):
    data = random_dataset()
    card = {} if scale is None else {"rating_scale": scale}
    assert replace(data, card=card).rating_range == wanted


GOOD_CARD = {"description": "a", "input_price": 0.5, "output_price": None}


@pytest.mark.parametrize(
    "card",
    [
        *({key: value for key, value in GOOD_CARD.items() if key != gone} for gone in GOOD_CARD),
        GOOD_CARD | {"more": 1},
        GOOD_CARD | {"description": None},
        GOOD_CARD | {"description": "half \ud800"},
        *(GOOD_CARD | {"input_price": wrong} for wrong in (-1, True, "1", float("nan"), float("inf"), [])),
        *(GOOD_CARD | {name: -1} for name in ("cached_input_price", "switch_cost")),
        {"description": "a", "cached_input_price": 0.5, "switch_cost": 1},
        None,
        [],
        "a",
    ],
)
def test_every_model_card_is_whole_or_named_in_data_and_in_runs(tmp_path, card):
    path = tmp_path / "models.json"
    path.write_text(json.dumps({"whole": GOOD_CARD, "wrong": card}))
    with pytest.raises(DataError, match=r"models.json: .*; run gmt prep again|models.json: a description holds half"):
        read_cards(path)
    with pytest.raises(RunError, match=r"models.json: .*; restore it or|models.json: a description holds half"):
        read_run_models(path)
    path.write_text(json.dumps({"whole": GOOD_CARD}))
    assert read_cards(path) == read_run_models(path) == {"whole": ModelInfo("a", 0.5, None)}


def test_what_few_model_cards_state_is_read_and_written_where_it_is_stated(tmp_path):
    path, rare = tmp_path / "models.json", {"cached_input_price": 0.05, "switch_cost": 2.0}
    path.write_text(json.dumps({"old": GOOD_CARD, "new": GOOD_CARD | rare, "none": GOOD_CARD | dict.fromkeys(rare)}))
    found = read_cards(path)
    assert found == {"old": ModelInfo("a", 0.5), "new": ModelInfo("a", 0.5, None, 0.05, 2.0), "none": found["old"]}
    assert [card.to_json() for card in found.values()] == [GOOD_CARD, GOOD_CARD | rare, GOOD_CARD]
