"""Offer the commands that learn and measure: train, eval, summary."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gmt.cli.completion import complete_data, complete_rival, complete_run, complete_setting, one_of
from gmt.cli.console import Terminal
from gmt.cli.life_signs import TrainingBar
from gmt.cli.options import (
    DEMO_DATA,
    DEMO_RUN,
    AllowDownload,
    GivenSeed,
    Json,
    Quiet,
    Run,
    Seed,
    split_names,
    split_numbers,
)
from gmt.cli.stopped import Stopped

learn_commands = typer.Typer()


def _config_path(path: Path | None) -> Path:
    """Return the file itself, or the shipped config of that name."""
    from gmt.config import default_config, shipped_config

    if path is None:
        return default_config()
    shipped = shipped_config(path.stem)
    return shipped if not path.is_file() and shipped.is_file() and path.parent.name in ("configs", "") else path


def _how_to_go_on(run: Path) -> str:
    """Say what a training that was stopped left, and what to do with it."""
    from gmt.artefacts import CHECKPOINT, unfinished

    if (unfinished(run) / CHECKPOINT).is_file():
        return f"stopped. Give the same command with --resume to go on from the last checkpoint; {run} is unchanged"
    return f"stopped before the first checkpoint; {run} is unchanged, give the command again"


@learn_commands.command(epilog="Example: `gmt train data/demo --set train.lr=0.001 --seed 1`")
def train(
    data: Annotated[
        Path, typer.Argument(help="Data folder made by gmt prep.", autocompletion=complete_data)
    ] = DEMO_DATA,
    run: Annotated[
        Path | None, typer.Option("--run", help="Run folder; runs/ and the name of DATA by default.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="YAML of settings; configs/default.yaml by default.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="section.key=value; repeatable.", autocompletion=complete_setting),
    ] = None,
    seed: GivenSeed = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
    no_texts: Annotated[
        bool,
        typer.Option(
            "--no-texts",
            help="Keep no user's texts in the run, neither trained nor added ones: vectors, hashes and lengths only.",
        ),
    ] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Train a router on a data folder."""
    from gmt.config import load_config
    from gmt.runs import RunFolder

    terminal = Terminal(quiet, as_json)
    more = ["state.texts=false"] if no_texts else []
    settings = load_config(_config_path(config), [*(set_ or ()), *more], seed)
    from gmt.training.train_run import train_run

    folder = RunFolder(run or Path("runs") / data.resolve().name)
    # How many networks of traits are worth their time shows on the way.
    steps = settings.train.steps if settings.posterior.network and not settings.traits.enabled else None
    try:
        with terminal.bar("training", steps) as advance:
            card = train_run(data, settings, folder, resume, TrainingBar(advance))
    except KeyboardInterrupt:
        raise Stopped(_how_to_go_on(folder.root)) from None
    terminal.result({"run": str(folder.root), **card})
    valid, best = card["valid"], card.get("best")
    found = "nothing to validate on"
    if valid:
        found = f"validation AUC {valid['auc']:.3f}, accuracy {valid['accuracy']:.3f}"
        found += f" on {valid['comparisons']:,} comparisons drawn" if "comparisons" in valid else ""
    steps = f"; network best at step {best['step']} of {best['steps']}, {best['seconds']:.0f} s" if best else ""
    terminal.text(f"{folder.root}: {found}{steps}")
    for line in card.get("notes", []):
        terminal.text(line)
    terminal.ended(f"trained {folder.root}", f"gmt eval --run {folder.root}")


Shots = Annotated[str | None, typer.Option(help="Numbers of shots, e.g. 0,5,20.")]
Split = Annotated[str, typer.Option(help="test or valid.", autocompletion=one_of("test", "valid"))]
Baselines = Annotated[str, typer.Option(help="all, none, or names separated by commas.", autocompletion=complete_rival)]
Controls = Annotated[
    bool,
    typer.Option(
        "--controls/--no-controls",
        help="Ask the run with each history handed to another user and with none, with fewer rounds and users, and "
        "end in a verdict.",
    ),
]
RevealTurns = Annotated[
    bool, typer.Option("--reveal-turns", help="Show the ratings of earlier rounds of the conversation asked.")
]


@learn_commands.command(
    "eval", epilog="Example: `gmt eval --run runs/demo --baselines bradley_terry,user_bradley_terry,oracle`"
)
def evaluate(
    run: Run = DEMO_RUN,
    data: Annotated[
        Path | None, typer.Option(help="Data folder; the run's own by default.", autocompletion=complete_data)
    ] = None,
    split: Split = "test",
    shots: Shots = None,
    draws: Annotated[int, typer.Option(help="Draws of pool and targets.", min=1, max=1000)] = 3,
    baselines: Baselines = "all",
    controls: Controls = True,
    seed: Seed = 0,
    reveal_turns: RevealTurns = False,
    out: Annotated[
        Path | None, typer.Option(help="Results file; in RUN/results and named after the protocol by default.")
    ] = None,
    allow_download: AllowDownload = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Measure a run beside simple rivals and controls, and say in plain words whether routing by person is worth it."""
    from gmt.cli.results_tables import print_results
    from gmt.evaluation.measure import measure
    from gmt.report.verdict_text import with_words
    from gmt.runs import RunFolder

    terminal = Terminal(quiet, as_json)
    names = None if baselines == "all" else [] if baselines == "none" else split_names(baselines)
    folder = RunFolder(run).require()
    with terminal.bar("asking", None, count=False) as advance:
        result = measure(
            folder, data, split, split_numbers(shots, "--shots"), draws, names, seed, reveal_turns, out,
            lambda what: advance(1, what), allow_download, controls,
        )  # fmt: skip
    terminal.result(with_words(result.summary))
    print_results(terminal, result.summary)
    terminal.ended(f"written to {out or folder.results}", f"gmt figures {run}")


@learn_commands.command(epilog="Example: `gmt summary runs/llmfao-0 runs/llmfao-1 runs/llmfao-2 --out results.md`")
def summary(
    runs: Annotated[list[Path], typer.Argument(help="Run folders of several seeds.", autocompletion=complete_run)],
    out: Annotated[
        Path | None, typer.Option(help="Markdown file to write; a .json beside it holds the numbers.")
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Average runs over seeds, with users resampled jointly; print the table of the README and the verdict."""
    from gmt.evaluation.summary import summarise
    from gmt.files import write_json, write_text
    from gmt.report.summary_table import summary_table
    from gmt.report.verdict_text import with_words
    from gmt.runs import RunFolder

    terminal = Terminal(quiet, as_json)
    paths = [path for run in runs for path in sorted(RunFolder(run).results.glob("*.json"))]
    found = summarise(paths)
    text = summary_table(found)
    if out is not None:
        write_text(out, text)
        write_json(out.with_suffix(".json"), found)
    terminal.result({label: with_words(one) for label, one in found.items()})
    terminal.text(text, whole=True)
