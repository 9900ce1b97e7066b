"""Keep a loaded run in step with its state: change it in whole transactions, and take in what others changed."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gmt.artefacts import open_run
from gmt.config import RunConfig
from gmt.data.comparisons import Comparison
from gmt.data.dataset import Dataset, ModelInfo
from gmt.data.text_keys import stated_key
from gmt.errors import UserError
from gmt.hybrid.gmt_router import GmtRouter
from gmt.runs import RunFolder
from gmt.serving.forget_trained import complete_forgetting, forget_everywhere, trained_users, what_remains
from gmt.serving.run_data import RunData
from gmt.serving.run_state import RunState
from gmt.serving.text_vectors import TextVectors
from gmt.state.events import Event

if TYPE_CHECKING:
    from gmt.state.change import Added


@dataclass(frozen=True)
class Removed:
    """Say what became of somebody who was forgotten.

    Args:
        rounds: How many visible rounds went.
        remains: One sentence for each place that still knows of them, with what ends that.
    """

    rounds: int
    remains: tuple[str, ...]


class LiveRun:
    """Hold the newest `RunData` of a run.

    Any number of threads may call it. They share one lock while they take in what is new; asking holds none.

    Args:
        folder, config, card: The run.
        state: Where what is added is kept.
        allow_download: As in `TextVectors`.
    """

    def __init__(
        self,
        folder: RunFolder,
        config: RunConfig,
        card: Mapping[str, Any],
        state: RunState,
        allow_download: bool = False,
    ) -> None:
        self.folder, self.config, self.card, self.state = folder, config, card, state
        self.allow_download = allow_download
        self._lock = threading.RLock()
        if state.autosave:
            complete_forgetting(folder, state.existing())
        self._texts: TextVectors | None = None
        self._now = self._load()
        self._texts = self._now.texts
        if state.take_in(self._now.trained_history, lambda: trained_users(folder)):
            self._now = self._load()
        if not state.keep_texts:
            self._drop_waiting_texts()

    def now(self) -> RunData:
        """Return the run with all that was added up to this call."""
        store, seen = self.state.existing(), self._now
        if store is None or store.version() == seen.version:
            return seen
        with self._lock:
            seen = self._now
            if store.version() != seen.version:
                lost = store.took_back(seen.version, seen.last_event)
                found = self._load() if lost else seen.caught_up(store)
                # Once more, for what was taken back while the rest was read would count for ever.
                lost = not lost and store.took_back(seen.version, seen.last_event)
                self._now = self._load() if lost else found
            return self._now

    def refresh(self) -> None:
        """Let what is good for everybody take in all rounds that were added since the run was loaded."""
        self.now()
        with self._lock:
            self._now = self._now.refreshed()

    def read_again(self) -> None:
        """Read the run as a new process would: what is good for everybody is what loading makes of it."""
        with self._lock:
            self._now = self._load()

    def answer_with(self, texts: TextVectors) -> None:
        """Take vectors of texts from elsewhere until the run is read again, as where encoding is not to be timed."""
        with self._lock:
            self._now = replace(self.now(), texts=texts)

    def add(
        self,
        rounds_of: Mapping[str, Sequence[Comparison]],
        model: tuple[str, ModelInfo] | None = None,
        offsets: Mapping[str, np.ndarray] | None = None,
        **how: Any,
    ) -> dict[str, Added]:
        """Append rounds of users, offer a model, and keep what was learned of the users, in one transaction.

        Args:
            rounds_of: User -> rounds.
            model: Name and description of a model to offer too.
            offsets: User -> (D,) vector that is added to the user's state.
            how: As in `Change.add`.
        """
        now = self.now()
        # Everything is encoded before the transaction, so that where a text cannot be, nothing is lost.
        texts = [text for rounds in rounds_of.values() for item in rounds for text in item.texts()]
        named = {one.model for rounds in rounds_of.values() for item in rounds for one in item.candidates}
        unmet = sorted(named - set(now.data.models))
        # Also of texts that the run was trained on: once it is trained on others, nothing else may hold their vectors.
        vectors = now.texts.new([*texts, *unmet], all_of_them=True)
        described = None if model is None else now.texts.encode([model[1].description])[0]
        with self.state.made().change() as change:
            if model is not None:
                change.add_model(*model, described)
            found = {
                user: change.add(user, rounds, vectors=vectors, known=now.trained_history(user), **how)
                for user, rounds in rounds_of.items()
            }
            for user, offset in (offsets or {}).items():
                change.set_offset(user, offset)
        self.now()
        return found

    def update_model(self, name: str, info: ModelInfo) -> None:
        """Describe a model anew; what it was said of counts from now on for a model of this description."""
        vector = self.now().texts.encode([info.description])[0]
        self.state.made().update_model(name, info, vector)
        self.now()

    def remove_model(self, name: str) -> None:
        """Offer a model no longer."""
        info = self.now().data.models[name]
        self.state.made().remove_model(name, info)
        self.now()

    def revoke(self, event: int) -> bool:
        """Take back one event; return whether it still counted."""
        store = self.state.existing()
        if store is None:
            raise UserError(f"nothing was added to {self.folder.root} yet, so there is no event {event}")
        found = store.revoke(event)
        self.now()
        return found

    def events_of(self, user: str) -> list[Event]:
        """Return what a user added after the training, in order."""
        store = self.state.existing()
        return [] if store is None else store.events_of(user)

    def rebuild(self, user: str) -> list[Event]:
        """Derive a user's state from their events again, every one of them checked."""
        store = self.state.existing()
        found = [] if store is None else store.rebuild(user)
        self.read_again()
        return found

    def forget(self, user: str) -> Removed:
        """Remove a user from the state, the artefacts and the results."""
        if not self.state.autosave:
            raise UserError(
                "this router keeps nothing in the run (autosave=False), and forgetting takes somebody out of it; open "
                "the run without autosave=False"
            )
        rounds = len(self.now().history(user))
        _, database = forget_everywhere(self.folder, self.state.made(), user)
        with self._lock:
            self._now = self._load()
        return Removed(rounds, tuple(what_remains(self.folder, self.card, self._now.texts.store, database)))

    def _drop_waiting_texts(self) -> None:
        """Give texts that were told while the run kept them their vectors, for which alone they were still kept."""
        store = self.state.existing()
        left = store.without_vector() if store is not None else {}
        waiting = {key: text for key, text in left.items() if stated_key(text) is None}
        if store is not None and waiting:
            found = self._now.texts.of_added(list(waiting.values()), store)
            store.keep_vectors(dict(zip(waiting, found, strict=True)))

    def _load(self) -> RunData:
        store = self.state.existing()
        return open_run(
            self.folder.root,
            lambda: RunData.load(self.folder, self.card, store, self._router, self._texts, self.allow_download),
        )

    def _router(self, data: Dataset) -> GmtRouter:
        return GmtRouter.load(self.folder, self.config, self.card, data)
