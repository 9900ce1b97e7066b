"""Serve a trained run from Python: load it, rank models for a person, add votes, save it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from data_prep.read.cells import label
from data_prep.sources.jsonl import read_rows
from gmt.config import RunConfig, load_config
from gmt.data.dataset import Dataset, ModelInfo, Questions
from gmt.data.embed import EmbeddingStore, TextEncoder, card_of, load_encoder
from gmt.data.interactions import Candidate, Comparison, InteractionTable
from gmt.errors import RunError, UserError
from gmt.files import write_json
from gmt.hybrid.gmt_router import GmtRouter
from gmt.routing.costs import price_shares
from gmt.runs import RunFolder, read_json
from gmt.serving.decision import Decision, Reason, rank
from gmt.serving.messages import chat_rounds
from gmt.serving.question_desk import Desk
from gmt.state.user_files import UserFiles, fresh

VOCABULARIES = ("users", "models", "texts", "conversations", "questions", "tasks")


class Router:
    """Route questions with a trained run.

    Args:
        folder: The run.
        config: Its settings.
        card: Its card.
        router: The trained router.
        data: Everything the run remembers: the comparisons it learned from and what people added.
        store: Vectors of all its texts.
    """

    def __init__(
        self,
        folder: RunFolder,
        config: RunConfig,
        card: Mapping[str, Any],
        router: GmtRouter,
        data: Dataset,
        store: EmbeddingStore,
    ) -> None:
        self.folder, self.config, self.card, self.router = folder, config, card, router
        self.data, self.store = data, store
        self.people = UserFiles(folder.users)
        self._encoder: TextEncoder | None = None
        self._models: list[str] | None = None
        self._desk: Desk | None = None

    @classmethod
    def from_pretrained(cls, run: str | Path) -> Self:
        """Load a run folder; nothing but the folder and, for new texts, its encoder is needed.

        Raises:
            RunError: A file is missing, damaged, or does not fit the others.
        """
        folder = RunFolder(Path(run)).require()
        config, card = load_config(folder.config), read_json(folder.card)
        models = {name: ModelInfo(**info) for name, info in read_json(folder.models).items()}
        table = InteractionTable.read(folder.history, list(models))
        store = EmbeddingStore.open(folder.embeddings)
        if store.encoder.id != card["encoder"]["id"] or store.encoder.revision != card["encoder"]["revision"]:
            raise RunError(
                f"{folder.embeddings} was made by {store.encoder.id} and the run by {card['encoder']['id']}; restore "
                "the embeddings written with this run"
            )
        data = Dataset.from_store(table, models, store, card)
        people = UserFiles(folder.users)
        data = data.append(people.read_all(), store, models)
        router = GmtRouter.load(folder, config, card, data, people.shifts(data.table.users))
        return cls(folder, config, card, router, data, store)

    def save_pretrained(self, folder: str | Path) -> Path:
        """Copy the run, with all people added so far, to another folder."""
        target = Path(folder)
        if target.exists() and any(target.iterdir()):
            raise UserError(f"{target} is not empty; name a new folder")
        shutil.copytree(self.folder.root, target, dirs_exist_ok=True)
        return target

    @property
    def models(self) -> list[str]:
        """Names of the models on offer, in the order of models.json."""
        if self._models is None:
            self._models = list(read_json(self.folder.models))
        return list(self._models)

    @property
    def users(self) -> list[str]:
        """Names of the people with visible history."""
        present = np.unique(self.data.table.user)
        return sorted(self.data.table.users[code] for code in present)

    def votes(self, user: str) -> int:
        """Return how many rated rounds of a person are visible."""
        desk = self.desk
        return int(desk.votes[desk.users[user]]) if user in desk.users else 0

    @property
    def desk(self) -> Desk:
        """Where everything the run remembers stands, as long as it remembers nothing else."""
        if self._desk is None or self._desk.data is not self.data:
            self._desk = Desk(self.data)
        return self._desk

    def rank(
        self,
        user: str | None,
        query: str,
        candidates: Sequence[str] | None = None,
        conversation: Sequence[Mapping[str, Any]] | None = None,
        explain: bool = False,
        explore: np.random.Generator | None = None,
        cost_weight: float = 0.0,
        task: str | None = None,
        sure: bool = True,
    ) -> Decision:
        """Rank models for a person and a question.

        Args:
            user: Who asks; somebody unknown gets the ranking of an unknown person.
            query: What is asked.
            candidates: Names of the models to choose from; all models of the run by default.
            conversation: The rounds before, as OpenAI-style chat messages; an assistant message may
                name its `model`.
            explain: Also say which past rounds moved the winner.
            explore: Order by one draw from the posterior made with this generator, not by its mean.
            cost_weight: How many logits of preference the dearest answer's cost takes away, and others' their share.
            task: Name of the task the query belongs to, as the data of the run names it.
            sure: Also say how sure every score is, which takes a hundred times as long as the scores.

        Raises:
            UserError: A candidate is unknown, there is none, the query is empty, there is no posterior
                to explore with, or costs are to count and are not known.
        """
        if not query.strip():
            raise UserError("the query is empty; pass the question to route with --query")
        names = list(dict.fromkeys(candidates)) if candidates is not None else self.models
        unknown = [name for name in names if name not in self.data.table.models]
        if unknown or not names:
            offered = ", ".join(self.models)
            raise UserError(f"there is no model {', '.join(unknown) or 'to choose from'}; the run offers {offered}")
        desk = self.desk
        asker = desk.users.get(user, -1) if user is not None else -1
        known = user if asker >= 0 and desk.rounds[asker] else None
        asker = asker if known is not None else -1
        if conversation:
            data, questions = self._ask(user, query, names, conversation, task)
            questions = replace(questions, user=np.array([asker, -1]))
        else:
            codes = [desk.models[name] for name in names]
            data, questions = desk.ask([asker, -1], query, self._encode([query])[0], codes, task)
        scores = self.router.score(data, questions)
        # Rounding may differ between equal rows of a batch; somebody unknown has a margin of exactly 0.
        unknown_scores = scores[1] if known is not None else scores[0]
        first = questions.select(np.array([0]))
        covariance = self.router.covariance(data, first) if sure or explore is not None else None
        temperature = float(self.card.get("temperature") or 1.0)
        cost = self._costs(data, questions, names)
        ranking = rank(names, scores[0], unknown_scores, temperature, covariance, explore, cost, cost_weight)
        best = names.index(ranking[0].model)
        reasons = self._reasons(data, questions, best) if explain and known is not None else ()
        return Decision(known, query, ranking, 0 if known is None else self.votes(known), reasons)

    def preferences(self, user: str | None, questions: int = 64) -> dict[str, float]:
        """Return each model's mean score for a person over the run's own questions, best first.

        Args:
            user: Whose.
            questions: How many distinct queries of the history to ask, evenly spread.
        """
        table = self.data.table
        texts = np.unique(table.query)
        texts = texts[np.linspace(0, len(texts) - 1, min(questions, len(texts))).astype(int)]
        first = np.array([int(np.flatnonzero(table.query == code)[0]) for code in texts])
        names = self.models
        asked = self.data.questions(first)
        codes = [table.models.index(name) for name in names]
        asked = replace(
            asked,
            user=np.full(len(first), table.users.index(user) if user in table.users else -1),
            conversation=np.full(len(first), -1),
            turn=np.zeros(len(first), np.int64),
            candidates=np.tile(codes, (len(first), 1)),
        )
        mean = self.router.score(self.data, asked).mean(axis=0)
        return {names[k]: float(mean[k]) for k in np.argsort(-mean, kind="stable")}

    def add(
        self, user: str, votes: Iterable[Comparison | Mapping[str, Any]], replace_history: bool = False
    ) -> dict[str, Any]:
        """Append rounds to a person's history; nothing is retrained, and only this person's ranking changes.

        What is good for everybody takes the rounds in when the run is loaded again, or at `refresh`.

        Args:
            user: Who told.
            votes: `Comparison` objects or rows in the jsonl form of the data contract.
            replace_history: Drop all earlier rounds of this person first.

        Returns:
            `added`, `repeats`, `votes` (rated rounds now visible) and `unknown_models`.

        Raises:
            UserError: The name is empty or has blanks around it.
            DataError: A row cannot be read.
        """
        if label(user, "user") != user:
            raise UserError(f"user is {user!r}; expected a name without blanks around it")
        items = list(votes)
        rows = [item for item in items if not isinstance(item, Comparison)]
        told = [item for item in items if isinstance(item, Comparison)] + read_rows(rows, user)
        told = [replace(item, user=user) for item in told]
        if replace_history:
            self._encode([text for item in told for text in _texts(item)])  # if this fails, nothing is lost
            self.forget(user)
        before = self.data.select(self._own(user)).table.to_comparisons()
        added, repeats = fresh(before, told, user)
        models = {candidate.model for item in added for candidate in item.candidates}
        self._remember([text for item in added for text in _texts(item)] + sorted(models - set(self.data.models)))
        before, self.data = self.data, self.data.append(added, self.store, self.data.models)
        self.router.learn(before, self.data)
        self.people.write(user, [*self.people.read(user), *added])
        return {
            "added": len(added),
            "repeats": repeats,
            "votes": self.votes(user),
            "unknown_models": sorted(models - set(self.models)),
        }

    def refresh(self) -> None:
        """Let what is good for everybody hear of all rounds that were added since the run was loaded."""
        self.router.refresh()

    def forget(self, user: str) -> int:
        """Remove a person's rows and state from the run; return how many rounds went.

        Learned weights are not refitted.
        """
        own = self._own(user)
        gone = int(own.sum())
        trained = InteractionTable.read(self.folder.history, list(read_json(self.folder.models)))
        if user in trained.users:
            kept = [item for item in trained.to_comparisons() if item.user != user]
            split = trained.split[trained.user != trained.users.index(user)].tolist()
            InteractionTable.from_comparisons(kept, split, trained.models).write(self.folder.history)
        self.people.forget(user)
        kept = [item for item, mine in zip(self.data.table.to_comparisons(), own, strict=True) if not mine]
        table = InteractionTable.from_comparisons(kept, models=self.data.table.models)
        store = EmbeddingStore.create(self.folder.embeddings, self.store.encoder)
        texts = [*table.texts, *(info.description for info in self.data.models.values())]
        store.add(texts, self.store.vectors(texts))
        store.save()
        self.store = store
        self.data = Dataset.from_store(table, self.data.models, store, self.card)
        shifts = self.people.shifts(table.users)
        self.router = GmtRouter.load(self.folder, self.config, self.card, self.data, shifts)
        return gone

    def history(self, user: str) -> list[Comparison]:
        """Return all visible rounds of a person.

        Raises:
            UserError: Nothing of this person is known.
        """
        own = self._own(user)
        if not own.any():
            raise UserError(f"there is no user {user!r} in {self.folder.root}; gmt users list shows those there are")
        return self.data.select(own).table.to_comparisons()

    def add_model(self, name: str, info: ModelInfo, votes: Iterable[Comparison] = ()) -> int:
        """Offer one more model, known by its description and whatever votes there are; nothing is retrained.

        Args:
            name: Its name.
            info: Description and prices.
            votes: Rounds in which it was rated, of any people.

        Returns:
            How many rounds were added.

        Raises:
            UserError: The name is empty, or the model is there already, under another description.
        """
        if label(name, "model") != name:
            raise UserError(f"the model's name is {name!r}; expected a name without blanks around it")
        models = read_json(self.folder.models)
        if name in models and models[name]["description"] != info.description:
            raise UserError(f"model {name} is already on offer with another description; choose another name")
        self._remember([info.description])
        write_json(self.folder.models, models | {name: info.to_json()})
        self._models = None
        added = 0
        by_user: dict[str, list[Comparison]] = {}
        for item in votes:
            by_user.setdefault(item.user, []).append(item)
        self.data = _with_model(self.data, name, info, self.store)
        for user, told in by_user.items():
            added += self.add(user, told)["added"]
        return added

    def _own(self, user: str) -> np.ndarray:
        table = self.data.table
        return table.user == (table.users.index(user) if user in table.users else -1)

    def _encode(self, texts: Sequence[str]) -> np.ndarray:
        missing = self.store.missing(texts)
        if not missing:
            return self.store.vectors(list(texts))
        if self._encoder is None:
            self._encoder = load_encoder(self.store.encoder.id)
            if card_of(self._encoder) != self.store.encoder:
                raise RunError(
                    f"the run needs encoder {self.store.encoder.id} at revision {self.store.encoder.revision[:12]} and "
                    f"{self._encoder.revision[:12]} is installed; install that revision"
                )
        found = dict(zip(missing, self._encoder.encode(missing), strict=True))
        return np.stack([found[t] if t in found else self.store.vectors([t])[0] for t in texts])

    def _remember(self, texts: Sequence[str]) -> None:
        missing = self.store.missing(texts)
        if missing:
            self.store.add(missing, self._encode(missing))
            self.store.save()

    def _ask(
        self,
        user: str | None,
        query: str,
        names: list[str],
        messages: Sequence[Mapping[str, Any]],
        task: str | None = None,
    ) -> tuple[Dataset, Questions]:
        """Return the data plus the texts of this question, and the question put twice."""
        rounds = chat_rounds(messages, user or "somebody")
        texts = [query, *(text for item in rounds for text in _texts(item))]
        strangers = {c.model for item in rounds for c in item.candidates} - set(self.data.models)
        data = self.data
        vectors = self._encode([*texts, *sorted(strangers)])
        store = EmbeddingStore.create(self.folder.embeddings, self.store.encoder)
        store.add([*texts, *sorted(strangers)], vectors)
        count = len(data.table)
        here = rounds[0].conversation if rounds else "the question asked"
        asked = Comparison(user or "somebody", here, len(rounds), query, tuple(map(Candidate, names)), task=task)
        grown = data.append([*rounds, asked], store, data.models)
        positions = np.arange(count, len(grown.table))
        questions = grown.questions(positions[[-1, -1]])
        vocabularies = {name: getattr(grown.table, name) for name in VOCABULARIES}
        return grown.with_table(replace(data.table, **vocabularies)), questions

    def _costs(self, data: Dataset, questions: Questions, names: list[str]) -> np.ndarray | None:
        """Return (K,) what the candidates cost as shares of the dearest, from past costs, else from prices."""
        learned = self.desk.costs
        if learned is None:
            return price_shares(data.models, names)
        first = questions.select(np.array([0]))
        cost = np.maximum(learned.of_answers(data, first.query, first.task, first.candidates)[0], 0.0)
        return cost / max(float(cost.max()), 1e-12)

    def _reasons(self, data: Dataset, questions: Questions, best: int) -> tuple[Reason, ...]:
        effects = self.router.effects(data, questions.select(np.array([0])), best)
        table, reasons = data.table, []
        for position, effect in sorted(effects.items(), key=lambda item: -abs(item[1])):
            rows = range(table.start[position], table.start[position + 1])
            reasons.append(
                Reason(
                    table.texts[table.query[position]],
                    tuple(table.models[table.model[row]] for row in rows),
                    tuple(None if np.isnan(table.rating[row]) else float(table.rating[row]) for row in rows),
                    float(effect),
                )
            )
        return tuple(reasons)


def _texts(item: Comparison) -> list[str]:
    found = [item.query]
    for candidate in item.candidates:
        found += [text for text in (candidate.response, candidate.feedback) if text is not None]
    return found


def _with_model(data: Dataset, name: str, info: ModelInfo, store: EmbeddingStore) -> Dataset:
    if name in data.table.models:  # a model that so far only stood in somebody's history
        vectors = data.model_vectors.copy()
        vectors[data.table.models.index(name)] = store.vectors([info.description])[0]
        return replace(data, model_vectors=vectors, models={**data.models, name: info})
    table = replace(data.table, models=(*data.table.models, name))
    return replace(
        data,
        table=table,
        model_vectors=np.concatenate([data.model_vectors, store.vectors([info.description])]),
        models={**data.models, name: info},
    )
