import numpy as np
import pytest

from gmt.data.encoder_by_name import load_encoder
from gmt.data.encoders import card_of
from gmt.data.store import EmbeddingStore
from gmt.serving.text_vectors import TextVectors


@pytest.fixture
def vectors(tmp_path):
    encoder = load_encoder("hash:32")
    store = EmbeddingStore.create(tmp_path / "store", card_of(encoder))
    store.add(["known"], encoder.encode(["known"]))
    store.save()
    return TextVectors(store)


def test_a_new_text_is_encoded_and_kept_only_when_it_is_to_be_remembered(vectors, tmp_path):
    found = vectors.encode(["new", "known", "new"])
    assert np.array_equal(found, load_encoder("hash:32").encode(["new", "known", "new"]))
    assert vectors.store.missing(["known", "new"]) == ["new"]
    vectors.remember(["new"])
    assert not EmbeddingStore.open(tmp_path / "store").missing(["known", "new"])


def test_texts_that_are_let_go_leave_the_disk(vectors, tmp_path):
    vectors.remember(["secret"])
    beside = vectors.beside(["other"], tmp_path / "store")
    assert beside.missing(["secret"]) and not vectors.store.missing(["secret"])
    vectors.keep_only(["known"], tmp_path / "store")
    assert EmbeddingStore.open(tmp_path / "store").missing(["known", "secret"]) == ["secret"]
