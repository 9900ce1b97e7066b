"""Serve a trained run from Python: load it, rank models for a user, add votes, save it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from gmt.config import RunConfig, load_config
from gmt.data.comparisons import Comparison, check_text
from gmt.data.dataset import Dataset, ModelInfo, Questions
from gmt.errors import UserError
from gmt.hybrid.gmt_router import GmtRouter
from gmt.routing.costs import price_shares
from gmt.routing.staying import Staying, switch_costs, tokens_of
from gmt.runs import STATE, RunFolder, read_card
from gmt.serving.answer_ranking import offered_models, rank_answers
from gmt.serving.conversation_question import conversation_question
from gmt.serving.decision import Decision, Reason, Stay, rank
from gmt.serving.live_run import LiveRun, Removed
from gmt.serving.messages import UNNAMED, chat_rounds, last_answer, taken_answer
from gmt.serving.run_data import RunData
from gmt.serving.run_state import RunState
from gmt.state.events import Event


class Router:
    """Route queries with a trained run.

    Limitations:
        Any number of threads may call one router, and any number of processes one run: each call answers from the run
        as it is when the call begins, and never from half of a change. Serialised are: encoding a text that is new,
        conditioning on the history (at the first question after loading, `refresh`, or a change that takes something
        away), taking in what others added, and writing, of which there is one at a time per run; who waits longer than
        60 s is refused, with nothing written. State in a folder needs a local disk; use PostgreSQL across machines.
        `add` moves the user's own ranking at once; what is good for everybody takes the rounds in at `refresh`, at a
        retraining, and at a loading where they are more than a tenth of those trained on, or bring a form of feedback
        that the training had none of, whose thresholds are neutral until then. What answers cost takes them in at
        every loading.

    Args:
        folder: The run.
        config: Its settings.
        card: Its card.
        live: The run, kept in step with its state.
    """

    def __init__(self, folder: RunFolder, config: RunConfig, card: Mapping[str, Any], live: LiveRun) -> None:
        self.folder, self.config, self.card, self.live = folder, config, card, live

    @classmethod
    def from_pretrained(cls, run: str | Path, state: str | None = None, allow_download: bool = False) -> Self:
        """Load a run folder; nothing but the folder and, for new texts, its encoder is needed.

        Args:
            run: The folder. One that cannot be written is served without state, which is said once.
            state: Database of what was added after training, such as `postgresql://user@host/name`; that in $GMT_STATE
                or the run's settings, else `state.db` in the folder, by default.
            allow_download: Let the run's encoder be fetched from the hub where a new text needs it and this machine
                lacks it; $GMT_ALLOW_DOWNLOAD=1 does too.

        Raises:
            RunError: A file is missing, damaged, or does not fit the others.
        """
        folder = RunFolder(Path(run)).require()
        config, card = load_config(folder.config), read_card(folder.card)
        url = state or os.environ.get(STATE) or config.state.url
        encoder = f"{card['encoder']['id']}@{card['encoder']['revision']}"
        kept = RunState(folder, url, encoder, config.state.texts)
        return cls(folder, config, card, LiveRun(folder, config, card, kept, allow_download))

    def save_pretrained(self, folder: str | Path) -> Path:
        """Copy the run, with all that was added up to now, to another folder, where it is a run of its own."""
        from gmt.serving.copy_run import copy_run

        target = Path(folder)
        if target.exists() and any(target.iterdir()):
            raise UserError(f"{target} is not empty; name a new folder")
        return copy_run(self.folder, target, self.live.state)

    def close(self) -> None:
        """Close the connections to the state; the router must not be used after that."""
        self.live.state.close()

    @property
    def run_data(self) -> RunData:
        """Everything the run remembers now."""
        return self.live.now()

    @property
    def data(self) -> Dataset:
        """All rounds the run remembers."""
        return self.live.now().data

    @property
    def router(self) -> GmtRouter:
        """The trained router."""
        return self.live.now().router

    @property
    def models(self) -> list[str]:
        """Names of the models on offer, those of models.json first."""
        return offered_models(self.live.now())

    @property
    def users(self) -> list[str]:
        """Names of the users with visible history."""
        table = self.data.table
        return sorted(table.users[code] for code in np.unique(table.user))

    @property
    def tasks(self) -> list[str]:
        """Names of the tasks that the run's data state."""
        return list(self.live.now().data.table.tasks)

    def votes(self, user: str) -> int:
        """Return how many rated rounds of a user are visible."""
        builder = self.live.now().builder
        return builder.votes(builder.users.code(user))

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
        stay: float | None = None,
    ) -> Decision:
        """Rank models for a user and a query.

        Args:
            user: Who asks; an unknown user gets the ranking of one without history.
            query: The text of the question.
            candidates: Names of the models to choose from; all models of the run by default.
            conversation: The rounds before, as OpenAI-style chat messages, where an assistant message may name its
                `model`; or as rows of the jsonl form, whose ratings count for this question. Rounds that were added to
                the user's history already should come without their ratings, or these count twice.
            explain: Also say which past rounds moved the winner.
            explore: Order by one draw from the posterior made with this generator, not by its mean.
            cost_weight: How many logits of preference the dearest answer's cost takes away, and others' their share.
            task: Name of the task the query belongs to, as the data of the run names it.
            with_uncertainty: Also return every score's standard deviation, which takes a hundred times as long as
                the scores.
            stay: How many logits of preference one unit of a switch's cost takes away (`gmt.routing.staying`); the
                run's `routing.stay` by default. It weighs only where the conversation says which model answered last.

        Raises:
            UserError: A candidate is unknown, there is none, the query is empty, there is no posterior
                to explore with, costs are to count and are not known, or a row or message cannot be read.
        """
        # 1. Who asks for which models; a user without rounds is asked for as an unknown one.
        now = self.live.now()
        names, builder = _candidates(now, query, candidates), now.builder
        code = builder.users.code(user) if user is not None else -1
        known = user if code >= 0 and builder.rounds(code) else None
        code = code if known is not None else -1
        # 2. The question twice: from the user, and from an unknown one, whose scores the margin is taken from.
        rounds = chat_rounds(conversation, user or UNNAMED) if conversation else []
        if rounds:
            data, questions = conversation_question(now, user, query, names, rounds, task)
            questions = replace(questions, user=np.array([code, -1]))
        else:
            vector, codes = now.texts.encode([query])[0], [builder.models.code(name) for name in names]
            data, questions = builder.build([code, -1], query, vector, codes, task)
        first, shows = questions.select(np.array([0])), questions.earlier.says_anything
        scores, unknown_scores = _scores(now, data, questions, known is not None)
        # 3. Uncertainty costs a solve of its own, so only where it is shown or drawn from.
        covariance = now.router.covariance(data, first) if with_uncertainty or explore is not None else None
        temperature = float(self.card.get("temperature") or 1.0)
        cost = _costs(now, data, first, names)
        staying = self._staying(data, names, rounds, stay)
        ranking = rank(names, scores, unknown_scores, temperature, covariance, explore, cost, cost_weight, staying)
        # 4. What moved the winner: each past round's effect, the strongest first.
        best = names.index(ranking[0].model)
        reasons = _reasons(now, data, first, best) if explain and (known is not None or shows) else ()
        kept = None
        if staying is not None:
            paid = scores - cost_weight * temperature * cost if cost is not None else scores
            kept = Stay.of(staying, names, paid, temperature, ranking[0].model)
        return Decision(known, query, ranking, 0 if known is None else builder.votes(code), reasons, kept)

    def _staying(
        self, data: Dataset, names: Sequence[str], rounds: Sequence[Comparison], stay: float | None
    ) -> Staying | None:
        """Return what a change of model within these rounds costs, None where nothing is to be weighed."""
        routing, last = self.config.routing, last_answer(rounds)
        weight = routing.stay if stay is None else stay
        if last is None or not weight:
            return None
        said = [text for one in rounds for text in (one.query, getattr(taken_answer(one), "response", None))]
        return Staying(last.model, weight, switch_costs(data.models, names, tokens_of(said), routing.switch_cost))

    def rank_answers(self, user: str | None, query: str, answers: Sequence[str], task: str | None = None) -> Decision:
        """Rank answers by what they look like and say, whoever wrote them, for a run that learned from such answers.

        Args:
            user: Who asks; an unknown user gets the ranking of one without history.
            query: The text of the question.
            answers: Two texts or more. In the ranking they are called `answer 1`, … as they are given.
            task: Name of the task the query belongs to.

        Raises:
            UserError: The run chooses models, there are fewer than two answers, or a text is empty.
        """
        now = self.live.now()
        return rank_answers(now, user, query, answers, task, float(self.card.get("temperature") or 1.0))

    def preferences(self, user: str | None, questions: int = 64) -> dict[str, float]:
        """Return each model's mean score for a user over the run's own queries, best first.

        Args:
            user: Whose.
            questions: How many distinct queries of the history to ask, evenly spread.
        """
        now = self.live.now()
        table = now.data.table
        texts = np.unique(table.query)
        texts = texts[np.linspace(0, len(texts) - 1, min(questions, len(texts))).astype(int)]
        first = np.array([int(np.flatnonzero(table.query == code)[0]) for code in texts])
        names = offered_models(now)
        if not names:
            return {}  # of a run that ranks answers, which have no name to be liked by
        codes = [table.models.index(name) for name in names]
        asked = replace(
            now.data.questions(first),
            user=np.full(len(first), table.users.index(user) if user is not None and user in table.users else -1),
            conversation=np.full(len(first), -1),
            turn=np.zeros(len(first), np.int64),
            candidates=np.tile(codes, (len(first), 1)),
            # Every model is asked for, not the answers that stood there.
            responses=None,
        )
        mean = now.router.score(now.data, asked).mean(axis=0)
        return {names[k]: float(mean[k]) for k in np.argsort(-mean, kind="stable")}

    def add(
        self,
        user: str,
        votes: Iterable[Comparison | Mapping[str, Any]],
        replace_history: bool = False,
        keys: Sequence[str | None] | None = None,
        source: str = "api",
        offset: np.ndarray | None = None,
    ) -> dict[str, Any]:
        """Append rounds to a user's history; nothing is retrained, and only this user's ranking changes.

        What is good for everybody takes the rounds in at `refresh`, as the class says.

        Args:
            user: Whose.
            votes: `Comparison` objects or rows in the jsonl form of the data contract.
            replace_history: Drop all earlier rounds of this user first, in the same transaction.
            keys: One idempotency key for each round, by which the same request, sent again, is known.
            source: Where the rounds come from.
            offset: (D,) vector to be added to the user's state from now on, kept in the same transaction.

        Returns:
            `added`, `repeats`, `votes` (rated rounds now visible), `events` (their numbers) and `unknown_models`.

        Raises:
            UserError: The name is empty or has blanks around it.
            DataError: A row cannot be read.
        """
        # Readers of rows are loaded where rows come, for a question needs none of them.
        from data_prep.read.cells import label
        from data_prep.sources.jsonl import read_rows

        if label(user, "user") != user:
            raise UserError(f"user is {user!r}; expected a name without blanks around it")
        items = list(votes)
        rows = [item for item in items if not isinstance(item, Comparison)]
        rounds = [item for item in items if isinstance(item, Comparison)] + read_rows(rows, user)
        rounds = [replace(item, user=user) for item in rounds]
        offsets = None if offset is None else {user: offset}
        found = self.live.add({user: rounds}, None, offsets, replace=replace_history, keys=keys, source=source)[user]
        models = {candidate.model for item in rounds for candidate in item.candidates} if found.added else set()
        return {
            "added": found.added,
            "repeats": found.repeats,
            "votes": self.votes(user),
            "events": [event for event in found.ids if event is not None],
            "unknown_models": sorted(models - set(self.models)),
        }

    def refresh(self) -> None:
        """Let what is good for everybody take in all rounds that were added since the run was loaded."""
        self.live.refresh()

    def forget(self, user: str) -> int:
        """Remove a user's rows and state from the run; return how many rounds went.

        Learned weights are not refitted; `removed` also says where the user is still known.
        """
        return self.removed(user).rounds

    def removed(self, user: str) -> Removed:
        """Forget a user, and say what remains of them where."""
        return self.live.forget(user)

    def revoke(self, event: int) -> bool:
        """Take back one event; return whether it still counted.

        Raises:
            UserError: There is no such event.
        """
        return self.live.revoke(event)

    def events(self, user: str) -> list[Event]:
        """Return what a user added after the training and what of it counts, in order."""
        return self.live.events_of(user)

    def rebuild(self, user: str) -> int:
        """Derive a user's state from their events again; return how many events count.

        Raises:
            RunError: An event is damaged.
        """
        return len(self.live.rebuild(user))

    def history(self, user: str) -> list[Comparison]:
        """Return all visible rounds of a user.

        Raises:
            UserError: Nothing of this user is known.
        """
        rounds = self.live.now().history(user)
        if not rounds:
            raise UserError(f"there is no user {user!r} in {self.folder.root}; gmt users list shows those there are")
        return rounds

    def add_model(self, name: str, info: ModelInfo, votes: Iterable[Comparison] = ()) -> int:
        """Offer one more model, known by its description and whatever votes there are; nothing is retrained.

        Model and votes are kept together or not at all.

        Args:
            name: Its name.
            info: Description and prices.
            votes: Rounds in which it was rated, of any users.

        Returns:
            How many rounds were added.

        Raises:
            UserError: The name is empty, or the model is there already, under another description.
        """
        from data_prep.read.cells import label

        if label(name, "model") != name:
            raise UserError(f"the model's name is {name!r}; expected a name without blanks around it")
        now = self.live.now()
        if name in now.offered and now.data.models[name].description != info.description:
            raise UserError(f"model {name} is already on offer with another description; choose another name")
        by_user: dict[str, list[Comparison]] = {}
        for item in votes:
            by_user.setdefault(item.user, []).append(item)
        found = self.live.add(by_user, model=(name, info))
        return sum(added.added for added in found.values())


