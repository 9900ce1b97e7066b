"""Turn texts into vectors for a loaded run: those it has met from its store, new ones by its encoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gmt.data.encoder_by_name import encoder_of_run
from gmt.data.encoders import TextEncoder, card_of
from gmt.data.store import EmbeddingStore
from gmt.errors import RunError


class TextVectors:
    """Keep the vectors of a run's texts; the encoder is loaded with the first text that is new.

    Args:
        store: Vectors of all texts the run has met.
    """

    def __init__(self, store: EmbeddingStore) -> None:
        self.store = store
        self._encoder: TextEncoder | None = None

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return (T, D) vectors; new ones are not kept.

        Raises:
            RunError: A text is new, and the encoder installed is not the one the run was made with.
        """
        missing = self.store.missing(texts)
        if not missing:
            return self.store.vectors(list(texts))
        found = dict(zip(missing, self._loaded().encode(missing), strict=True))
        return np.stack([found[t] if t in found else self.store.vectors([t])[0] for t in texts])

    def remember(self, texts: Sequence[str]) -> None:
        """Add the vectors of new texts to the store.

        Raises:
            RunError: As for `encode`.
        """
        missing = self.store.missing(texts)
        if missing:
            self.store.add(missing, self.encode(missing))
            self.store.save()

    def keep_only(self, texts: Sequence[str], folder: Path) -> None:
        """Write the store anew with these texts, so that no vector of another one is left on the disk."""
        store = self.beside(texts, folder)
        store.save()
        self.store = store

    def beside(self, texts: Sequence[str], folder: Path) -> EmbeddingStore:
        """Return another store of these texts alone, which is not written."""
        store = EmbeddingStore.create(folder, self.store.encoder)
        store.add(list(texts), self.encode(texts))
        return store

    def _loaded(self) -> TextEncoder:
        if self._encoder is None:
            self._encoder = encoder_of_run(self.store.encoder)
            if card_of(self._encoder) != self.store.encoder:
                raise RunError(
                    f"the run needs encoder {self.store.encoder.id} at revision {self.store.encoder.revision[:12]} and "
                    f"{self._encoder.revision[:12]} is installed; install that revision"
                )
        return self._encoder
