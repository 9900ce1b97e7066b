"""Measure choosing a model: regret on planted people, replay on real votes, and whether exploring pays.

Usage:
    python gmt/studies/choice.py regret  --people 200 --out BENCH/choice
    python gmt/studies/choice.py replay  BENCH/data/llmfao-seen-* --out BENCH/choice
    python gmt/studies/choice.py explore --worlds default --out BENCH/choice

Each writes a JSON file, a Markdown table and a figure (PNG and PDF) into --out, and prints the table.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data_prep.simulate.planted import PlantedSettings
from data_prep.simulate.planted_table import planted_dataset
from data_prep.simulate.world import World, user_number
from gmt.config import RunConfig
from gmt.data.dataset import Dataset
from gmt.data.interactions import TEST, TRAIN
from gmt.errors import UserError
from gmt.evaluation.blocks import bootstrap
from gmt.evaluation.explore import compare_proposals
from gmt.evaluation.intervals import Estimates, Interval
from gmt.evaluation.metrics import pairs_of
from gmt.evaluation.new_users import LearningCurve, NewUsers
from gmt.evaluation.replay import replay, shown_chances
from gmt.evaluation.shares import Share, bootstrap_shares
from gmt.evaluation.top_choice import choice_shares, with_all_models
from gmt.files import write_json, write_text
from gmt.hybrid.gmt_router import GmtRouter
from gmt.posterior.answer_aware import AnswerAwareBradleyTerry
from gmt.posterior.hierarchical import HierarchicalBradleyTerry
from gmt.report.figures import COLOURS, DASHES, MARKERS, STYLE, save_figure
from gmt.rivals.registry import make_router
from gmt.routing.protocol import RoutingMethod
from gmt.training.learn_traits import learn_traits

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RIVALS = ("hierarchical_bradley_terry", "user_bradley_terry", "bradley_terry", "best_single", "random")
WORLDS: dict[str, dict[str, Any]] = {
    "default": {},
    "sparse": {"known": 20},  # few people to learn from how people differ
    "one-topic": {"topics": 1, "modulation": 0.0, "questions": 80},  # a taste is a fixed liking of models
    "many-models": {"models": 40},
}
AFTER, PRINTED = (0, 1, 2, 5, 10, 15, 20, 30, 40), (2, 5, 10, 20, 40)


def fitted_posterior(data: Dataset, seed: int, taste: bool = True) -> HierarchicalBradleyTerry:
    """Return the default router's closed-form half, with learned traits where validation lets them join."""
    learn = data.select(data.table.split != TEST)
    posterior = AnswerAwareBradleyTerry().fit(learn)
    if taste:
        posterior, note = learn_traits(posterior, learn, RunConfig(seed=seed))
        print(f"seed {seed}: {note}", file=sys.stderr, flush=True)
    return posterior


def fitted_routers(data: Dataset, seed: int) -> list[RoutingMethod]:
    """Return gmt (posterior and traits, no graph network) and its rivals, fitted."""
    learn = data.select(data.table.split != TEST)
    rivals = [make_router(name, seed).fit(learn) for name in RIVALS]
    return [GmtRouter(fitted_posterior(data, seed), None, 0.0), *rivals]


def scores_of_all(data: Dataset, router: RoutingMethod, positions: np.ndarray) -> np.ndarray:
    """Return (C, M) scores of all models for the comparisons at `positions`, TRAIN visible."""
    asked = with_all_models(data.questions(positions), len(data.table.models))
    return router.score(data.select(data.table.split == TRAIN), asked)


def joined(parts: Sequence[Mapping[str, Mapping[str, Share]]]) -> dict[str, dict[str, Share]]:
    """Pool router -> metric -> share over seeds."""
    return {
        name: {metric: Share.joined([part[name][metric] for part in parts]) for metric in parts[0][name]}
        for name in parts[0]
    }


