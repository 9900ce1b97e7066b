"""Offer every command: parse, call one function, print."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gmt.cli.commands_serve import serving
from gmt.cli.commands_simulate import simulate
from gmt.cli.console import Terminal, print_results
from gmt.cli.options import DEMO_DATA, DEMO_RUN, Json, Quiet, Run, Seed, split_names, split_numbers
from gmt.errors import UserError

app = typer.Typer(
    name="gmt",
    help="Personalised LLM routing: learn from people's conversations which model each will prefer.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.add_typer(serving)
app.add_typer(simulate)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; a user's mistake is one line on stderr and exit code 2."""
    try:
        app(arguments)
    except UserError as error:
        sys.stderr.write(f"gmt: {error}\n")
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(0)


@app.command(
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
    user: Annotated[str | None, typer.Option(help="Column of the person.")] = None,
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
        int, typer.Option(min=1, help="Processes that read rows (votes, jsonl, arena) and encode texts.")
    ] = 1,
    engine: Annotated[
        str,
        typer.Option(help="local, or ray for logs larger than a machine (votes, jsonl, arena)."),
    ] = "local",
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Convert raw conversations and votes into a data folder."""
    from data_prep.prepare import PrepOptions, prepare
    from data_prep.sources.source import SourceOptions

    terminal = Terminal(quiet, as_json)
    scale = split_numbers(rating_scale, "--rating-scale", float)
    shares = split_numbers(fractions, "--fractions", float) or []
    if len(shares) != 3 or not abs(sum(shares) - 1) <= 1e-6 or min(shares) < 0:
        raise UserError(f"--fractions is {fractions}; expected three shares that add up to 1, e.g. .7,.1,.2")
    if scale is not None and len(scale) != 2:
        raise UserError(f"--rating-scale is {rating_scale}; expected LO,HI, e.g. 1,5")
    columns = SourceOptions(
        user=user, query=query, winner=winner, model_a=model_a, model_b=model_b,
        labels=tuple(labels.split(",")) if labels else None, response_a=response_a, response_b=response_b,
        model=model, rating=rating, rating_scale=(scale[0], scale[1]) if scale else None, response=response,
        question=question, conversation=conversation, turn=turn, task=task, timestamp=timestamp, feedback=feedback,
        cost=cost, join=tuple(join or ()), seed=seed, workers=workers, engine=engine,
    )  # fmt: skip
    options = PrepOptions(
        source, out or Path("data") / source, input, encoder, protocol, (shares[0], shares[1], shares[2]), seed, models,
        drop_bad_rows, columns,
    )  # fmt: skip

    def show_rejected(rows: Any) -> None:
        for row in rows[:20]:
            terminal.warn(str(row))

    with terminal.bar("encoding texts", None) as advance:
        card = prepare(options, lambda total: advance.over(total), show_rejected)
    terminal.result({"out": str(options.out), **card})
    if not as_json:
        _print_card(terminal, options.out, card)


def _print_card(terminal: Terminal, out: Path, card: dict[str, Any]) -> None:
    for note in card.get("notes", []):
        terminal.warn(f"Note: {note}.")
    counts = card["counts"]
    terminal.text(
        f"{out}: {counts['comparisons']:,} comparisons ({counts['rated']:,} rated) of {counts['users']:,} users and "
        f"{counts['models']:,} models, {card['tie_rate']:.0%} ties; {card['protocol']} split, "
        f"encoder {card['encoder']['id']}"
    )
    if card.get("bad_rows"):
        terminal.text(f"{card['bad_rows']:,} bad rows dropped, listed in {out / 'rejected.csv'}")


def _config_path(path: Path | None) -> Path:
    """Return the file itself, or the shipped config of that name."""
    from gmt.config import default_config, shipped_config

    if path is None:
        return default_config()
    shipped = shipped_config(path.stem)
    return shipped if not path.is_file() and shipped.is_file() and path.parent.name in ("configs", "") else path


@app.command(epilog="Example: `gmt train data/demo --set train.lr=0.001 --seed 1`")
def train(
    data: Annotated[Path, typer.Argument(help="Data folder made by gmt prep.")] = DEMO_DATA,
    run: Annotated[Path | None, typer.Option("--run", help="Run folder; runs/<name of DATA> by default.")] = None,
    config: Annotated[Path | None, typer.Option(help="YAML of settings; configs/default.yaml by default.")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="section.key=value; repeatable.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed; the config's own by default.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Train a router on a data folder."""
    from gmt.config import load_config
    from gmt.runs import RunFolder

    terminal = Terminal(quiet, as_json)
    settings = load_config(_config_path(config), set_ or (), seed)
    from gmt.training.train_run import train_run

    folder = RunFolder(run or Path("runs") / data.resolve().name)
    with terminal.bar("training", settings.train.steps) as advance:
        seen = {"auc": ""}

        def report(line: Any) -> None:
            if "valid_auc" in line:
                seen["auc"] = f", validation AUC {line['valid_auc']:.3f}"
            advance(line["step"] - seen.get("step", 0), f"loss {line['loss']:.3f}{seen['auc']}")  # type: ignore[operator]
            seen["step"] = line["step"]

        card = train_run(data, settings, folder, resume, report)
    terminal.result({"run": str(folder.root), **card})
    valid, best = card["valid"], card.get("best")
    found = (
        f"validation AUC {valid['auc']:.3f}, accuracy {valid['accuracy']:.3f}" if valid else "nothing to validate on"
    )
    steps = f"; network best at step {best['step']} of {best['steps']}, {best['seconds']:.0f} s" if best else ""
    terminal.text(f"{folder.root}: {found}{steps}")
    for line in card.get("notes", []):
        terminal.text(line)


