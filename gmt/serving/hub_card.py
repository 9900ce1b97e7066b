"""Write the model card of a run: what it is, what it was measured to do, and what it remembers of people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gmt.errors import RunError, one_line
from gmt.files import read_json
from gmt.runs import RunFolder
from gmt.serving.people_free import SharedPart
from gmt.serving.run_data import RunData

MEASURED = {"auc": "AUC", "accuracy": "accuracy", "log_loss": "log loss"}
VERDICTS = {
    "worth_it": "Routing by person is worth it on these data.",
    "not_worth_it": "Routing by person is not worth it on these data.",
    "hardly_differ": "People hardly differ on these data, so routing by person gains little.",
    "cannot_tell": "These data cannot tell whether routing by person is worth it.",
}
SHOWN = 30
"""Models that the card names."""


def hub_card(
    folder: RunFolder,
    card: Mapping[str, Any],
    now: RunData,
    part: SharedPart | None,
    licence: str | None,
) -> str:
    """Return the text of a model card, as the hub shows it.

    Args:
        folder, card, now: The run.
        part: What is shared of its history without people; None where all of it is shared.
        licence: Its licence, as the hub names licences.
    """
    head = ["library_name: gmt-router", *([f"license: {_plain(licence)}"] if licence else []), "tags:"]
    head += ["- llm-routing", "- personalization", "- model_hub_mixin"]
    sections = [
        ("", _opening(now)),
        ("Use", _use()),
        ("Data", _data(folder, card, now)),
        ("What it was measured to do", _measured(folder, part)),
        ("What it remembers of people", _people(now, part)),
        ("Licence", [_licence(licence)]),
    ]
    body = [line for title, lines in sections for line in ([f"## {title}", "", *lines, ""] if title else [*lines, ""])]
    return "\n".join(["---", *head, "---", "", *body])


def _opening(now: RunData) -> list[str]:
    names = ", ".join(map(_plain, now.offered[:SHOWN])) + (", …" if len(now.offered) > SHOWN else "")
    return [
        "# A personalised router of language models",
        "",
        "Given who asks and what, this run of [gmt](https://pypi.org/project/gmt-router/) ranks the models on offer by "
        "what this person is likely to prefer. Somebody new is learned from a few rated rounds, without training.",
        "",
        f"{len(now.offered)} models on offer: {names}.",
    ]


def _use() -> list[str]:
    return [
        "```python",
        "from gmt import Router",
        "",
        'router = Router.from_pretrained("user/name")  # the name of this repository',
        'router.rank("ana", "How do I reverse a list?").model',
        "```",
        "",
        "What is added to it is kept in memory, unless a database is named or the run is saved to a folder.",
    ]


def _data(folder: RunFolder, card: Mapping[str, Any], now: RunData) -> list[str]:
    lines = [
        f"Trained on `{_plain(str(card.get('name', 'unnamed')))}` ({_plain(str(card.get('protocol', 'seen')))} split): "
        f"{now.trained:,} rounds to learn from; text vectors by `{_plain(now.data.encoder.id)}`."
    ]
    lines += [f"- {_plain(str(note))}" for note in card.get("notes", [])]
    return [lines[0], "", *lines[1:]] if len(lines) > 1 else lines


def _measured(folder: RunFolder, part: SharedPart | None) -> list[str]:
    found = _results(folder)
    if found is None:
        return ["Nothing was measured of this run before it was shared; `gmt eval` measures it on data with votes."]
    name, summary = found
    shots = max(summary["shots"], key=lambda key: float(key) if key.isdigit() else float("inf"))
    routers = summary["shots"][shots]["routers"]
    lines = [
        f"Protocol {_plain(name)}, {_plain(str(summary.get('split', 'test')))} part: "
        f"{summary.get('comparisons', 0):,} comparisons of {summary.get('users', 0):,} users, of rounds that training "
        "never saw; 95 % intervals over users.",
        "",
        "| router | " + " | ".join(MEASURED.values()) + " |",
        "|---|" + "--:|" * len(MEASURED),
    ]
    for router, values in routers.items():
        cells = [_interval(values.get(metric)) for metric in MEASURED]
        lines.append(f"| {'**gmt**' if router == 'gmt' else f'`{_plain(router)}`'} | " + " | ".join(cells) + " |")
    lines += ["", *_verdict(summary.get("verdict"))]
    if part is not None:
        lines += ["", "These numbers are of the run with its people's histories, which are not shared (below)."]
    return lines


def _verdict(verdict: Mapping[str, Any] | None) -> list[str]:
    if not verdict:
        return ["No verdict was reached: no router that is blind to the person was measured beside it."]
    gain = (verdict.get("gain") or {}).get(verdict.get("metric", "auc"))
    said = VERDICTS.get(str(verdict.get("status")), "")
    over = f" Over the best router that is blind to the person, `{_plain(str(verdict.get('over')))}`: "
    metric = {"lone_auc": "AUC of lone ratings"}.get(str(verdict.get("metric")), "AUC")
    return [f"**{said}**" + (f"{over}{metric} {_interval(gain, '+')}, paired over users." if gain else "")]


def _people(now: RunData, part: SharedPart | None) -> list[str]:
    if part is None:
        return [
            "**Everything**: names, texts, vectors and votes of all "
            f"{len(set(now.data.table.user.tolist())):,} people in it, and what they added since its training.",
        ]
    lines = [
        "No name, no text, no hash or vector of a text, no history and no time of anybody.",
        "",
        f"- Of the history there are {part.groups:,} groups of queries, each of at least {part.shared_by} different "
        f"queries of at least {part.shared_by} people: the mean of their vectors, and {part.rounds:,} rounds on them "
        f"(which models were shown and how they were rated), no two of them joined. {part.left_out:,} rounds were left "
        "out, because fewer people asked the like.",
        "- What was fitted to everybody at once is there as it was: how models and users vary, and learned weights.",
        "- Names of models, of tasks that at least so many people asked for, and descriptions and prices of models are "
        "there. This is not differential privacy: whoever knows nearly all of a group's rounds may guess the rest.",
    ]
    if part.same_model is not None:
        near = "" if part.correlation is None else f"; scores correlate by {part.correlation:.3f}"
        lines.append(
            f"- For somebody unknown it chooses the same model as the whole run for {part.same_model:.0%} of "
            f"{part.queries:,} queries{near}. It knows no user of the whole run; theirs are yours to add."
        )
    return lines


def _licence(licence: str | None) -> str:
    return f"`{_plain(licence)}`" if licence else "None was stated: ask whoever shared the run before you use it."


def _results(folder: RunFolder) -> tuple[str, Mapping[str, Any]] | None:
    """Return the protocol and summary of what was measured last, None where nothing was."""
    paths = sorted(folder.results.glob("*.json"), key=lambda path: (path.stat().st_mtime, path.name), reverse=True)
    for path in paths:
        found = read_json(path, RunError, "evaluate the run again")
        if isinstance(found, dict) and found.get("shots") and "data" not in found:
            return path.stem, found
    return None


def _interval(found: Mapping[str, Any] | None, sign: str = "") -> str:
    if not found or found.get("value") is None:
        return "–"
    if found.get("low") is None:
        return f"{found['value']:{sign}.3f}"
    return f"{found['value']:{sign}.3f} [{found['low']:{sign}.3f}, {found['high']:{sign}.3f}]"


def _plain(text: str) -> str:
    """Return a name as one harmless line of a table."""
    return one_line(text, 120).replace("|", "/").replace("`", "'")
