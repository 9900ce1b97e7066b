"""Hold what a run remembers at one moment: what it learned from, what was added since, and who answers from that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from gmt.data.comparisons import Comparison
from gmt.data.dataset import Dataset
from gmt.data.run_history import RunHistory
from gmt.data.vocabulary import Vocabulary
from gmt.hybrid.gmt_router import GmtRouter
from gmt.hybrid.stored_belief import stored_belief
from gmt.manifest import MANIFEST, read_manifest
from gmt.routing.protocol import Conditioned
from gmt.runs import RunFolder
from gmt.serving.history_texts import HistoryTexts
from gmt.serving.question_builder import QuestionBuilder
from gmt.serving.text_vectors import TextVectors
from gmt.state.events import Event, encode, stored_key

if TYPE_CHECKING:
    from torch import Tensor

    from gmt.posterior.conditioned_posterior import ConditionedPosterior
    from gmt.state.state_store import StateStore

MOST_TOLD = 0.1
"""Rounds told since the training, as a share of those trained on, beyond which loading conditions on all anew."""
AT_ONCE = 20_000
"""Events that are put behind the history together."""


@dataclass(frozen=True)
class TextSource:
    """Give the vectors of what was added, in the form in which data sets grow."""

    texts: TextVectors
    state: StateStore | None

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        """Return (T, D) vectors."""
        return self.texts.of_added(texts, self.state)


@dataclass(frozen=True, eq=False)
class RunData:
    """Hold a loaded run as it is at one moment; nothing of it ever changes, so any number of threads may ask it.

    Args:
        folder: The run.
        card: Its card.
        data: All visible rounds, with vectors of their texts and models.
        router: Answers from them.
        builder: Builds questions about them.
        texts: Vectors of all texts.
        offered: Names of the models on offer, those of models.json first.
        trained: How many of the rounds are the trained history's.
        history_texts: The texts of these.
        version: The state's version that this has seen.
        last_event: The newest event that this has seen.
        removed: Names of models that were taken off the offer.
    """

    folder: RunFolder
    card: Mapping[str, Any]
    data: Dataset
    router: GmtRouter
    builder: QuestionBuilder
    texts: TextVectors
    offered: tuple[str, ...]
    trained: int
    history_texts: HistoryTexts
    version: int = 0
    last_event: int = 0
    removed: frozenset[str] = frozenset()

    @classmethod
    def load(
        cls,
        folder: RunFolder,
        card: Mapping[str, Any],
        state: StateStore | None,
        router_of: Any,
        texts: TextVectors | None = None,
        allow_download: bool = False,
    ) -> Self:
        """Read a run's history, without users who were set aside since; what was added is put behind it apart.

        Args:
            folder, card: The run.
            state: What was added, if anything was.
            router_of: Returns the trained router for the history.
            texts: Where an encoder may be loaded already.
            allow_download: As in `TextVectors`.

        Raises:
            RunError: A file is missing, damaged, or made by another encoder.
        """
        run = RunHistory.read(folder, card)
        data, table = run.data, run.data.table
        texts = TextVectors(run.store, allow_download) if texts is None else texts.over(run.store)
        hidden = state.forgotten() if state is not None else frozenset()
        aside = np.zeros(len(table.users), bool)
        if state is not None and hidden:
            aside = np.array([state.hash_of(name) in hidden for name in table.users], bool)
            data = data.select(~aside[table.user]) if aside.any() else data
        # Growing by nothing lays the table out so that more rounds cost no walk over it.
        data = data.append([], run.store, run.models)
        router = router_of(data)
        offered, own = tuple(run.models), HistoryTexts(data.table.texts)
        found = cls(folder, card, data, router, QuestionBuilder(data), texts, offered, len(data.table), own)
        found = found if state is None else found.caught_up(state)
        # Without somebody who was forgotten since it is another history. Where much came since, what is good for
        # everybody takes it in; by a few rounds it would hardly move.
        if aside.any() or len(found.data.table) > (1 + MOST_TOLD) * found.trained:
            return found
        # What was believed of models under another description is of another prior.
        if not np.array_equal(found.data.model_vectors[: len(data.model_vectors)], data.model_vectors):
            return found
        belief = stored_belief(folder, router.posterior, _marks(folder))
        # A form of feedback that the training had none of gets its thresholds from the whole history, once, here.
        return found if belief is None or not found._all_read_by(belief) else found._knowing(data, belief)

    def caught_up(self, state: StateStore) -> Self:
        """Return the run with what was added since; users who were forgotten meanwhile are for `load` to leave out."""
        news = state.news(self.version)
        found, events = self, state.events_since(self.version)
        if news.models:
            found = found._offering(state, news.models)
        while part := list(islice(events, AT_ONCE)):
            found = found._with_events(part, state)
        if news.users:
            offsets = _tensors(state.offsets())
            if offsets or found.router.user_offsets:
                found = replace(found, router=found.router.with_offsets(offsets))
        return replace(found, version=news.version)

    def refreshed(self) -> Self:
        """Return the run with a router that conditions on all rounds again, and costs learned from all of them."""
        router = self.router.with_offsets(self.router.user_offsets)
        router.refresh()
        return replace(self, router=router, builder=QuestionBuilder(self.data))

    def with_offsets(self, offsets: Mapping[str, Tensor]) -> Self:
        """Return the run with other offsets of users' states."""
        return replace(self, router=self.router.with_offsets(offsets))

    def history(self, user: str) -> list[Comparison]:
        """Return all visible rounds of a user; none if nothing of them is known."""
        code = self.builder.users.code(user)
        return [] if code < 0 else self.data.select(self.data.table.of_user(code)).table.to_comparisons()

    def with_rounds(self, user: str, rounds: Sequence[Comparison], replace_history: bool = False) -> Dataset:
        """Return the data as they will be once a user's rounds are added, for learning from them before that.

        Args:
            user: Whose.
            rounds: The rounds; exact repeats are left out, as they will be.
            replace_history: Leave out all earlier rounds of the user.
        """
        code, data = self.builder.users.code(user), self.data
        seen = set() if replace_history else {encode(item, stored_key).content for item in self.history(user)}
        if replace_history and code >= 0:
            data = data.select(data.table.user != code)
        fresh = []
        for item in rounds:
            # Names of conversations must differ from all others'; what they are makes no difference.
            named = replace(item, user=user, conversation=f"{user}: to be added: {item.conversation}")
            if (content := encode(item).content) not in seen:
                fresh.append(named)
                seen.add(content)
        return data.append(fresh, TextSource(self.texts, None), data.models)

    def trained_history(self, user: str) -> list[Comparison]:
        """Return the visible rounds of a user that the run was trained on."""
        code = self.builder.users.code(user)
        if code < 0:
            return []
        own = self.data.table.of_user(code)
        return self.data.select(own[own < self.trained]).table.to_comparisons()

    def _all_read_by(self, belief: ConditionedPosterior) -> bool:
        """Tell whether what was believed after the trained history has thresholds for all that came since."""
        since = self.data.select(np.arange(self.trained, len(self.data.table)))
        return bool(belief.reads(belief.reading.observations(since)).all())

    def _knowing(self, trained: Dataset, belief: Conditioned) -> Self:
        """Return the run with what was believed after the trained history; what came since is solved for its users."""
        router = self.router.with_offsets(self.router.user_offsets)
        router.adopt(trained, belief)
        return replace(self, router=router if self.data is trained else router.grown(trained, self.data))

    def _with_events(self, events: Iterable[Event], state: StateStore) -> Self:
        new = [event for event in events if event.id > self.last_event]
        if not new:
            return self
        rounds = self._untrained([event.comparison for event in new if not event.revoked])
        last = max(event.id for event in new)
        if not rounds:
            return replace(self, last_event=last)
        rounds = [self.history_texts.named_as_here(item) for item in rounds]
        data = self.data.append(rounds, TextSource(self.texts, state), self.data.models)
        router = self.router.grown(self.data, data)
        return replace(self, data=data, router=router, builder=self.builder.over(data), last_event=last)

    def _untrained(self, rounds: Sequence[Comparison]) -> list[Comparison]:
        """Return the rounds that training did not see: a run may be trained again on what was added to it before."""
        trained: dict[str, set[str]] = {}
        for user in dict.fromkeys(item.user for item in rounds):
            trained[user] = {encode(item, stored_key).content for item in self.trained_history(user)}
        # Most who add rounds are in no trained history, and theirs need not be hashed.
        return [
            item
            for item in rounds
            if not trained[item.user] or encode(item, stored_key).content not in trained[item.user]
        ]

    def _offering(self, state: StateStore, names: Sequence[str]) -> Self:
        """Return the run with the cards that its state holds, and without the models that were removed.

        A model that so far only stood in a history gets its description.
        """
        kept = state.kept_models()
        data, source = self.data, TextSource(self.texts, state)
        for name in names:
            info, table, vectors = kept[name].info, data.table, data.model_vectors
            vector = source.vectors([info.description])
            if name in table.models:
                code = table.models.index(name)
                if (vectors[code] != vector[0]).any():
                    vectors = vectors.copy()
                    vectors[code] = vector[0]
            else:
                table = table.grown(models=Vocabulary.of(table.models).grown([name]))
                vectors = np.concatenate([vectors, vector])
            data = replace(data, table=table, model_vectors=vectors, models={**data.models, name: info})
        removed = frozenset(name for name, one in kept.items() if not one.is_offered)
        # Those of the training in its order and others in theirs, whichever of them were removed and came back.
        place = {name: at for at, name in enumerate(self.card["models"])}
        every = [*(name for name in self.offered if name not in kept), *kept]
        offered = sorted((name for name in every if name not in removed), key=lambda name: place.get(name, len(place)))
        return replace(self, data=data, builder=self.builder.over(data), offered=tuple(offered), removed=removed)


def _tensors(vectors: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    """Return vectors as the network reads them; torch, which takes seconds to load, is loaded where there are some."""
    if not vectors:
        return {}
    import torch

    return {name: torch.from_numpy(vector.copy()) for name, vector in vectors.items()}


def _marks(folder: RunFolder) -> dict[str, str]:
    """Return the SHA-256 of every artefact, as the manifest has it; none of a run of an earlier version."""
    if not (folder.root / MANIFEST).is_file():
        return {}
    return {name: mark.sha256 for name, mark in read_manifest(folder.root).files.items()}