@app.command("eval", epilog="Example: `gmt eval --run runs/demo --baselines bradley_terry,user_bradley_terry,oracle`")
def evaluate(
    run: Run = DEMO_RUN,
    data: Annotated[Path | None, typer.Option(help="Data folder; the run's own by default.")] = None,
    split: Annotated[str, typer.Option(help="test or valid.")] = "test",
    shots: Annotated[str | None, typer.Option(help="Numbers of shots, e.g. 0,5,20.")] = None,
    draws: Annotated[int, typer.Option(help="Draws of pool and targets.", min=1)] = 3,
    baselines: Annotated[str, typer.Option(help="all, none, or names separated by commas.")] = "all",
    seed: Seed = 0,
    reveal_turns: Annotated[
        bool, typer.Option("--reveal-turns", help="Show the ratings of earlier rounds of the conversation asked.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Results file; RUN/results/<protocol>.json by default.")] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Measure a run beside simple rivals."""
    from gmt.evaluation.measure import measure
    from gmt.runs import RunFolder

    terminal = Terminal(quiet, as_json)
    names = None if baselines == "all" else [] if baselines == "none" else split_names(baselines)
    folder = RunFolder(run).require()
    with terminal.bar("asking", None, count=False) as advance:
        result = measure(
            folder, data, split, split_numbers(shots, "--shots"), draws, names, seed, reveal_turns, out,
            lambda what: advance(1, what),
        )  # fmt: skip
    terminal.result(result.summary)
    print_results(terminal, result.summary)


@app.command(epilog="Example: `gmt figures runs/demo --out figures`")
def figures(
    runs: Annotated[list[Path], typer.Argument(help="Run folders.")],
    out: Annotated[Path, typer.Option(help="Folder for PNG and PDF.")] = Path("figures"),
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Draw results, cold-start and training curves, and a person's graph."""
    from gmt.report.figures import make_figures

    terminal = Terminal(quiet, as_json)
    paths = make_figures(runs, out)
    terminal.result({"figures": [str(path) for path in paths]})
    for path in paths:
        terminal.text(str(path))


@app.command(epilog="Example: `gmt summary runs/llmfao-0 runs/llmfao-1 runs/llmfao-2 --out results.md`")
def summary(
    runs: Annotated[list[Path], typer.Argument(help="Run folders of several seeds.")],
    out: Annotated[
        Path | None, typer.Option(help="Markdown file to write; a .json beside it holds the numbers.")
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Average runs over seeds, with users resampled jointly, and print the table of the README."""
    from gmt.evaluation.summary import markdown_table, summarise
    from gmt.files import write_json, write_text
    from gmt.runs import RunFolder

    terminal = Terminal(quiet, as_json)
    paths = [path for run in runs for path in sorted(RunFolder(run).results.glob("*.json"))]
    found = summarise(paths)
    text = markdown_table(found)
    if out is not None:
        write_text(out, text)
        write_json(out.with_suffix(".json"), found)
    terminal.result(found)
    terminal.text(text)


@app.command(epilog="Example: `gmt bench --parts encoder,step --out bench`")
def bench(
    parts: Annotated[
        str, typer.Option(help="encoder, step, scale, route, adapt, prep, separated by commas, or all.")
    ] = "all",
    run: Annotated[Path | None, typer.Option(help="Run that `route` asks; left out where it does not exist.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for bench.md and bench.json.")] = Path("bench"),
    quick: Annotated[bool, typer.Option("--quick", help="Small sizes, for a look.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Up to a million people.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Measure encoder, training steps, scaling, routing, adaptation and prep on this machine."""
    from gmt.bench.speed_report import FULL, PARTS, QUICK, Sizes, rows_of, run_bench, write_bench

    terminal = Terminal(quiet, as_json)
    wanted = list(PARTS) if parts == "all" else split_names(parts) or []
    unknown = [name for name in wanted if name not in PARTS]
    if unknown or not wanted:
        raise UserError(f"there is no part {', '.join(unknown) or 'to measure'}; expected all or of {', '.join(PARTS)}")
    asked = run if run is not None else DEMO_RUN
    there = (asked / "card.json").is_file()
    if run is not None and not there:
        raise UserError(f"{run} holds no card.json; train it with gmt train --run {run}")
    with terminal.bar("measuring", len(wanted)) as advance:
        found = run_bench(
            wanted, QUICK if quick else FULL if full else Sizes(), asked if there else None,
            lambda part: advance(1, part),
        )  # fmt: skip
    if "route" in wanted and not there:
        terminal.note(f"{asked} does not exist, so routing was not measured; name a run with --run.")
    paths = write_bench(found, out)
    terminal.result(found)
    terminal.table("", ["part", "what", "measured"], [list(row) for row in rows_of(found)])
    for path in paths:
        terminal.text(str(path))


@app.command(epilog="Example: `gmt demo --folder /tmp/gmt-demo`")
def demo(
    folder: Annotated[Path, typer.Option(help="Where data/, runs/ and figures/ go.")] = Path(),
    quiet: Quiet = False,
) -> None:
    """Run the whole job on data the project makes itself: prep, train, eval, adapt, route, figures."""
    from gmt.cli.demo_run import print_closing, run_demo

    run_demo(folder, main, Terminal(quiet))
    print_closing(folder, Terminal(quiet))
