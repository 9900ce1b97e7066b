"""Sweep planted people: label noise, votes per person, people, and forms of feedback, with the oracle known.

Usage: python -m gmt.studies.sweeps --out FOLDER [--sweeps noise votes people feedback] [--seeds 0 1 2]

Whatever people said, each is then asked eight clean votes, so that all points of a sweep are measured
alike. One eighth of what they said is VALID. Planted people are drawn by `gmt simulate planted`.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.simulate.in_memory import embedded
from data_prep.simulate.planted import PlantedSettings, Rounds, draw_rounds, draw_world
from data_prep.simulate.planted_table import table_of
from data_prep.simulate.world import World
from gmt.config import RunConfig, load_config
from gmt.data.dataset import Dataset
from gmt.data.interactions import TEST, TRAIN, VALID
from gmt.posterior.answer_aware import AnswerAwareBradleyTerry
from gmt.report.figures import COLOURS, DASHES, MARKERS, STYLE, save_figure
from gmt.rivals.registry import make_router
from gmt.routing.protocol import RoutingMethod
from gmt.runs import read_json
from gmt.studies.harness import Blocks, add, ask, block, cell, joined, table, targets_of, write
from gmt.training.learn_traits import learn_traits

KNOWN, ASKED = 32, 8
ELSEWHERE = 1_000_003  # added to the seed of the rounds asked, so that they are not the rounds known
RIVALS = ("hierarchical_bradley_terry", "user_bradley_terry", "bradley_terry")
ROUTERS = ("gmt", *RIVALS, "oracle")


@dataclass(frozen=True)
class Sweep:
    """Hold the points of a sweep: label -> what differs from `KNOWN` votes of 200 people each."""

    title: str
    points: Mapping[str, Mapping[str, Any]]
    logarithmic: bool = False


FORMS = {
    "votes": {},
    "ratings": {"feedback": "ratings"},
    "rankings of 3": {"feedback": "rankings", "candidates": 3},
    "thumbs": {"feedback": "thumbs"},
    "mixed": {"feedback": "mixed"},
    "text, 30 % votes": {"feedback": "text"},
    "text only": {"feedback": "text", "votes_kept": 0.0},
    "ratings of one answer": {"feedback": "ratings", "candidates": 1},
}
SWEEPS = {
    "noise": Sweep("label noise (%)", {str(n): {"noise_labels": n / 100} for n in (0, 10, 20, 30, 40)}),
    "votes": Sweep("votes per person", {str(n): {"votes": n} for n in (2, 5, 10, 20, 50, 100)}, True),
    "people": Sweep("people", {str(n): {"users": n} for n in (10, 30, 100, 300, 1000)}, True),
    "feedback": Sweep("form of feedback", FORMS),
}


def population(settings: PlantedSettings, asked: int = ASKED, valid: float = 1 / 8) -> tuple[Dataset, World]:
    """Draw people who say what the settings tell, split into TRAIN and VALID, and then vote cleanly as TEST.

    Args:
        settings: Who they are and what they say.
        asked: Clean votes of each, on two answers.
        valid: Share of the conversations known that is VALID.
    """
    world = draw_world(settings)
    clean = replace(
        settings, votes=asked, feedback="votes", noise_labels=0.0, candidates=None, seed=settings.seed + ELSEWHERE
    )
    both = replace(settings, votes=(settings.conversations + clean.conversations) * settings.turns)
    width = max(settings.shown, clean.shown)
    known = [_after(part, 0, width) for part in draw_rounds(world, settings)]
    later = [_after(part, settings.conversations, width) for part in draw_rounds(world, clean)]
    rounds = table_of(world, both, [*known, *later])
    rng = np.random.default_rng([settings.seed, 6])
    split = np.where(rng.random(len(rounds.conversations)) < valid, VALID, TRAIN)[rounds.conversation]
    split[sum(len(part.user) for part in known) :] = TEST
    card = {"source": "planted", "protocol": "seen", "seed": settings.seed}
    return embedded(rounds.with_split(split), world.models, "hash", card), world


def _after(rounds: Rounds, conversations: int, width: int) -> Rounds:
    """Number conversations on from those before, and pad what was shown to one width."""
    padding = ((0, 0), (0, max(0, width - rounds.shown.shape[1])))
    return replace(
        rounds,
        conversation=rounds.conversation + conversations,
        shown=np.pad(rounds.shown, padding, constant_values=-1),
        rating=np.pad(rounds.rating, padding, constant_values=np.nan),
        remark=np.pad(rounds.remark, padding, constant_values=-1),
    )


def fitted(data: Dataset, config: RunConfig) -> tuple[dict[str, RoutingMethod], str]:
    """Fit gmt without its graph network, and the rivals; return them and what the fit said of its traits."""
    learn = data.select(data.table.split != TEST)
    posterior, note = learn_traits(AnswerAwareBradleyTerry().fit(learn), learn, config)
    return {"gmt": posterior, **{name: make_router(name, config.seed).fit(learn) for name in RIVALS}}, note


def measure(settings: PlantedSettings, seeds: Sequence[int], overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Return every router's AUC on the clean votes of the people of several seeds, and gmt's differences."""
    blocks: Blocks = {}
    notes, counts = [], []
    for seed in seeds:
        data, world = population(replace(settings, seed=seed))
        routers, note = fitted(data, load_config(None, overrides, seed))
        scores = ask(data, routers)
        scores["oracle"] = world.table_scores(data.table)[targets_of(data)]
        add(blocks, {name: block(data, found, f"{seed}:") for name, found in scores.items()})
        notes.append(note)
        counts.append(len(targets_of(data)))
    return {"seeds": list(seeds), "set": list(overrides), "asked": counts, "notes": notes, **joined(blocks, "gmt")}


