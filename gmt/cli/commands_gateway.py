"""Offer `gmt serve`, the gateway, and `gmt replay`, which reads its log."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated

import typer

from gmt.cli.console import Terminal
from gmt.cli.options import DEMO_RUN, AllowDownload, Json, Quiet, Run, Seed, State
from gmt.errors import UserError

gateway_commands = typer.Typer()
NEEDED = ("fastapi", "uvicorn", "httpx", "prometheus_client")


def require_extra() -> None:
    """Refuse where the packages of the extra `serve` are missing.

    Raises:
        UserError: One is.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f"gmt serve needs {missing[0]}, which is missing; pip install 'gmt-router[serve]'")


@gateway_commands.command(epilog="Example: `gmt serve --run runs/demo --pool pool.yaml`")
def serve(
    run: Run = DEMO_RUN,
    pool: Annotated[Path, typer.Option(help="YAML file of upstream models, settings and keys.")] = Path("pool.yaml"),
    state: State = None,
    host: Annotated[str, typer.Option(help="Address; one that others can reach needs keys in the pool.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port.", min=1, max=65535)] = 8080,
    workers: Annotated[int, typer.Option(help="Processes; each loads the run.", min=1, max=256)] = 1,
    log: Annotated[
        Path | None, typer.Option(help="JSON-lines file to append decisions and feedback to, for gmt replay.")
    ] = None,
    new_key: Annotated[
        str | None, typer.Option("--new-key", help="Make an API key for this tenant, print it, and end.")
    ] = None,
    allow_download: AllowDownload = False,
    encoder_runtime: Annotated[
        str | None,
        typer.Option(
            help="What encodes new texts: default, or onnx for ONNX Runtime, with the same vectors; "
            "$GMT_ENCODER_RUNTIME by default."
        ),
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Serve a run as an OpenAI-compatible gateway that routes each request for its user."""
    require_extra()
    from gmt.gateway.api_keys import new_key as make_key
    from gmt.gateway.worker import ServeOptions, serve_until_stopped

    if new_key is not None:
        terminal, (key, digest) = Terminal(quiet, as_json), make_key()
        terminal.result({"key": key, "tenant": new_key, "sha256": digest})
        terminal.text(f"{key}\nIt is shown this once. Add to the pool's file, under keys:\n"
                      f"  - {{tenant: {new_key}, sha256: {digest}}}")  # fmt: skip
        return
    serve_until_stopped(
        ServeOptions(
            str(run),
            str(pool),
            state,
            host,
            port,
            workers,
            str(log) if log else None,
            allow_download,
            quiet,
            encoder_runtime,
        )
    )


@gateway_commands.command(epilog="Example: `gmt replay decisions.jsonl`")
def replay(
    log: Annotated[Path, typer.Argument(help="Log that gmt serve --log wrote.")],
    seed: Seed = 0,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Estimate from a log what gmt's choices would have gained, or say that the log cannot tell."""
    from dataclasses import asdict

    from gmt.gateway.decision_log import read_log
    from gmt.gateway.off_policy import replay_log

    terminal, rounds = Terminal(quiet, as_json), read_log(log)
    found = replay_log(rounds, seed)
    counts = {"decisions": rounds.decisions, "unrated": rounds.unrated, "fell_back": rounds.fell_back}
    terminal.result(counts | asdict(found))
    terminal.text(
        f"{rounds.decisions} decisions, {len(rounds)} of them rated by {found.people} people; {rounds.fell_back} were "
        "answered by another model than the chosen one and are left out."
    )
    if found.cannot_tell is not None or found.logged is None:
        terminal.text(f"The log cannot tell: {found.cannot_tell}.")
        return
    if found.unseen:
        terminal.text(f"Left out: {found.unseen:.1%} in which gmt's choice had no chance to be asked.")
    logged = found.logged
    terminal.text(f"Mean reward as answered: {logged.value:.3f} [{logged.low:.3f}, {logged.high:.3f}]")
    rows = [
        [name, *(f"{one.value:+.3f} [{one.low:+.3f}, {one.high:+.3f}]" for one in (value, found.gains[name]))]
        for name, value in found.values.items()
    ]
    terminal.table("", ["estimator", "had gmt chosen", "gain"], rows)
