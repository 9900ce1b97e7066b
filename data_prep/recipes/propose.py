"""Propose how to read a file that nobody described: a recipe, why it was chosen, and what it leaves open."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from data_prep.read.dialect import PACKED, Dialect
from data_prep.read.row_files import read_input
from data_prep.recipes.column_facts import LONG, ColumnFacts, facts_of, side_pairs
from data_prep.recipes.guess import (
    by_name,
    is_name,
    is_rating,
    needs_no_labels,
    scale_of,
    time_forms,
    unknown_words,
    verdict_words,
)
from data_prep.recipes.recipe import Each, Recipe, RecipeColumns
from data_prep.recipes.recipe_files import PREFIX, load_recipe, shipped
from data_prep.recipes.sniff import sniff
from gmt.errors import DataError

LOOKED_AT = 2000
"""Rows on which a proposal stands."""
ROUND = "round"
TEXT_WORDS = {"response", "answer", "completion", "output", "text", "reply", "conversation", "result", "generation"}


@dataclass
class Draft:
    """Hold a proposal while it is made.

    Args:
        facts: The columns.
        columns: Role -> column.
        reasons: What was found, one line each.
        open: What could not be settled, one line each.
    """

    facts: list[ColumnFacts]
    columns: dict[str, str] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    labels: dict[str, float | str] | None = None
    scale: tuple[float, float] | None = None
    time_format: str | None = None
    each: Each | None = None

    def take(self, role: str, one: ColumnFacts, why: str = "") -> None:
        """Give a role to a column."""
        self.columns[role] = one.name
        shown = ", ".join(cell[:24] for cell in one.distinct[:3])
        self.reasons.append(f"{role}: {one.name} ({len(one.distinct):,} distinct, e.g. {shown}){why}")

    def take_named(self, role: str, fits: object = None) -> ColumnFacts | None:
        """Give a role to the likeliest column that is called so and fits."""
        for one in by_name(role, self.facts, self.columns.values()):
            if fits is None or (callable(fits) and fits(one)):
                self.take(role, one)
                return one
        return None


@dataclass(frozen=True)
class Proposal:
    """Hold how a file may be read.

    Args:
        recipe: The proposal.
        reasons: What was found, one line each.
        open: What a user should check, one line each.
        shipped: Name of the recipe that ships with gmt, where the file is one that it knows.
    """

    recipe: Recipe
    reasons: Sequence[str]
    open: Sequence[str]
    shipped: str | None = None


def propose(path: Path) -> Proposal:
    """Look at a file and propose a recipe.

    Raises:
        DataError: The file cannot be read, or no column looks like one that every vote or rating needs.
    """
    dialect = sniff(path)
    rows = [row for _, _, row in islice(read_input(path, [], dialect=dialect), LOOKED_AT)]
    if not rows:
        raise DataError(f"{path.name} holds no row that can be read; expected votes or ratings")
    draft = Draft(facts_of(rows))
    if (known := _known(path, draft.facts)) is not None:
        return known
    _rounds(draft)
    # A timestamp before all: its numbers would do for ratings.
    _time(draft)
    draft.take_named("user", is_name)
    if not _votes(draft):
        _ratings(draft)
    _texts(draft)
    _refuse_unfinished(draft, path)
    return Proposal(_recipe(draft, dialect), _dialect_words(dialect) + draft.reasons, draft.open)


def _known(path: Path, facts: Sequence[ColumnFacts]) -> Proposal | None:
    """Return the shipped recipe of a file that has its name and its columns."""
    there = {one.name.split(".")[0] for one in facts}
    for name in shipped():
        recipe = load_recipe(PREFIX + name)
        if recipe.file == path.name.removesuffix(PACKED):
            user = (recipe.columns.user or [""])[0].split(".")[0]
            if user in there:
                return Proposal(recipe, [f"{path.name} has the name and the columns of {PREFIX}{name}"], [], name)
    return None


def _rounds(draft: Draft) -> None:
    """Take chat messages apart, where a column holds them."""
    chat = next((one for one in draft.facts if one.is_messages), None)
    if chat is None:
        return
    draft.each = Each(messages=chat.name, **{"as": ROUND}, rated="last")
    draft.columns |= {"query": f"{ROUND}.query", "response": f"{ROUND}.answer", "turn": f"{ROUND}_number"}
    draft.reasons.append(f"rounds: {chat.name} holds chat messages; the rating is on the last answer")
    if any("model" in message for cell in chat.cells for message in cell):
        draft.columns["model"] = f"{ROUND}.model"
        draft.reasons.append(f"model: the messages of {chat.name} name it")


def _time(draft: Draft) -> None:
    one = next(iter(by_name("timestamp", draft.facts, ())), None)
    if one is None:
        return
    forms = time_forms(one)
    if len(forms) == 1:
        draft.take("timestamp", one, f", written as {forms[0]}" if forms[0] else "")
        draft.time_format = forms[0]
    elif forms:
        draft.open.append(f"{one.name} may be {' or '.join(map(str, forms))}; name one with --time-format")
    else:
        draft.open.append(f"{one.name} is called like a time and is none that is known; name its --time-format")


def _votes(draft: Draft) -> bool:
    """Find a vote on two answers; return whether there is one."""
    pairs = side_pairs(draft.facts)
    texts = [pair for pair in pairs if _is_text(pair[0]) or _is_text(pair[1])]
    # Names before numbers: ids of models often stand beside their names.
    names = sorted((pair for pair in pairs if pair not in texts), key=lambda pair: pair[0].numbers is not None)
    if not names:
        return False
    models = {*names[0][0].distinct, *names[0][1].distinct}
    for one in by_name("winner", draft.facts, draft.columns.values()):
        words = verdict_words(one.distinct, models)
        known = needs_no_labels(one.distinct, models)
        if words is None and not known and len(one.distinct) > 6:
            continue
        draft.take("model_a", names[0][0])
        draft.take("model_b", names[0][1])
        draft.take("winner", one)
        if not known:
            draft.labels = words
        if words is None and not known:
            shown = ", ".join(one.distinct[:6])
            draft.open.append(f"what {one.name} says ({shown}) could not be told; name the words with --labels A,B,TIE")
        if texts:
            draft.take("response_a", texts[0][0])
            draft.take("response_b", texts[0][1])
        return True
    return False


def _is_text(one: ColumnFacts) -> bool:
    return one.length > LONG or bool(TEXT_WORDS & set(one.words))


def _ratings(draft: Draft) -> None:
    """Find a rated answer."""
    if "model" not in draft.columns:
        draft.take_named("model", is_name)
    one = draft.take_named("rating", is_rating)
    if one is None:
        return
    draft.scale = scale_of(one)
    if draft.scale is not None and one.numbers is not None:
        worst, best = draft.scale
        seen = f"{min(one.numbers):g} to {max(one.numbers):g} are seen"
        draft.open.append(f"the scale of {one.name} is taken to be {worst:g} to {best:g} (worst to best), for {seen}")
    if unknown := unknown_words(one):
        draft.open.append(
            f"what {one.name} says ({', '.join(unknown[:4])}) could not be told; name the words with --labels GOOD,BAD"
        )


def _texts(draft: Draft) -> None:
    """Find the columns that most tables have and none must have, and the query."""
    single = "rating" in draft.columns
    roles = ("conversation", "turn", "question", "task", "comparison", *(("cost",) if single else ()))
    for role in roles:
        # A turn without a conversation, and the other way round, orders nothing.
        if role not in draft.columns and (role != "turn" or "conversation" in draft.columns):
            draft.take_named(role, is_name)
    if "query" not in draft.columns and draft.take_named("query", lambda one: one.numbers is None) is None:
        # No name says it: the longest text that is no answer is what was asked.
        free = [one for one in draft.facts if one.labels and one.numbers is None and one.name not in _used(draft)]
        named = {one.name for role in ("response", "feedback") for one in by_name(role, draft.facts, ())}
        longest = max((one for one in free if one.name not in named), key=lambda one: one.length, default=None)
        # Keys of other tables are long too, but have no words.
        if longest is not None and sum(" " in cell for cell in longest.labels) * 2 > len(longest.labels):
            draft.take("query", longest, ", the longest text")
            draft.open.append(f"query is taken to be {longest.name}, the longest text; no name says so")
    if single and "response" not in draft.columns:
        draft.take_named("response", lambda one: one.numbers is None)
    draft.take_named("feedback", lambda one: one.numbers is None)


def _used(draft: Draft) -> set[str]:
    return set(draft.columns.values())


def _refuse_unfinished(draft: Draft, path: Path) -> None:
    """Refuse a draft that lacks a column which every vote or rating needs."""
    needed = ["user", "query"]
    needed += ["winner", "model_a", "model_b"] if "winner" in draft.columns else ["model", "rating"]
    missing = [role for role in needed if role not in draft.columns]
    if not missing:
        return
    names = ", ".join(one.name for one in draft.facts)[:120]
    found = ", ".join(f"{role}={name}" for role, name in draft.columns.items() if role in needed) or "nothing"
    flags = " ".join(f"--{role}" for role in missing)
    raise DataError(
        f"{path.name}: found {found}; no column looks like {' or '.join(missing)} among {names}; name {flags} "
        "and the others as gmt prep --help says, or write a recipe"
    )


def _recipe(draft: Draft, dialect: Dialect) -> Recipe:
    return Recipe(
        format=dialect.format,
        delimiter=dialect.delimiter,
        encoding=dialect.encoding,
        each=draft.each,
        columns=RecipeColumns(**{role: [name] for role, name in draft.columns.items()}),
        labels=draft.labels or None,
        rating_scale=None if draft.scale is None else list(draft.scale),
        time_format=draft.time_format,
    )


def _dialect_words(dialect: Dialect) -> list[str]:
    found = {"format": dialect.format, "delimiter": dialect.delimiter, "encoding": dialect.encoding}
    return [f"{name}: {said}" for name, said in found.items() if said is not None]


def command_of(recipe: Recipe, path: str) -> str | None:
    """Return the `gmt prep votes` command that states a recipe; None where only a recipe can state it."""
    sides = {1.0: 0, 0.0: 1, 0.5: 2, "both bad": 3}
    labels = [""] * 4
    for word, said in (recipe.labels or {}).items():
        at = sides.get(said)
        if at is None or labels[at] or "," in word:
            return None
        labels[at] = word
    stated = [word for word in labels if word]
    # The words are known by their places, so that none may lack before the last.
    if recipe.each is not None or recipe.format is not None or labels[: len(stated)] != stated or len(stated) == 1:
        return None
    options = [(role, name[0]) for role, name in recipe.columns.stated().items()]
    options += [("labels", ",".join(stated))] if stated else []
    options += [("rating-scale", f"{recipe.scale[0]:g},{recipe.scale[1]:g}")] if recipe.scale else []
    for name in ("delimiter", "encoding", "time_format"):
        options += [(name, said)] if (said := getattr(recipe, name)) is not None else []
    words = [f"--{role.replace('_', '-')} {shlex.quote(said)}" for role, said in options]
    return " ".join([f"gmt prep votes {shlex.quote(path)}", *words])
