"""Remember what a judge has said and what it cost, so that nothing is paid for twice and no budget is exceeded."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from pathlib import Path

from gmt.errors import DataError
from gmt.files import replace_file


@dataclass(frozen=True)
class Prices:
    """Hold what a judge charges.

    Args:
        input, output: $ per million tokens.
    """

    input: float = 0.0
    output: float = 0.0

    def of(self, read: float, written: float) -> float:
        """Return the $ of some tokens."""
        return (read * self.input + written * self.output) / 1e6


class Ledger:
    """Keep replies and charges in a file of JSON lines that only grows; safe between threads.

    Each reply is on disk before it is used, so a run that is stopped goes on where it was. Money is
    set aside before a request goes out and settled when its reply is in; `spent` counts earlier
    runs with the same file.

    Args:
        path: The file; it need not exist.
        budget: $ that this file may come to cost in all; None for no limit.

    Raises:
        DataError: A line other than a half-written last one cannot be read.
    """

    def __init__(self, path: Path, budget: float | None = None) -> None:
        self.path, self.budget = Path(path), budget
        self.replies: dict[str, str] = {}
        self.spent = self.reserved = 0.0
        self.lock = threading.Lock()
        self._read()

    def _read(self) -> None:
        if not self.path.is_file():
            return
        lines = self.path.read_bytes().split(b"\n")
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                entry = json.loads(line)
                self.spent += float(entry["cost"])
                if "key" in entry:
                    self.replies[entry["key"]] = str(entry["reply"])
            except (ValueError, KeyError, TypeError) as error:
                if number == len(lines):  # a run was stopped while it wrote; without a newline it never counted
                    _rewrite(self.path, lines[:-1])
                    return
                raise DataError(
                    f"{self.path} line {number} is no entry of a judge's ledger ({error}); repair or remove it"
                ) from error
        # A last line that is whole but was cut off before its newline: the next entry must not be joined to it.
        if lines[-1].strip():
            with self.path.open("ab") as file:
                file.write(b"\n")

    def reserve(self, amount: float) -> bool:
        """Set money aside for a request; false where the budget does not allow it."""
        with self.lock:
            # The tolerance is for sums of many small prices, which do not add up to the last digit.
            if self.budget is not None and self.spent + self.reserved + amount > self.budget + 1e-12:
                return False
            self.reserved += amount
            return True

    def release(self, amount: float) -> None:
        """Give back money set aside for a request that nobody charged."""
        # Money is given back under the lock too, or two threads could lose each other's change.
        with self.lock:
            self.reserved -= amount

    def settle(self, amount: float, cost: float, key: str | None = None, reply: str = "") -> None:
        """Write down what a request cost in place of what was set aside, and its reply where it has one."""
        entry = {"cost": cost} if key is None else {"key": key, "reply": reply, "cost": cost}
        with self.lock:
            self.reserved -= amount
            self.spent += cost
            if key is not None:
                self.replies[key] = reply
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Opened anew for each line and only ever appended to: a run that is killed loses one line at most. Lone
            # surrogates that a judge may send must not lose a reply that was paid for.
            with self.path.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(json.dumps(entry, ensure_ascii=False) + "\n")
                file.flush()


def _rewrite(path: Path, lines: list[bytes]) -> None:
    """Write a ledger anew with whole lines only."""
    whole = b"".join(line + b"\n" for line in lines)
    replace_file(path, lambda part: part.write_bytes(whole))
