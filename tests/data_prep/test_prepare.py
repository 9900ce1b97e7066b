"""Check the data folder: its card, its bad rows, its vectors, and that a failure leaves the old one whole."""

import csv
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data_prep.prepare import PrepOptions, prepare
from data_prep.sources.source import SourceOptions
from data_prep.sources.source_registry import load_source
from gmt.data.dataset import Dataset
from gmt.data.interactions import InteractionTable
from gmt.errors import DataError
from tests.data_prep.samples import jsonl

COLUMNS = SourceOptions(user="u", query="q", winner="w", model_a="l", model_b="r", labels=("left", "right", "tie"))


@pytest.fixture
def votes(tmp_path: Path) -> Path:
    rows = [f"{user},query {n},{('left', 'right', 'tie')[n % 3]},x,y" for user in ("ann", "bob") for n in range(10)]
    path = tmp_path / "votes.csv"
    path.write_text("u,q,w,l,r\n" + "\n".join(rows) + "\n", "utf-8")
    return path


def options(votes: Path, **more: Any) -> PrepOptions:
    base = {"source": "votes", "out": votes.parent / "out", "input": votes, "encoder": "hash", "columns": COLUMNS}
    return PrepOptions(**{**base, **more})


def test_the_folder_loads_and_the_card_counts(votes: Path) -> None:
    seen: list[int] = []
    card = prepare(options(votes), progress=lambda total: seen.append(total) or (lambda done: None))
    data = Dataset.load(votes.parent / "out")
    assert len(data.table) == 20
    assert data.card == card == json.loads((votes.parent / "out" / "card.json").read_text())
    assert card["counts"] == {
        "users": 2,
        "models": 2,
        "comparisons": 20,
        "pairs": 14,
        "ties": 6,
        "conversations": 20,
        "turns": 20,
        "questions": 10,
        "rated": 20,
        "lone_ratings": 0,
        "remarks": 0,
        "signals": 0,
        "users_with_enough": 2,
    }
    assert card["tie_rate"] == 0.3
    assert sum(part["comparisons"] for part in card["splits"].values()) == 20
    assert (card["protocol"], card["seed"], card["bad_rows"], card["input"]) == ("seen", 0, 0, "votes.csv")
    assert set(card["files"]) >= {"interactions.parquet", "models.json", "rejected.csv", "embeddings/vectors.npy"}
    assert seen == [12]
    assert sorted(path.name for path in votes.parent.iterdir()) == ["out", "votes.csv"]


def test_text_vectors_are_read_straight_from_their_file(votes: Path, tmp_path: Path) -> None:
    for source, path, columns in (("votes", votes, COLUMNS), ("demo", None, SourceOptions())):
        prepare(PrepOptions(source, tmp_path / source, path, "hash:16", columns=columns))
        found = Dataset.load(tmp_path / source).vectors
        assert not found.flags.owndata and not found.flags.writeable, source


def test_equal_seeds_give_equal_cards(votes: Path) -> None:
    assert prepare(options(votes)) == prepare(options(votes, out=votes.parent / "again"))
    assert prepare(options(votes))["files"] != prepare(options(votes, seed=1))["files"]


def test_bad_rows_stop_or_are_dropped_and_stand_in_a_file(votes: Path) -> None:
    prepare(options(votes))
    (votes.parent / "out" / "notes.txt").write_text("mine")
    before = (votes.parent / "out" / "interactions.parquet").read_bytes()
    votes.write_text(votes.read_text().replace("ann,query 3,left", "ann,query 3,Left"))
    heard: list[str] = []
    with pytest.raises(DataError) as error:
        prepare(options(votes), on_rejected=lambda rows: heard.extend(map(str, rows)))
    assert str(error.value) == (
        "votes.csv line 5: w is 'Left'; expected one of left, right, tie. 19 other rows are fine; fix it or pass "
        "--drop-bad-rows."
    )
    assert len(heard) == 1
    assert (votes.parent / "out" / "interactions.parquet").read_bytes() == before
    with (votes.parent / "out" / "rejected.csv").open(newline="") as file:
        assert [row["line"] for row in csv.DictReader(file)] == ["5"]
    card = prepare(options(votes, drop_bad_rows=True))
    assert (card["bad_rows"], card["counts"]["comparisons"]) == (1, 19)
    assert (votes.parent / "out" / "notes.txt").read_text() == "mine"


def test_a_new_folder_gets_no_table_from_bad_rows(votes: Path) -> None:
    votes.write_text(votes.read_text() + "ann,q,nobody,x,y\n")
    with pytest.raises(DataError):
        prepare(options(votes))
    assert [path.name for path in (votes.parent / "out").iterdir()] == ["rejected.csv"]


