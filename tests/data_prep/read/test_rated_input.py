"""Check that rows become the same table however they are cut, and that several processes read what one does."""

import csv
import dataclasses
import json
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.prepare import PrepOptions, prepare
from data_prep.read import pieces
from data_prep.read.blocks import pack_rows
from data_prep.read.parallel import InProcesses, InThisProcess, parse_input
from data_prep.read.rated_input import Grouping, group_blocks, group_rated, read_rated
from data_prep.read.row import RatedRow, Row
from data_prep.sources import arena, jsonl
from data_prep.sources.source import SourceOptions
from gmt.data.comparisons import Candidate
from gmt.data.interactions import InteractionTable
from gmt.errors import DataError

PARSE = partial(jsonl.parse_row, user=None, scale=None)
VOTES = SourceOptions(user="u", query="q", winner="w", model_a="a", model_b="b")


def one_of(*values):
    return st.sampled_from(values)


@st.composite
def rated_rows(draw):
    models = draw(st.permutations("MNOP"))[: draw(one_of(1, 1, 2))]
    ratings = one_of(None, 0.0, 0.5, 1.0)
    candidates = [Candidate(m, draw(one_of(None, "x", "y")), draw(ratings), draw(one_of(None, "f"))) for m in models]
    return RatedRow(
        file="rows", line=0, user=draw(one_of("ana", "bo")), query=draw(one_of("q", "r")),
        candidates=candidates, conversation=draw(one_of(None, "c", "d")), turn=draw(one_of(None, 0, 1, 3)),
        comparison=draw(one_of(None, None, "k", "l")), question=draw(one_of(None, "w")), task=draw(one_of(None, "t")),
        timestamp=draw(one_of(None, 1.5)), split=draw(one_of(None, 0, 2)),
    )  # fmt: skip


def same(one: InteractionTable, other: InteractionTable) -> bool:
    columns = [item.name for item in dataclasses.fields(one) if item.name != "layout"]  # it follows from `start`
    pairs = [(getattr(one, name), getattr(other, name)) for name in columns]
    return all(
        np.array_equal(a, b, equal_nan=a.dtype.kind == "f") if isinstance(a, np.ndarray) else a == b for a, b in pairs
    )


@given(st.lists(rated_rows(), max_size=14), st.booleans(), st.booleans(), st.data())
@settings(deadline=None, max_examples=150)
def test_blocks_merge_to_what_one_reading_gives(rows, same_query, renumber, data):
    rows = [dataclasses.replace(row, line=number) for number, row in enumerate(rows, start=1)]
    grouping = Grouping(same_query, renumber)
    cuts = sorted({0, len(rows), *data.draw(st.lists(st.integers(0, len(rows)), max_size=3))})
    blocks = [pack_rows(rows[low:high]) for low, high in zip(cuts, cuts[1:], strict=False)]
    refused, again = [], []
    one, other = group_rated(rows, refused, grouping), group_blocks(blocks, again, grouping)
    assert refused == again and one.rows == other.rows == len(rows) - len(refused)
    assert np.array_equal(one.splits, other.splits)
    comparisons = one.comparisons()
    assert comparisons == other.comparisons()
    lost = sum(len(rows[bad.line - 1].candidates) for bad in refused)
    assert sum(len(item.candidates) for item in comparisons) + lost == sum(len(row.candidates) for row in rows)
    try:
        wanted = InteractionTable.from_comparisons(comparisons)
    except DataError as error:  # a conversation may stand in two hands
        with pytest.raises(DataError, match=str(error)[:20]):
            one.table()
    else:
        assert same(one.table(), wanted) and same(other.table(), wanted)


