"""Offer the commands that make people with known preferences, and assemble `gmt simulate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gmt.cli.commands_answers import answer_commands
from gmt.cli.console import Terminal
from gmt.cli.options import MOST, Json, Out, Quiet, Seed, finite
from gmt.errors import UserError

simulate = typer.Typer(
    name="simulate",
    help="Make people with known preferences, as rows that gmt prep jsonl reads, with the truth beside them.",
    no_args_is_help=True,
)
simulate.add_typer(answer_commands)


@simulate.command(
    epilog="Example: `gmt simulate planted --users 1000 --drift-at .5 --out people.jsonl`, then "
    "`gmt prep jsonl people.jsonl --models people.models.json`"
)
def planted(
    out: Out,
    users: Annotated[int, typer.Option(help="People.", max=MOST)] = 200,
    votes: Annotated[int, typer.Option(help="Rounds each user rates.", min=1, max=100_000)] = 40,
    models: Annotated[int, typer.Option(help="Models on offer.", max=10_000)] = 10,
    rank: Annotated[int, typer.Option(help="Traits that tastes are about.", max=1000)] = 3,
    topics: Annotated[int, typer.Option(help="Topics of the questions, at most 12.")] = 8,
    questions: Annotated[int, typer.Option(help="Different questions.", max=MOST)] = 320,
    scale: Annotated[
        float, typer.Option(help="How strongly people feel, in logits; 0 is chance.", max=1e6, callback=finite)
    ] = 3.4,
    strength_share: Annotated[
        float, typer.Option(help="Share of the utility's variance that is a model's own.", callback=finite)
    ] = 0.05,
    topical_share: Annotated[
        float, typer.Option(help="Share that is a model's skill on a topic.", callback=finite)
    ] = 0.04,
    modulation: Annotated[
        float, typer.Option(help="How much topics change what a trait is worth.", callback=finite)
    ] = 1.0,
    topic_taste: Annotated[
        float, typer.Option(help="Share of a taste that is drawn anew for each topic.", callback=finite)
    ] = 0.0,
    noise_labels: Annotated[
        float, typer.Option(help="Share of rounds rated the wrong way round.", callback=finite)
    ] = 0.0,
    ties: Annotated[float, typer.Option(help="Share of votes that tie, the closest ones.", callback=finite)] = 0.0,
    turns: Annotated[int, typer.Option(help="Rounds of a conversation.", min=1, max=100_000)] = 1,
    wander: Annotated[bool, typer.Option("--wander", help="Conversations move between topics.")] = False,
    follow_ups: Annotated[
        float, typer.Option(help="Share of later rounds that say nothing of their topic.", callback=finite)
    ] = 0.0,
    drift_at: Annotated[
        float | None,
        typer.Option(help="Share of the time line after which tastes change.", show_default="never", callback=finite),
    ] = None,
    drift_size: Annotated[float, typer.Option(help="Share of the taste that changes then.", callback=finite)] = 1.0,
    mix_cost: Annotated[
        float, typer.Option(help="Mean share of a taste that is a liking for cheap models.", callback=finite)
    ] = 0.0,
    feedback: Annotated[str, typer.Option(help="votes, ratings, rankings, thumbs, text or mixed.")] = "votes",
    votes_kept: Annotated[
        float | None,
        typer.Option(help="Share of rounds that stay votes, to be asked.", show_default="0; .3 for text"),
    ] = None,
    candidates: Annotated[
        int | None, typer.Option(help="Answers shown in a round.", min=1, max=10_000, show_default="2; 4 for rankings")
    ] = None,
    leniency: Annotated[
        float,
        typer.Option(
            help="How differently kind people are with stars and thumbs, in logits.", max=1e6, callback=finite
        ),
    ] = 0.0,
    responses: Annotated[bool, typer.Option("--responses", help="Write short answers that show the traits.")] = False,
    seed: Seed = 0,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Make people whose low-rank tastes, and so the best possible router, are known."""
    from data_prep.simulate.planted import PlantedSettings
    from data_prep.simulate.planted_file import write_planted

    terminal = Terminal(quiet, as_json)
    if users * votes > 100 * MOST:
        raise UserError(
            f"{users:,} people of {votes:,} votes are {users * votes:.0e} votes; make at most {100 * MOST:.0e}"
        )
    settings = PlantedSettings(
        users, votes, models, rank, topics, questions, scale, strength_share, topical_share, modulation, topic_taste,
        noise_labels, ties, turns, wander, drift_at, drift_size, mix_cost, feedback, votes_kept, candidates, responses,
        seed, leniency, follow_ups,
    )  # fmt: skip
    with terminal.bar("drawing people", users) as advance:
        made = write_planted(settings, out, advance)
    terminal.result(made)
    terminal.text(f"{out}: {made['comparisons']:,} rounds of {users:,} people; truth in {made['truth'][0]}")
    terminal.ended(f"written to {out}", f"gmt prep jsonl {out} --models {made['models']}")


@simulate.command(
    epilog="Example: `gmt simulate cost data/scores --users 1000 --alpha uniform:.2,1 --feedback pair "
    "--out people.jsonl`, then `gmt prep jsonl people.jsonl --models people.models.json`"
)
def cost(
    scores: Annotated[Path, typer.Argument(help="Folder made by gmt prep scores, or of dcrouter_*.json.")],
    out: Out,
    users: Annotated[int, typer.Option(help="People.", max=MOST)] = 9,
    alpha: Annotated[
        str, typer.Option(help="Weight of quality against cost: grid:LO,HI, uniform:LO,HI, beta:A,B, or numbers.")
    ] = "grid:0.2,1",
    per_user: Annotated[int, typer.Option(help="Training questions of each user; 0 for all.", min=0, max=MOST)] = 30,
    test_per_user: Annotated[
        int | None,
        typer.Option(
            help="Test questions of each user; 0 for all.", min=0, max=MOST, show_default="all; 30 beyond 20 people"
        ),
    ] = None,
    feedback: Annotated[
        str,
        typer.Option(help="full: all rewards; random: one model's; pair: the better of two; chosen: the best of all."),
    ] = "full",
    drift_at: Annotated[
        float | None,
        typer.Option(help="Share of the training questions after which people weigh anew.", show_default="never"),
    ] = None,
    seed: Seed = 0,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Make people who weigh quality against cost; what each of them weighs stays in the truth file.

    reward = α · score − (1 − α) · cost. Test questions carry all rewards, whatever --feedback says. Rows state the
    source's split, which `gmt prep jsonl` keeps. With many rows name the file .parquet; it is far smaller.
    """
    from data_prep.simulate.cost import ALL, CostSettings, write_cost
    from data_prep.sources.router_data import matrix_from

    terminal = Terminal(quiet, as_json)
    asked = ALL if test_per_user == 0 else test_per_user
    matrix = matrix_from(scores, [])
    made = write_cost(matrix, CostSettings(users, alpha, per_user or None, asked, feedback, drift_at, seed), out)
    terminal.result(made)
    terminal.text(
        f"{out}: {made['train']:,} training and {made['test']:,} test questions of {users:,} people; "
        f"truth in {made['truth']}"
    )
    terminal.ended(f"written to {out}", f"gmt prep jsonl {out} --models {made['models']}")
