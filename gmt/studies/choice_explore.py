"""Let cold-start users talk to a router that proposes answers in several ways: does exploring pay?"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from data_prep.simulate.planted import PlantedSettings
from data_prep.simulate.planted_table import planted_dataset
from data_prep.simulate.world import World, user_number
from gmt.data.dataset import Dataset
from gmt.data.interactions import TRAIN
from gmt.evaluation.explore import compare_proposals
from gmt.evaluation.intervals import Estimates, Interval
from gmt.evaluation.new_users import LearningCurve, NewUsers
from gmt.evaluation.score_blocks import bootstrap
from gmt.evaluation.shares import bootstrap_shares
from gmt.report.figure_file import FigureFile
from gmt.report.markdown import table
from gmt.studies.choice_harness import fitted_posterior, joined_shares, measures, shown

WORLDS: dict[str, dict[str, Any]] = {
    "default": {},
    "sparse": {"known": 20},  # few users to learn from how users differ
    "one-topic": {"topics": 1, "modulation": 0.0, "questions": 80},  # a taste is a fixed preference among models
    "many-models": {"models": 40},
}
SUBJECTS = {
    "default": "simulated newcomers, ten models, many subjects",
    "sparse": "simulated newcomers, only 20 known people",
    "one-topic": "simulated newcomers, one subject",
    "many-models": "simulated newcomers, forty models",
}
"""Worlds as figures name them."""
AFTER, PRINTED = (0, 1, 2, 5, 10, 15, 20, 30, 40), (2, 5, 10, 20, 40)


def explored(options: argparse.Namespace) -> tuple[dict[str, Any], str, FigureFile]:
    """Meet planted users whom the router has not met, and propose answers to them in several ways."""
    card: dict[str, Any] = {}
    lines, panels = [], {}
    for name in options.worlds:
        courses = [_courses(WORLDS[name], seed, options) for seed in options.seeds]
        shares = [{way: course.shares(f"{s}/") for way, course in found.items()} for s, found in enumerate(courses)]
        found = bootstrap_shares(joined_shares(shares))
        auc = _auc(courses)
        card[name] = {"measures": measures(found), "auc": {str(n): measures(part) for n, part in auc.items()}}
        lines += _explore_lines(name, found, auc, len(options.seeds) * options.newcomers)
        panels[name] = found
    return card, "\n".join(lines), courses_figure(panels)


def _courses(world_settings: Mapping[str, Any], seed: int, options: argparse.Namespace) -> dict[str, LearningCurve]:
    """Return what came of every way of proposing in one world."""
    # One world for both kinds of users, or new ones would be drawn with tastes of another kind.
    given = dict(world_settings)
    known = given.pop("known", options.users)
    settings = PlantedSettings(users=known + options.newcomers, votes=options.votes, seed=seed, **given)
    data, world = planted_dataset(settings)
    users = np.array([user_number(name) for name in data.table.users])[data.table.user]
    data = data.select(users < known)  # of the others not one vote is seen
    router = fitted_posterior(data, seed, not options.no_traits)
    train = data.select(data.table.split == TRAIN)
    meeting = newcomers(train, world, np.arange(known, settings.users), options, seed)
    after = [votes for votes in AFTER if votes <= options.rounds]
    return compare_proposals(router.condition(train), train, meeting, after, seed)


def newcomers(train: Dataset, world: World, users: np.ndarray, options: argparse.Namespace, seed: int) -> NewUsers:
    """Let users ask the questions that stand in the history."""
    # Queries of the history only: with others a vote would also be about an answer quality that no vote here can teach.
    _, first = np.unique(train.table.query, return_index=True)
    number = {name: place for place, name in enumerate(world.question_ids)}
    queries = np.array([number[train.table.questions[code]] for code in train.table.question[first]])
    who, questions = (grid.reshape(-1) for grid in np.meshgrid(users, queries, indexing="ij"))
    utilities = world.utilities(who, questions).reshape(len(users), len(queries), -1)
    # A stream of its own, so that questions do not depend on how the router was fitted.
    rng = np.random.default_rng([seed, 17])
    return NewUsers.draw(train.questions(first), utilities, options.rounds, options.held, rng)


def _auc(courses: Sequence[Mapping[str, LearningCurve]]) -> dict[int, Estimates]:
    """Return votes -> the AUC and accuracy of every way on held-out votes."""
    after = next(iter(courses[0].values())).after
    return {
        votes: bootstrap(
            # Fewer resamples than elsewhere: AUC is taken for every way after every number of votes.
            {way: [found[way].block(at, f"{s}/") for s, found in enumerate(courses)] for way in courses[0]},
            draws=200,
        )
        for at, votes in enumerate(after)
    }


def _explore_lines(world: str, found: Estimates, auc: Mapping[int, Estimates], users: int) -> list[str]:
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
        # The metric is bound as a default, for a closure would read the loop's last one.
        def interval(way: str, votes: int, less: str | None = None, metric: str = metric) -> Interval | None:
            source, key = (auc[votes], metric) if metric == "auc" else (found, f"{metric}@{votes}")
            return source.interval(way, key) if less is None else source.difference(way, less, key)

        digits = 1 if metric in ("first", "shown") else 3
        lines += [f"\n**{world}**: {title}, {users} new users\n"]
        rows = {way: [shown(interval(way, n), digits=digits) for n in after] for way in found.samples}
        for way in list(found.samples)[1:]:
            rows[f"{way} − best two"] = [shown(interval(way, n, "best two"), "+", digits) for n in after]
        lines.append(table("votes", list(map(str, after)), rows).rstrip("\n"))
    return lines


def courses_figure(panels: Mapping[str, Estimates]) -> FigureFile:
    """Return the figure of what is known after some votes, and what it cost: a row per world."""
    measures = {
        "order": "pairs in true order",
        "regret": "lost on new questions",
        "shown": "lost so far",
    }
    drawn: list[dict[str, Any]] = []
    for world, found in panels.items():
        for metric, title in measures.items():
            keys = [key for key in next(iter(found.samples.values())) if key.startswith(f"{metric}@")]
            intervals = {way: [found.interval(way, key) for key in keys] for way in found.samples}
            drawn.append(
                {
                    "name": SUBJECTS[world] if metric == "order" else "",
                    "axis": "votes of the new person",
                    "measure": title,
                    "points": [int(key.split("@")[1]) for key in keys],
                    "ours": "best two",
                    "lines": {
                        way: [None if one is None else one.to_json() for one in cells]
                        for way, cells in intervals.items()
                    },
                }
            )
    caption = (
        "Which two answers to show somebody new? Left: share of pairs of models put in their true order; middle: "
        "utility (in logits) lost by choosing on questions not asked yet; right: utility lost by what was shown up to "
        "then. 95 % intervals over people; showing two answers at random learns fast and costs most."
    )
    return FigureFile("curves", "explore", {"panels": drawn, "columns": 3}, caption)
