"""Turn texts into vectors for a loaded run: those it has met from where they are kept, new ones by its encoder."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

import numpy as np

from gmt.data.encoder_by_name import encoder_of_run
from gmt.data.encoders import TextEncoder, card_of
from gmt.data.store import WITHHELD, EmbeddingStore
from gmt.errors import RunError
from gmt.state.events import stored_key
from gmt.state.state_reader import StateReader


class TextVectors:
    """Find the vectors of a run's texts; the encoder is loaded with the first text that is new.

    Any number of threads may ask; one at a time encodes.

    Args:
        store: Vectors of all texts the run was trained with; it is only read.
    """

    def __init__(self, store: EmbeddingStore) -> None:
        self.store = store
        self._encoder: TextEncoder | None = None
        self._encoding = threading.Lock()

    def over(self, store: EmbeddingStore) -> TextVectors:
        """Return the vectors of another store, with the encoder that is loaded already where it is the same."""
        out = TextVectors(store)
        if store.encoder == self.store.encoder:
            out._encoder, out._encoding = self._encoder, self._encoding
        return out

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return (T, D) vectors; new ones are not kept.

        Raises:
            RunError: A text is new, and the encoder installed is not the one the run was made with.
        """
        missing = self.store.missing(texts)
        if not missing:
            return self.store.vectors(list(texts))
        found = self._encoded(missing)
        return np.stack([found[text] if text in found else self.store.vectors([text])[0] for text in texts])

    def new(self, texts: Iterable[str], all_of_them: bool = False) -> dict[str, np.ndarray]:
        """Return text -> (D,) vector of those the run was not trained with, or of all.

        Raises:
            RunError: As for `encode`.
        """
        wanted = list(dict.fromkeys(texts)) if all_of_them else self.store.missing(texts)
        return dict(zip(wanted, self.encode(wanted), strict=True)) if wanted else {}

    def told(self, texts: Sequence[str], state: StateReader | None) -> np.ndarray:
        """Return (T, D) vectors of texts that were told after training; what no place holds is encoded anew.

        Args:
            texts: The texts, or what stands for one that is not kept.
            state: Where vectors of what was told are.

        Raises:
            RunError: As for `encode`, or a text is not kept and neither is its vector.
        """
        keys = [stored_key(text) for text in texts]
        out = np.zeros((len(texts), self.store.encoder.width), np.float32)
        known, found = self.store.known_keys(keys), {}
        if known:
            found = dict(zip(known, self.store.vectors_of_keys(known), strict=True))
        if state is not None:
            left = [key for key in keys if key not in found]
            found |= state.vectors(left) if left else {}
        missing = [text for text, key in zip(texts, keys, strict=True) if key not in found]
        lost = [text for text in missing if text.startswith(WITHHELD)]
        if lost:
            raise RunError(
                f"{len(lost)} texts that were told have no vector of encoder {self.store.encoder.id} and are not kept "
                "themselves; train the run again with the encoder it had"
            )
        found |= {stored_key(text): vector for text, vector in self._encoded(missing).items()} if missing else {}
        for place, key in enumerate(keys):
            out[place] = found[key]
        return out

    def _encoded(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        with self._encoding:  # encoders are not made for several threads
            return dict(zip(texts, self._loaded().encode(list(texts)), strict=True))

    def _loaded(self) -> TextEncoder:
        if self._encoder is None:
            encoder = encoder_of_run(self.store.encoder)
            if card_of(encoder) != self.store.encoder:
                raise RunError(
                    f"the run needs encoder {self.store.encoder.id} at revision {self.store.encoder.revision[:12]} and "
                    f"{encoder.revision[:12]} is installed; install that revision"
                )
            self._encoder = encoder
        return self._encoder
