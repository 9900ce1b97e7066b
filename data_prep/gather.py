"""Gather rated answers and votes, row by row or block by block, into a table, holding numbers and never rows.

What a row says becomes integer codes at once; texts are kept once each. A process may gather some rows
and hand its `Block` to another, so files are read by several.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from data_prep.answers import Answers
from data_prep.sources import Rejected
from gmt.data.interactions import Candidate, Comparison, InteractionTable, text_id

NAMES = ("file", "user", "conversation", "comparison", "question", "task", "content")
CODED = (*NAMES, "query")
PLAIN = ("line", "turn", "split", "count")
OF_ROWS = (*CODED, *PLAIN, "timestamp")
TEXTS = ("response", "feedback")
OF_CANDIDATES = ("model", *TEXTS, "rating", "cost")
FLOATS = ("timestamp", "rating", "cost")
NONE = -1

Vocabulary = dict[str, int]


@dataclass(frozen=True, eq=False)
class Block:
    """Hold rows as numbers, to be sent from one process to another.

    Args:
        names: Kind -> the names its codes point to; `query`, `response` and `feedback` share "text".
        columns: Column -> numbers; one for each row, or for each of the rows' candidates in turn.
    """

    names: dict[str, list[str]]
    columns: dict[str, np.ndarray]


class Gatherer:
    """Collect rows in the order of their file.

    Args:
        same_query: Join rated answers of one user to one query where no conversation is named.
        renumber: Turns of a conversation are known by their order only; count them from 0.
    """

    def __init__(self, same_query: bool = False, renumber: bool = False) -> None:
        self.same_query, self.renumber = same_query, renumber
        self.codes: dict[str, Vocabulary] = {name: {} for name in (*NAMES, "text", "model")}
        self.columns = {name: array("d" if name in FLOATS else "q") for name in (*OF_ROWS, *OF_CANDIDATES)}

    def __len__(self) -> int:
        return len(self.columns["user"])

    def add(self, row: Answers) -> None:
        """Take one row."""
        columns, code, texts = self.columns, self._code, self.codes["text"]
        columns["file"].append(code("file", row.file))
        columns["line"].append(row.line)
        columns["user"].append(code("user", row.user))
        columns["conversation"].append(code("conversation", row.conversation))
        columns["comparison"].append(code("comparison", row.comparison))
        columns["question"].append(code("question", row.question))
        columns["task"].append(code("task", row.task))
        columns["query"].append(texts.setdefault(row.query, len(texts)))
        columns["turn"].append(NONE if row.turn is None else row.turn)
        columns["split"].append(NONE if row.split is None else row.split)
        columns["timestamp"].append(np.nan if row.timestamp is None else row.timestamp)
        columns["count"].append(len(row.candidates))
        content = None
        if row.comparison is None and row.conversation is None and len(row.candidates) > 1:
            content = _content(None, row.query, row.timestamp, row.candidates)
        columns["content"].append(code("content", content))
        for one in row.candidates:
            columns["model"].append(code("model", one.model))
            columns["response"].append(code("text", one.response))
            columns["feedback"].append(code("text", one.feedback))
            columns["rating"].append(np.nan if one.rating is None else one.rating)
            columns["cost"].append(np.nan if one.cost is None else one.cost)

    def extend(self, rows: Iterable[Answers]) -> Gatherer:
        """Take rows one after the other."""
        for row in rows:
            self.add(row)
        return self

    def block(self) -> Block:
        """Return what was gathered, to be merged elsewhere."""
        columns = {name: np.array(values) for name, values in self.columns.items()}
        return Block({kind: list(known) for kind, known in self.codes.items()}, columns)

    def merge(self, block: Block) -> None:
        """Take the rows of a block behind those that stand."""
        codes = {}
        for kind, names in block.names.items():
            known = self.codes[kind]
            codes[kind] = np.array([known.setdefault(name, len(known)) for name in names] + [NONE], np.int64)
        for name, values in block.columns.items():
            kind = "text" if name in (*TEXTS, "query") else name
            found = codes[kind][values] if kind in codes else values
            self.columns[name].frombytes(np.ascontiguousarray(found).tobytes())

    def gathered(self, rejected: list[Rejected]) -> Gathered:
        """Put the rows into comparisons and conversations.

        A vote is a comparison. Rated answers with the same `comparison`, or with the same
        conversation, turn and query, form one; a repeated model starts the next. Names of
        conversations that several users share are told apart by the user.

        Args:
            rejected: Receives rows that contradict the comparison they name.
        """
        row, part = ({name: np.array(self.columns[name]) for name in some} for some in (OF_ROWS, OF_CANDIDATES))
        names = {kind: tuple(known) for kind, known in self.codes.items()}
        head = self._heads(row, part["model"], names, rejected)
        firsts = np.unique(head[head >= 0])
        kept = np.flatnonzero(head >= 0)
        order = kept[np.argsort(head[kept], kind="stable")]  # the rows of a comparison, side by side
        begin = np.concatenate([[0], np.cumsum(row["count"])[:-1]]) if len(head) else np.zeros(0, np.int64)
        sizes = row["count"][order]
        at = np.repeat(begin[order], sizes) + np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        start = np.concatenate([[0], np.cumsum(np.bincount(np.searchsorted(firsts, head[order]), sizes, len(firsts)))])
        return Gathered(
            names,
            {name: values[firsts] for name, values in row.items()},
            {name: values[at] for name, values in part.items()},
            start.astype(np.int64),
            self.renumber,
            len(kept),
        )

    def _code(self, kind: str, name: str | None) -> int:
        if name is None:
            return NONE
        known = self.codes[kind]
        return known.setdefault(name, len(known))

    def _heads(
        self, row: dict[str, np.ndarray], model: np.ndarray, names: dict[str, tuple[str, ...]], rejected: list[Rejected]
    ) -> np.ndarray:
        """Return (N,) the first row of the comparison each row belongs to, -1 for a row that contradicts it."""
        own = np.arange(len(self))
        named = row["comparison"] >= 0
        alone = ~named & ((row["count"] > 1) | ((row["conversation"] < 0) & (not self.same_query)))
        if alone.all():
            return own
        zero = np.zeros(len(own), np.int64)
        turned = ~named & (row["conversation"] >= 0)
        key = np.stack(
            [
                np.where(named, 0, np.where(turned, 1, 2)),
                row["user"],
                np.where(named, row["comparison"], row["query"]),
                np.where(turned, row["conversation"], zero),
                np.where(turned, row["turn"], zero),
            ],
            axis=1,
        )
        key[alone] = np.stack([zero + 3, own, zero, zero, zero], axis=1)[alone]
        _, first, group = np.unique(key, axis=0, return_index=True, return_inverse=True)
        head = first[group.reshape(-1)]
        for trouble in self._troubled(row, model, head, named):
            self._settle(trouble, row, model, head, names, rejected)
        return head

    def _troubled(
        self, row: dict[str, np.ndarray], model: np.ndarray, head: np.ndarray, named: np.ndarray
    ) -> list[np.ndarray]:
        """Return the rows of every group in which a model stands twice or a row differs from the first."""
        of = np.repeat(head, row["count"])
        pairs = of * (int(model.max(initial=0)) + 1) + model
        values, count = np.unique(pairs, return_counts=True)
        bad = set((values[count > 1] // (int(model.max(initial=0)) + 1)).tolist())
        differs = np.zeros(len(head), bool)
        for name in ("query", "conversation", "turn", "split"):
            differs |= row[name] != row[name][head]
        bad |= set(head[differs & named].tolist())
        if not bad:
            return []
        rows = np.flatnonzero(np.isin(head, np.fromiter(bad, np.int64)))
        rows = rows[np.argsort(head[rows], kind="stable")]
        return np.split(rows, np.flatnonzero(np.diff(head[rows])) + 1)

    def _settle(
        self,
        rows: np.ndarray,
        row: dict[str, np.ndarray],
        model: np.ndarray,
        head: np.ndarray,
        names: dict[str, tuple[str, ...]],
        rejected: list[Rejected],
    ) -> None:
        """Go through one troubled group row by row: a named comparison rejects, others begin the next."""
        begin = self._begin
        first, seen = int(rows[0]), set[int]()
        named = row["comparison"][first] >= 0
        for at in rows.tolist():
            theirs = set(model[begin[at] : begin[at + 1]].tolist())
            problem = self._contradiction(row, at, first, seen & theirs, names) if named and at != first else None
            if problem:
                file = names["file"][row["file"][at]]
                rejected.append(Rejected(file, int(row["line"][at]), problem))
                head[at] = NONE
                continue
            if not named and seen & theirs:
                first, seen = at, set()
            head[at] = first
            seen |= theirs

    @cached_property
    def _begin(self) -> np.ndarray:
        """(N + 1,) where the candidates of each row stand."""
        return np.concatenate([[0], np.cumsum(np.array(self.columns["count"]))]).astype(np.int64)

    def _contradiction(
        self, row: dict[str, np.ndarray], at: int, first: int, twice: set[int], names: dict[str, tuple[str, ...]]
    ) -> str | None:
        comparison = names["comparison"][row["comparison"][at]]
        for name in ("query", "conversation", "turn", "split"):
            if row[name][at] != row[name][first]:
                line = row["line"][first]
                return f"{name} differs from that of comparison {comparison} on line {line}; expected the same"
        if twice:
            model = min(names["model"][code] for code in twice)
            return f"{model} stands twice in comparison {comparison}; expected each model once"
        return None


@dataclass(frozen=True, eq=False)
class Gathered:
    """Hold C comparisons in the order their first rows appear, with R candidates.

    Args:
        names: Kind -> names that the codes point to.
        first: Column -> (C,) what the first row of each comparison says.
        part: Column -> (R,) of the candidates.
        start: (C + 1,) where the candidates of each comparison stand.
        renumber: As in `Gatherer`.
        rows: How many rows were read well.
    """

    names: dict[str, tuple[str, ...]]
    first: dict[str, np.ndarray]
    part: dict[str, np.ndarray]
    start: np.ndarray
    renumber: bool
    rows: int

    def __len__(self) -> int:
        return len(self.start) - 1

    @property
    def splits(self) -> np.ndarray:
        """(C,) split codes as the rows state them, -1 where none is stated."""
        return self.first["split"]

    @cached_property
    def conversations(self) -> tuple[tuple[str, ...], np.ndarray]:
        """Names of the conversations, and the (C,) conversation of each comparison."""
        user, talk = self.first["user"], self.first["conversation"]
        pairs = np.unique(np.stack([talk, user], axis=1), axis=0)
        talks, owners = np.unique(pairs[:, 0], return_counts=True)
        several = set(talks[owners > 1].tolist())
        users, named = self.names["user"], self.names["conversation"]
        content, contents = self.first["content"].tolist(), self.names["content"]
        known: Vocabulary = {}
        used: Vocabulary = defaultdict(int)
        codes = np.empty(len(self), np.int64)
        for at, (person, conversation) in enumerate(zip(user.tolist(), talk.tolist(), strict=True)):
            if conversation < 0:
                held = contents[content[at]] if content[at] >= 0 else self._content_of(at)
                name = f"{users[person]}/{held}"
                used[name] += 1
                name = name if used[name] == 1 else f"{name}#{used[name]}"
            elif conversation in several:
                name = f"{users[person]}/{named[conversation]}"
            else:
                name = named[conversation]
            codes[at] = known.setdefault(name, len(known))
        return tuple(known), codes

    @cached_property
    def turns(self) -> np.ndarray:
        """(C,) turns; comparisons that state none follow one another."""
        _, talk = self.conversations
        counted: dict[int, int] = defaultdict(int)
        turns = np.empty(len(self), np.int64)
        for at, (conversation, stated) in enumerate(zip(talk.tolist(), self.first["turn"].tolist(), strict=True)):
            turns[at] = turn = counted[conversation] if stated < 0 else stated
            counted[conversation] = max(counted[conversation], turn + 1)
        if not self.renumber or not len(self):
            return turns
        pairs, place = np.unique(np.stack([talk, turns], axis=1), axis=0, return_inverse=True)
        begins = np.searchsorted(pairs[:, 0], pairs[:, 0])
        return (np.arange(len(pairs)) - begins)[place.reshape(-1)]

    def comparisons(self) -> list[Comparison]:
        """Return the comparisons one by one; a question that no row names stays unnamed."""
        names, (talks, talk), first = self.names, self.conversations, self.first
        out = []
        for at, (low, high) in enumerate(pairwise(self.start.tolist())):
            out.append(
                Comparison(
                    names["user"][first["user"][at]],
                    talks[talk[at]],
                    int(self.turns[at]),
                    names["text"][first["query"][at]],
                    tuple(self._candidate(place) for place in range(low, high)),
                    _named(names["question"], first["question"][at]),
                    _named(names["task"], first["task"][at]),
                    _number(first["timestamp"][at]),
                )
            )
        return out

    def table(self) -> InteractionTable:
        """Return the comparisons as a table, vocabularies by first appearance, as `from_comparisons` would."""
        talks, talk = self.conversations
        first, part, start = self.first, self.part, self.start
        asked, question = self._questions(talk)
        users, user = _renamed(self.names["user"], first["user"])
        tasks, task = _renamed(self.names["task"], first["task"])
        models, model = _renamed(self.names["model"], part["model"])
        # Texts count in the order they are met: a query, then each answer and what was said of it.
        met = np.empty(len(self) + 2 * len(model), np.int64)
        queries, answers = np.arange(len(self)) + 2 * start[:-1], np.repeat(np.arange(len(self)) + 1, np.diff(start))
        answers = answers + 2 * np.arange(len(model))
        met[queries], met[answers], met[answers + 1] = first["query"], part["response"], part["feedback"]
        texts, met = _renamed(self.names["text"], met)
        return InteractionTable(
            users=users,
            models=models,
            texts=texts,
            conversations=talks,
            questions=asked,
            tasks=tasks,
            comparison=np.arange(len(self)),
            user=user,
            conversation=talk,
            turn=self.turns,
            question=question,
            task=task,
            query=met[queries],
            timestamp=first["timestamp"],
            split=np.zeros(len(self), np.int8),
            start=start,
            model=model,
            response=met[answers],
            feedback=met[answers + 1],
            rating=part["rating"],
            cost=part["cost"],
        ).owned()

    def _questions(self, talk: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
        """Name every comparison's question; where no row does, by the text its conversation opened with."""
        order = np.lexsort((np.arange(len(self)), self.turns, talk))
        opens = np.ones(len(order), bool)
        opens[1:] = talk[order[1:]] != talk[order[:-1]]
        opening = np.empty(int(talk.max(initial=-1)) + 1, np.int64)
        opening[talk[order[opens]]] = self.first["query"][order[opens]]
        stated, texts = self.names["question"], self.names["text"]
        known: Vocabulary = {}
        hashed: dict[int, str] = {}
        codes = np.empty(len(self), np.int64)
        for at, (question, query) in enumerate(zip(self.first["question"], opening[talk].tolist(), strict=True)):
            name = _named(stated, question)
            if name is None:
                name = hashed.get(query) or hashed.setdefault(query, text_id(texts[query]))
            codes[at] = known.setdefault(name, len(known))
        return tuple(known), codes

    def _candidate(self, place: int) -> Candidate:
        part, texts = self.part, self.names["text"]
        return Candidate(
            self.names["model"][part["model"][place]],
            _named(texts, part["response"][place]),
            _number(part["rating"][place]),
            _named(texts, part["feedback"][place]),
            _number(part["cost"][place]),
        )

    def _content_of(self, at: int) -> str:
        first = self.first
        candidates = [self._candidate(place) for place in range(self.start[at], self.start[at + 1])]
        comparison = _named(self.names["comparison"], first["comparison"][at])
        return _content(comparison, self.names["text"][first["query"][at]], _number(first["timestamp"][at]), candidates)


def _content(comparison: str | None, query: str, timestamp: float | None, candidates: Sequence[Candidate]) -> str:
    """Name a conversation of one round by what it holds, so that it keeps its name in another file."""
    answers = [(candidate.model, candidate.response, candidate.rating) for candidate in candidates]
    return text_id(repr((comparison, query, timestamp, answers)))


def _named(names: Sequence[str], code: int) -> str | None:
    return None if code < 0 else names[code]


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _renamed(names: tuple[str, ...], codes: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the names that are used, by first appearance, and the codes that point to them; -1 stays -1."""
    used, at = np.unique(codes, return_index=True)
    used, at = used[used >= 0], at[used >= 0]
    used = used[np.argsort(at)]
    place = np.full(len(names) + 1, NONE, np.int64)
    place[used] = np.arange(len(used))
    return tuple(names[code] for code in used.tolist()), place[codes]
