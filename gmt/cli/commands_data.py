"""Offer the command that makes data folders: prep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gmt.cli.completion import complete_source, one_of
from gmt.cli.console import Terminal
from gmt.cli.options import Json, Quiet, Seed, split_numbers
from gmt.cli.prep_card import prepare_and_say
from gmt.cli.prep_options import PrepCommand, reads_columns, source_options
from gmt.cli.prep_proposal import asks_for_proposal, chosen_recipe, print_recipes
from gmt.errors import UserError

data_commands = typer.Typer()


SOURCES = (
    "demo, votes, jsonl, chat, arena, mt-bench, prism, prism-answers, comparia, community-alignment, "
    "personal-reward-bench, langfuse, otel, vllm-sr, open-webui, gmtrouter, scores, recipe:NAME, or a recipe in a YAML "
    "file."
)
Source = Annotated[str, typer.Argument(help=SOURCES, autocompletion=complete_source)]
Input = Annotated[
    str | None,
    typer.Argument(help="File or folder; or hub:OWNER/NAME, a data set of the Hugging Face hub, which is downloaded."),
]
Encoder = Annotated[
    str | None, typer.Option(help="minilm, hash, or a sentence-transformers or transformers id; minilm by default.")
]
Protocol = Annotated[
    str | None,
    typer.Option(
        help="seen, new-users, new-models, new-questions, drift, or given: the source's own split.",
        show_default="given where the source states a split, else seen",
        autocompletion=one_of("seen", "new-users", "new-models", "new-questions", "drift", "given"),
    ),
]
Workers = Annotated[
    int, typer.Option(min=1, max=1024, help="Processes that read rows (votes, jsonl, arena) and encode texts.")
]


@data_commands.command(
    cls=PrepCommand,
    epilog="Example: `gmt prep votes votes.csv --user worker --winner winner --model-a left --model-b right "
    "--query prompt --out data/votes`",
)
@reads_columns
def prep(
    columns: dict[str, Any],
    source: Source = "demo",
    input: Input = None,
    out: Annotated[Path | None, typer.Option(help="Data folder to write; data/SOURCE by default.")] = None,
    encoder: Encoder = None,
    protocol: Protocol = None,
    fractions: Annotated[str, typer.Option(help="Shares of train, valid and test.")] = ".7,.1,.2",
    seed: Seed = 0,
    models: Annotated[
        Path | None, typer.Option(help="JSON or YAML: name -> description and prices, or LiteLLM's price file.")
    ] = None,
    drop_bad_rows: Annotated[
        bool, typer.Option("--drop-bad-rows", help="Go on without rows that cannot be read.")
    ] = False,
    accept: Annotated[
        bool, typer.Option("--accept", help="Of gmt prep votes FILE without columns: take what is proposed.")
    ] = False,
    save_recipe: Annotated[
        Path | None, typer.Option(help="YAML file that keeps how the input is read, for gmt prep FILE.yaml.")
    ] = None,
    list_recipes: Annotated[bool, typer.Option("--list-recipes", help="List the recipes that ship with gmt.")] = False,
    workers: Workers = 1,
    engine: Annotated[
        str, typer.Option(help="local, or ray for logs larger than a machine.", autocompletion=one_of("local", "ray"))
    ] = "local",
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Convert raw conversations and votes into a data folder."""
    from data_prep.prepare import PrepOptions

    terminal = Terminal(quiet, as_json)
    if list_recipes:
        print_recipes(terminal)
        return
    if source == "demo" and input is not None:
        raise UserError(f"demo makes its data and reads no {input}; leave it out, or name the source that it is of")
    if source.startswith("hub:"):
        raise UserError(f"{source} is an input; name what it holds before it, e.g. gmt prep chat {source}")
    shares, read = _shares(fractions), source_options(columns, seed, workers, engine)
    recipe = chosen_recipe(terminal, source, input, read, accept, save_recipe)
    if recipe is None and asks_for_proposal(source, input, read):
        return
    # Named after the recipe, for `recipe:x` and `folder/x.yaml` are no names of folders.
    name = Path(source.removeprefix("recipe:")).stem
    options = PrepOptions(
        source, out or Path("data") / name, input, encoder, protocol, shares, seed, models, drop_bad_rows, read,
        recipe if accept else None,
    )  # fmt: skip
    prepare_and_say(terminal, options)


@data_commands.command(epilog="Example: `gmt cut llmfao published/llmfao --out real/llmfao`")
def cut(
    name: Annotated[str, typer.Argument(help="llmfao or mtbench.")],
    input: Annotated[
        str,
        typer.Argument(help="Folder of the published files, or hub:OWNER/NAME, a data set of the Hugging Face hub."),
    ],
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