def regret(options: argparse.Namespace) -> tuple[dict[str, Any], str, Figure]:
    """Choose among all models for every test question of planted people."""
    parts = []
    for seed in options.seeds:
        data, world = planted_dataset(PlantedSettings(users=options.people, votes=options.votes, seed=seed))
        asked = np.flatnonzero(data.table.split == TEST)
        table = data.table.select(asked)
        truth = world.table_utilities(table)
        users = np.array([f"{seed}/{table.users[code]}" for code in table.user])
        scores = {router.name: scores_of_all(data, router, asked) for router in fitted_routers(data, seed)}
        parts.append({name: choice_shares(users, found, truth) for name, found in {**scores, "oracle": truth}.items()})
    found = bootstrap_shares(joined(parts))
    heads = {
        "regret": "regret (logits)",
        "lost": "win chance lost against the best",
        "best": "best model chosen",
        "win": "win chance against another at random",
    }
    lines = [f"| {options.people} × {options.votes} | " + " | ".join(heads.values()) + " |", "|---" + "|--:" * 4 + "|"]
    lines += [
        f"| {name} | " + " | ".join(cell(found.interval(name, m)) for m in heads) + " |" for name in found.samples
    ]
    for rival in ("hierarchical_bradley_terry", "user_bradley_terry", "bradley_terry"):
        cells = [cell(found.difference("gmt", rival, metric), "+") for metric in heads]
        lines.append(f"| gmt − {rival} | " + " | ".join(cells) + " |")
    return {"routers": numbers(found)}, "\n".join(lines), dots(found, list(found.samples), ("regret", "lost"), heads)


def replayed(options: argparse.Namespace) -> tuple[dict[str, Any], str, Figure]:
    """Replay routers on the test votes of data folders, one for each seed."""
    plain, weighed, full, votes = [], [], [], 0
    effective: dict[str, float] = {}
    for seed, folder in enumerate(options.data):
        data = Dataset.load(folder)
        asked = np.flatnonzero((data.table.split == TEST) & data.table.rated)
        table, votes = data.table.select(asked), votes + len(asked)
        chances = shown_chances(data.table.select(data.table.split == TRAIN))
        own: list[dict[str, dict[str, Share]]] = [{}, {}, {}]
        for router in fitted_routers(data, seed):
            scores = scores_of_all(data, router, asked)
            kept = [replay(table, scores), replay(table, scores, chances)]
            effective[router.name] = effective.get(router.name, 0.0) + kept[0].effective
            for store, part in zip(own, kept, strict=False):
                store[router.name] = part.shares()
            own[2][router.name] = {"accuracy": _accuracy(data, table, scores)}
        for store, part in zip((plain, weighed, full), own, strict=True):
            store.append(part)
    first, second, third = (bootstrap_shares(joined(part)) for part in (plain, weighed, full))
    names = list(first.samples)
    lines = [
        f"| {options.name or Path(options.data[0]).name}, {votes} votes | votes matched | reward of the matched"
        " | standard error | weighed by how often models are shown | standard error | accuracy on all pairs"
        " | standard error |",
        "|---" + "|--:" * 7 + "|",
    ]
    for name in names:
        cells = [f"{first.samples[name]['matched'][0]:.1%} ({effective[name]:.0f})"]
        for found, metric in ((first, "reward"), (second, "reward"), (third, "accuracy")):
            cells += [cell(found.interval(name, metric)), plain_number(found.error(name, metric))]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    for rival in names[1:]:
        cells = ["–"]
        for found, metric in ((first, "reward"), (second, "reward"), (third, "accuracy")):
            gap = found.samples["gmt"][metric] - found.samples[rival][metric]
            cells += [cell(found.difference("gmt", rival, metric), "+"), plain_number(float(np.nanstd(gap[1:])))]
        lines.append(f"| gmt − {rival} | " + " | ".join(cells) + " |")
    card = {"votes": votes, "replay": numbers(first), "weighed": numbers(second), "pairs": numbers(third)}
    return card, "\n".join(lines), dots(first, names, ("reward",), {"reward": "reward of matched votes"})


def _accuracy(data: Dataset, table: Any, scores: np.ndarray) -> Share:
    """Return the pairwise accuracy on all votes, to compare variances with."""
    shown = np.take_along_axis(scores, np.maximum(table.candidates, 0), axis=1)
    pairs = pairs_of(table.ratings)
    right = (1 + np.sign(pairs.differences(shown))) / 2
    return Share(np.asarray(table.users)[table.user][pairs.comparison], right, np.ones(len(right)))


def explored(options: argparse.Namespace) -> tuple[dict[str, Any], str, Figure]:
    """Meet planted people that nobody has met, and propose answers to them in several ways."""
    card: dict[str, Any] = {}
    lines, panels = [], {}
    for name in options.worlds:
        courses = [_courses(WORLDS[name], seed, options) for seed in options.seeds]
        shares = [{way: course.shares(f"{s}/") for way, course in found.items()} for s, found in enumerate(courses)]
        found = bootstrap_shares(joined(shares))
        auc = _auc(courses)
        card[name] = {"measures": numbers(found), "auc": {str(n): numbers(part) for n, part in auc.items()}}
        lines += _explore_lines(name, found, auc, len(options.seeds) * options.newcomers)
        panels[name] = found
    return card, "\n".join(lines), courses_figure(panels)


