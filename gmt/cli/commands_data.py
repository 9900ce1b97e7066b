"""Offer the command that makes data folders: prep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gmt.cli.console import Terminal
from gmt.cli.options import Json, Quiet, Seed, split_numbers
from gmt.errors import UserError, one_line

data_commands = typer.Typer()


@data_commands.command(
    epilog="Example: `gmt prep votes votes.csv --user worker --winner winner --model-a left --model-b right "
    "--query prompt --out data/votes`"
)
def prep(
    source: Annotated[str, typer.Argument(help="demo, arena, mt-bench, votes, gmtrouter, scores or jsonl.")] = "demo",
    input: Annotated[str | None, typer.Argument(help="File, folder or hub:<dataset id>.")] = None,
    out: Annotated[Path | None, typer.Option(help="Data folder to write; data/SOURCE by default.")] = None,
    encoder: Annotated[
        str | None, typer.Option(help="minilm, hash, or a sentence-transformers or transformers id; minilm by default.")
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            help="seen, new-users, new-models, new-questions, drift, or given: the source's own split.",
            show_default="given where the source states a split, else seen",
        ),
    ] = None,
    fractions: Annotated[str, typer.Option(help="Shares of train, valid and test.")] = ".7,.1,.2",
    seed: Seed = 0,
    models: Annotated[Path | None, typer.Option(help="JSON file: name -> description and prices.")] = None,
    drop_bad_rows: Annotated[
        bool, typer.Option("--drop-bad-rows", help="Go on without rows that cannot be read.")
    ] = False,
    user: Annotated[str | None, typer.Option(help="Column of the user.")] = None,
    winner: Annotated[str | None, typer.Option(help="Column of the verdict.")] = None,
    model_a: Annotated[str | None, typer.Option(help="Column of the first model.")] = None,
    model_b: Annotated[str | None, typer.Option(help="Column of the second model.")] = None,
    labels: Annotated[str | None, typer.Option(help="What the verdict says for A, B and a tie.")] = None,
    model: Annotated[str | None, typer.Option(help="Column of the model of a rated answer.")] = None,
    rating: Annotated[str | None, typer.Option(help="Column of the rating.")] = None,
    rating_scale: Annotated[str | None, typer.Option(help="Lowest and highest rating, LO,HI.")] = None,
    query: Annotated[str | None, typer.Option(help="Column of what was asked.")] = None,
    question: Annotated[str | None, typer.Option(help="Column of the question's id.")] = None,
    conversation: Annotated[str | None, typer.Option(help="Column of the conversation.")] = None,
    turn: Annotated[str | None, typer.Option(help="Column of the round within the conversation.")] = None,
    task: Annotated[str | None, typer.Option(help="Column of the task or category.")] = None,
    response: Annotated[str | None, typer.Option(help="Column of a rated answer's text.")] = None,
    response_a: Annotated[str | None, typer.Option(help="Column of the first answer.")] = None,
    response_b: Annotated[str | None, typer.Option(help="Column of the second answer.")] = None,
    feedback: Annotated[str | None, typer.Option(help="Column of feedback in words.")] = None,
    cost: Annotated[str | None, typer.Option(help="Column of an answer's cost.")] = None,
    timestamp: Annotated[str | None, typer.Option(help="Column of the time.")] = None,
    join: Annotated[
        list[str] | None,
        typer.Option(help="[PREFIX=]FILE:its_key=our_key[,…] joins columns of another file; repeatable."),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, max=1024, help="Processes that read rows (votes, jsonl, arena) and encode texts.")
    ] = 1,
    engine: Annotated[
        str,
        typer.Option(help="local, or ray for logs larger than a machine (votes, jsonl, arena)."),
    ] = "local",
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Convert raw conversations and votes into a data folder."""
    from data_prep.prepare import PrepOptions
    from data_prep.sources.source import SourceOptions

    shares, scale = _shares(fractions), _scale(rating_scale)
    columns = SourceOptions(
        user=user, query=query, winner=winner, model_a=model_a, model_b=model_b,
        labels=tuple(labels.split(",")) if labels else None, response_a=response_a, response_b=response_b,
        model=model, rating=rating, rating_scale=scale, response=response,
        question=question, conversation=conversation, turn=turn, task=task, timestamp=timestamp, feedback=feedback,
        cost=cost, join=tuple(join or ()), seed=seed, workers=workers, engine=engine,
    )  # fmt: skip
    options = PrepOptions(
        source, out or Path("data") / source, input, encoder, protocol, shares, seed, models, drop_bad_rows, columns
    )
    _prepare(Terminal(quiet, as_json), options)


def _shares(text: str) -> tuple[float, float, float]:
    """Read --fractions."""
    shares = split_numbers(text, "--fractions", float) or []
    if len(shares) != 3 or not abs(sum(shares) - 1) <= 1e-6 or min(shares) < 0:
        raise UserError(f"--fractions is {text}; expected three shares that add up to 1, e.g. .7,.1,.2")
    return shares[0], shares[1], shares[2]


def _scale(text: str | None) -> tuple[float, float] | None:
    """Read --rating-scale."""
    scale = split_numbers(text, "--rating-scale", float)
    if scale is not None and len(scale) != 2:
        raise UserError(f"--rating-scale is {text}; expected LO,HI, e.g. 1,5")
    return (scale[0], scale[1]) if scale else None


def _prepare(terminal: Terminal, options: Any) -> None:
    """Convert, naming the first rows that cannot be read as they come."""
    from data_prep.prepare import prepare

    def show_rejected(rows: Any) -> None:
        for row in rows[:20]:
            terminal.warn(one_line(str(row)))

    with terminal.bar("encoding texts", None) as advance:
        card = prepare(options, lambda total: advance.over(total), show_rejected)
    terminal.result({"out": str(options.out), **card})
    if not terminal.as_json:
        _print_card(terminal, options.out, card)


def said(counts: dict[str, int]) -> str:
    """Say which forms of feedback a folder holds, e.g. `0 pairs, 523 lone ratings`."""
    from gmt.data.feedback_counts import FeedbackCounts

    pairs = counts["pairs"] + counts["ties"]
    found = FeedbackCounts(pairs, *(counts.get(name, 0) for name in ("lone_ratings", "remarks", "signals")))
    return str(found) if found.any else f"{found}: nothing; gmt train will refuse it"


def _print_card(terminal: Terminal, out: Path, card: dict[str, Any]) -> None:
    """Say what the folder holds."""
    for note in card.get("notes", []):
        terminal.warn(f"Note: {note}.")
    counts = card["counts"]
    terminal.text(
        f"{out}: {counts['comparisons']:,} comparisons ({counts['rated']:,} rated) of {counts['users']:,} users and "
        f"{counts['models']:,} models, {card['tie_rate']:.0%} ties; {card['protocol']} split, "
        f"encoder {card['encoder']['id']}"
    )
    terminal.text(f"to learn from: {said(counts)}")
    if card.get("bad_rows"):
        terminal.text(f"{card['bad_rows']:,} bad rows dropped, listed in {out / 'rejected.csv'}")
