"""Offer the commands that let made people judge real answers: simulate traits and simulate judge."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gmt.cli.console import Terminal
from gmt.cli.options import MOST, Json, Out, Quiet, Seed, finite
from gmt.errors import UserError

if TYPE_CHECKING:
    from data_prep.simulate.judge import Simulation
    from data_prep.simulate.judge_run import Pace

answer_commands = typer.Typer()
Answers = Annotated[Path, typer.Argument(help="GSM8K solutions, MT-Bench answers, a data folder, or rows.")]
Questions = Annotated[Path | None, typer.Option(help="question.jsonl of MT-Bench answers, if elsewhere.")]


@answer_commands.command(
    epilog="Example: `gmt simulate traits answers/ --users 200 --out people.jsonl`, then "
    "`gmt prep jsonl people.jsonl --models people.models.json`"
)
def traits(
    answers: Answers,
    out: Out,
    questions: Questions = None,
    models: Annotated[Path | None, typer.Option(help="JSON file: name -> description and prices.")] = None,
    users: Annotated[int, typer.Option(help="People.", max=MOST)] = 100,
    votes: Annotated[int, typer.Option(help="Rounds each user rates.", min=1, max=100_000)] = 40,
    noise: Annotated[
        float, typer.Option(help="Scale of the noise in utilities, which are about 1 apart.", callback=finite)
    ] = 0.3,
    feedback: Annotated[str, typer.Option(help="votes, ratings, rankings or thumbs.")] = "votes",
    candidates: Annotated[
        int | None, typer.Option(help="Answers shown in a round.", min=1, max=10_000, show_default="2; 4 for rankings")
    ] = None,
    ties: Annotated[float, typer.Option(help="Share of votes that tie, the closest ones.", callback=finite)] = 0.0,
    seed: Seed = 0,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Make people who weigh quality, cost, length and rare words of real answers.

    Their weights stand in the truth file. Prices that --models does not state are guessed from the model's name.
    """
    from data_prep.simulate.response_files import read_responses
    from data_prep.simulate.traits import TraitSettings, write_traits

    terminal = Terminal(quiet, as_json)
    settings = TraitSettings(users, votes, noise, feedback, candidates, ties, seed)
    made = write_traits(read_responses(answers, questions, models), settings, out)
    terminal.result(made)
    for note in made["notes"]:
        terminal.warn(f"Note: {note}.")
    terminal.text(f"{out}: {made['comparisons']:,} rounds of {users:,} people; truth in {made['truth']}")
    terminal.ended(f"written to {out}", f"gmt prep jsonl {out} --models {made['models']}")


Endpoint = Annotated[str | None, typer.Option(help="Base address of an OpenAI-compatible service.")]
JudgeName = Annotated[str | None, typer.Option(help="Name of the judge at the endpoint.")]
Local = Annotated[str | None, typer.Option(help="Folder or hub id of a transformers model, in place of both.")]
KeyName = Annotated[str, typer.Option(help="Environment variable with the endpoint's key.")]
Personas = Annotated[Path | None, typer.Option(help="JSON file: name -> persona, in place of ours.")]
PerUser = Annotated[int, typer.Option(help="Questions each persona judges.", min=1, max=MOST)]
Characters = Annotated[int, typer.Option(help="Characters after which a text in the prompt is cut.", min=1)]
Tokens = Annotated[int, typer.Option(help="Tokens of a reply.", min=1, max=MOST)]
ReadPrice = Annotated[float, typer.Option(help="What the judge charges, $ per million tokens.", min=0, callback=finite)]
ReplyPrice = Annotated[float, typer.Option(help="The same for its replies.", min=0, callback=finite)]
Budget = Annotated[
    float | None, typer.Option(help="$ never exceeded, earlier runs with this cache included.", min=0, callback=finite)
]
Concurrency = Annotated[int, typer.Option(help="Requests under way at the same time.", min=1, max=1000)]
Retries = Annotated[int, typer.Option(help="Further attempts when the judge is busy.", min=0, max=1000)]
Timeout = Annotated[
    float, typer.Option(help="Seconds until a request is given up.", min=0.001, max=1e6, callback=finite)
]
Cache = Annotated[Path | None, typer.Option(help="File of replies and charges.", show_default="beside OUT")]


