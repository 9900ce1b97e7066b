"""Check that a store keeps vectors over save and open, in the order asked for, and reads them from its file."""

import numpy as np
import pytest

from gmt.data.embed import embed_texts
from gmt.data.encoder_by_name import load_encoder
from gmt.data.encoders import EncoderCard, card_of
from gmt.data.store import EmbeddingStore, key_of
from gmt.errors import DataError
from tests.data.test_embed import TEXTS


def test_store_keeps_vectors_over_save_and_open(tmp_path):
    encoder = load_encoder("hash:32")
    store = EmbeddingStore.create(tmp_path / "store", card_of(encoder))
    embed_texts(encoder, [*TEXTS, *TEXTS], store)
    store.save()
    again = EmbeddingStore.open(tmp_path / "store")
    assert again.encoder == card_of(encoder) and len(again) == len(TEXTS)
    np.testing.assert_array_equal(again.vectors(TEXTS[::-1]), encoder.encode(TEXTS[::-1]))
    assert again.vectors([]).shape == (0, 32)
    assert again.missing(["new", TEXTS[0], "new"]) == ["new"]
    assert sorted(path.name for path in (tmp_path / "store").iterdir()) == [
        "encoder.json",
        "keys.parquet",
        "vectors.npy",
    ]


def test_store_can_grow_after_open(tmp_path):
    encoder = load_encoder("hash:32")
    store = EmbeddingStore.create(tmp_path, card_of(encoder))
    embed_texts(encoder, ["a"], store)
    store.save()
    store = EmbeddingStore.open(tmp_path)
    embed_texts(encoder, ["b", "a"], store)
    store.save()
    np.testing.assert_array_equal(EmbeddingStore.open(tmp_path).vectors(["a", "b"]), encoder.encode(["a", "b"]))


def test_unknown_text_names_the_text(tmp_path):
    store = EmbeddingStore.create(tmp_path, EncoderCard("x", "1", 4))
    with pytest.raises(DataError, match="1 of 1 texts .*'lost'"):
        store.vectors(["lost"])


def test_vectors_must_be_finite_and_of_the_right_shape(tmp_path):
    store = EmbeddingStore.create(tmp_path, EncoderCard("x", "1", 4))
    with pytest.raises(DataError, match="not finite"):
        store.add(["a"], np.array([[0, 0, np.nan, 1]]))
    with pytest.raises(DataError, match=r"expected \(1, 4\)"):
        store.add(["a"], np.zeros((1, 3)))


def numbered(texts):
    return np.arange(2.0 * len(texts), dtype=np.float32).reshape(-1, 2) + 1


def test_vectors_beyond_what_is_held_wait_in_a_file_without_a_name(tmp_path, monkeypatch):
    monkeypatch.setattr("gmt.data.store.HELD_BYTES", 40)
    card, texts = EncoderCard("x", "1", 2), [f"text {n}" for n in range(31)]
    store, vectors = EmbeddingStore.create(tmp_path / "store", card), numbered(texts)
    for low in range(0, 31, 3):
        store.add(texts[low : low + 3], vectors[low : low + 3])
    assert list((tmp_path / "store").iterdir()) == []
    mixed = [5, 30, 0, 5, 17]
    np.testing.assert_array_equal(store.vectors([texts[n] for n in mixed]), vectors[mixed])
    store.save()
    assert len(list((tmp_path / "store").iterdir())) == 3
    for one in (store, EmbeddingStore.open(tmp_path / "store")):
        np.testing.assert_array_equal(one.vectors(texts), vectors)


def test_a_store_is_saved_in_the_order_asked_for_and_read_from_its_file(tmp_path, monkeypatch):
    monkeypatch.setattr("gmt.data.store.WRITTEN_AT_ONCE", 2)
    texts = ["d", "a", "c", "b", "e"]
    store = EmbeddingStore.create(tmp_path, EncoderCard("x", "1", 2))
    store.add(texts, numbered(texts))
    store.save([key_of(text) for text in "abc"])
    for one in (store, EmbeddingStore.open(tmp_path)):
        np.testing.assert_array_equal(np.load(tmp_path / "vectors.npy"), numbered(texts)[[1, 3, 2, 0, 4]])
        found = one.vectors(["a", "b", "c"])
        assert not found.flags.writeable and not found.flags.owndata  # a view of the mapped file
        np.testing.assert_array_equal(one.vectors(["e", "a"]), numbered(texts)[[4, 1]])
    before = found.copy()
    store.add(["f"], np.ones((1, 2), np.float32))
    store.save()  # who still reads the old file reads it to the end
    np.testing.assert_array_equal(found, before)
    assert len(EmbeddingStore.open(tmp_path)) == 6


def test_an_empty_store_is_saved_and_read(tmp_path):
    EmbeddingStore.create(tmp_path, EncoderCard("x", "1", 2)).save()
    assert EmbeddingStore.open(tmp_path).vectors([]).shape == (0, 2)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("encoder.json", b"null"),
        ("encoder.json", b'{"id": 3, "revision": "1", "width": 4}'),
        ("encoder.json", b'{"id": "hash", "revision": "1", "width": -4}'),
        ("encoder.json", b'{"id": "hash", "revision": "1", "width": 4, "width": 8}'),
        ("encoder.json", b"[" * 100_000),
        ("keys.parquet", b"PAR1"),
        ("keys.parquet", b""),
        ("vectors.npy", b""),
        ("vectors.npy", b"\x93NUMPY\x01\x00"),
        ("vectors.npy", b"x" * 1000),
    ],
)
def test_a_damaged_store_is_named(tmp_path, file, content):
    store = EmbeddingStore.create(tmp_path, EncoderCard("hash:4", "1", 4))
    store.add(["a"], np.ones((1, 4), np.float32))
    store.save()
    (tmp_path / file).write_bytes(content)
    with pytest.raises(DataError, match="restore|anew|again"):
        EmbeddingStore.open(tmp_path)


def test_a_store_that_cannot_be_written_leaves_the_one_before(tmp_path, monkeypatch):
    card, folder = EncoderCard("hash:4", "1", 4), tmp_path / "embeddings"
    first = EmbeddingStore.create(folder, card)
    first.add(["a"], np.ones((1, 4), np.float32))
    first.save()
    second = EmbeddingStore.create(folder, card)
    second.add(["b"], np.zeros((1, 4), np.float32))

    def full(path, rows):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(second, "_write", full)
    with pytest.raises(OSError, match="No space left"):
        second.save()
    assert EmbeddingStore.open(folder).vectors(["a"]).tolist() == [[1, 1, 1, 1]]
    assert [path.name for path in tmp_path.iterdir()] == ["embeddings"]
