"""Start a gateway: one process or several, each of which loads the run by itself."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import tempfile
from collections.abc import MutableMapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gmt.data.encoder_by_name import ENCODER_RUNTIME, encoder_runtime
from gmt.errors import RunError, UserError
from gmt.gateway.gateway_metrics import SHARED
from gmt.gateway.loopback import is_loopback
from gmt.gateway.pool_settings import Pool
from gmt.threads import COUNTS, THREADS

if TYPE_CHECKING:
    from fastapi import FastAPI

OPTIONS = "GMT_GATEWAY"
"""Environment variable by which the first process tells the others what to serve."""


@dataclass(frozen=True)
class ServeOptions:
    """Say what is served where.

    Args:
        run, pool: Run folder, or a link to one, and the file of upstream models.
        state: Database of what users add; as in `Router.from_pretrained`.
        host, port: Address.
        workers: Processes.
        journal: File to append decisions and feedback to.
        allow_download: The run's encoder may be fetched.
        quiet: Log warnings alone.
        encoder_runtime: What encodes new texts, of `RUNTIMES`; `$GMT_ENCODER_RUNTIME` by default.
    """

    run: str
    pool: str
    state: str | None = None
    host: str = "127.0.0.1"
    port: int = 8080
    workers: int = 1
    journal: str | None = None
    allow_download: bool = False
    quiet: bool = False
    encoder_runtime: str | None = None


def serve_until_stopped(options: ServeOptions) -> None:
    """Serve until a signal ends it; open answers are finished first.

    Raises:
        UserError: Something in the options or the files cannot be served.
    """
    import uvicorn

    if options.encoder_runtime is not None:
        os.environ[ENCODER_RUNTIME] = options.encoder_runtime  # read where a run's encoder is loaded, in every process
    encoder_runtime()
    # Read here as well, so that a mistake is one line and not one of every process.
    pool = Pool.read(Path(options.pool))
    refuse_open_doors(options.host, pool)
    missing = [model.key_env for model in pool.models.values() if model.key_env and not os.environ.get(model.key_env)]
    if missing:
        raise UserError(f"{missing[0]} is not set; the pool says that an upstream's key is there")
    os.environ[OPTIONS] = json.dumps(asdict(options))
    _log(options)
    settings = {"host": options.host, "port": options.port, "access_log": False, "log_config": None,
                "server_header": False, "date_header": True, "proxy_headers": False}  # fmt: skip
    if options.workers == 1:
        uvicorn.run(app_from_environment(), **settings)
        return
    with tempfile.TemporaryDirectory(prefix="gmt-metrics-") as folder:
        os.environ[SHARED] = folder
        uvicorn.run(
            "gmt.gateway.worker:app_from_environment",
            factory=True,
            workers=options.workers,
            timeout_worker_healthcheck=120,
            **settings,
        )


def app_from_environment() -> FastAPI:
    """Make the application that the first process wrote down."""
    raise_open_files()
    one_thread_each(os.environ)
    from gmt.gateway.gateway import Gateway
    from gmt.gateway.gateway_app import create_app
    from gmt.gateway.served_run import ServedRun

    # A decision takes a millisecond of processor time; at Python's 5 ms between threads, the loop would wait for it.
    sys.setswitchinterval(0.0005)
    options = ServeOptions(**json.loads(os.environ[OPTIONS]))
    _log(options)
    pool = Pool.read(Path(options.pool))
    journal = None if options.journal is None else Path(options.journal)
    served = ServedRun(Path(options.run), pool, options.state, options.allow_download, journal)
    known = [name for name in pool.models if name in served.now().router.models]
    if not known:
        raise RunError(
            f"the run offers none of the pool's models ({', '.join(pool.models)}); gmt models add NAME --description …"
        )
    return create_app(Gateway(served, pool))


def one_thread_each(environment: MutableMapping[str, str]) -> None:
    """Let libraries of numbers start one thread each, unless `GMT_THREADS` says otherwise, before one is loaded.

    Many small solves at once gain nothing from threads of their own. Torch reads the number when it is loaded, which
    most runs never do: it would hold 150 MiB of every process.
    """
    if not environment.get(THREADS):
        environment.update(dict.fromkeys(COUNTS, "1"))
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(1)


def raise_open_files() -> None:
    """Allow this process as many open files as the system lets it have: every stream needs two."""
    with contextlib.suppress(ImportError, OSError, ValueError):  # not on every system, nor in every container
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _log(options: ServeOptions) -> None:
    """Log to standard error, requests' addresses never."""
    level = logging.WARNING if options.quiet else logging.INFO
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it writes where every request goes


def refuse_open_doors(host: str, pool: Pool) -> None:
    """Refuse to listen to other machines where nobody needs a key.

    Raises:
        UserError: The address is no loopback, and the pool names no key.
    """
    if not is_loopback(host) and not pool.keys:
        raise UserError(f"--host {host} can be reached from elsewhere and the pool has no keys; add some by --new-key")
