import numpy as np
import pytest

from gmt.data.encoder_by_name import load_encoder
from gmt.data.encoders import card_of
from gmt.data.store import EmbeddingStore, key_of
from gmt.errors import RunError
from gmt.serving import text_vectors
from gmt.serving.text_vectors import TextVectors


@pytest.fixture
def vectors(tmp_path):
    encoder = load_encoder("hash:32")
    store = EmbeddingStore.create(tmp_path / "store", card_of(encoder))
    store.add(["known"], encoder.encode(["known"]))
    store.save()
    return TextVectors(store)


def test_a_new_text_is_encoded_and_nothing_is_kept(vectors, tmp_path):
    found = vectors.encode(["new", "known", "new"])
    assert np.array_equal(found, load_encoder("hash:32").encode(["new", "known", "new"]))
    assert vectors.store.missing(["known", "new"]) == ["new"]
    assert list(vectors.new(["new", "known", "new"])) == ["new"]
    assert list(vectors.new(["known"], all_of_them=True)) == ["known"] and vectors.new([]) == {}
    assert EmbeddingStore.open(tmp_path / "store").missing(["known", "new"]) == ["new"]


def test_what_was_told_has_its_vector_by_hash_or_by_encoding_it_anew(vectors):
    class State:
        def vectors(self, keys):
            return {key_of("secret"): np.full(32, 0.5, np.float32)} if key_of("secret") in keys else {}

    withheld = f"text:{key_of('secret')}"
    found = vectors.of_added(["known", withheld, "fresh"], State())
    assert np.array_equal(found[0], vectors.store.vectors(["known"])[0]) and (found[1] == 0.5).all()
    assert np.array_equal(found[2], load_encoder("hash:32").encode(["fresh"])[0])
    with pytest.raises(RunError, match="1 texts that were added have no vector"):
        vectors.of_added([f"text:{key_of('lost')}"], State())


def test_a_new_text_is_encoded_once_and_few_are_remembered(monkeypatch, tmp_path):
    encoder, asked = load_encoder("hash:16"), []
    vectors = text_vectors.TextVectors(EmbeddingStore.create(tmp_path / "store", card_of(encoder)))
    monkeypatch.setattr(text_vectors, "RECENT", 3)
    encode = encoder.encode
    monkeypatch.setattr(encoder, "encode", lambda texts: asked.extend(texts) or encode(texts))
    monkeypatch.setattr(text_vectors, "encoder_of_run", lambda *_: encoder)
    assert not vectors.has(["a"])
    first = vectors.encode(["a", "b"])
    assert vectors.has(["a", "b"]) and not vectors.has(["a", "c"])
    again = vectors.encode(["b", "a", "c"])
    assert (again[[1, 0]] == first).all() and asked == ["a", "b", "c"]
    vectors.encode(["d"])
    assert not vectors.has(["a"]) and vectors.has(["b", "c", "d"])  # the oldest goes


def test_a_vector_that_was_made_elsewhere_is_not_made_again(vectors, monkeypatch):
    monkeypatch.setattr(text_vectors, "RECENT", 2)
    monkeypatch.setattr(vectors, "_loaded", lambda: pytest.fail("the encoder was asked"))
    made = np.arange(96, dtype=np.float32).reshape(3, 32)
    vectors.remember(["a", "b", "c"], made)
    assert np.array_equal(vectors.encode(["c", "b"]), made[[2, 1]]) and vectors.has(["b", "known"])
    assert not vectors.has(["a"])  # no more than the most recent ones
    assert np.array_equal(vectors.encode(["known"])[0], vectors.store.vectors(["known"])[0])
