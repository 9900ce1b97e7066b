"""Offer the commands that serve a trained run: adapt, route, and what it knows of users and models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gmt.cli.commands_models import models_app
from gmt.cli.commands_users import users_app
from gmt.cli.console import Terminal
from gmt.cli.options import (
    DEMO_RUN,
    MOST,
    AllowDownload,
    CostWeight,
    DrawSeed,
    Json,
    Quiet,
    Run,
    State,
    finite,
    rating_ends,
    split_names,
)
from gmt.errors import UserError

if TYPE_CHECKING:
    from gmt.serving.decision import Decision

serve_commands = typer.Typer()
serve_commands.add_typer(users_app)
serve_commands.add_typer(models_app)


@serve_commands.command(epilog="Example: `gmt adapt --user ana --history ana.jsonl --shots 10`")
def adapt(
    user: Annotated[str, typer.Option(help="Name of the user.")],
    run: Run = DEMO_RUN,
    state: State = None,
    history: Annotated[
        Path | None,
        typer.Option(
            help="JSONL or CSV rows, or what --recipe reads; by default the history that ships with the data."
        ),
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help="How the history is written: recipe:NAME or a YAML file, as of gmt prep.")
    ] = None,
    labels: Annotated[
        str | None, typer.Option(help="What a verdict says for A, B and a tie; of a rating for good, bad and middling.")
    ] = None,
    rating_scale: Annotated[str | None, typer.Option(help="Worst and best rating, e.g. 1,5.")] = None,
    shots: Annotated[int | None, typer.Option(help="Use the first N rated rounds only.", min=0, max=MOST)] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Drop this user's earlier rounds first.")] = False,
    steps: Annotated[
        int, typer.Option(help="Gradient steps on a vector of this user's own; 0 needs none.", min=0, max=MOST)
    ] = 0,
    allow_download: AllowDownload = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Add a user's rated rounds to a run, without retraining."""
    from data_prep.sources.histories import HistoryForm
    from gmt.training.adapt import adapt_user

    terminal = Terminal(quiet, as_json)
    words = tuple(labels.split(",")) if labels else None
    form = HistoryForm(recipe, words, rating_ends(rating_scale))
    found = adapt_user(run, user, history, shots, replace, steps, state, allow_download, form)
    terminal.result(found)
    terminal.text(
        f"{user}: {found['added']} rounds added, {found['repeats']} exact repeats left out; "
        f"{found['votes']} rated rounds known; used {found['used']}"
    )
    for name in found["unknown_models"]:
        terminal.warn(f"Model {name} is not on offer in this run; gmt models add {name} --description … offers it.")
    before, after = found["before"], found["after"]
    place = {name: position + 1 for position, name in enumerate(before)}
    rows = [
        [name, str(i + 1), str(place[name]), f"{after[name]:+.2f}", f"{before[name]:+.2f}"]
        for i, name in enumerate(after)
    ]
    terminal.table("", ["model", "place now", "before", "score now", "before"], rows)


@serve_commands.command(epilog='Example: `gmt route --user ana --query "Plan a weekend in Lisbon" --explain`')
def route(
    user: Annotated[str, typer.Option(help="Name of the user; an unknown one gets the ranking of an unknown user.")],
    query: Annotated[str, typer.Option(help="The query.")],
    run: Run = DEMO_RUN,
    state: State = None,
    conversation: Annotated[
        Path | None, typer.Option(help="JSON or JSONL of chat messages, or of rated rows, before the question.")
    ] = None,
    candidates: Annotated[str | None, typer.Option(help="Models to choose from, separated by commas.")] = None,
    answer: Annotated[
        list[str] | None,
        typer.Option(help="An answer to rank, of a run that learned from answers without models; repeatable."),
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show the past rounds that moved the winner.")] = False,
    explore: Annotated[
        bool,
        typer.Option("--explore", help="Draw from the posterior (Thompson sampling), to learn what a user likes."),
    ] = False,
    seed: DrawSeed = None,
    cost_weight: CostWeight = 0.0,
    task: Annotated[str | None, typer.Option(help="Task of the question, as the data of the run names it.")] = None,
    allow_download: AllowDownload = False,
    stay: Annotated[
        float | None,
        typer.Option(
            help="Logits that a unit of a switch's cost takes away within --conversation; a unit is a thousand tokens "
            "read at the dearest input price.",
            min=0,
            callback=finite,
            show_default="routing.stay of the run",
        ),
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Rank the models for a user and a query."""
    from gmt.serving.messages import read_messages
    from gmt.serving.pretrained import Router

    terminal = Terminal(quiet, as_json)
    messages = read_messages(conversation) if conversation is not None else None
    router = Router.from_pretrained(run, state, allow_download)
    # A program may name tasks that a run has not met; at a terminal it is a slip of the hand.
    if task is not None and task not in (known := router.tasks):
        offered = f"it knows {', '.join(known)}" if known else "its data name none; leave --task out"
        raise UserError(f"there is no task {task} in this run; {offered}")
    if answer and (candidates or messages or explain or explore or cost_weight or stay):
        raise UserError("--answer goes with --user, --query and --task alone; leave the other options out")
    decision = (
        router.rank_answers(user, query, answer, task)
        if answer
        else router.rank(
            user,
            query,
            split_names(candidates),
            messages,
            explain=explain,
            explore=_generator(seed) if explore else None,
            cost_weight=cost_weight,
            task=task,
            with_uncertainty=True,
            stay=stay,
        )
    )
    terminal.result(decision.to_json())
    if decision.user is None:
        terminal.note(f"{user} is not known to this run; this is the ranking for an unknown user.")
    _print_ranking(terminal, decision)
    if decision.stay is not None:
        terminal.text(f"{str(decision.stay)[0].upper()}{str(decision.stay)[1:]}.")
    if explain and not as_json:
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


def _print_reasons(terminal: Terminal, decision: Decision) -> None:
    """Print the past rounds that moved the winner, the strongest first."""
    terminal.text(f"\nWhat moved {decision.model}:" if decision.reasons else "\nNo past round to explain with.")
    for reason in decision.reasons[:8]:
        models = ", ".join(
            f"{model} {'unrated' if value is None else format(value, 'g')}"
            for model, value in zip(reason.models, reason.ratings, strict=True)
        )
        terminal.text(f"  {reason.effect:+.3f}  {' '.join(reason.query.split())[:60]}  ({models})")


def _generator(seed: int | None) -> Any:
    """Return the generator of a draw from the posterior."""
    import numpy as np

    return np.random.default_rng(seed)
