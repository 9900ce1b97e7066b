"""Serve a trained run from Python: load it, rank models for a user, add votes, save it."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, Unpack, overload

import numpy as np

from gmt.config import RunConfig, load_config
from gmt.data.comparisons import Comparison
from gmt.data.dataset import NUMBERS, Dataset, ModelInfo
from gmt.data.encoders import EncoderCard
from gmt.errors import UserError
from gmt.hybrid.gmt_router import GmtRouter
from gmt.runs import STATE, RunFolder, read_card
from gmt.serving.answer_ranking import offered_models, rank_answers
from gmt.serving.decision import Decision
from gmt.serving.live_run import LiveRun, Removed
from gmt.serving.model_ranking import RankOptions, Wanted, asked_of, rank_models
from gmt.serving.people_free import PEOPLE
from gmt.serving.rankings import Rankings
from gmt.serving.rounds_given import read_rounds
from gmt.serving.run_data import RunData
from gmt.serving.run_state import RunState
from gmt.serving.vote_groups import NOBODY
from gmt.state.events import Event

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[\w.-]{1,96}")


def is_hub_id(run: str) -> bool:
    """Tell whether a name is one of the hub: `user/name`, where no folder `user` is here for it to be a path."""
    return HUB_ID.fullmatch(run) is not None and not Path(run).parent.is_dir()


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
    def from_pretrained(
        cls,
        run: str | Path,
        state: str | None = None,
        allow_download: bool = False,
        *,
        autosave: bool | None = None,
        revision: str | None = None,
        token: str | bool | None = None,
    ) -> Self:
        """Load a run folder, or a run of the hub; nothing but it and, for new texts, its encoder is needed.

        Args:
            run: The folder, or `user/name` of the hub where no folder `user` is here; a `Path` is always a folder. One
                that cannot be written is served without state, which is said once.
            state: Database of what was added after training, such as `postgresql://user@host/name`; that in $GMT_STATE
                or the run's settings, else `state.db` in the folder, by default.
            allow_download: Let the run's encoder be fetched from the hub where a new text needs it and this machine
                lacks it; $GMT_ALLOW_DOWNLOAD=1 does too.
            autosave: Write what is added into the run's state at once, as the command line does. False keeps it in this
                router alone, until `save_pretrained`: the run on disk stays as it is. By default true, and false for a
                run of the hub, which lies in a cache, unless `state` names a database.
            revision: Branch, tag or commit of a run of the hub.
            token: Of the hub; the one that `hf auth login` kept by default.

        Raises:
            RunError: A file is missing, damaged, or does not fit the others, or neither disk nor hub has such a run.
        """
        of_hub = isinstance(run, str) and is_hub_id(run)
        if of_hub:
            from gmt.serving.hub_run import downloaded

            root = downloaded(str(run), revision, token)
            named = state or os.environ.get(STATE)
            if autosave and not named:
                raise UserError(
                    f"{run} lies in the hub's cache, where nothing is kept; name a database with state=, or "
                    "save_pretrained it to a folder of your own"
                )
            autosave = bool(named) if autosave is None else autosave
        else:
            root, autosave = Path(run), autosave is None or autosave
        folder = RunFolder(root).require()
        config, card = load_config(folder.config), read_card(folder.card)
        url = state or os.environ.get(STATE) or config.state.url
        encoder = EncoderCard(**card["encoder"]).full_name
        kept = RunState(folder, url, encoder, config.state.texts, autosave)
        return cls(folder, config, card, LiveRun(folder, config, card, kept, allow_download))

    def save_pretrained(self, folder: str | Path) -> Path:
        """Copy the run, with all that was added up to now, to another folder, where it is a run of its own."""
        from gmt.serving.copy_run import copy_run

        target = Path(folder)
        if target.exists() and any(target.iterdir()):
            raise UserError(f"{target} is not empty; name a new folder")
        return copy_run(self.folder, target, self.live.state)

    def save_for_hub(self, folder: str | Path, *, include_users: bool = False, licence: str | None = None) -> Path:
        """Write what `push_to_hub` would upload, to be looked at first.

        Args:
            folder: A new folder.
            include_users, licence: As in `push_to_hub`.
        """
        from gmt.serving.hub_run import HubRun

        target = Path(folder)
        if target.exists() and any(target.iterdir()):
            raise UserError(f"{target} is not empty; name a new folder")
        HubRun.of(self, include_users, licence).save_pretrained(target)
        return target

    def push_to_hub(
        self,
        repo_id: str,
        *,
        include_users: bool = False,
        licence: str | None = None,
        private: bool | None = True,
        token: str | None = None,
        commit_message: str = "A run of gmt",
        branch: str | None = None,
    ) -> str:
        """Upload the run with a model card, from where `from_pretrained` loads it again.

        By default nothing of people leaves this machine: no name, no text, no hash and no vector of a text, no history
        of anybody, whether trained on or told since. In their place stand groups of at least five queries of at least
        five people, with the mean of their vectors and the votes on them, which nobody's are any more
        (`gmt.serving.people_free`). Whoever loads the run gets the ranking for somebody unknown, and adds own users.

        Args:
            repo_id: `user/name`.
            include_users: Upload the run as it is, with everybody's name, texts and votes.
            licence: Of what is uploaded, as the hub names licences, such as `mit` or `cc-by-4.0`.
            private: Whether a repository that is made for this is private; None leaves it to the hub.
            token: Of the hub; the one that `hf auth login` kept by default.
            commit_message, branch: As the hub takes them.

        Returns:
            Address of the commit.

        Raises:
            UserError: The run ranks answers themselves, which cannot be shared without people's texts.
            RunError: The hub refused, or cannot be reached.
        """
        from gmt.serving.hub_run import HubRun, one_line_hub_errors

        with one_line_hub_errors(repo_id):
            return HubRun.of(self, include_users, licence).push_to_hub(
                repo_id, private=private, token=token, commit_message=commit_message, branch=branch
            )

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
        """Names of the users with visible history; of a run that was shared without people, those added there."""
        table = self.data.table
        names = sorted(table.users[code] for code in np.unique(table.user))
        return [name for name in names if not name.startswith(NOBODY)] if PEOPLE in self.card else names

    @property
    def tasks(self) -> list[str]:
        """Names of the tasks that the run's data state."""
        return list(self.live.now().data.table.tasks)

    def votes(self, user: str) -> int:
        """Return how many rated rounds of a user are visible."""
        builder = self.live.now().builder
        return builder.votes(builder.users.code(user))

    @overload
    def rank(
        self,
        user: str | None,
        query: str,
        candidates: Sequence[str] | None = None,
        conversation: Sequence[Mapping[str, Any]] | None = None,
        **how: Unpack[RankOptions],
    ) -> Decision: ...
    @overload
    def rank(
        self,
        user: str | None | Sequence[str | None],
        query: Iterable[str],
        candidates: Sequence[str] | None = None,
        **how: Unpack[RankOptions],
    ) -> Rankings: ...
    def rank(
        self,
        user: str | None | Sequence[str | None],
        query: str | Iterable[str],
        candidates: Sequence[str] | None = None,
        conversation: Sequence[Mapping[str, Any]] | None = None,
        explain: bool = False,
        explore: np.random.Generator | None = None,
        cost_weight: float = 0.0,
        task: str | None = None,
        with_uncertainty: bool = False,
        stay: float | None = None,
    ) -> Decision | Rankings:
        """Rank models for a user and a query, or for each of many queries.

        Many queries are all answered from the run as it is at one moment, each as if it were asked alone: their scores
        are the same to the last digit.

        Args:
            user: Who asks; an unknown user gets the ranking of one without history. For many queries also a list of
                users, one for each.
            query: The text of the question, or a list of texts.
            candidates: Names of the models to choose from; all models of the run by default.
            conversation: The rounds before one query, as OpenAI-style chat messages, where an assistant message may
                name its `model`; or as rows of the jsonl form, whose ratings count for this question. Rounds that were
                added to the user's history already should come without their ratings, or these count twice.
            explain: Also say which past rounds moved the winner.
            explore: Order by one draw from the posterior made with this generator, not by its mean.
            cost_weight: How many logits of preference the dearest answer's cost takes away, and others' their share.
            task: Name of the task the query belongs to, as the data of the run names it.
            with_uncertainty: Also return every score's standard deviation, which takes a hundred times as long as
                the scores; left out by default.
            stay: How many logits of preference one unit of a switch's cost takes away (`gmt.routing.staying`); the
                run's `routing.stay` by default. It weighs only where the conversation says which model answered last.

        Returns:
            One decision, or for a list of queries a list of them.

        Raises:
            UserError: A candidate is unknown or was removed, there is none, a query is no text or empty, there is no
                posterior to explore with, costs are to count and are not known, a row or message cannot be read, or
                users and queries are of different number.
        """
        users, queries = asked_of(user, query, conversation)
        wanted = Wanted(candidates, conversation, explain, explore, cost_weight, task, with_uncertainty, stay)
        now = self.live.now()
        found = Rankings(
            rank_models(now, self.config, self.card, who, what, wanted)
            for who, what in zip(users, queries, strict=True)
        )
        return found[0] if isinstance(query, str) else found

    @overload
    async def arank(
        self,
        user: str | None,
        query: str,
        candidates: Sequence[str] | None = None,
        conversation: Sequence[Mapping[str, Any]] | None = None,
        **how: Unpack[RankOptions],
    ) -> Decision: ...
    @overload
    async def arank(
        self,
        user: str | None | Sequence[str | None],
        query: Iterable[str],
        candidates: Sequence[str] | None = None,
        **how: Unpack[RankOptions],
    ) -> Rankings: ...
    async def arank(self, user: Any, query: Any, *more: Any, **how: Any) -> Decision | Rankings:
        """Rank as `rank` does, in a thread of its own, so that the event loop goes on; any number of tasks may."""
        return await asyncio.to_thread(self.rank, user, query, *more, **how)

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
        votes: Any,
        replace_history: bool = False,
        keys: Sequence[str | None] | None = None,
        source: str = "api",
        offset: np.ndarray | None = None,
    ) -> dict[str, Any]:
        """Append rounds to a user's history; nothing is retrained, and only this user's ranking changes.

        What is good for everybody takes the rounds in at `refresh`, as the class says.

        Args:
            user: Whose.
            votes: Rows in the form of `gmt prep jsonl`, in any shape that `gmt.read_rounds` takes: dictionaries, a data
                frame, an Arrow table, a `datasets.Dataset`, or `Comparison` objects.
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
        if _name(user, "user") != user:
            raise UserError(f"user is {user!r}; expected a name without blanks around it")
        rounds = [replace(item, user=user) for item in read_rounds(votes, user)]
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

    async def aadd(self, user: str, votes: Any, **how: Any) -> dict[str, Any]:
        """Add rounds as `add` does, in a thread of its own, so that the event loop goes on."""
        return await asyncio.to_thread(self.add, user, votes, **how)

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
        if _name(name, "model") != name:
            raise UserError(f"the model's name is {name!r}; expected a name without blanks around it")
        now = self.live.now()
        if name in now.offered and now.data.models[name].description != info.description:
            raise UserError(f"model {name} is already on offer with another description; choose another name")
        by_user: dict[str, list[Comparison]] = {}
        for item in votes:
            by_user.setdefault(item.user, []).append(item)
        found = self.live.add(by_user, model=(name, info))
        return sum(added.added for added in found.values())

    def update_model(self, name: str, description: str | None = None, **prices: float | None) -> ModelInfo:
        """Describe a model on offer anew, or state other prices; nothing is retrained.

        What was said of the model counts from now on for one of the new description, for which the whole history is
        conditioned on again at the next question. Prices move nothing but what answers cost.

        Args:
            name: Its name.
            description: What is known of it; as it was by default.
            prices: Any of `input_price`, `output_price`, `cached_input_price` ($ per million tokens) and `switch_cost`;
                the others stay as they were, and None stands for one that is not known.

        Returns:
            The model's card as it is now.

        Raises:
            UserError: The model is not on offer, there is nothing to change, or a price is none.
        """
        unknown = sorted(set(prices) - set(NUMBERS))
        if unknown:
            raise UserError(f"a model has no {unknown[0]}; expected some of {', '.join(NUMBERS)}")
        if description is None and not prices:
            raise UserError(f"there is nothing to change of {name}; name a description or a price")
        info = self._on_offer(name)
        info = replace(info, **({} if description is None else {"description": description}), **prices)
        self.live.update_model(name, info)
        return info

    def remove_model(self, name: str) -> None:
        """Offer a model no longer; what was said of it stays, and `add_model` brings it back.

        Raises:
            UserError: The model is not on offer, or it is the only one.
        """
        self._on_offer(name)
        if self.models == [name]:
            raise UserError(f"{name} is the only model on offer; add another one before it is removed")
        self.live.remove_model(name)

    def _on_offer(self, name: str) -> ModelInfo:
        """Return the card of a model on offer."""
        now = self.live.now()
        offered = offered_models(now)
        if name not in offered:
            raise UserError(f"there is no model {name}; the run offers {', '.join(offered)}")
        return now.data.models[name]


def _name(value: str, what: str) -> str | None:
    """Return a name as the readers of rows would."""
    from data_prep.read.cells import label

    return label(value, what)
