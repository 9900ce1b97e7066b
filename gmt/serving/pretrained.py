"""Serve a trained run from Python: load it, rank models for a user, add votes, save it."""

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
from gmt.data.comparisons import Comparison
from gmt.data.dataset import Dataset, ModelInfo, Questions
from gmt.errors import UserError
from gmt.hybrid.gmt_router import GmtRouter
from gmt.routing.costs import price_shares
from gmt.runs import RunFolder, read_run_json
from gmt.serving.conversation_question import conversation_question
from gmt.serving.decision import Decision, Reason, rank
from gmt.serving.question_builder import QuestionBuilder
from gmt.serving.run_data import RunData, texts_of
from gmt.state.user_files import UserFiles


class Router:
    """Route queries with a trained run.

    Limitations: one thread and one writer. `rank` reuses the last row of one array for the text asked, so two threads
    that ask at once may read each other's query; give each its own router, or a lock. `add`, `forget` and `add_model`
    write to the run folder without a lock: of two processes that change one user's history, the later wins, and
    neither sees what the other added until it loads the run again.

    Args:
        folder: The run.
        config: Its settings.
        card: Its card.
        router: The trained router.
        run_data: Everything the run remembers: the rounds it learned from and what users added.
    """

    def __init__(
        self, folder: RunFolder, config: RunConfig, card: Mapping[str, Any], router: GmtRouter, run_data: RunData
    ) -> None:
        self.folder, self.config, self.card, self.router, self.run_data = folder, config, card, router, run_data
        self._builder: QuestionBuilder | None = None

    @classmethod
    def from_pretrained(cls, run: str | Path) -> Self:
        """Load a run folder; nothing but the folder and, for new texts, its encoder is needed.

        Raises:
            RunError: A file is missing, damaged, or does not fit the others.
        """
        folder = RunFolder(Path(run)).require()
        config, card = load_config(folder.config), read_run_json(folder.card)
        run_data = RunData.load(folder, card)
        offsets = run_data.user_files.offsets(run_data.data.table.users)
        return cls(folder, config, card, GmtRouter.load(folder, config, card, run_data.data, offsets), run_data)

    def save_pretrained(self, folder: str | Path) -> Path:
        """Copy the run, with all users added so far, to another folder."""
        target = Path(folder)
        if target.exists() and any(target.iterdir()):
            raise UserError(f"{target} is not empty; name a new folder")
        shutil.copytree(self.folder.root, target, dirs_exist_ok=True)
        return target

    @property
    def data(self) -> Dataset:
        """All rounds the run remembers."""
        return self.run_data.data

    @property
    def user_files(self) -> UserFiles:
        """Files of what users added."""
        return self.run_data.user_files

    @property
    def models(self) -> list[str]:
        """Names of the models on offer, in the order of models.json."""
        return self.run_data.offered

    @property
    def users(self) -> list[str]:
        """Names of the users with visible history."""
        present = np.unique(self.data.table.user)
        return sorted(self.data.table.users[code] for code in present)

    def votes(self, user: str) -> int:
        """Return how many rated rounds of a user are visible."""
        builder = self.questions
        return int(builder.votes[builder.users[user]]) if user in builder.users else 0

    @property
    def questions(self) -> QuestionBuilder:
        """Builds questions from what the run remembers now."""
        if self._builder is None or self._builder.data is not self.data:
            self._builder = QuestionBuilder(self.data)
        return self._builder

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
        with_uncertainty: bool = True,
    ) -> Decision:
        """Rank models for a user and a query.

        Args:
            user: Who asks; an unknown user gets the ranking of one without history.
            query: The text of the question.
            candidates: Names of the models to choose from; all models of the run by default.
            conversation: The rounds before, as OpenAI-style chat messages; an assistant message may
                name its `model`.
            explain: Also say which past rounds moved the winner.
            explore: Order by one draw from the posterior made with this generator, not by its mean.
            cost_weight: How many logits of preference the dearest answer's cost takes away, and others' their share.
            task: Name of the task the query belongs to, as the data of the run names it.
            with_uncertainty: Also return every score's standard deviation, which takes a hundred times as long as
                the scores.

        Raises:
            UserError: A candidate is unknown, there is none, the query is empty, there is no posterior
                to explore with, or costs are to count and are not known.
        """
        # 1. Who asks for which models; a user without rounds is asked for as an unknown one.
        names = self._candidates(query, candidates)
        builder = self.questions
        code = builder.users.get(user, -1) if user is not None else -1
        known = user if code >= 0 and builder.rounds[code] else None
        code = code if known is not None else -1
        # 2. The question twice: from the user, and from an unknown one, whose scores the margin is taken from.
        if conversation:
            data, questions = conversation_question(self.run_data, user, query, names, conversation, task)
            questions = replace(questions, user=np.array([code, -1]))
        else:
            vector, codes = self.run_data.texts.encode([query])[0], [builder.models[name] for name in names]
            data, questions = builder.build([code, -1], query, vector, codes, task)
        scores = self.router.score(data, questions)
        # Rounding may differ between equal rows of a batch; an unknown user has a margin of exactly 0.
        unknown_scores = scores[1] if known is not None else scores[0]
        # 3. Uncertainty costs a solve of its own, so only where it is shown or drawn from.
        first = questions.select(np.array([0]))
        covariance = self.router.covariance(data, first) if with_uncertainty or explore is not None else None
        temperature = float(self.card.get("temperature") or 1.0)
        cost = self._costs(data, first, names)
        ranking = rank(names, scores[0], unknown_scores, temperature, covariance, explore, cost, cost_weight)
        # 4. What moved the winner: each past round's effect, the strongest first.
        best = names.index(ranking[0].model)
        reasons = self._reasons(data, first, best) if explain and known is not None else ()
        return Decision(known, query, ranking, 0 if known is None else self.votes(known), reasons)

    def preferences(self, user: str | None, questions: int = 64) -> dict[str, float]:
        """Return each model's mean score for a user over the run's own queries, best first.

        Args:
            user: Whose.
            questions: How many distinct queries of the history to ask, evenly spread.
        """
        table = self.data.table
        texts = np.unique(table.query)
        texts = texts[np.linspace(0, len(texts) - 1, min(questions, len(texts))).astype(int)]
        first = np.array([int(np.flatnonzero(table.query == code)[0]) for code in texts])
        names = self.models
        codes = [table.models.index(name) for name in names]
        asked = replace(
            self.data.questions(first),
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
        """Append rounds to a user's history; nothing is retrained, and only this user's ranking changes.

        What is good for everybody takes the rounds in when the run is loaded again, or at `refresh`.

        Args:
            user: Whose.
            votes: `Comparison` objects or rows in the jsonl form of the data contract.
            replace_history: Drop all earlier rounds of this user first.

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
        rounds = [item for item in items if isinstance(item, Comparison)] + read_rows(rows, user)
        rounds = [replace(item, user=user) for item in rounds]
        if replace_history:
            # If a text cannot be encoded, this fails before anything is lost.
            self.run_data.texts.encode([text for item in rounds for text in texts_of(item)])
            self.forget(user)
        before = self.data
        added, repeats = self.run_data.append(user, rounds)
        self.router.learn(before, self.data)
        models = {candidate.model for item in added for candidate in item.candidates}
        return {
            "added": len(added),
            "repeats": repeats,
            "votes": self.votes(user),
            "unknown_models": sorted(models - set(self.models)),
        }

    def refresh(self) -> None:
        """Let what is good for everybody take in all rounds that were added since the run was loaded."""
        self.router.refresh()

    def forget(self, user: str) -> int:
        """Remove a user's rows and state from the run; return how many rounds went.

        Learned weights are not refitted.
        """
        gone = self.run_data.forget(user)
        offsets = self.user_files.offsets(self.data.table.users)
        self.router = GmtRouter.load(self.folder, self.config, self.card, self.data, offsets)
        return gone

    def history(self, user: str) -> list[Comparison]:
        """Return all visible rounds of a user.

        Raises:
            UserError: Nothing of this user is known.
        """
        rounds = self.run_data.history(user)
        if not rounds:
            raise UserError(f"there is no user {user!r} in {self.folder.root}; gmt users list shows those there are")
        return rounds

    def add_model(self, name: str, info: ModelInfo, votes: Iterable[Comparison] = ()) -> int:
        """Offer one more model, known by its description and whatever votes there are; nothing is retrained.

        Args:
            name: Its name.
            info: Description and prices.
            votes: Rounds in which it was rated, of any users.

        Returns:
            How many rounds were added.

        Raises:
            UserError: The name is empty, or the model is there already, under another description.
        """
        if label(name, "model") != name:
            raise UserError(f"the model's name is {name!r}; expected a name without blanks around it")
        by_user: dict[str, list[Comparison]] = {}
        for item in votes:
            by_user.setdefault(item.user, []).append(item)
        self.run_data.offer(name, info)
        return sum(self.add(user, rounds)["added"] for user, rounds in by_user.items())

    def _candidates(self, query: str, candidates: Sequence[str] | None) -> list[str]:
        """Return the names of the models to choose from, each once."""
        if not query.strip():
            raise UserError("the query is empty; pass the question to route with --query")
        names = list(dict.fromkeys(candidates)) if candidates is not None else self.models
        unknown = [name for name in names if name not in self.data.table.models]
        if unknown or not names:
            offered = ", ".join(self.models)
            raise UserError(f"there is no model {', '.join(unknown) or 'to choose from'}; the run offers {offered}")
        return names

    def _costs(self, data: Dataset, question: Questions, names: list[str]) -> np.ndarray | None:
        """Return (K,) what the candidates cost as shares of the dearest, from past costs, else from prices."""
        learned = self.questions.costs
        if learned is None:
            return price_shares(data.models, names)
        cost = np.maximum(learned.of_answers(data, question.query, question.task, question.candidates)[0], 0.0)
        return cost / max(float(cost.max()), 1e-12)

    def _reasons(self, data: Dataset, question: Questions, best: int) -> tuple[Reason, ...]:
        """Return the past rounds that moved the winner."""
        effects = sorted(self.router.effects(data, question, best).items(), key=lambda item: -abs(item[1]))
        return tuple(Reason.of(data.table, position, effect) for position, effect in effects)
