"""Check that every text is encoded once, over repeats, data folders, interruptions and processes."""

import numpy as np
import pytest

from gmt.data import embed
from gmt.data.embed import embed_texts
from gmt.data.encoder_by_name import load_encoder
from gmt.data.encoders import EncoderCard, HashEncoder, card_of
from gmt.data.store import EmbeddingStore
from gmt.errors import DataError

TEXTS = ["How do I sort a list?", "", "How do I sort a dict?", "half a pair \ud800", "word " * 3000, "日本語と $ymbols"]


class CountingEncoder:
    """Encode as the hash encoder does, and count the texts seen."""

    id = "counting/encoder"
    revision = "abc"
    width = 16

    def __init__(self):
        self.seen = []

    def encode(self, texts, progress=None):
        self.seen += texts
        return HashEncoder(self.width).encode(texts, progress)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GMT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_another_encoder_is_refused_with_both_names(tmp_path):
    store = EmbeddingStore.create(tmp_path, card_of(load_encoder("hash:32")))
    with pytest.raises(DataError, match=r"hash:32@1 .*hash:64@1"):
        embed_texts(load_encoder("hash:64"), ["a"], store)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"encoder.json"):
        EmbeddingStore.open(tmp_path)


def test_rows_of_an_unfinished_save_are_ignored(tmp_path):
    store = EmbeddingStore.create(tmp_path, EncoderCard("x", "1", 2))
    store.add(["a"], np.array([[0.0, 1.0]]))
    store.save()
    np.save(tmp_path / "vectors.npy", np.array([[0, 1], [1, 0]], np.float32))
    store = EmbeddingStore.open(tmp_path)
    store.add(["b"], np.array([[0.6, 0.8]]))
    np.testing.assert_allclose(store.vectors(["a", "b"]), [[0, 1], [0.6, 0.8]])


def test_each_text_is_encoded_once_and_remembered_across_folders(tmp_path, cache):
    first, second, done = CountingEncoder(), CountingEncoder(), []
    store = EmbeddingStore.create(tmp_path / "one", card_of(first))
    embed_texts(first, ["a", "bb", "a"], store, done.append)
    assert sorted(first.seen) == ["a", "bb"] and sum(done) == 2
    other, done = EmbeddingStore.create(tmp_path / "two", card_of(second)), []
    embed_texts(second, ["bb", "ccc", "a"], other, done.append)
    assert second.seen == ["ccc"] and sum(done) == 3
    np.testing.assert_array_equal(other.vectors(["a", "bb"]), store.vectors(["a", "bb"]))
    assert [path.name for path in cache.rglob("*") if path.is_file()] == ["counting--encoder-abc-16.sqlite"]


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(embed, "CHUNK", 2)
    texts = ["a", "bb", "ccc", "dddd", "eeeee"]

    class Failing(CountingEncoder):
        def encode(self, texts, progress=None):
            if "ccc" in texts:
                raise KeyboardInterrupt
            return super().encode(texts, progress)

    with pytest.raises(KeyboardInterrupt):
        embed_texts(Failing(), texts, EmbeddingStore.create(tmp_path, card_of(Failing())))
    encoder = CountingEncoder()
    embed_texts(encoder, texts, EmbeddingStore.create(tmp_path, card_of(encoder)))
    assert encoder.seen == ["ccc", "dddd", "eeeee"]


def test_cache_can_be_turned_off(tmp_path, monkeypatch):
    monkeypatch.setenv("GMT_CACHE", "off")
    for _ in range(2):
        encoder = CountingEncoder()
        embed_texts(encoder, ["a"], EmbeddingStore.create(tmp_path, card_of(encoder)))
        assert encoder.seen == ["a"]


def test_progress_counts_every_text_once_whether_encoded_or_remembered(tmp_path):
    encoder = CountingEncoder()
    embed_texts(encoder, ["a", "bb"], EmbeddingStore.create(tmp_path / "one", card_of(encoder)))
    done = []
    embed_texts(encoder, ["a", "bb", "ccc"], EmbeddingStore.create(tmp_path / "two", card_of(encoder)), done.append)
    assert sum(done) == 3 and sorted(encoder.seen) == ["a", "bb", "ccc"]


def test_old_shards_beside_the_cache_are_left_alone(tmp_path, cache):
    folder = cache / "embeddings" / "counting--encoder-abc-16"
    folder.mkdir(parents=True)
    (folder / "1f.npz").write_bytes(b"")
    encoder = CountingEncoder()
    embed_texts(encoder, ["a"], EmbeddingStore.create(tmp_path / "one", card_of(encoder)))
    assert encoder.seen == ["a"] and (folder / "1f.npz").read_bytes() == b""