@answer_commands.command(
    epilog="Example: `gmt simulate judge answers/ --endpoint http://localhost:8000/v1 --model judge-70b --users 200 "
    "--input-price .9 --output-price .9 --budget 5 --out people.jsonl`"
)
def judge(
    answers: Answers,
    out: Out,
    endpoint: Endpoint = None,
    model: JudgeName = None,
    local: Local = None,
    device: Annotated[str, typer.Option(help="Where the local model runs.")] = "cpu",
    key_env: KeyName = "OPENAI_API_KEY",
    users: Annotated[
        int, typer.Option(help="Personas: twelve written ones, then drawn profiles.", min=1, max=MOST)
    ] = 9,
    personas: Personas = None,
    questions: Questions = None,
    per_user: PerUser = 20,
    candidates: Annotated[int, typer.Option(help="Answers shown at once.", min=2, max=10_000)] = 2,
    max_chars: Characters = 4000,
    max_tokens: Tokens = 16,
    input_price: ReadPrice = 0.0,
    output_price: ReplyPrice = 0.0,
    budget: Budget = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would cost and stop.")] = False,
    concurrency: Concurrency = 8,
    retries: Retries = 6,
    timeout: Timeout = 60.0,
    cache: Cache = None,
    seed: Seed = 0,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Let a language model play people and pick the answer each likes best.

    Replies are kept as they come: a run that is stopped, or ends with its budget, goes on where it was when the
    command is given again, and pays for nothing twice. Verdicts that cannot be read are counted and stay unrated.
    """
    from data_prep.simulate.judge import JudgeSettings, Simulation
    from data_prep.simulate.judge_ledger import Ledger, Prices
    from data_prep.simulate.judge_run import Pace
    from data_prep.simulate.personas import personas as drawn
    from data_prep.simulate.personas import read_personas
    from data_prep.simulate.response_files import read_responses

    terminal = Terminal(quiet, as_json)
    # First, for who named no judge should not wait for the answers to be read.
    who = _who_judges(endpoint, model, local, device, key_env, max_tokens, timeout)
    simulation = Simulation(
        read_responses(answers, questions),
        read_personas(personas) if personas is not None else drawn(users, seed),
        JudgeSettings(per_user, candidates, max_chars, seed),
        who,
        Ledger(cache or out.with_name(f"{out.stem}.ledger.jsonl"), budget),
        Prices(input_price, output_price),
        max_tokens,
    )
    _judged(terminal, simulation, out, Pace(1 if local is not None else concurrency, retries), dry_run)


def _who_judges(
    endpoint: str | None,
    model: str | None,
    local: str | None,
    device: str,
    key_env: str,
    max_tokens: int,
    timeout: float,
) -> Any:
    """Return the judge: at an endpoint, or on this machine.

    Raises:
        UserError: Neither is named, or both are.
    """
    if (local is None) == (endpoint is None) or (endpoint is not None and model is None):
        raise UserError("name one judge: --endpoint URL with --model NAME, or --local PATH")
    if local is not None:
        from data_prep.simulate.judge_local import LocalModel

        return LocalModel(local, max_tokens, device)
    import os

    from data_prep.simulate.judge_endpoint import Endpoint as Service

    return Service(str(endpoint), str(model), os.environ.get(key_env), max_tokens, timeout)


def _judged(terminal: Terminal, simulation: Simulation, out: Path, pace: Pace, dry_run: bool) -> None:
    """Say what is to come; unless that is all, ask, write and say what came of it."""
    from dataclasses import asdict

    ahead, ledger = simulation.estimate(), simulation.ledger
    spent, budget = ledger.spent, ledger.budget
    terminal.note(
        f"{ahead.verdicts:,} verdicts to ask, {ahead.known:,} known; about {ahead.read:,} tokens to read and at most "
        f"{ahead.written:,} to write, about ${ahead.dollars:.2f} beside ${spent:.2f} spent"
        + ("" if budget is None else f"; the budget is ${budget:.2f}")
    )
    if dry_run:
        terminal.result({"estimate": asdict(ahead), "spent": spent})
        return
    with terminal.bar("judging", ahead.verdicts) as advance:
        outcome = simulation.run(pace, progress=advance)
    made = simulation.write(outcome, out)
    terminal.result({"estimate": asdict(ahead), **made})
    if made["unparseable"]:
        terminal.warn(f"{made['unparseable']:,} of {made['verdicts']:,} verdicts name no answer and stay unrated.")
    if made["unasked"]:
        terminal.warn(f"The budget ended with {made['unasked']:,} verdicts unasked; raise --budget and run again.")
    terminal.text(f"{out}: {made['verdicts']:,} verdicts of {made['users']:,} people, ${made['spent']:.4f} spent")
    terminal.ended(f"written to {out}", f"gmt prep jsonl {out} --models {made['models']}")