def votes_and_ratings(draw_from):
    """Return rows of a JSONL log: votes, ratings and rows that cannot be read."""
    vote = {"user": "ana", "query": "why", "model_a": "M", "model_b": "N", "winner": "tie"}
    return [
        {"vote": vote | {"query": f"why {n % 3}"}, "rating": {"user": "bo", "query": "q", "model": "M", "rating": 0.5},
         "named": {"user": "bo", "query": "q", "model": "NM"[n % 2], "rating": 1, "comparison": f"k{n // 3}"},
         "bad": {"user": "bo", "query": "q", "model": "M", "rating": "much"}}[kind]
        for n, kind in enumerate(draw_from)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def mapped_by_one_pool():
    """Return a mapper whose two processes serve every example, for a process takes a second to start."""
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:

        class Pooled(InThisProcess):
            hand_over = True

            def map(self, parse, pieces, known):
                for made in [pool.submit(listed, parse, piece) for piece in pieces]:
                    yield from made.result()

        yield Pooled()


def listed(parse, piece):
    return list(parse(piece))


@given(
    st.lists(st.sampled_from(["vote", "rating", "named", "bad"]), max_size=12),
    st.sampled_from(["jsonl", "json", "csv"]),
    st.integers(1, 200),
    st.integers(1, 5),
)
@settings(deadline=None, max_examples=40)
def test_whoever_maps_and_however_large_the_blocks_the_table_is_the_same(
    tmp_path_factory, mapped_by_one_pool, kinds, suffix, piece_bytes, rows_at_once
):
    rows = votes_and_ratings(kinds)
    path = tmp_path_factory.mktemp("log") / f"rows.{suffix}"
    with path.open("w", newline="") as file:
        if suffix == "csv":
            columns = ["user", "query", "model_a", "model_b", "winner", "model", "rating", "comparison"]
            out = csv.DictWriter(file, columns)
            out.writeheader()
            out.writerows(rows)
        else:
            file.write("\n".join(map(json.dumps, rows)) if suffix == "jsonl" else json.dumps(rows))
    wanted = None
    for mapper, bytes_, count in (
        (InThisProcess(), 16 << 20, 4000),
        (InThisProcess(), piece_bytes, rows_at_once),
        (mapped_by_one_pool, piece_bytes, rows_at_once),
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pieces, "PIECE_BYTES", bytes_)
            patch.setattr(pieces, "ROWS_AT_ONCE", count)
            found = read_rated(path, PARSE, mapper)
        if wanted is None:
            wanted = found
        assert found.rejected == wanted.rejected
        assert found.grouped.comparisons() == wanted.grouped.comparisons()
        assert same(found.grouped.table(), wanted.grouped.table())


def test_a_row_that_contradicts_its_comparison_is_named():
    def row(line, query, model):
        return RatedRow("f", line, "ana", query, [Candidate(model)], comparison="7")

    refused = []
    found = group_rated([row(1, "q", "M"), row(2, "r", "N"), row(3, "q", "M"), row(4, "q", "N")], refused)
    assert [c.model for item in found.comparisons() for c in item.candidates] == ["M", "N"]
    assert [bad.line for bad in refused] == [2, 3]
    assert "query differs" in refused[0].reason and "M stands twice" in refused[1].reason


def write_votes(path, rows=900):
    rng = np.random.default_rng(0)
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["u", "q", "a", "b", "w"])
        for number in range(rows):
            a, b = rng.permutation(4)[:2]
            verdict = "nobody" if number % 300 == 7 else ["model_a", "model_b", "tie"][rng.integers(3)]
            out.writerow([f"u{rng.integers(9)}", f"question\n{rng.integers(50)}", f"m{a}", f"m{b}", verdict])
    return path


