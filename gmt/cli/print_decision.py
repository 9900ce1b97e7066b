"""Print what a router decided: the ranking, what its columns mean, and the rounds that moved the winner."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from gmt.cli.console import Terminal

if TYPE_CHECKING:
    from gmt.serving.decision import Decision
    from gmt.serving.explain import Explanation, Reason

QUERY = 60
"""Characters of a query that a line shows."""
WORDS = 32
"""Characters of a remark that a line shows."""
MOST = 12
"""Rounds that are shown, shared between the kinds; the others are counted."""
LEAST = 3
"""Rounds of a kind that are shown where none moves a hundredth."""
WAYS = {
    "any query": "any question",
    "near query": "near question",
    "conversation": "this conversation",
    "style": "answer style",
    "traits": "answer traits",
    "quality weight": "quality against cost",
    "network": "network",
}
"""Way of `gmt.routing.protocol` -> what a table calls it."""
MEANINGS = {
    "any query": "a liking for models, and for those that the same people like; it counts whatever a round was about",
    "near query": "a liking on questions like this one; it counts the more, the nearer the round's question is",
    "conversation": "a liking within this conversation",
    "style": "a liking for answers of such a length and form",
    "traits": "a liking for such traits of answers",
    "quality weight": "how much quality is worth against cost",
    "network": "what the graph network makes of the round",
}


def print_decision(terminal: Terminal, decision: Decision, temperature: float, utility: bool, explain: bool) -> None:
    """Print a decision.

    Args:
        terminal: Where to.
        decision: What was decided.
        temperature: What score differences are divided by to be log odds.
        utility: The scores are expected rewards.
        explain: Whether reasons were asked for.
    """
    _print_ranking(terminal, decision)
    terminal.legend(_meaning(decision, temperature, utility))
    if decision.stay is not None:
        terminal.text(f"{str(decision.stay)[0].upper()}{str(decision.stay)[1:]}.")
    if explain and not terminal.as_json:
        _print_reasons(terminal, decision)


def _print_ranking(terminal: Terminal, decision: Decision) -> None:
    """Print every candidate with its score and uncertainty; the column of costs only where some are known."""
    rows = [
        [c.model, f"{c.score:+.2f}", "–" if c.uncertainty is None else f"{c.uncertainty:.2f}",
         f"{c.win_probability:.0%}", f"{c.margin:+.2f}", "–" if c.cost is None else f"{c.cost:.0%}"]
        for c in decision.ranking
    ]  # fmt: skip
    heads = ["model", "score", "±", "wins", "margin", "cost"]
    kept = len(heads) if any(c.cost is not None for c in decision.ranking) else len(heads) - 1
    terminal.table("", heads[:kept], [row[:kept] for row in rows])


def _meaning(decision: Decision, temperature: float, utility: bool) -> str:
    """Say what the columns of the ranking mean, and the unit of the scores."""
    ahead = 1 / (1 + math.exp(-1 / temperature))
    said = [
        "score: the reward to expect, quality less cost as this user weighs them"
        if utility
        else f"score: predicted preference in logits; a lead of 1 is preferred in {ahead:.0%} of cases"
    ]
    if any(c.uncertainty is not None for c in decision.ranking):
        said.append("±: its standard deviation")
    said += ["wins: mean chance against each other candidate", "margin: what the user's own rounds add to the score"]
    if any(c.cost is not None for c in decision.ranking):
        said.append("cost: share of the dearest")
    return "; ".join(said) + "."


def _print_reasons(terminal: Terminal, decision: Decision) -> None:
    """Print the rounds that moved the winner, those first that are understood most easily; all add up to the margin."""
    from gmt.serving.explain import Explanation

    if not decision.reasons:
        terminal.text(f"\nNo round of this user moved {decision.model}: everybody's ratings alone speak for it.")
        return
    explanation = Explanation.of(decision.model, decision.ranking[0].margin, decision.reasons)
    rounds = sum(map(len, explanation.groups.values()))
    terminal.text(
        f"\nWhy {decision.model}: {rounds} past round{'s add' if rounds > 1 else ' adds'} {explanation.margin:+.2f} to "
        "its score, which is its margin:"
    )
    terminal.table("", ["adds", "round", "speaks of"], list(_rows(explanation)), texts=["round", "speaks of"])
    for way, effect in explanation.ways.items():
        terminal.legend(f"{WAYS[way]} {effect:+.2f}: {MEANINGS[way]}.")


def _rows(explanation: Explanation) -> Iterator[list[str]]:
    """Yield the rows of the table; figures are whole hundredths, and those shown add up to the last one."""
    each, total = MOST // len(explanation.groups), round(100 * explanation.margin)
    summed = 0
    for kind, reasons in explanation.groups.items():
        # What rounding leaves over goes to the rounds that are only counted.
        group = round(100 * sum(one.effect for one in reasons))
        shown = reasons if len(reasons) <= each + 1 else reasons[:each]
        # Of thousands of rounds hardly one moves a hundredth; a list of zeros says no more than their sum.
        shown = [one for one in shown if round(100 * one.effect)] or shown[:LEAST]
        parts = [round(100 * one.effect) for one in shown]
        group = sum(parts) if len(shown) == len(reasons) else group
        yield [_signed(group), _title(kind, explanation.model, reasons), ""]
        for one, part in zip(shown, parts, strict=True):
            yield [f"  {_signed(part)}", f"  {_round(one)}", _ways(one)]
        if len(shown) < len(reasons):
            yield [f"  {_signed(group - sum(parts))}", f"  {len(reasons) - len(shown)} others", ""]
        summed += group
    if total != summed and len(explanation.groups) > 1 or abs(total - summed) > 2:
        yield [_signed(total - summed), "what rounds do together, and rounding", ""]
    yield [_signed(total), f"margin of {explanation.model}", ""]


def _signed(hundredths: int) -> str:
    return f"{hundredths / 100:+.2f}"


def _title(kind: str, model: str, reasons: Sequence[Reason]) -> str:
    count = f"{len(reasons)} round{'s' if len(reasons) > 1 else ''}"
    return {"shown": f"{count} of this conversation", "winner": f"{count} with {model}"}.get(
        kind, f"{count} about other models"
    )


def _round(reason: Reason) -> str:
    """Return a round as one line: who pleased more, and on what."""
    from gmt.data.text_keys import readable

    query = readable(reason.query)
    return f"{judged(reason)}: {query if len(query) <= QUERY else query[: QUERY - 1] + '…'}"


def judged(reason: Reason) -> str:
    """Say how the answers of a round were judged: `a over b`, `a = b`, `a 0.75`, `a “too long”`."""
    from gmt.data.text_keys import readable

    said = reason.said or (None,) * len(reason.models)
    names = [
        model if word is None else f"{model} “{readable(word)[:WORDS]}”"
        for model, word in zip(reason.models, said, strict=True)
    ]
    rated = [(value, name) for value, name in zip(reason.ratings, names, strict=True) if value is not None]
    if len(rated) < 2:
        values = zip(names, reason.ratings, strict=True)
        return ", ".join(name if value is None else f"{name} {value:g}" for name, value in values)
    # Best first; equal ones keep the order in which they were shown.
    rated.sort(key=lambda one: -one[0])
    out = rated[0][1]
    for (before, _), (value, name) in zip(rated, rated[1:], strict=False):
        out += f"{' = ' if value == before else ' over '}{name}"
    return out


def _ways(reason: Reason) -> str:
    """Return the ways in which a round speaks about the question, the strongest first; what is slight is left out."""
    parts = sorted(reason.ways.items(), key=lambda item: -abs(item[1]))
    kept = [(way, part) for way, part in parts if abs(part) >= 0.1 * max(abs(parts[0][1]), 0.05)]
    return ", ".join(f"{WAYS[way]} {_signed(round(100 * part))}" for way, part in kept or parts[:1])
