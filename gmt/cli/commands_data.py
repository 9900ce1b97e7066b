"""Offer the command that makes data folders: prep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gmt.cli.console import Terminal
from gmt.cli.options import Json, Quiet, Seed, rating_ends, split_numbers
from gmt.cli.prep_card import prepare_and_say
from gmt.cli.prep_proposal import asks_for_proposal, chosen_recipe, print_recipes
from gmt.errors import UserError

data_commands = typer.Typer()


@data_commands.command(
    epilog="Example: `gmt prep votes votes.csv --user worker --winner winner --model-a left --model-b right "
    "--query prompt --out data/votes`"
)
def prep(
    source: Annotated[
        str,
        typer.Argument(
            help="demo, votes, jsonl, chat, arena, mt-bench, prism, prism-answers, comparia, "
            "community-alignment, personal-reward-bench, langfuse, otel, vllm-sr, open-webui, gmtrouter, scores, "
            "recipe:NAME, or a recipe in a YAML file."
        ),
    ] = "demo",
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
    models: Annotated[
        Path | None, typer.Option(help="JSON or YAML: name -> description and prices, or LiteLLM's price file.")
    ] = None,
    drop_bad_rows: Annotated[
        bool, typer.Option("--drop-bad-rows", help="Go on without rows that cannot be read.")
    ] = False,
    user: Annotated[str | None, typer.Option(help="Column of the user.")] = None,
    winner: Annotated[str | None, typer.Option(help="Column of the verdict.")] = None,
    model_a: Annotated[str | None, typer.Option(help="Column of the first model.")] = None,
    model_b: Annotated[str | None, typer.Option(help="Column of the second model.")] = None,
    labels: Annotated[
        str | None,
        typer.Option(help="What the verdict says for A, B and a tie; of a rating column for good, bad and middling."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Column of the model of a rated answer.")] = None,
    rating: Annotated[
        str | None, typer.Option(help="Column of the rating; of langfuse and otel the name of the score that counts.")
    ] = None,
    rating_scale: Annotated[
        str | None, typer.Option(help="Worst and best rating, e.g. 1,5; 3,1 for places of three.")
    ] = None,
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
    time_format: Annotated[
        str | None, typer.Option(help="How times are written, e.g. %d.%m.%Y; ISO 8601 and epoch numbers need none.")
    ] = None,
    comparison: Annotated[
        str | None, typer.Option(help="Column of what rated answers that were judged together have in common.")
    ] = None,
    delimiter: Annotated[
        str | None, typer.Option(help="What separates the fields of a CSV file: one character, semicolon, tab or pipe.")
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="Encoding of the file, e.g. cp1252; UTF-8 by default.")] = None,
    join: Annotated[
        list[str] | None,
        typer.Option(help="[PREFIX=]FILE:its_key=our_key[,…] joins columns of another file; repeatable."),
    ] = None,
    accept: Annotated[
        bool, typer.Option("--accept", help="Of gmt prep votes FILE without columns: take what is proposed.")
    ] = False,
    save_recipe: Annotated[
        Path | None, typer.Option(help="YAML file that keeps how the input is read, for gmt prep FILE.yaml.")
    ] = None,
    list_recipes: Annotated[bool, typer.Option("--list-recipes", help="List the recipes that ship with gmt.")] = False,
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

    terminal = Terminal(quiet, as_json)
    if list_recipes:
        print_recipes(terminal)
        return
    shares, scale = _shares(fractions), rating_ends(rating_scale)
    columns = SourceOptions(
        user=user, query=query, winner=winner, model_a=model_a, model_b=model_b,
        labels=tuple(labels.split(",")) if labels else None, response_a=response_a, response_b=response_b,
        model=model, rating=rating, rating_scale=scale, response=response,
        question=question, conversation=conversation, turn=turn, task=task, timestamp=timestamp, feedback=feedback,
        cost=cost, comparison=comparison, delimiter=delimiter, encoding=encoding, time_format=time_format,
        join=tuple(join or ()), seed=seed, workers=workers, engine=engine,
    )  # fmt: skip
    recipe = chosen_recipe(terminal, source, input, columns, accept, save_recipe)
    if recipe is None and asks_for_proposal(source, input, columns):
        return
    # Named after the recipe, for `recipe:x` and `folder/x.yaml` are no names of folders.
    name = Path(source.removeprefix("recipe:")).stem
    options = PrepOptions(
        source, out or Path("data") / name, input, encoder, protocol, shares, seed, models, drop_bad_rows, columns,
        recipe if accept else None,
    )  # fmt: skip
    prepare_and_say(terminal, options)


@data_commands.command(epilog="Example: `gmt cut llmfao published/llmfao --out real/llmfao`")
def cut(
    name: Annotated[str, typer.Argument(help="llmfao or mtbench.")],
    input: Annotated[str, typer.Argument(help="Folder of the published files, or hub:<dataset id>.")],
    out: Annotated[Path, typer.Option(help="Folder to write.")],
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Cut out of published votes the part that the tables of the documentation stand on."""
    from data_prep.published_parts import cut_part

    terminal, found = Terminal(quiet, as_json), cut_part(name, input, out)
    terminal.result({"kept": found.kept, "published": found.published, "file": str(found.file)})
    terminal.text(f"{found.file}: {found.kept:,} of {found.published:,} published votes, those of the tables")


def _shares(text: str) -> tuple[float, float, float]:
    """Read --fractions."""
    shares = split_numbers(text, "--fractions", float) or []
    if len(shares) != 3 or not abs(sum(shares) - 1) <= 1e-6 or min(shares) < 0:
        raise UserError(f"--fractions is {text}; expected three shares that add up to 1, e.g. .7,.1,.2")
    return shares[0], shares[1], shares[2]
