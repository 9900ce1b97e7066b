"""Write decisions in the background, many in one transaction, so that no answer waits for the disk."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gmt.errors import UserError
from gmt.state.kept_decisions import KeptDecision, KeptDecisions

HELD = 20_000
"""Decisions held in memory at most."""
PAUSE = 0.02
"""Seconds in which decisions gather before they are written together."""
FRESH = 1.0
"""Seconds in which a decision may not be written yet; later the database is asked, for another process may have
forgotten the user since."""
HOUR = 3600.0
log = logging.getLogger("gmt.gateway")


class DecisionWriter:
    """Hold the newest decisions and write them down.

    Any number of threads may call it. What was put is found at once by this process, and by others within `PAUSE`.

    Args:
        kept: Where they are written.
        keep_hours: How long they stay there.
        journal: JSON-lines file to append decisions and feedback to, for `gmt replay`.
    """

    def __init__(self, kept: KeptDecisions, keep_hours: float, journal: Path | None = None) -> None:
        self.kept, self.keep_hours, self._journal = kept, keep_hours, journal
        self._recent: OrderedDict[str, KeptDecision] = OrderedDict()
        self._last: dict[str, str] = {}
        self._waiting: list[KeptDecision] = []
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._something, self._ended = threading.Event(), threading.Event()
        self._purged = 0.0
        self._thread = threading.Thread(target=self._run, name="decisions", daemon=True)
        self._thread.start()

    def put(self, row: KeptDecision) -> None:
        """Take a decision."""
        with self._lock:
            self._recent[row.id] = row
            self._last[row.conversation] = row.id
            self._waiting.append(row)
            while len(self._recent) > HELD:
                _, old = self._recent.popitem(last=False)
                if self._last.get(old.conversation) == old.id:
                    del self._last[old.conversation]
        self._something.set()

    def get(self, id: str) -> KeptDecision | None:
        """Return a decision, wherever it was made."""
        with self._lock:
            found = self._recent.get(id)
        return found if found is not None and _is_fresh(found) else self.kept.get(id)

    def last_of(self, conversation: str) -> KeptDecision | None:
        """Return the newest decision of a conversation, wherever it was made."""
        with self._lock:
            here = self._recent.get(self._last.get(conversation, ""))
        return here if here is not None and _is_fresh(here) else self.kept.last_of(conversation)

    def forget(self, user: str) -> None:
        """Drop what is held of a user; what is written is deleted with the user."""
        self.flush()
        with self._lock:
            for id in [id for id, row in self._recent.items() if row.user == user]:
                row = self._recent.pop(id)
                self._last.pop(row.conversation, None)

    def note(self, entry: Mapping[str, Any]) -> None:
        """Append a line to the journal, if there is one."""
        if self._journal is not None:
            line = json.dumps(entry, ensure_ascii=False).encode() + b"\n"
            # One write to a file opened for appending: lines of several processes do not mix.
            file = os.open(self._journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(file, line)
            finally:
                os.close(file)

    def flush(self) -> None:
        """Write what waits."""
        with self._writing:
            with self._lock:
                rows, self._waiting = self._waiting, []
            try:
                self.kept.add(rows)
            except UserError as error:
                log.error("%d decisions could not be written: %s", len(rows), error)

    def close(self) -> None:
        """Write what waits, and end the thread."""
        self._ended.set()
        self._something.set()
        self._thread.join(10)
        self.flush()

    def _run(self) -> None:
        while not self._ended.is_set():
            self._something.wait(HOUR / 60)
            self._something.clear()
            self._ended.wait(PAUSE)
            self.flush()
            if time.time() - self._purged > HOUR / 60:
                self._purged = time.time()
                try:
                    self.kept.purge(self._purged - self.keep_hours * HOUR)
                except UserError as error:
                    log.error("old decisions could not be deleted: %s", error)


def _is_fresh(row: KeptDecision) -> bool:
    return time.time() - row.created < FRESH