def write_rows(path):
    """Write 40 votes, single ratings among them, and two bad lines, 21 and 44."""
    models = "M", "N"
    rows = [
        {"user": f"u{n % 5}", "query": f"why {n % 7}\u00e9", "winner": "tie", "model_a": models[n % 2],
         "response_a": f"r{n}", "model_b": models[1 - n % 2]} if n % 4 else
        {"user": "ana", "query": "why 1\u00e9", "model": models[n % 8 // 4], "rating": 0.5, "response": f"s{n % 3}"}
        for n in range(40)
    ]  # fmt: skip
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_text("\n".join([*lines[:18], "", "", "{", *lines[18:], json.dumps({"user": "bo"})]), "utf-8")
    return path


def write_battles(path):
    def said(*texts):
        return [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(texts)]

    with path.open("w", encoding="utf-8") as file:
        for n in range(12):
            row = {"question_id": f"q{n % 4}", "model_a": "M", "model_b": "N" if n != 6 else "M", "winner": "model_a",
                   "judge": f"u{n % 3}", "tstamp": 1.0 * n, "conversation_a": said("why", f"a{n}", "and", "so"),
                   "conversation_b": said("why", "b", "and", f"c{n}")}  # fmt: skip
            file.write(json.dumps(row) + "\n")
    return path


def test_several_processes_write_the_same_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(pieces, "ROWS_AT_ONCE", 70)
    path = write_votes(tmp_path / "votes.csv")
    cards = {}
    for workers in (1, 2):
        columns = dataclasses.replace(VOTES, workers=workers)
        options = PrepOptions("votes", tmp_path / str(workers), path, "hash:64", drop_bad_rows=True, columns=columns)
        cards[workers] = prepare(options)
    assert cards[1] == cards[2] and cards[1]["bad_rows"] == 3
    for name in ("interactions.parquet", "embeddings/vectors.npy", "rejected.csv"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_a_fault_of_the_call_is_told_from_another_process_too(tmp_path):
    path = tmp_path / "rated.csv"
    path.write_text("u,q,m,r\nana,why,x,7\n")
    options = SourceOptions(user="u", query="q", model="m", rating="r", workers=2)
    with pytest.raises(DataError, match=r"rated.csv line 2: r is 7, outside 0 to 1; state the scale"):
        prepare(PrepOptions("votes", tmp_path / "out", path, "hash:64", columns=options))
    with pytest.raises(DataError, match="workers is 0; expected at least 1"):
        SourceOptions(workers=0)


def test_rows_of_jsonl_are_read_by_several_processes(tmp_path):
    path = tmp_path / "rows.jsonl"
    lines = [{"user": "ana", "query": f"q{n}", "model_a": "x", "model_b": "y", "winner": "tie"} for n in range(30)]
    path.write_text(
        "\n".join([*map(json.dumps, lines[:20]), "{", json.dumps({"user": "bo"}), *map(json.dumps, lines[20:])])
    )
    from data_prep.sources.jsonl import read

    one, several = (read(path, SourceOptions(workers=workers)) for workers in (1, 2))
    assert one.comparisons == several.comparisons and len(one) == 30
    assert one.rejected == several.rejected and [bad.line for bad in one.rejected] == [21, 22]


def test_pieces_of_a_file_are_read_by_several_processes(tmp_path, monkeypatch):
    monkeypatch.setattr(pieces, "PIECE_BYTES", 300)
    path = write_rows(tmp_path / "rows.jsonl")
    one, several = (jsonl.read(path, SourceOptions(workers=workers)) for workers in (1, 2))
    assert len(list(pieces.split_input(path, hand_over=True))) > 5 and one.comparisons == several.comparisons
    assert one.rejected == several.rejected and [bad.line for bad in one.rejected] == [21, 44]


def test_the_line_of_a_fault_is_that_of_the_file_whoever_reads_it(tmp_path, monkeypatch):
    monkeypatch.setattr(pieces, "PIECE_BYTES", 300)
    path = tmp_path / "rated.jsonl"
    rows = [{"u": "ana", "q": f"why {n}", "m": "x", "r": 7 if n == 29 else 1} for n in range(40)]
    path.write_text("\n".join(map(json.dumps, rows)))
    for workers in (1, 2):
        options = SourceOptions(user="u", query="q", model="m", rating="r", workers=workers)
        with pytest.raises(DataError, match=r"rated.jsonl line 30: r is 7, outside 0 to 1; state the scale"):
            prepare(PrepOptions("votes", tmp_path / "out", path, "hash:64", columns=options))


def test_battles_of_one_question_are_numbered_across_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(pieces, "PIECE_BYTES", 300)
    path = write_battles(tmp_path / "battles.jsonl")
    one, several = (arena.read(path, SourceOptions(workers=workers)) for workers in (1, 2))
    assert len(list(pieces.split_input(path, hand_over=True))) > 3 and one.comparisons == several.comparisons
    assert {"q1", "q1#2", "q1#3"} < {item.conversation for item in one.comparisons}
    assert one.rows == several.rows == 11 and one.rejected == several.rejected != []


@pytest.mark.skipif(os.cpu_count() == 1, reason="needs two cores")
def test_texts_are_encoded_alike_by_several_processes(tmp_path, monkeypatch):
    from gmt.data import embed
    from gmt.data.encoder_by_name import load_encoder
    from gmt.data.encoders import card_of
    from gmt.data.store import EmbeddingStore

    monkeypatch.setattr(embed, "CHUNK", 16)
    encoder = load_encoder("hash:32")
    texts = [f"text number {n} " + "long " * (n % 7) for n in range(60)]
    stores = [EmbeddingStore.create(tmp_path / str(n), card_of(encoder)) for n in (1, 2)]
    heard = []
    for workers, store in enumerate(stores, start=1):
        embed.embed_texts(encoder, texts, store, heard.append, workers)
    assert np.array_equal(stores[0].vectors(texts), stores[1].vectors(texts)) and sum(heard) == 120


def _end_this_process(file: str, line: int, row: Row) -> list[RatedRow]:
    os._exit(9)


def test_a_worker_that_is_killed_is_named_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"user": "u"}\n')
    with pytest.raises(DataError, match="one of 2 processes was ended from outside.*fewer --workers"):
        list(parse_input(path, _end_this_process, InProcesses(2)))
