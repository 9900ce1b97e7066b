"""Offer the commands that serve a trained run: adapt, route, and what it knows of people and models."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gmt.cli.console import Terminal
from gmt.cli.options import DEMO_RUN, Json, Quiet, Run, split_names
from gmt.errors import UserError

Person = Annotated[str, typer.Argument(help="Name of the person.")]
serving = typer.Typer()
users_app = typer.Typer(name="users", help="List, show, export or forget the people a run knows.", no_args_is_help=True)
models_app = typer.Typer(name="models", help="List the models a run offers, or add one.", no_args_is_help=True)
serving.add_typer(users_app)
serving.add_typer(models_app)


@serving.command(epilog="Example: `gmt adapt --user ana --history ana.jsonl --shots 10`")
def adapt(
    user: Annotated[str, typer.Option(help="Name of the person.")],
    run: Run = DEMO_RUN,
    history: Annotated[
        Path | None, typer.Option(help="JSONL rows; by default the history that ships with the data.")
    ] = None,
    shots: Annotated[int | None, typer.Option(help="Use the first N rated rounds only.", min=0)] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Drop this person's earlier rounds first.")] = False,
    steps: Annotated[
        int, typer.Option(help="Gradient steps on a vector of this person's own; 0 needs none.", min=0)
    ] = 0,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Add a person's rated rounds to a run, without retraining."""
    from gmt.training.adapt import adapt_user

    terminal = Terminal(quiet, as_json)
    found = adapt_user(run, user, history, shots, replace, steps)
    terminal.result(found)
    terminal.text(
        f"{user}: {found['added']} rounds added, {found['repeats']} exact repeats left out; "
        f"{found['votes']} rated rounds known"
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


@serving.command(epilog='Example: `gmt route --user ana --query "Plan a weekend in Lisbon" --explain`')
def route(
    user: Annotated[str, typer.Option(help="Name of the person; somebody unknown gets the unknown person's ranking.")],
    query: Annotated[str, typer.Option(help="The question.")],
    run: Run = DEMO_RUN,
    conversation: Annotated[
        Path | None, typer.Option(help="JSON or JSONL of chat messages before the question.")
    ] = None,
    candidates: Annotated[str | None, typer.Option(help="Models to choose from, separated by commas.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show the past rounds that moved the winner.")] = False,
    explore: Annotated[
        bool,
        typer.Option("--explore", help="Draw from the posterior (Thompson sampling), to learn what a person likes."),
    ] = False,
    seed: Annotated[int | None, typer.Option(help="Seed of the draw; another one each time by default.")] = None,
    cost_weight: Annotated[
        float,
        typer.Option(help="Logits of preference that the dearest answer's cost takes away; others lose their share."),
    ] = 0.0,
    task: Annotated[str | None, typer.Option(help="Task of the question, as the data of the run names it.")] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Rank the models for a person and a question."""
    from gmt.serving.messages import read_messages
    from gmt.serving.pretrained import Router

    terminal = Terminal(quiet, as_json)
    messages = read_messages(conversation) if conversation is not None else None
    router = Router.from_pretrained(run)
    decision = router.rank(
        user,
        query,
        split_names(candidates),
        messages,
        explain,
        _generator(seed) if explore else None,
        cost_weight,
        task,
    )
    terminal.result(decision.to_json())
    if decision.user is None:
        terminal.note(f"{user} is not known to this run; this is the ranking for an unknown person.")
    rows = [
        [c.model, f"{c.score:+.2f}", "–" if c.uncertainty is None else f"±{c.uncertainty:.2f}",
         f"{c.win_probability:.0%}", f"{c.margin:+.2f}", "–" if c.cost is None else f"{c.cost:.0%}"]
        for c in decision.ranking
    ]  # fmt: skip
    heads = ["model", "score", "sure to", "wins", "margin", "cost"]
    kept = len(heads) if any(c.cost is not None for c in decision.ranking) else len(heads) - 1
    terminal.table("", heads[:kept], [row[:kept] for row in rows])
    if explain and not as_json:
        terminal.text(f"\nWhat moved {decision.model}:" if decision.reasons else "\nNo past round to explain with.")
        shown = [
            [f"{reason.effect:+.3f}", ", ".join(
                f"{model} {'unrated' if value is None else format(value, 'g')}"
                for model, value in zip(reason.models, reason.ratings, strict=True)
            ), " ".join(reason.query.split())[:60]]
            for reason in decision.reasons[:8]
        ]  # fmt: skip
        for effect, models, asked in shown:
            terminal.text(f"  {effect}  {asked}  ({models})")


def _generator(seed: int | None) -> Any:
    import numpy as np

    return np.random.default_rng(seed)


@users_app.command("list", epilog="Example: `gmt users list --run runs/demo`")
def users_list(run: Run = DEMO_RUN, quiet: Quiet = False, as_json: Json = False) -> None:
    """List the people with visible history."""
    router, terminal = _load(run), Terminal(quiet, as_json)
    counts = {name: router.votes(name) for name in router.users}
    terminal.result({"users": counts})
    terminal.table("", ["user", "rated rounds"], [[name, str(count)] for name, count in counts.items()])


@users_app.command("show", epilog="Example: `gmt users show ana`")
def users_show(
    name: Person,
    run: Run = DEMO_RUN,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Show a person's history in numbers, and their ranking of the models."""
    router, terminal = _load(run), Terminal(quiet, as_json)
    rounds = len(router.history(name))
    ranking = router.preferences(name)
    base = router.preferences(None)
    terminal.result({"user": name, "rounds": rounds, "votes": router.votes(name), "ranking": ranking, "unknown": base})
    terminal.text(f"{name}: {rounds} rounds, {router.votes(name)} of them rated")
    rows = [[model, f"{score:+.2f}", f"{base[model]:+.2f}"] for model, score in ranking.items()]
    terminal.table("", ["model", "score", "unknown person"], rows)


@users_app.command("export", epilog="Example: `gmt users export ana > ana.jsonl`")
def users_export(
    name: Person,
    run: Run = DEMO_RUN,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Print a person's history as JSONL, which gmt adapt --history reads back."""
    from data_prep.sources.jsonl import rows_of
    from gmt.state.user_files import to_jsonl

    terminal = Terminal(quiet, as_json)
    history = _load(run).history(name)
    terminal.result({"user": name, "rows": list(rows_of(history))})
    if not as_json:
        sys.stdout.write(to_jsonl(history))


@users_app.command("forget", epilog="Example: `gmt users forget ana`")
def users_forget(
    name: Person,
    run: Run = DEMO_RUN,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Remove a person's rows and state from a run."""
    router, terminal = _load(run), Terminal(quiet, as_json)
    router.history(name)
    gone = router.forget(name)
    note = "learned weights were not refitted, and results already measured keep the name"
    terminal.result({"user": name, "rounds": gone, "note": note})
    terminal.text(f"{name}: {gone} rounds removed from {run}; {note}. Train again to leave no trace.")


@models_app.command("list", epilog="Example: `gmt models list --run runs/demo`")
def models_list(run: Run = DEMO_RUN, quiet: Quiet = False, as_json: Json = False) -> None:
    """List the models a run offers."""
    router, terminal = _load(run), Terminal(quiet, as_json)
    infos = {name: router.data.models[name].to_json() for name in router.models}
    terminal.result({"models": infos})
    rows = [
        [name, *("–" if info[key] is None else f"{info[key]:g}" for key in ("input_price", "output_price")),
         info["description"][:60]]
        for name, info in infos.items()
    ]  # fmt: skip
    terminal.table("", ["model", "$/M in", "$/M out", "description"], rows)


@models_app.command(
    "add", epilog='Example: `gmt models add new-7b --description "A small fast model" --history votes.jsonl`'
)
def models_add(
    name: Annotated[str, typer.Argument(help="Name of the model.")],
    description: Annotated[str, typer.Option(help="What is known of it; the encoder reads this.")],
    run: Run = DEMO_RUN,
    history: Annotated[Path | None, typer.Option(help="JSONL of rounds in which it was rated.")] = None,
    input_price: Annotated[float | None, typer.Option(help="$ per million input tokens.")] = None,
    output_price: Annotated[float | None, typer.Option(help="$ per million output tokens.")] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Offer one more model, without retraining."""
    from data_prep.sources.jsonl import read_history
    from gmt.data.dataset import ModelInfo

    router, terminal = _load(run), Terminal(quiet, as_json)
    told = read_history(history) if history is not None else None
    if told is not None and told.rejected:
        raise UserError(f"{told.rejected[0]}; mend the line and add the model again")
    added = router.add_model(name, ModelInfo(description, input_price, output_price), told.comparisons if told else ())
    ranking = router.preferences(None)
    place = list(ranking).index(name) + 1
    terminal.result({"model": name, "rounds": added, "place": place, "ranking": ranking})
    terminal.text(f"{name}: on offer, {added} rounds added; place {place} of {len(ranking)} for an unknown person")


def _load(run: Path) -> Any:
    from gmt.serving.pretrained import Router

    return Router.from_pretrained(run)
