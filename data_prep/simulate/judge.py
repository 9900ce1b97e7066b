"""Let a language model play users and pick the answer each of them likes best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.simulate.judge_ledger import Ledger, Prices
from data_prep.simulate.judge_prompt import SYSTEM, Verdict, parse, prompt
from data_prep.simulate.judge_protocol import Judge
from data_prep.simulate.judge_run import Estimate, Pace, ask_all, estimate
from data_prep.simulate.response_table import ResponseTable
from data_prep.simulate.rows_out import check_suffix, simulation_files, write_simulated
from gmt.data.comparisons import Candidate, Comparison
from gmt.data.interactions import InteractionTable
from gmt.errors import ConfigError, DataError

START, BETWEEN_CONVERSATIONS, BETWEEN_ROUNDS = 1_767_600_000.0, 3600.0, 120.0  # UTC seconds


@dataclass(frozen=True)
class JudgeSettings:
    """State what is judged.

    Args:
        per_user: Questions that each persona judges, drawn without repeats; every round of a
            question is a verdict.
        candidates: Answers shown at once, in an order drawn anew for every question.
        longest: Characters after which a text in the prompt is cut.
        seed: Chooses questions, models and orders.

    Raises:
        ConfigError: A number is out of range.
    """

    per_user: int = 20
    candidates: int = 2
    longest: int = 4000
    seed: int = 0

    def __post_init__(self) -> None:
        for name, low in (("per_user", 1), ("candidates", 2), ("longest", 1)):
            if getattr(self, name) < low:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected at least {low}")


@dataclass(frozen=True)
class Outcome:
    """Hold what came of a simulation.

    Args:
        table: The rounds judged; those whose verdict could not be read carry no rating.
        unparseable: How many those are.
        unasked: Verdicts for which the budget did not suffice.
        first_places: (K,) how often the answer shown in each place won: a judge that looks at the
            answers and not at their order has them about equal.
    """

    table: InteractionTable
    unparseable: int
    unasked: int
    first_places: list[int]


def plan(responses: ResponseTable, personas: Mapping[str, str], settings: JudgeSettings) -> list[Verdict]:
    """Draw the questions, models and orders of every persona; one persona's draw depends on no other's.

    Raises:
        DataError: There are fewer questions than requested, or none with two answers.
    """
    offered = {name: responses.complete(name) for name in responses.rounds}
    questions = [name for name, models in offered.items() if len(models) >= 2]
    if settings.per_user > len(questions):
        raise DataError(
            f"{settings.per_user} questions per user were requested and {len(questions)} have two answers or more; "
            "request fewer"
        )
    found = []
    for number, (user, persona) in enumerate(personas.items()):
        # A generator for each persona: one more of them changes no prompt of the others, so their replies are still
        # known.
        rng = np.random.default_rng([settings.seed, number])
        for talk, pick in enumerate(rng.permutation(len(questions))[: settings.per_user]):
            question = questions[pick]
            models = offered[question]
            # Drawn once for a conversation, so that the judge compares the same assistants from round to round.
            shown = tuple(models[m] for m in rng.permutation(len(models))[: settings.candidates])
            rounds = responses.rounds[question]
            for turn in range(len(rounds)):
                # Up to this round only: what is said later must not sway the verdict.
                messages = prompt(persona, rounds[: turn + 1], shown, settings.longest)
                found.append(Verdict(user, talk, question, turn, shown, messages))
    return found


def gather(responses: ResponseTable, verdicts: list[Verdict], judge: Judge, ledger: Ledger) -> Outcome:
    """Turn replies into a table: the answer picked is rated 1, the others 0.

    Raises:
        DataError: There is no reply at all.
    """
    comparisons, unparseable, unasked = [], 0, 0
    places = [0] * max((len(verdict.shown) for verdict in verdicts), default=0)
    for verdict in verdicts:
        reply = ledger.replies.get(verdict.key(judge.name))
        if reply is None:
            unasked += 1
            continue
        # A reply that cannot be read was paid for and counts as a round without a rating; left out in silence, it would
        # make the judge look surer than it is.
        best = parse(reply, len(verdict.shown))
        if best is None:
            unparseable += 1
        else:
            places[best] += 1
        comparisons.append(_comparison(responses, verdict, best))
    if not comparisons:
        raise DataError("the budget allows no verdict at all; raise --budget or lower --max-chars")
    return Outcome(InteractionTable.from_comparisons(comparisons), unparseable, unasked, places)


def _comparison(responses: ResponseTable, verdict: Verdict, best: int | None) -> Comparison:
    item = responses.rounds[verdict.question][verdict.turn]
    candidates = tuple(
        Candidate(name, item.answers[name].text, None if best is None else float(place == best))
        for place, name in enumerate(verdict.shown)
    )
    time = START + BETWEEN_CONVERSATIONS * verdict.talk + BETWEEN_ROUNDS * verdict.turn
    name = f"{verdict.user}-{verdict.talk:03d}"
    task = responses.tasks.get(verdict.question)
    return Comparison(verdict.user, name, verdict.turn, item.query, candidates, verdict.question, task, time)


class Simulation:
    """Plan, estimate, ask and write.

    Args:
        responses: The answers to judge.
        personas: Name -> description.
        settings: What is judged.
        judge: Who judges.
        ledger: What it has said and cost so far.
        prices: What it charges.
        most: Tokens of a reply.

    Raises:
        ConfigError: A budget is set and no price is.
    """

    def __init__(
        self, responses: ResponseTable, personas: Mapping[str, str], settings: JudgeSettings, judge: Judge,
        ledger: Ledger, prices: Prices, most: int = 16,
    ) -> None:  # fmt: skip
        # Without prices every request would count as free and the budget would never end.
        if ledger.budget is not None and not prices.input and not prices.output:
            raise ConfigError("a budget needs prices; state --input-price and --output-price in $ per million tokens")
        self.responses, self.personas, self.settings = responses, dict(personas), settings
        self.judge, self.ledger, self.prices, self.most = judge, ledger, prices, most
        self.verdicts = plan(responses, personas, settings)

    def estimate(self) -> Estimate:
        """Say what is to come."""
        return estimate(self.verdicts, self.judge, self.ledger, self.prices, self.most)

    def run(self, pace: Pace | None = None, **more: Any) -> Outcome:
        """Ask what is not known yet; `more` goes to `ask_all`."""
        ask_all(self.verdicts, self.judge, self.ledger, self.prices, self.most, pace, **more)
        return gather(self.responses, self.verdicts, self.judge, self.ledger)

    def write(self, outcome: Outcome, out: Path) -> dict[str, Any]:
        """Write rows, models and truth: the personas and the settings."""
        # At once, for the replies may have cost money and the name is easily mended.
        check_suffix(out)
        truth = {
            "kind": "judge",
            "judge": self.judge.name,
            "settings": asdict(self.settings),
            "instruction": SYSTEM,
            "users": self.personas,
        }
        facts = {
            "verdicts": len(outcome.table),
            "unparseable": outcome.unparseable,
            "unasked": outcome.unasked,
            "first_places": outcome.first_places,
            "spent": round(self.ledger.spent, 6),
        }
        with simulation_files(out) as (part, final):
            made = final(write_simulated(outcome.table, self.responses.models, truth | {"outcome": facts}, part))
        return made | facts