def markdown(name: str, points: Mapping[str, Any]) -> str:
    """Lay a sweep out: routers by points, then gmt less the rival."""
    rows = {
        f"`{router}`" if router in RIVALS else router: [
            cell(found["routers"][router]["auc"]) for found in points.values()
        ]
        for router in ROUTERS
    }
    against = f"gmt - {RIVALS[0]}"
    rows[f"gmt − `{RIVALS[0]}`"] = [cell(found["differences"][against]["auc"], "+") for found in points.values()]
    seeds = ", ".join(str(seed) for seed in next(iter(points.values()))["seeds"])
    asked = f"AUC on eight clean votes of each person, seeds {seeds}, 95 % intervals over people"
    settings = next(iter(points.values())).get("set")
    asked += f", {' '.join(settings)}" if settings else ""
    return f"**{SWEEPS[name].title}** — {asked}\n\n{table('router', list(points), rows)}"


def figure(found: Mapping[str, Mapping[str, Any]]) -> Any:
    """Draw every sweep as a panel: AUC of each router with its interval."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(6.8, 2.5 * ((len(found) + 1) // 2) + 0.5), layout="constrained")
    panels = drawn.subplots((len(found) + 1) // 2, min(2, len(found)), squeeze=False, sharey=True).flat
    for axes, (name, points) in zip(panels, found.items(), strict=False):
        sweep, numeric = SWEEPS[name], name != "feedback"
        places = [float(label) for label in points] if numeric else list(range(len(points)))
        for i, router in enumerate(ROUTERS):
            aucs = [point["routers"][router]["auc"] for point in points.values()]
            values, low, high = ([auc[key] if auc else np.nan for auc in aucs] for key in ("value", "low", "high"))
            look: dict[str, Any] = {"color": COLOURS[-1] if router == "oracle" else COLOURS[i], "markersize": 4}
            shift = 0 if numeric else 0.12 * (i - 2)  # side by side, so that equal values do not hide each other
            spread = [np.subtract(values, low), np.subtract(high, values)]
            label = router.replace("_", " ").replace("bradley terry", "Bradley–Terry")
            if numeric:
                axes.fill_between(places, low, high, color=look["color"], alpha=0.15 if i == 0 else 0.07, linewidth=0)
                axes.plot(places, values, marker=MARKERS[i], linestyle=DASHES[i], label=label, **look)
            else:
                at = [place + shift for place in places]
                axes.errorbar(at, values, spread, fmt=MARKERS[i], elinewidth=1, label=label, **look)
        if sweep.logarithmic:
            axes.set_xscale("log")
            axes.minorticks_off()
        turned = {} if numeric else {"rotation": 35, "ha": "right"}
        axes.set_xticks(places, list(points), **turned)
        axes.set_xlabel(sweep.title)
    for axes in drawn.axes[len(found) :]:
        axes.set_visible(False)
    for axes in drawn.axes[::2]:
        axes.set_ylabel("AUC on clean votes")
    handles, labels = drawn.axes[0].get_legend_handles_labels()
    drawn.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, handlelength=3.2)
    return drawn


def write_all(out: Path) -> None:
    """Write the Markdown and the figure of every sweep whose points stand in the folder."""
    import matplotlib

    found = {name: read_json(path) for name in SWEEPS if (path := out / f"sweep-{name}.json").is_file()}
    for name, points in found.items():
        write(out, f"sweep-{name}", points, markdown(name, points))
    with matplotlib.rc_context(STYLE):
        save_figure(figure(found), out / "sweeps")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the sweeps asked for; the points of one that stand in the folder with these seeds are kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sweeps", nargs="+", choices=list(SWEEPS), default=list(SWEEPS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--users", type=int, default=200, help="people, where that is not what is swept")
    parser.add_argument("--set", nargs="+", default=[], help="settings, e.g. traits.networks=1 to be quicker")
    chosen = parser.parse_args(arguments)
    for name in chosen.sweeps:
        path = chosen.out / f"sweep-{name}.json"
        points = read_json(path) if path.is_file() else {}
        for label, changes in SWEEPS[name].points.items():
            kept = points.get(label, {})
            if (kept.get("seeds"), kept.get("set")) == (chosen.seeds, chosen.set):
                continue
            settings = replace(PlantedSettings(users=chosen.users, votes=KNOWN), **changes)
            points[label] = measure(settings, chosen.seeds, chosen.set)
            aucs = {router: round(points[label]["routers"][router]["auc"]["value"], 3) for router in ROUTERS}
            print(f"{name} {label}: {aucs}", flush=True)
            points = {key: points[key] for key in SWEEPS[name].points if key in points}
            write(chosen.out, f"sweep-{name}", points, markdown(name, points))
    write_all(chosen.out)


if __name__ == "__main__":
    main()
