"""Say what a judge is, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from data_prep.simulate.judge_prompt import Message


@dataclass(frozen=True)
class Reply:
    """Hold what a judge said, and the tokens it charges for where it tells."""

    text: str
    read: int | None = None
    written: int | None = None


class Busy(Exception):
    """Report a request that may succeed later.

    Args:
        reason: What happened.
        wait: Seconds the judge asked to wait, where it did.
        charged: Whether the request may have been charged for.
    """

    def __init__(self, reason: str, wait: float | None = None, charged: bool = False) -> None:
        super().__init__(reason)
        self.wait, self.charged = wait, charged


class Judge(Protocol):
    """Answer chat messages; `name` tells judges apart in the memory of replies."""

    @property
    def name(self) -> str: ...

    def ask(self, messages: Sequence[Message]) -> Reply:
        """Return the reply.

        Raises:
            Busy: It may succeed later.
            UserError: It never will.
        """
        ...