def test_models_get_descriptions_and_prices(votes: Path) -> None:
    pool = votes.parent / "pool.json"
    pool.write_text(json.dumps({"x": {"size": "7b", "feature": "small and quick", "input_price": 0.2}, "z": {}}))
    prepare(options(votes, models=pool))
    written = json.loads((votes.parent / "out" / "models.json").read_text())
    assert written == {
        "x": {"description": "small and quick", "input_price": 0.2, "output_price": None},
        "y": {"description": "y", "input_price": None, "output_price": None},
    }
    pool.write_text(json.dumps({"z": {}}))
    with pytest.raises(DataError, match="none of the models here"):
        prepare(options(votes, models=pool))


def gmtrouter(folder: Path, **extra: list[float]) -> Path:
    rows = []
    for number in range(4):
        for model in ("x", "y"):
            said = {
                "query": f"q{number}",
                "query_emb": [3.0, number],
                "response": f"{model}{number}",
                "rating": 1,
                **extra,
            }
            base = {"judge": "ann", "question_id": number, "turn": 1, "model": model, "model_emb": [1.0, 1.0]}
            rows.append({**base, "conversation": [said]})
    return jsonl(folder / "set.jsonl", rows)


def test_embeddings_of_the_file_are_kept_where_they_are_whole(tmp_path: Path) -> None:
    path = gmtrouter(tmp_path, response_emb=[0.0, 2.0])
    card = prepare(PrepOptions("gmtrouter", tmp_path / "out", path))
    assert (card["encoder"]["id"], card["encoder"]["width"]) == ("file:set.jsonl", 2)
    data = Dataset.load(tmp_path / "out")
    assert data.vectors[data.table.texts.index("q0")].tolist() == [1.0, 0.0]
    again = prepare(PrepOptions("gmtrouter", tmp_path / "out", path, encoder="hash"))
    assert again["encoder"]["id"].startswith("hash")


def test_released_files_keep_the_vectors_they_have_and_their_answers_count_as_not_written(tmp_path: Path) -> None:
    out = tmp_path / "out"
    card = prepare(PrepOptions("gmtrouter", out, gmtrouter(tmp_path)))
    assert card["encoder"]["id"] == "file:set.jsonl"
    assert "8 texts have no embedding in set.jsonl and count as not written" in card["notes"][0]
    # 1. The texts stay in the folder; nobody can read them as vectors.
    written = InteractionTable.read(out / "interactions.parquet")
    assert (written.response >= 0).all()
    data = Dataset.load(out)
    assert (data.table.response == -1).all()
    # 2. What was given is kept, each of length 1.
    queries = data.vectors[np.unique(data.table.query)]
    assert np.allclose(np.linalg.norm(queries, axis=1), 1) and len(np.unique(queries, axis=0)) == len(queries)
    assert np.allclose(np.linalg.norm(data.model_vectors, axis=1), 1)


def test_a_damaged_file_suggests_an_encoder(tmp_path: Path) -> None:
    path = gmtrouter(tmp_path, response_emb=[0.0, 2.0])
    path.write_text(path.read_text().replace('"query_emb": [3.0, 2], ', ""))
    with pytest.raises(DataError, match="lacks the embedding of 1 of 4 queries and 0 of 2 models; pass --encoder"):
        prepare(PrepOptions("gmtrouter", tmp_path / "out", path))


def test_an_unknown_source_names_the_nearest() -> None:
    with pytest.raises(DataError, match="Did you mean votes"):
        load_source("vote")


@pytest.mark.parametrize("given", [None, "missing.csv", "votes.xlsx"])
def test_unusable_input_says_what_was_expected(tmp_path: Path, given: str | None) -> None:
    (tmp_path / "votes.xlsx").touch()
    with pytest.raises(DataError, match="expected"):
        load_source("jsonl").read(None if given is None else tmp_path / given, SourceOptions())


def test_given_needs_a_source_that_states_a_split(votes: Path) -> None:
    with pytest.raises(DataError, match=r"votes\.csv does not say what is train and what is test; name a protocol"):
        prepare(options(votes, protocol="given"))


@pytest.mark.parametrize(
    ("source", "columns", "flag"),
    [
        ("arena", SourceOptions(query="nothing"), "--query"),
        ("mt-bench", SourceOptions(labels=("a", "b")), "--labels"),
        ("jsonl", SourceOptions(response_a="x"), "--response-a"),
        ("gmtrouter", SourceOptions(join=("a.csv:b=c",)), "--join"),
        ("scores", SourceOptions(rating_scale=(0, 10)), "--rating-scale"),
        ("demo", SourceOptions(user="u"), "--user"),
    ],
)
def test_an_option_that_the_source_never_reads_is_refused(
    tmp_path: Path, source: str, columns: SourceOptions, flag: str
) -> None:
    with pytest.raises(DataError, match=f"the source {source} does not read {flag}, "):
        prepare(PrepOptions(source, tmp_path / "out", tmp_path / "in.jsonl", columns=columns))


