"""Hold the run that is served, and swap it for a newer one without a dropped request."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from gmt.errors import UserError
from gmt.gateway.decision_writer import DecisionWriter
from gmt.gateway.pool_settings import Pool
from gmt.manifest import MANIFEST
from gmt.serving.pretrained import Router
from gmt.state.kept_decisions import KeptDecisions

log = logging.getLogger("gmt.gateway")


class LoadedRun:
    """Hold a loaded run and what is written beside it.

    Args:
        router: The run.
        writer: Of its decisions.
    """

    def __init__(self, router: Router, writer: DecisionWriter) -> None:
        self.router, self.writer = router, writer


class ServedRun:
    """Serve the run that a path names now.

    A request takes `now()` once and keeps to it, so a swap in its middle is nothing to it. The run before is kept
    until the next swap, when nobody can still be using it.

    Args:
        path: Run folder, or a link to one: the pointer that is watched.
        pool: What the gateway forwards to.
        state, allow_download: As in `Router.from_pretrained`.
        journal: As in `DecisionWriter`.
    """

    def __init__(
        self,
        path: Path,
        pool: Pool,
        state: str | None = None,
        allow_download: bool = False,
        journal: Path | None = None,
    ) -> None:
        self.path, self.pool = path, pool
        self._load: Callable[[], LoadedRun] = lambda: _loaded(path, pool, state, allow_download, journal)
        self._swapping = threading.Lock()
        self._before: LoadedRun | None = None
        self._mark = mark_of(path)
        self._now = self._load()

    def now(self) -> LoadedRun:
        """Return the run that new requests are answered with."""
        return self._now

    def swap_if_newer(self, always: bool = False) -> bool:
        """Load what the path names now, if that is another run; return whether it was swapped.

        A run that cannot be loaded leaves the old one in place.

        Args:
            always: Also where nothing seems to have changed.
        """
        with self._swapping:
            mark = mark_of(self.path)
            if mark == self._mark and not always:
                return False
            self._mark = mark  # also where loading fails, so that a broken run is tried once
            try:
                fresh = self._load()
            except (UserError, OSError) as error:
                log.error("the new run cannot be loaded, the old one stays: %s", error)
                return False
            old, self._before, self._now = self._before, self._now, fresh
            self._before.writer.flush()
            if old is not None:
                _close(old)
            log.info("the run was swapped for %s", self.path.resolve().name)
            return True

    def close(self) -> None:
        """Write what waits, and close all connections."""
        for one in (self._before, self._now):
            if one is not None:
                _close(one)


def mark_of(path: Path) -> tuple[str, int]:
    """Return what changes when a path comes to name another run."""
    folder = path.resolve()
    manifest = folder / MANIFEST
    return str(folder), manifest.stat().st_mtime_ns if manifest.is_file() else 0


def _loaded(path: Path, pool: Pool, state: str | None, allow_download: bool, journal: Path | None) -> LoadedRun:
    router = Router.from_pretrained(path.resolve(), state, allow_download)
    _warm(router)
    kept = KeptDecisions(router.live.state.made())
    return LoadedRun(router, DecisionWriter(kept, pool.gateway.keep_hours, journal))


def _warm(router: Router) -> None:
    """Do now what is done once: solve for what is believed of everybody, load the encoder and what reads votes."""
    import data_prep.sources.jsonl  # noqa: F401

    try:
        router.run_data.texts.encode(["a text that is new"])
    except UserError as error:
        log.warning("only texts of the run's history can be asked: %s", error)
    table, models = router.data.table, router.models
    if models and len(table):
        # A text of the history, for there may be no encoder.
        router.rank(None, table.texts[int(table.query[0])], models, with_uncertainty=False)


def _close(run: LoadedRun) -> None:
    run.writer.close()
    run.router.close()
