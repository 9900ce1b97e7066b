"""Offer `gmt serve`, the gateway."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated

import typer

from gmt.cli.console import Terminal
from gmt.cli.options import DEMO_RUN, AllowDownload, Json, Run, State
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
    as_json: Json = False,
) -> None:
    """Serve a run as an OpenAI-compatible gateway that routes each request for its user."""
    require_extra()
    from gmt.gateway.api_keys import new_key as make_key
    from gmt.gateway.worker import ServeOptions, serve_until_stopped

    if new_key is not None:
        terminal, (key, digest) = Terminal(False, as_json), make_key()
        terminal.result({"key": key, "tenant": new_key, "sha256": digest})
        terminal.text(f"{key}\nIt is shown this once. Add to the pool's file, under keys:\n"
                      f"  - {{tenant: {new_key}, sha256: {digest}}}")  # fmt: skip
        return
    serve_until_stopped(
        ServeOptions(str(run), str(pool), state, host, port, workers, str(log) if log else None, allow_download)
    )
