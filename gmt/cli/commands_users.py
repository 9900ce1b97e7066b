"""Offer the commands that list, show and change what a run knows of users and models."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gmt.cli.console import Terminal
from gmt.cli.options import DEMO_RUN, Json, Quiet, Run
from gmt.errors import UserError

if TYPE_CHECKING:
    from gmt.serving.pretrained import Router

User = Annotated[str, typer.Argument(help="Name of the user.")]
users_app = typer.Typer(name="users", help="List, show, export or forget the users a run knows.", no_args_is_help=True)
models_app = typer.Typer(name="models", help="List the models a run offers, or add one.", no_args_is_help=True)


def _load(run: Path) -> Router:
    from gmt.serving.pretrained import Router

    return Router.from_pretrained(run)


@users_app.command("list", epilog="Example: `gmt users list --run runs/demo`")
def users_list(run: Run = DEMO_RUN, quiet: Quiet = False, as_json: Json = False) -> None:
    """List the users with visible history."""
    router, terminal = _load(run), Terminal(quiet, as_json)
    counts = {name: router.votes(name) for name in router.users}
    terminal.result({"users": counts})
    terminal.table("", ["user", "rated rounds"], [[name, str(count)] for name, count in counts.items()])


@users_app.command("show", epilog="Example: `gmt users show ana`")
def users_show(
    name: User,
    run: Run = DEMO_RUN,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Show a user's history in numbers, and their ranking of the models."""
    router, terminal = _load(run), Terminal(quiet, as_json)
    rounds = len(router.history(name))
    ranking = router.preferences(name)
    base = router.preferences(None)
    terminal.result({"user": name, "rounds": rounds, "votes": router.votes(name), "ranking": ranking, "unknown": base})
    terminal.text(f"{name}: {rounds} rounds, {router.votes(name)} of them rated")
    rows = [[model, f"{score:+.2f}", f"{base[model]:+.2f}"] for model, score in ranking.items()]
    terminal.table("", ["model", "score", "unknown user"], rows)


@users_app.command("export", epilog="Example: `gmt users export ana > ana.jsonl`")
def users_export(
    name: User,
    run: Run = DEMO_RUN,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Print a user's history as JSONL, which gmt adapt --history reads back."""
    from data_prep.sources.jsonl import rows_of
    from gmt.state.user_files import to_jsonl

    terminal = Terminal(quiet, as_json)
    history = _load(run).history(name)
    terminal.result({"user": name, "rows": list(rows_of(history))})
    if not as_json:
        sys.stdout.write(to_jsonl(history))


@users_app.command("forget", epilog="Example: `gmt users forget ana`")
def users_forget(
    name: User,
    run: Run = DEMO_RUN,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Remove a user's rows and state from a run."""
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
    read = read_history(history) if history is not None else None
    if read is not None and read.rejected:
        raise UserError(f"{read.rejected[0]}; mend the line and add the model again")
    added = router.add_model(name, ModelInfo(description, input_price, output_price), read.comparisons if read else ())
    ranking = router.preferences(None)
    place = list(ranking).index(name) + 1
    terminal.result({"model": name, "rounds": added, "place": place, "ranking": ranking})
    terminal.text(f"{name}: on offer, {added} rounds added; place {place} of {len(ranking)} for an unknown user")
