"""Sweep planted users: label noise, votes per user, users, and forms of feedback, with the oracle known.

Usage: python -m gmt.studies.sweeps --out FOLDER [--sweeps noise votes users feedback] [--seeds 0 1 2]
       [--users 200] [--points 0 20 …] [--set section.key=value …]

Whatever feedback users gave, each then casts eight clean votes, so that all points of a sweep are measured
alike. One eighth of what they gave is VALID. Planted users are drawn by `gmt simulate planted`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from data_prep.simulate.planted import PlantedSettings
from gmt.config import RunConfig, load_config
from gmt.data.dataset import Dataset
from gmt.data.interactions import TEST
from gmt.errors import DataError
from gmt.files import read_json
from gmt.posterior.answer_aware import AnswerAwareBradleyTerry
from gmt.report.markdown import interval_cell, table
from gmt.rivals.registry import make_router
from gmt.routing.protocol import RoutingMethod
from gmt.studies.entry import run_study, study_parser
from gmt.studies.harness import Blocks, add, block, joined, score_targets, targets_of, write
from gmt.studies.sweep_figure import Sweep, sweep_figure
from gmt.studies.sweep_population import population
from gmt.training.learn_traits import learn_traits

# Forty votes of a user with the eight clean ones, as planted users have elsewhere.
KNOWN = 32
RIVALS = ("hierarchical_bradley_terry", "user_bradley_terry", "bradley_terry")
ROUTERS = ("gmt", *RIVALS, "oracle")
FORMS = {
    "votes": {},
    "ratings": {"feedback": "ratings"},
    "rankings of 3": {"feedback": "rankings", "candidates": 3},
    "thumbs": {"feedback": "thumbs"},
    "mixed": {"feedback": "mixed"},
    # Remarks carry no rating: some votes are kept beside them, and without any only a reader of texts could learn.
    "text, 30 % votes": {"feedback": "text"},
    "text only": {"feedback": "text", "votes_kept": 0.0},
    "ratings of one answer": {"feedback": "ratings", "candidates": 1},
    "thumbs on one answer": {"feedback": "thumbs", "candidates": 1},
    "stars of one answer, leniency 2": {"feedback": "ratings", "candidates": 1, "leniency": 2.0},
}
SWEEPS = {
    "noise": Sweep("label noise (%)", {str(n): {"noise_labels": n / 100} for n in (0, 10, 20, 30, 40)}),
    "votes": Sweep("votes per user", {str(n): {"votes": n} for n in (2, 5, 10, 20, 50, 100)}, True),
    "users": Sweep("users", {str(n): {"users": n} for n in (10, 30, 100, 300, 1000)}, True),
    "feedback": Sweep("form of feedback", FORMS),
}


def fitted(data: Dataset, config: RunConfig) -> tuple[dict[str, RoutingMethod], str]:
    """Fit gmt without its graph network, and the rivals; return them and what the fit said of its traits."""
    learn = data.select(data.table.split != TEST)
    # Without the graph network, which would have to be trained at each of some twenty points and seeds.
    posterior, note = AnswerAwareBradleyTerry().fit(learn), "The settings switch the learned traits off."
    if config.traits.enabled:
        posterior, note = learn_traits(posterior, learn, config)
    return {"gmt": posterior, **{name: make_router(name, config.seed).fit(learn) for name in RIVALS}}, note


def measure(settings: PlantedSettings, seeds: Sequence[int], overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Return every router's AUC on the clean votes of the users of several seeds, and gmt's differences."""
    blocks: Blocks = {}
    notes, counts = [], []
    for seed in seeds:
        data, world = population(replace(settings, seed=seed))
        routers, note = fitted(data, load_config(None, overrides, seed))
        scores = score_targets(data, routers)
        # True utilities: what the oracle lacks to 1 is the noise of clean votes, at every point the same.
        scores["oracle"] = world.table_scores(data.table)[targets_of(data)]
        add(blocks, {name: block(data, found, f"{seed}:") for name, found in scores.items()})
        notes.append(note)
        counts.append(len(targets_of(data)))
    return {"seeds": list(seeds), "set": list(overrides), "asked": counts, "notes": notes, **joined(blocks, "gmt")}