def _courses(world_settings: Mapping[str, Any], seed: int, options: argparse.Namespace) -> dict[str, LearningCurve]:
    """Return what came of every way of proposing in one world."""
    given = dict(world_settings)
    known = given.pop("known", options.people)
    settings = PlantedSettings(users=known + options.newcomers, votes=options.votes, seed=seed, **given)
    data, world = planted_dataset(settings)
    people = np.array([user_number(name) for name in data.table.users])[data.table.user]
    data = data.select(people < known)  # of the others not one vote is seen
    router = fitted_posterior(data, seed, not options.no_taste)
    train = data.select(data.table.split == TRAIN)
    meeting = newcomers(train, world, np.arange(known, settings.users), options, seed)
    after = [votes for votes in AFTER if votes <= options.rounds]
    return compare_proposals(router.condition(train), train, meeting, after, seed)


def newcomers(train: Dataset, world: World, people: np.ndarray, options: argparse.Namespace, seed: int) -> NewUsers:
    """Let people ask the questions that stand in the history."""
    _, first = np.unique(train.table.query, return_index=True)
    number = {name: place for place, name in enumerate(world.question_ids)}
    asked = np.array([number[train.table.questions[code]] for code in train.table.question[first]])
    users, questions = (grid.reshape(-1) for grid in np.meshgrid(people, asked, indexing="ij"))
    utilities = world.utilities(users, questions).reshape(len(people), len(asked), -1)
    rng = np.random.default_rng([seed, 17])
    return NewUsers.draw(train.questions(first), utilities, options.rounds, options.held, rng)


def _auc(courses: Sequence[Mapping[str, LearningCurve]]) -> dict[int, Estimates]:
    """Return votes -> the AUC and accuracy of every way on held-out votes."""
    after = next(iter(courses[0].values())).after
    return {
        votes: bootstrap(
            {way: [found[way].block(at, f"{s}/") for s, found in enumerate(courses)] for way in courses[0]}, draws=200
        )
        for at, votes in enumerate(after)
    }


def _explore_lines(world: str, found: Estimates, auc: Mapping[int, Estimates], people: int) -> list[str]:
    """Return tables of what is known, what is chosen, and what it cost, after some votes."""
    after, lines = [votes for votes in auc if votes in PRINTED], []
    titles = {
        "order": "pairs of held-out answers in true order",
        "auc": "AUC of held-out votes",
        "regret": "regret on held-out questions (logits)",
        "first": "regret so far, answer proposed first (logits)",
        "shown": "regret so far, mean of both answers (logits)",
    }
    for metric, title in titles.items():

        def interval(way: str, votes: int, less: str | None = None, metric: str = metric) -> Interval | None:
            source, key = (auc[votes], metric) if metric == "auc" else (found, f"{metric}@{votes}")
            return source.interval(way, key) if less is None else source.difference(way, less, key)

        digits = 1 if metric in ("first", "shown") else 3
        lines += [f"\n**{world}**: {title}, {people} new people\n"]
        lines += ["| votes | " + " | ".join(map(str, after)) + " |", "|---" + "|--:" * len(after) + "|"]
        for way in found.samples:
            cells = [cell(interval(way, n), digits=digits) for n in after]
            lines.append(f"| {way} | " + " | ".join(cells) + " |")
        for way in list(found.samples)[1:]:
            cells = [cell(interval(way, n, "best two"), "+", digits) for n in after]
            lines.append(f"| {way} − best two | " + " | ".join(cells) + " |")
    return lines


def cell(interval: Interval | None, sign: str = "", digits: int = 3) -> str:
    """Write a value with its interval, a dash for none."""
    if interval is None:
        return "–"
    value, low, high = (f"{part:{sign}.{digits}f}" for part in (interval.value, interval.low, interval.high))
    return f"{value} [{low}, {high}]"


def plain_number(value: float | None) -> str:
    """Write a number, or a dash."""
    return "–" if value is None else f"{value:.3f}"