@pytest.mark.parametrize(
    "name",
    [
        "interactions.parquet", "models.json", "card.json", "embeddings/keys.parquet", "embeddings/vectors.npy",
        "embeddings/encoder.json",
    ],
)  # fmt: skip
def test_a_damaged_file_of_a_data_folder_is_named_in_one_line(tmp_path: Path, votes: Path, name: str) -> None:
    out = tmp_path / "out"
    prepare(PrepOptions("votes", out, votes, "hash:16", columns=COLUMNS))
    path, dice = out / name, random.Random(0)
    whole = path.read_bytes()
    damages = [b"", b"nonsense", b"{}", b"[" * 5000, b"[1]", b'{"x": 1}', whole[: len(whole) // 2], whole[1:]]
    for _ in range(20):
        broken = bytearray(whole)
        broken[dice.randrange(len(broken))] ^= 1 << dice.randrange(8)
        damages.append(bytes(broken))
    refused = 0
    for damage in damages:
        path.write_bytes(damage)
        try:
            Dataset.load(out)
        except DataError as error:
            refused += 1
            assert Path(name).name in str(error) or "embeddings" in str(error) or "models" in str(error)
            assert "\n" not in str(error) and len(str(error)) <= 300 + len(str(out))
    # The card holds the hashes of all other files; its own stands on the card of a run.
    assert refused == len(damages) or name == "card.json" and refused >= 4


def test_any_changed_byte_of_a_data_folder_is_found_by_whoever_reads_one(tmp_path: Path) -> None:
    from data_prep.simulate.response_files import read_responses
    from data_prep.sources.router_data import matrix_from

    out = tmp_path / "out"
    rows = "".join(
        json.dumps({"user": "u", "query": f"q{n}", "model": m, "response": "yes", "rating": n % 2, "comparison": n})
        + "\n"
        for n in range(6)
        for m in "ab"
    )
    (tmp_path / "rows.jsonl").write_text(rows)
    prepare(PrepOptions("jsonl", out, tmp_path / "rows.jsonl", "hash:16"))
    path = out / "interactions.parquet"
    for reader in (Dataset.load, read_responses, lambda folder: matrix_from(folder, [])):
        broken = bytearray(path.read_bytes())
        broken[len(broken) // 3] ^= 1
        path.write_bytes(broken)
        with pytest.raises(DataError, match=r"interactions.parquet is not what gmt prep wrote .* run gmt prep again"):
            reader(out)
        broken[len(broken) // 3] ^= 1
        path.write_bytes(broken)
        assert len(Dataset.load(out).table) == 6


def test_what_a_refused_preparation_renews_does_not_spoil_the_folder(tmp_path: Path, votes: Path) -> None:
    out = tmp_path / "out"
    prepare(PrepOptions("votes", out, votes, "hash:16", columns=COLUMNS))
    (out / "rejected.csv").write_text("file,line,reason\n")
    assert len(Dataset.load(out).table)


def test_a_doubled_file_teaches_nothing_and_says_so(tmp_path: Path) -> None:
    dice = random.Random(0)
    rows = [
        {
            "user": f"u{n % 5}",
            "query": f"q{n}",
            "model_a": "x",
            "model_b": "y",
            "winner": dice.choice(["model_a", "model_b"]),
        }
        for n in range(600)
    ]
    path = jsonl(tmp_path / "rows.jsonl", rows * 2)
    for protocol in ("seen", "new-questions", "drift"):
        card = prepare(PrepOptions("jsonl", tmp_path / "out", path, "hash:16", protocol))
        assert card["repeats"] == 600 and "600 comparisons repeat others" in card["notes"][-1]
        table = InteractionTable.read(tmp_path / "out" / "interactions.parquet")
        # The simplest rival: what the same user said of the same question in training.
        told = {
            (user, query): rating
            for user, query, rating in zip(table.user, table.query, table.ratings[:, 0], strict=True)
        }
        train = {
            (user, query) for user, query, split in zip(table.user, table.query, table.split, strict=True) if not split
        }
        test = [(u, q) for u, q, split in zip(table.user, table.query, table.split, strict=True) if split == 2]
        assert test and not train & set(test)
        right = [told[asked] == told.get(asked if asked in train else None, 1.0) for asked in test]
        assert 0.35 < np.mean(right) < 0.65


def test_a_source_that_splits_its_repeats_hears_of_it(tmp_path: Path) -> None:
    row = {"user": "u", "query": "q", "model_a": "x", "model_b": "y", "winner": "model_a"}
    rows = [row | {"split": "train"}, row | {"split": "test"}, row | {"query": "r", "split": "test"}]
    card = prepare(PrepOptions("jsonl", tmp_path / "out", jsonl(tmp_path / "rows.jsonl", rows), "hash:16"))
    assert card["notes"] == [
        "1 comparisons repeat others word for word, 1 of them in another split than the source's first one"
    ]
