"""Measure users whom a judge plays: a persona each, who picks the best of several answers to a question.

Usage: python -m gmt.studies.judged_users --answers FOLDER --out FOLDER [--judge stand-in|MODEL@URL|local:PATH]
       [--questions FILE] [--users 9] [--per-user 20] [--candidates 10] [--models 10] [--max-chars 2500]
       [--seeds 0 1 2] [--config default] [--set section.key=value …] [--encoder minilm] [--baselines NAME …]

An answer picked is rated 1 and the others 0, so the mean rating of what a router chooses is the share of choices in
which it picks what the person would have picked. What stands in --out is kept; replies cost nothing twice.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from data_prep.prepare import PrepOptions, prepare
from data_prep.simulate.judge import JudgeSettings, Simulation
from data_prep.simulate.judge_endpoint import Endpoint
from data_prep.simulate.judge_ledger import Ledger, Prices
from data_prep.simulate.judge_local import LocalModel
from data_prep.simulate.judge_protocol import Judge
from data_prep.simulate.judge_run import Pace
from data_prep.simulate.personas import personas
from data_prep.simulate.response_files import read_responses
from data_prep.simulate.response_table import ResponseTable
from data_prep.sources.source import SourceOptions
from gmt.errors import DataError
from gmt.files import read_json, write_json
from gmt.studies.entry import run_study
from gmt.studies.seed_runs import join_runs, measured_run, prepared, run_options
from gmt.studies.stand_in_judge import StandInJudge

BASELINES = ("best_single", "model_mean", "bradley_terry", "user_mean", "hierarchical_bradley_terry")
STAND_IN = "stand-in"


def judge_of(name: str, tokens: int = 16) -> Judge:
    """Return the judge that a name states.

    Args:
        name: `stand-in`, `MODEL@URL` of an OpenAI-compatible service, or `local:PATH` of a transformers model.
        tokens: Of a reply.

    Raises:
        DataError: It is none of these.
    """
    if name == STAND_IN:
        return StandInJudge()
    if name.startswith("local:"):
        return LocalModel(name.removeprefix("local:"), tokens)
    model, at, url = name.partition("@")
    if not at or not model or not url.startswith(("http://", "https://")):
        raise DataError(f"the judge is {name!r}; expected {STAND_IN}, MODEL@URL or local:PATH")
    return Endpoint(url, model, os.environ.get("OPENAI_API_KEY"), tokens)


def some_models(responses: ResponseTable, count: int) -> ResponseTable:
    """Return answers of so many models, evenly taken from all by name.

    Raises:
        DataError: There are fewer.
    """
    names = sorted(responses.models)
    if count > len(names):
        raise DataError(f"{count} models were requested and {len(names)} answered; request fewer")
    kept = {names[at * len(names) // count] for at in range(count)}
    rounds = {
        question: [
            replace(item, answers={name: found for name, found in item.answers.items() if name in kept})
            for item in several
        ]
        for question, several in responses.rounds.items()
    }
    cards = {name: card for name, card in responses.models.items() if name in kept}
    return ResponseTable(rounds, responses.tasks, cards, responses.notes)


def judge_and_prepare(chosen: argparse.Namespace, judge: Judge, seed: int, folder: Path) -> None:
    """Let a judge play users, write their verdicts as rows, and prepare these."""
    rows = chosen.out / "rows" / f"{folder.name}.jsonl"
    simulation = Simulation(
        some_models(read_responses(chosen.answers, chosen.questions), chosen.models),
        personas(chosen.users, seed),
        JudgeSettings(chosen.per_user, chosen.candidates, chosen.max_chars, seed),
        judge,
        Ledger(rows.with_suffix(".ledger.jsonl")),
        Prices(),
    )
    # One prompt at a time where the judge is this machine itself.
    alone = isinstance(judge, (StandInJudge, LocalModel))
    made = simulation.write(simulation.run(Pace(1) if alone else Pace()), rows)
    columns = SourceOptions(seed=seed)
    prepare(
        PrepOptions("jsonl", folder, str(rows), chosen.encoder, seed=seed, models=Path(made["models"]), columns=columns)
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Judge, prepare, train, measure and join, one run for each seed."""
    parser = run_options(__doc__, "bench/judged", BASELINES)
    parser.add_argument("--answers", type=Path, required=True, help="as of gmt simulate judge")
    parser.add_argument("--questions", type=Path, help="question.jsonl, where it lies elsewhere")
    parser.add_argument("--judge", default=STAND_IN, help="stand-in, MODEL@URL or local:PATH")
    parser.add_argument("--users", type=int, default=9)
    parser.add_argument("--per-user", type=int, default=20, help="questions that each persona judges")
    parser.add_argument("--candidates", type=int, default=10, help="answers shown at once")
    parser.add_argument("--models", type=int, default=10, help="models on offer")
    parser.add_argument("--max-chars", type=int, default=2500, help="characters after which a text is cut")
    chosen = parser.parse_args(arguments)
    judge, runs = judge_of(chosen.judge), []
    for seed in chosen.seeds:
        # By judge too: what one has said must never be shown as what another would say.
        who = re.sub(r"[^\w.-]+", "-", chosen.judge)
        label = f"{who}-{chosen.users}-{seed}"
        data = prepared(
            chosen.out / "data" / label, partial(judge_and_prepare, chosen, judge, seed, chosen.out / "data" / label)
        )
        runs.append(measured_run(data, chosen.out / "runs" / label, seed, chosen))
    join_runs(runs, chosen.out / "judged.md")
    # The numbers never stand without who judged.
    path = chosen.out / "judged.json"
    found = {"judge": judge.name, **read_json(path, DataError, "run the study again")}
    write_json(path, found)


if __name__ == "__main__":
    run_study(main)
