"""Turn texts into vectors for a loaded run: those it has met from where they are kept, new ones by its encoder."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gmt.data.encoder_by_name import encoder_of_run
from gmt.data.encoders import TextEncoder, card_of
from gmt.data.store import EmbeddingStore
from gmt.data.text_keys import key_of, keys_of
from gmt.errors import RunError

if TYPE_CHECKING:
    from gmt.state.state_reader import StateReader

RECENT = 4096
"""New texts whose vectors are remembered, so that a conversation's earlier turns are encoded once."""


class TextVectors:
    """Find the vectors of a run's texts; the encoder is loaded with the first text that is new.

    Any number of threads may ask; one at a time encodes.

    Args:
        store: Vectors of all texts the run was trained with; it is only read.
        allow_download: An encoder that is not on this machine may be fetched from the hub.
    """

    def __init__(self, store: EmbeddingStore, allow_download: bool = False) -> None:
        self.store, self.allow_download = store, allow_download
        self._encoder: TextEncoder | None = None
        self._encoding = threading.Lock()
        self._recent: dict[str, np.ndarray] = {}  # by key: no text of anybody's is held

    def over(self, store: EmbeddingStore) -> TextVectors:
        """Return the vectors of another store, with the encoder that is loaded already where it is the same."""
        out = TextVectors(store, self.allow_download)
        if store.encoder == self.store.encoder:
            out._encoder, out._encoding, out._recent = self._encoder, self._encoding, self._recent
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

    def remember(self, texts: Sequence[str], vectors: np.ndarray) -> None:
        """Take (T, D) vectors that the run's own encoder made elsewhere, as if these texts had just been encoded.

        Args:
            texts: T texts, of which the last `RECENT` are remembered.
            vectors: Theirs.
        """
        with self._encoding:
            fresh = zip(texts[-RECENT:], vectors[-RECENT:], strict=True)
            self._keep({key_of(text): np.asarray(vector) for text, vector in fresh})

    def has(self, texts: Sequence[str]) -> bool:
        """Tell whether the vectors of all these texts are at hand, so that none has to be encoded."""
        return all(key_of(text) in self._recent for text in self.store.missing(texts))

    def new(self, texts: Iterable[str], all_of_them: bool = False) -> dict[str, np.ndarray]:
        """Return text -> (D,) vector of those the run was not trained with, or of all.

        Raises:
            RunError: As for `encode`.
        """
        wanted = list(dict.fromkeys(texts)) if all_of_them else self.store.missing(texts)
        return dict(zip(wanted, self.encode(wanted), strict=True)) if wanted else {}

    def of_added(self, texts: Sequence[str], state: StateReader | None) -> np.ndarray:
        """Return (T, D) vectors of texts that were added after training; what no place holds is encoded anew.

        Args:
            texts: The texts, or the stand-ins of those that are not kept.
            state: Where vectors of what was added are.

        Raises:
            RunError: As for `encode`, or a text is not kept and neither is its vector.
        """
        # A text may look like a stand-in, so its own key is tried before the one that a stand-in states.
        keys = {text: keys_of(text) for text in dict.fromkeys(texts)}
        every = list(dict.fromkeys(key for some in keys.values() for key in some))
        known, found = self.store.known_keys(every), {}
        if known:
            found = dict(zip(known, self.store.vectors_of_keys(known), strict=True))
        if state is not None:
            left = [key for key in every if key not in found]
            found |= state.vectors(left) if left else {}
        out, missing = {}, []
        for text, some in keys.items():
            vector = next((found[key] for key in some if key in found), None)
            if vector is None:
                missing.append(text)
            else:
                out[text] = vector
        lost = [text for text in missing if len(keys[text]) > 1]
        if lost:
            raise RunError(
                f"{len(lost)} texts that were added have no vector of encoder {self.store.encoder.id} and are not kept "
                "themselves; train the run again on data of that encoder that holds them"
            )
        out |= self._encoded(missing) if missing else {}
        return np.stack([out[text] for text in texts]) if texts else np.zeros((0, self.store.encoder.width), np.float32)

    def _encoded(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        keys = {text: key_of(text) for text in texts}
        found = {text: self._recent[key] for text, key in keys.items() if key in self._recent}
        left = [text for text in keys if text not in found]
        if not left:
            return found
        with self._encoding:  # encoders are not made for several threads
            found |= dict(zip(left, self._loaded().encode(left), strict=True))
            self._keep({keys[text]: found[text] for text in left[-RECENT:]})
        return found

    def _keep(self, vectors: dict[str, np.ndarray]) -> None:
        """Remember vectors by key in place of the oldest ones; the caller holds the lock."""
        self._recent |= vectors
        for key in list(self._recent)[: max(len(self._recent) - RECENT, 0)]:  # the oldest stand first
            del self._recent[key]

    def _loaded(self) -> TextEncoder:
        if self._encoder is None:
            encoder = encoder_of_run(self.store.encoder, self.allow_download)
            if card_of(encoder) != self.store.encoder:
                raise RunError(
                    f"the run needs encoder {self.store.encoder.id} at revision {self.store.encoder.revision[:12]} and "
                    f"{encoder.revision[:12]} is installed; install that revision"
                )
            self._encoder = encoder
        return self._encoder