def _candidates(now: RunData, query: str, candidates: Sequence[str] | None) -> list[str]:
    """Return the names of the models to choose from, each once."""
    if not query.strip():
        raise UserError("the query is empty; pass the question to route with --query")
    check_text(query, "query")  # before an encoder reads it
    names = list(dict.fromkeys(candidates)) if candidates is not None else offered_models(now)
    unknown = [name for name in names if name not in now.builder.models]
    if not names and now.offered and candidates is None:
        raise UserError("this run ranks answers and names no models; hand it the answers, gmt route --answer TEXT …")
    if unknown or not names:
        offered = ", ".join(now.offered)
        raise UserError(f"there is no model {', '.join(unknown) or 'to choose from'}; the run offers {offered}")
    return names


def _scores(now: RunData, data: Dataset, questions: Questions, known: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return (K,) scores of the first question, for the user, and those of the second, for an unknown one."""
    if questions.earlier.says_anything:
        # What was rated in the conversation is of who asks; an unknown user has only read it.
        unrated = replace(questions.select(np.array([1])), earlier=questions.earlier.without_ratings())
        return now.router.score(data, questions.select(np.array([0])))[0], now.router.score(data, unrated)[0]
    scores = now.router.score(data, questions)
    # Rounding may differ between equal rows of a batch; an unknown user has a margin of exactly 0.
    return scores[0], scores[1] if known else scores[0]


def _costs(now: RunData, data: Dataset, question: Questions, names: list[str]) -> np.ndarray | None:
    """Return (K,) what the candidates cost as shares of the dearest, from past costs, else from prices."""
    learned = now.builder.costs
    if learned is None:
        return price_shares(data.models, names)
    cost = np.maximum(learned.of_answers(data, question.query, question.task, question.candidates)[0], 0.0)
    return cost / max(float(cost.max()), 1e-12)


def _reasons(now: RunData, data: Dataset, question: Questions, best: int) -> tuple[Reason, ...]:
    """Return the past rounds that moved the winner."""
    effects = sorted(now.router.effects(data, question, best).items(), key=lambda item: -abs(item[1]))
    # A round shown with the question stands under -1 less its place among those.
    return tuple(
        Reason.of(data.table, at, effect) if at >= 0 else Reason.of(question.earlier, -1 - at, effect)
        for at, effect in effects
    )
