"""Give a command the options that all commands on one run share, and hand it the loaded run."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate

from gmt.cli.console import Terminal
from gmt.cli.options import DEMO_RUN, AllowDownload, Json, Quiet, Run, State

if TYPE_CHECKING:
    from gmt.serving.pretrained import Router


@dataclass(frozen=True)
class OpenRun:
    """Hold what a command on a run works with.

    Args:
        router: The loaded run.
        terminal: Where results go.
    """

    router: Router
    terminal: Terminal


def on_run(may_encode: bool = False) -> Callable[[Callable[Concatenate[OpenRun, ...], None]], Callable[..., None]]:
    """Make a command of a function of an `OpenRun` and of the command's own arguments and options.

    The command takes `--run`, `--state`, `--quiet` and `--json` beside its own.

    Args:
        may_encode: The command brings new texts, so it also takes `--allow-download`.
    """

    def wrap(function: Callable[Concatenate[OpenRun, ...], None]) -> Callable[..., None]:
        @functools.wraps(function)
        def command(
            run: Path, state: str | None, quiet: bool, as_json: bool, allow_download: bool = False, **own: Any
        ) -> None:
            from gmt.serving.pretrained import Router

            opened = OpenRun(Router.from_pretrained(run, state, allow_download), Terminal(quiet, as_json))
            function(opened, **own)

        # typer reads the signature: the shared options stand where every command has them, around its own.
        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        before = [_option("run", Run, DEMO_RUN), _option("state", State, None)]
        after = [_option("quiet", Quiet, False), _option("as_json", Json, False)]
        if may_encode:
            after.insert(0, _option("allow_download", AllowDownload, False))
        arguments = [one for one in own if one.default is one.empty]
        options = [one for one in own if one.default is not one.empty]
        parameters = [one.replace(kind=one.KEYWORD_ONLY) for one in (*arguments, *before, *options, *after)]
        vars(command)["__signature__"] = inspect.Signature(parameters)
        command.__annotations__ = {one.name: one.annotation for one in parameters}
        return command

    return wrap


def _option(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
