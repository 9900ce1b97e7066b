"""Put many verdicts to a judge: at most so many at once, again after a pause when it is busy, within a budget."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from data_prep.simulate.judge_ledger import Ledger, Prices
from data_prep.simulate.judge_prompt import Verdict
from data_prep.simulate.judge_protocol import Busy, Judge, Reply
from gmt.errors import UserError

# Long enough that a server under load recovers, short enough that a night's run does not stand still.
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0  # seconds
CHARACTERS_PER_TOKEN = 4


class JudgeError(UserError):
    """Report a judge that stayed busy; what it said so far is kept."""


class _OutOfBudget(Exception):
    """Report that a second attempt cannot be paid for."""


@dataclass(frozen=True)
class Pace:
    """State how hard to press a judge.

    Args:
        at_once: Requests under way at the same time.
        retries: Further attempts when it is busy.
        first_pause: Seconds before the first of them; each pause is twice the one before, within a
            half, and never shorter than the judge wants.
    """

    at_once: int = 8
    retries: int = 6
    first_pause: float = FIRST_PAUSE


@dataclass(frozen=True)
class Estimate:
    """Say what is to come: verdicts not known yet, their tokens, and $ at four characters a token and full replies."""

    verdicts: int
    known: int
    read: int
    written: int
    dollars: float


def estimate(verdicts: Sequence[Verdict], judge: Judge, ledger: Ledger, prices: Prices, most: int) -> Estimate:
    """Say what these verdicts will cost, before any request goes out."""
    # By key, so that equal prompts are counted once, as they are paid for once.
    fresh = {key: verdict for verdict in verdicts if (key := verdict.key(judge.name)) not in ledger.replies}
    read = sum(verdict.characters for verdict in fresh.values()) // CHARACTERS_PER_TOKEN
    written = most * len(fresh)
    return Estimate(len(fresh), len(verdicts) - len(fresh), read, written, prices.of(read, written))


def ask_all(
    verdicts: Sequence[Verdict],
    judge: Judge,
    ledger: Ledger,
    prices: Prices,
    most: int,
    pace: Pace | None = None,
    progress: Callable[[int], object] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Ask every verdict that the ledger does not know; the replies are in the ledger afterwards.

    Before a request goes out the most it can cost is set aside, its prompt counted as one token a
    byte, so that `ledger.budget` is never exceeded whatever the judge's tokenizer does.

    Args:
        verdicts: What to ask; equal prompts are asked once.
        judge: Who.
        ledger: What is known and spent.
        prices: What the judge charges.
        most: Tokens of a reply.
        pace: How hard to press.
        progress: Called with how many verdicts were just answered.
        sleep: How to wait.

    Returns:
        True where all were asked, false where the budget ended first.

    Raises:
        JudgeError: The judge stayed busy through all retries.
        UserError: The judge refuses.
    """
    pace = pace or Pace()
    waiting = {key: verdict for verdict in verdicts if (key := verdict.key(judge.name)) not in ledger.replies}
    asker = _Asker(judge, ledger, prices, most, pace, sleep)
    # Reversed, for `pop` takes from the end and verdicts should be asked in their order.
    complete, queue = True, list(waiting.items())[::-1]
    with ThreadPoolExecutor(pace.at_once) as pool:
        running: set[Future[None]] = set()
        try:
            while queue or running:
                while queue and len(running) < pace.at_once:
                    # Set aside before the request goes out: requests under way at the same time could otherwise spend
                    # the same money.
                    amount = asker.bound(queue[-1][1])
                    if not ledger.reserve(amount):
                        break
                    running.add(pool.submit(asker.ask, *queue.pop(), amount))
                if not running:
                    complete = False  # nothing under way could still give money back
                    break
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    complete &= _finished(future)
                if progress is not None:
                    progress(len(done))
        finally:
            # Whatever went wrong, no thread begins another attempt that costs money after the caller has gone.
            asker.stopped = True
            for future in running:
                future.cancel()
    return complete


def _finished(future: Future[None]) -> bool:
    try:
        future.result()
    except _OutOfBudget:
        return False
    return True


class _Asker:
    """Ask one verdict, with its retries and its accounting."""

    def __init__(
        self, judge: Judge, ledger: Ledger, prices: Prices, most: int, pace: Pace, sleep: Callable[[float], None]
    ) -> None:
        self.judge, self.ledger, self.prices, self.most = judge, ledger, prices, most
        self.pace, self.sleep = pace, sleep
        self.stopped = False

    def bound(self, verdict: Verdict) -> float:
        """Return the most $ that one request can cost."""
        return self.prices.of(verdict.size, self.most)

    def ask(self, key: str, verdict: Verdict, amount: float) -> None:
        for attempt in range(self.pace.retries + 1):
            try:
                reply = self.judge.ask(verdict.messages)
            except Busy as busy:
                if busy.charged:
                    # Counted at its highest price, for the budget must hold even if the server charged for it.
                    self.ledger.settle(amount, amount)
                else:
                    self.ledger.release(amount)
                if attempt == self.pace.retries or self.stopped:
                    raise JudgeError(
                        f"{busy}, {attempt + 1} times; {len(self.ledger.replies):,} replies are kept, "
                        "run the command again later"
                    ) from busy
                self.sleep(self._pause(attempt, busy.wait))
                if not self.ledger.reserve(amount):
                    raise _OutOfBudget from busy
            # Also an interrupt from the keyboard: money that stays set aside would shrink the budget of the rest.
            except BaseException:
                self.ledger.release(amount)
                raise
            else:
                self.ledger.settle(amount, self._cost(reply, amount), key, reply.text)
                return

    def _pause(self, attempt: int, wanted: float | None) -> float:
        # Within a half at random, or requests that were refused together would come back together.
        pause = min(LONGEST_PAUSE, self.pace.first_pause * 2**attempt) * random.uniform(0.5, 1.5)
        return max(pause, min(wanted or 0.0, 10 * LONGEST_PAUSE))

    def _cost(self, reply: Reply, amount: float) -> float:
        """Return what a reply cost; the most it can have cost where the judge does not state it."""
        if reply.read is None or reply.written is None:
            return amount
        return self.prices.of(reply.read, reply.written)