def numbers(found: Estimates) -> dict[str, Any]:
    """Return router -> metric -> value, interval and standard error."""
    out: dict[str, Any] = {}
    for name, metrics in found.samples.items():
        for metric in metrics:
            if (interval := found.interval(name, metric)) is not None:
                card = interval.to_json() | {"standard_error": found.error(name, metric)}
                out.setdefault(name, {})[metric] = card
    return out


def dots(found: Estimates, names: Sequence[str], metrics: Sequence[str], heads: Mapping[str, str]) -> Figure:
    """Draw routers as dots with their intervals, a panel per metric."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.8, 0.24 * len(names) + 0.6), layout="constrained")
    for axes, metric in zip(figure.subplots(1, len(metrics), squeeze=False, sharey=True)[0], metrics, strict=True):
        for place, name in enumerate(reversed(names)):
            interval = found.interval(name, metric)
            if interval is not None:
                colour = COLOURS[0] if name == "gmt" else "#555555"
                axes.plot([interval.low, interval.high], [place, place], color=colour, linewidth=1.6)
                axes.plot([interval.value], [place], "D" if name == "gmt" else "o", color=colour, markersize=4.5)
        axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in reversed(names)])
        axes.set_xlabel(f"{heads[metric]},\n95 % interval over users")
    return figure


def courses_figure(panels: Mapping[str, Estimates]) -> Figure:
    """Draw what is known after some votes, and what it cost, a row per world."""
    from matplotlib.figure import Figure

    measures = {
        "order": "pairs in true order",
        "regret": "regret, held-out (logits)",
        "shown": "regret so far (logits)",
    }
    figure = Figure(figsize=(6.8, 2.3 * len(panels) + 0.4), layout="constrained")
    grid = figure.subplots(len(panels), len(measures), squeeze=False)
    for row, (world, found) in zip(grid, panels.items(), strict=True):
        for axes, (metric, title) in zip(row, measures.items(), strict=True):
            for i, way in enumerate(found.samples):
                keys = [key for key in found.samples[way] if key.startswith(f"{metric}@")]
                votes = [int(key.split("@")[1]) for key in keys]
                values = [found.samples[way][key][0] for key in keys]
                look = {"color": COLOURS[i], "marker": MARKERS[i], "linestyle": DASHES[i], "markersize": 3}
                axes.plot(votes, values, linewidth=1.2, label=way, **look)
            axes.set_xlabel("votes of the new person")
            axes.set_ylabel(title)
        row[0].set_title(world, loc="left")
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, handlelength=3.2)
    return figure


def main() -> None:
    """Run one study and write what it found."""
    import matplotlib

    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    studies = parser.add_subparsers(dest="study", required=True)
    same = argparse.ArgumentParser(add_help=False)
    same.add_argument("--out", type=Path, required=True, help="folder for the results")
    same.add_argument("--name", help="stem of the files; made from the study where left out")
    drawn = argparse.ArgumentParser(add_help=False)
    drawn.add_argument("--people", type=int, default=200, help="people to learn from")
    drawn.add_argument("--votes", type=int, default=40, help="rounds each of them rates")
    drawn.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    studies.add_parser("regret", parents=[same, drawn], help="choose for planted people")
    part = studies.add_parser("replay", parents=[same], help="replay on the test votes of data folders")
    part.add_argument("data", type=Path, nargs="+", help="folders made by gmt prep, one for each seed")
    part = studies.add_parser("explore", parents=[same, drawn], help="let new people talk to the router")
    part.add_argument("--newcomers", type=int, default=100, help="new people in each seed")
    part.add_argument("--rounds", type=int, default=40, help="votes of each new person")
    part.add_argument("--held", type=int, default=40, help="questions held out for each new person")
    part.add_argument("--worlds", nargs="+", choices=WORLDS, default=["default"], help="who the people are")
    part.add_argument("--no-taste", action="store_true", help="leave the learned traits out, which is faster")
    options = parser.parse_args()
    run = {"regret": regret, "replay": replayed, "explore": explored}[options.study]
    with matplotlib.rc_context(STYLE):
        try:
            card, table, figure = run(options)
        except UserError as error:
            parser.error(str(error))
        stem = options.name or "-".join([options.study, str(getattr(options, "people", "votes"))])
        save_figure(figure, options.out / stem)
    command = f"python {shlex.join(sys.argv)}"
    write_json(options.out / f"{stem}.json", {"command": command, **card})
    write_text(options.out / f"{stem}.md", f"`{command}`\n\n{table}\n")
    print(f"{table}\n\n{command}")


if __name__ == "__main__":
    main()
