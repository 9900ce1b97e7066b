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
"""Decisions that may wait for a database that takes none; beyond them the oldest are lost."""
PAUSE = 0.02
"""Seconds in which decisions gather before they are written together."""
RETRY = 1.0
"""Seconds until what could not be written is tried again."""
FRESH = 1.0
"""Seconds for which a decision is held here; later the database is asked, for another process may have forgotten the
user since. What is not written yet is held longer."""
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
        self._unwritten: OrderedDict[str, KeptDecision] = OrderedDict()
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._something, self._ended = threading.Event(), threading.Event()
        self._purged = 0.0
        self._thread = threading.Thread(target=self._run, name="decisions", daemon=True)
        self._thread.start()

    def put(self, row: KeptDecision) -> None:
        """Take a decision."""
        with self._lock:
            self._recent[row.id] = self._unwritten[row.id] = row
            self._last[row.conversation] = row.id
            lost = [self._unwritten.popitem(last=False)[0] for _ in range(len(self._unwritten) - HELD)]
            # What is old and written is nobody's to hold; the oldest stand first.
            while (oldest := next(iter(self._recent.values()))) and not self._holds(oldest):
                del self._recent[oldest.id]
                if self._last.get(oldest.conversation) == oldest.id:
                    del self._last[oldest.conversation]
        if lost:
            log.error("%d decisions are lost: more than %d wait for the database", len(lost), HELD)
        self._something.set()
        if self._ended.is_set():
            self.flush()  # the run was swapped twice while an upstream was waited for, so the thread is gone

    def get(self, id: str) -> KeptDecision | None:
        """Return a decision, wherever it was made.

        What is written is asked of the database, however fresh: its user may have been forgotten by another process.
        """
        with self._lock:
            found = self._unwritten.get(id)
        return self.kept.get(id) if found is None else found

    def last_of(self, conversation: str) -> KeptDecision | None:
        """Return the newest decision of a conversation, wherever it was made."""
        with self._lock:
            here = self._recent.get(self._last.get(conversation, ""))
            held = here is not None and self._holds(here)
        return here if held else self.kept.last_of(conversation)

    def _holds(self, row: KeptDecision) -> bool:
        return row.id in self._unwritten or time.time() - row.created < FRESH

    def forget(self, user: str) -> None:
        """Drop what is held of a user; what is written is deleted with the user."""
        self.flush()
        with self._lock:
            for id in [id for id, row in self._recent.items() if row.user == user]:
                row = self._recent.pop(id)
                self._unwritten.pop(id, None)
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

    def flush(self) -> bool:
        """Write what waits and return whether that went well; if not, it goes on waiting."""
        with self._writing:
            with self._lock:
                rows = list(self._unwritten.values())
            try:
                self.kept.add(rows)
            except UserError as error:
                log.error("%d decisions could not be written yet: %s", len(rows), error)
                return False
            with self._lock:
                for row in rows:
                    self._unwritten.pop(row.id, None)
            return True

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
            if not self.flush():
                self._ended.wait(RETRY)
                self._something.set()
            if time.time() - self._purged > HOUR / 60:
                self._purged = time.time()
                try:
                    self.kept.purge(self._purged - self.keep_hours * HOUR)
                except UserError as error:
                    log.error("old decisions could not be deleted: %s", error)
