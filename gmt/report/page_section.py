"""Gather one run's section of a page: all that its template shows, users last, as many as there is room for."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from gmt.data.interactions import InteractionTable
from gmt.errors import visible
from gmt.manifest import MANIFEST, read_manifest
from gmt.report.held_out import HeldOutRounds
from gmt.report.markdown import interval_cell
from gmt.report.page_data import data_rows
from gmt.report.page_figures import page_figures
from gmt.report.page_receipt import commands_of, receipt_rows
from gmt.report.page_results import minus, shown_results
from gmt.report.result_values import OURS, shots_of
from gmt.report.run_facts import RunFacts
from gmt.report.shown_user import UserCard
from gmt.report.user_cards import UserCards
from gmt.report.verdict_text import OPENINGS
from gmt.serving.pretrained import Router


@dataclass(frozen=True)
class PageOptions:
    """State what a page shows.

    Args:
        users: Users of each run that are shown, chosen evenly by their number of rated rounds.
        named: Users that are shown first, whoever else is.
        texts: Show what users and models wrote, where the run keeps it.
        names: Show users' names; else they are numbered.
        megabytes: Size that the page does not pass; users are left out for it, and the page says how many.
    """

    users: int = 12
    named: tuple[str, ...] = ()
    texts: bool = True
    names: bool = True
    megabytes: float = 8.0


class PageSection:
    """Gather one run's section of the page."""

    def __init__(
        self,
        facts: RunFacts,
        id: str,
        options: PageOptions,
        pages: jinja2.Environment,
        progress: Callable[[str], object] | None,
    ) -> None:
        self.facts, self.id, self.options, self.pages = facts, id, options, pages
        self.progress = progress or (lambda what: None)
        self.router = Router.from_pretrained(facts.folder.root)

    def fill(self, limit: float, command: Sequence[str]) -> dict[str, Any]:
        """Return what the template shows; users come last, as many as there is room for.

        Args:
            limit: Characters that the section may take.
            command: What the page was made by.
        """
        facts = self.facts
        history = InteractionTable.read(facts.folder.history, self.router.data.table.models)
        results = shown_results(facts)
        self.progress("figures")
        private = self.options.texts and self.options.names and self.router.config.state.texts
        figures = page_figures(facts, self.id, private)
        files = read_manifest(facts.folder.root).files if (facts.folder.root / MANIFEST).is_file() else {}
        size = sum(len(figure.svg) for figure in figures)
        users, known = self._users(limit - size)
        self.router.close()
        parts = {"verdict": True, "data": True, "results": results, "figures": figures, "users": users, "receipt": True}
        return {
            "id": self.id,
            "name": visible(facts.name),
            "root": str(facts.folder.root),
            "parts": [(f"{self.id}-{part}", part.title()) for part, there in parts.items() if there],
            "results": results,
            "data": data_rows(facts, history),
            "figures": [{"caption": one.caption, "svg": Markup(one.svg), "wide": one.wide} for one in figures],
            "users": users,
            "users_note": self._users_note(len(users), len(known)),
            "score_note": self._score_note(),
            "receipt": receipt_rows(facts),
            "commands": commands_of(facts, command),
            "settings": [(name, "–" if value is None else str(value)) for name, value in facts.settings.items()],
            "files": [(name, mark.sha256) for name, mark in sorted(files.items())],
            "across": self._across(),
            "known": known,
            "all": len(known),
            "size": size + sum(len(card) for _, _, card in users),
        }

    def _users(self, limit: float) -> tuple[list[tuple[str, str, Markup]], list[str]]:
        """Return id, name and card of users until the room is used up, and the names of all."""
        table = self.router.data.table
        counts = np.bincount(table.user[table.rated], minlength=len(table.users))
        here = np.flatnonzero(np.bincount(table.user, minlength=len(table.users)))
        # Those of most rated rounds first; the name decides among equals, so that equal runs show the same.
        ordered = sorted(here.tolist(), key=lambda code: (-counts[code], table.users[code]))
        known = [table.users[code] for code in ordered]
        count = min(self.options.users, len(known))
        evenly = [known[place] for place in np.linspace(0, len(known) - 1, count).astype(int)] if count else []
        chosen = list(dict.fromkeys([*(name for name in self.options.named if name in known), *evenly]))
        if not chosen:
            return [], known
        cards = UserCards(self.router, HeldOutRounds.of(self.facts), self.options.texts)
        template, out, used = self.pages.get_template("user.html"), [], 0.0
        for number, name in enumerate(chosen, 1):
            self.progress(f"user {number} of {len(chosen)}")
            id = f"{self.id}-user-{number}"
            card = cards.of(name, None if self.options.names else f"user {number}")
            html = template.render(id=id, user=card, likings=_likings(card))
            used += len(html)
            if used > limit:
                break
            out.append((id, card.name, Markup(html)))
        return out, known

    def _users_note(self, shown: int, known: int) -> str:
        wanted = min(self.options.users, known)
        note = f"{shown:,} of {known:,} users, chosen evenly from the most to the fewest rated rounds"
        if shown < wanted:
            note += f"; {self.options.megabytes:g} MB hold no more, which --megabytes raises"
        hidden = []
        if not self.router.config.state.texts:
            hidden.append("The run keeps no texts, so none are shown.")
        elif not self.options.texts:
            hidden.append("Texts are left out.")
        if not self.options.names:
            hidden.append("Names are replaced by numbers.")
        return " ".join([f"{note}.", *hidden])

    def _score_note(self) -> str:
        """Say what a score is worth, in chances."""
        temperature = float(self.router.card.get("temperature") or 1.0)
        chance = 1 / (1 + math.exp(-1 / temperature))
        return (
            "Scores are relative to the mean of the models: of two models, one whose score is 1 higher is preferred "
            f"with a chance of {chance:.0%}."
        )

    def _across(self) -> list[dict[str, str]]:
        """Return the rows of this run in the table across runs."""
        rows = []
        for label in self.facts.results or [""]:
            summary = self.facts.summary(label) if label else {}
            verdict = summary.get("verdict") or {}
            shots = shots_of(summary)[-1] if summary else ""
            ours = summary["shots"][shots]["routers"].get(OURS) if summary else None
            said = OPENINGS[verdict["status"], verdict["reason"]] if verdict else "not measured with controls"
            rows.append(
                {
                    "id": self.id,
                    "name": visible(self.facts.name),
                    "label": label + (f", {shots} shots" if shots.isdigit() else "") if label else "not measured",
                    "users": f"{summary.get('users', 0):,}" if summary else "",
                    "pairs": f"{summary.get('pairs', 0):,}" if summary else "",
                    "auc": minus(interval_cell((ours or {}).get("auc"))),
                    "gain": minus(interval_cell((verdict.get("gain") or {}).get("auc"), "+")),
                    "shuffled": minus(interval_cell((verdict.get("shuffled") or {}).get("auc"), "+")),
                    "verdict": said if label else "",
                }
            )
        return rows


def _likings(card: UserCard) -> list[dict[str, Any]]:
    """Return what is drawn of a user's liking of models: scores about their mean, and bars of at most 50 units."""
    if not card.likings:
        return []
    mean = math.fsum(score for _, score, _ in card.likings) / len(card.likings)
    unknown = math.fsum(base for _, _, base in card.likings) / len(card.likings)
    rows = [(model, score - mean, of_unknown - unknown) for model, score, of_unknown in card.likings]
    largest = max(max(abs(score - base) for _, score, base in rows), 1e-9)
    out = []
    for model, score, base in rows:
        width = 50 * abs(score - base) / largest
        x = 0.0 if score > base else -width
        adds = score - base
        out.append(
            {
                "model": visible(model),
                "score": score,
                "unknown": base,
                "adds": adds,
                "x": f"{x:.1f}",
                "width": f"{width:.1f}",
            }
        )
    return out
