"""Offer the commands that list, show and change what a run knows of users."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gmt.cli.console import json_line
from gmt.cli.on_run import OpenRun, on_run

if TYPE_CHECKING:
    from gmt.state.events import Event

User = Annotated[str, typer.Argument(help="Name of the user.")]
users_app = typer.Typer(
    name="users",
    help="List, show, export, forget or rebuild the users a run knows; take back one event.",
    no_args_is_help=True,
)


@users_app.command("list", epilog="Example: `gmt users list --run runs/demo`")
@on_run()
def users_list(opened: OpenRun) -> None:
    """List the users with visible history."""
    router, terminal = opened.router, opened.terminal
    counts = {name: router.votes(name) for name in router.users}
    terminal.result({"users": counts})
    terminal.table("", ["user", "rated rounds"], [[name, str(count)] for name, count in counts.items()])


@users_app.command("show", epilog="Example: `gmt users show ana`")
@on_run()
def users_show(opened: OpenRun, name: User) -> None:
    """Show a user's history in numbers, and their ranking of the models."""
    router, terminal = opened.router, opened.terminal
    rounds, events = len(router.history(name)), [_shown(event) for event in router.events(name)]
    ranking = router.preferences(name)
    base = router.preferences(None)
    terminal.result(
        {
            "user": name,
            "rounds": rounds,
            "votes": router.votes(name),
            "ranking": ranking,
            "unknown": base,
            "events": events,
        }
    )
    terminal.text(f"{name}: {rounds} rounds, {router.votes(name)} of them rated")
    rows = [[model, f"{score:+.2f}", f"{base[model]:+.2f}"] for model, score in ranking.items()]
    terminal.table("", ["model", "score", "unknown user"], rows)
    if events:
        lines = [[str(one["id"]), one["time"], one["source"], one["query"][:50], one["said"]] for one in events]
        terminal.table("added since the training", ["event", "time (UTC)", "from", "query", "ratings"], lines)


@users_app.command("export", epilog="Example: `gmt users export ana > ana.jsonl`")
@on_run()
def users_export(opened: OpenRun, name: User) -> None:
    """Print a user's history as JSONL, which gmt adapt --history reads back."""
    from data_prep.sources.jsonl import rows_of

    rows = list(rows_of(opened.router.history(name)))
    opened.terminal.result({"user": name, "rows": rows})
    if not opened.terminal.as_json:
        sys.stdout.writelines(map(json_line, rows))


@users_app.command("forget", epilog="Example: `gmt users forget ana`")
@on_run()
def users_forget(opened: OpenRun, name: User) -> None:
    """Remove a user's rows and state from a run."""
    from gmt.state.kept_decisions import KeptDecisions

    router, terminal = opened.router, opened.terminal
    store = router.live.state.existing()
    if store is None or not KeptDecisions(store).of_user(name):  # who only asked has no rounds
        router.history(name)
    gone = router.removed(name)
    terminal.result({"user": name, "rounds": gone.rounds, "remains": list(gone.remains)})
    run = router.folder.root
    terminal.text(f"{name}: {gone.rounds} rounds removed from {run}, with texts and vectors that nobody else uses.")
    for sentence in gone.remains:
        terminal.text(f"What remains: {sentence}.")


@users_app.command("revoke", epilog="Example: `gmt users revoke 17`")
@on_run()
def users_revoke(
    opened: OpenRun,
    event: Annotated[int, typer.Argument(help="Number of the event, as gmt users show lists it.")],
) -> None:
    """Take back one event that was added after the training."""
    router, terminal = opened.router, opened.terminal
    counted = router.revoke(event)
    terminal.result({"event": event, "revoked": counted})
    terminal.text(f"Event {event} no longer counts." if counted else f"Event {event} had been taken back before.")


@users_app.command("rebuild", epilog="Example: `gmt users rebuild ana`")
@on_run()
def users_rebuild(opened: OpenRun, name: User) -> None:
    """Derive a user's state again from all their events, every event checked."""
    router, terminal = opened.router, opened.terminal
    router.history(name)
    events = router.rebuild(name)
    terminal.result({"user": name, "events": events, "votes": router.votes(name)})
    terminal.text(f"{name}: {events} events checked, {router.votes(name)} rated rounds known")


def _shown(event: Event) -> dict[str, Any]:
    """Return what is shown of an event."""
    item, when = event.comparison, datetime.fromtimestamp(event.created, UTC)
    said = ", ".join(
        f"{one.model} {'unrated' if one.rating is None else format(one.rating, 'g')}" for one in item.candidates
    )
    query = " ".join(item.query.split())
    return {"id": event.id, "time": f"{when:%Y-%m-%d %H:%M}", "source": event.source, "query": query, "said": said}
