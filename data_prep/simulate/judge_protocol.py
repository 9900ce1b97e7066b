"""Say what a judge is, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from data_prep.simulate.judge_prompt import Message


@dataclass(frozen=True)
class Reply:
    """Hold a judge's reply, and the tokens it charges for where it states them."""

    text: str
    read: int | None = None
    written: int | None = None


# No UserError, for nobody but the one who retries ever sees it.
class Busy(Exception):
    """Report a request that may succeed later.

    Args:
        reason: What happened.
        wait: Seconds that the judge wants to be left alone, where it says so.
        charged: Whether the request may have been charged for.
    """

    def __init__(self, reason: str, wait: float | None = None, charged: bool = False) -> None:
        super().__init__(reason)
        # A broken connection may have been charged: whoever keeps the ledger must be able to count it as spent.
        self.wait, self.charged = wait, charged


class Judge(Protocol):
    """Answer chat messages; `name` distinguishes judges in the ledger of replies."""

    @property
    def name(self) -> str: ...

    def ask(self, messages: Sequence[Message]) -> Reply:
        """Return the reply.

        Raises:
            Busy: It may succeed later.
            UserError: It never will.
        """
        ...
