"""Check that ways to encode are timed beside each other and that what they give is compared; how fast is no matter."""

from importlib.util import find_spec

import numpy as np
import pytest

from gmt.bench import encoding_speed
from gmt.bench.encoding_speed import INT8, NUMPY, ONNX, TORCH, encoding, encoding_rows, made_queries
from gmt.data.local_encoder import LocalEncoder
from gmt.data.onnx_export import NEEDED
from tests.data.test_encoders import write_tiny_transformer

WITH_ONNX = all(find_spec(name) is not None for name in NEEDED)


@pytest.fixture
def tiny(tmp_path, monkeypatch) -> LocalEncoder:
    monkeypatch.setenv("GMT_CACHE", str(tmp_path / "cache"))
    return LocalEncoder("tiny", "0", write_tiny_transformer(tmp_path / "tiny"))


def test_every_way_is_timed_and_compared(tiny):
    found = encoding(made_queries(3), 2, tiny)
    assert found is not None and ((ONNX in found) == (INT8 in found) == WITH_ONNX) and NUMPY not in found
    assert found[TORCH]["times torch"] == 1 and found[TORCH]["cosine"] == pytest.approx(1, abs=1e-6)
    assert all(one["processor, ms"]["p50"] > 0 and one["cosine"] > 0.9 for one in found.values())
    if WITH_ONNX:
        assert found[ONNX]["cosine"] == pytest.approx(1, abs=1e-6)
    rows = encoding_rows(found)
    assert len(rows) == len(found) and rows[0][0] == "encode" and "1.0 times torch" in rows[0][2]


def test_without_minilm_nothing_is_timed(monkeypatch):
    monkeypatch.setattr(encoding_speed, "find_spec", lambda name: None)
    assert encoding(made_queries(3), 1) is None


def test_made_queries_are_as_long_as_real_ones():
    sizes = np.array([len(text.split()) for text in made_queries(2000)])
    assert 20 < np.median(sizes) < 27 and 80 < np.quantile(sizes, 0.9) < 115 and sizes.min() >= 3
    assert made_queries(5) == made_queries(5) != made_queries(5, seed=1)