def markdown(name: str, points: Mapping[str, Any]) -> str:
    """Lay a sweep out: routers by points, then gmt less the rival."""
    rows = {
        f"`{router}`" if router in RIVALS else router: [
            interval_cell(found["routers"][router]["auc"]) for found in points.values()
        ]
        for router in ROUTERS
    }
    against = f"gmt - {RIVALS[0]}"
    rows[f"gmt − `{RIVALS[0]}`"] = [
        interval_cell(found["differences"][against]["auc"], "+") for found in points.values()
    ]
    seeds = ", ".join(str(seed) for seed in next(iter(points.values()))["seeds"])
    caption = f"AUC on eight clean votes of each user, seeds {seeds}, 95 % intervals over people"
    settings = next(iter(points.values())).get("set")
    caption += f", {' '.join(settings)}" if settings else ""
    return f"**{SWEEPS[name].title}** — {caption}\n\n{table('router', list(points), rows)}"


def write_all(out: Path) -> None:
    """Write the Markdown and the figure of every sweep whose points stand in the folder."""
    found = {name: _read(path) for name in SWEEPS if (path := out / f"sweep-{name}.json").is_file()}
    for name, points in found.items():
        write(out, f"sweep-{name}", points, markdown(name, points))
    seeds = " ".join(str(seed) for seed in next(iter(next(iter(found.values())).values()))["seeds"])
    figure = sweep_figure(found, SWEEPS, ROUTERS, f"python -m gmt.studies.sweeps --out OUT --seeds {seeds}")
    figure.save(out / "figures")
    figure.write(out)


def _read(path: Path) -> dict[str, Any]:
    """Return the points of a sweep that stand in a file."""
    return read_json(path, DataError, "delete it and measure the sweep again")


def _wanted(names: Sequence[str], points: Sequence[str] | None) -> set[str]:
    """Return the points to measure.

    Raises:
        DataError: A point stands in none of the sweeps.
    """
    known = {label for name in names for label in SWEEPS[name].points}
    if points is not None and (unknown := set(points) - known):
        raise DataError(f"there is no point {sorted(unknown)[0]!r}; expected some of {', '.join(sorted(known))}")
    return known if points is None else set(points)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the sweeps chosen; the points of one that stand in the folder with these seeds are kept."""
    parser = study_parser(__doc__)
    parser.add_argument("--sweeps", nargs="+", choices=list(SWEEPS), default=list(SWEEPS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--users", type=int, default=200, help="users, where that is not what is swept")
    parser.add_argument("--points", nargs="+", help="points of the sweeps chosen, by name; all by default")
    parser.add_argument("--set", nargs="+", default=[], help="settings, e.g. traits.networks=1 to be quicker")
    chosen = parser.parse_args(arguments)
    wanted = _wanted(chosen.sweeps, chosen.points)
    for name in chosen.sweeps:
        path = chosen.out / f"sweep-{name}.json"
        points = _read(path) if path.is_file() else {}
        for label, changes in SWEEPS[name].points.items():
            if label not in wanted:
                continue
            kept = points.get(label, {})
            # Only a point of the same seeds and settings is the same measurement.
            if (kept.get("seeds"), kept.get("set")) == (chosen.seeds, chosen.set):
                continue
            settings = replace(PlantedSettings(users=chosen.users, votes=KNOWN), **changes)
            points[label] = measure(settings, chosen.seeds, chosen.set)
            aucs = {router: round(points[label]["routers"][router]["auc"]["value"], 3) for router in ROUTERS}
            print(f"{name} {label}: {aucs}", flush=True)
            # In the order of the sweep, whichever call measured them; the figure draws lines in this order.
            points = {key: points[key] for key in SWEEPS[name].points if key in points}
            write(chosen.out, f"sweep-{name}", points, markdown(name, points))
    # All sweeps of the folder, for the figure shows them together.
    write_all(chosen.out)


if __name__ == "__main__":
    run_study(main)
