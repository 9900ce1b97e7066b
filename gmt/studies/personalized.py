"""Measure single-turn routing on people who weigh quality against cost, on a matrix of real scores.

Usage: python -m gmt.studies.personalized --scores FOLDER --out FOLDER [--studies nine thousand newcomers models depth
       drift mixed designs] [--seeds 0 1 2 3 4] [--rivals NAME …]

FOLDER holds `dcrouter_*.json` with tasks and prices, as `gmt prep scores` reads it. Nobody's weight of quality is shown
to a router. Test questions carry all rewards, so the reward of every choice is known. `depth`
also reads gsm8k/ below $GMT_REAL_DATA, for users who weigh traits of real answers.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.simulate.cost import CostSettings, cost_dataset
from data_prep.simulate.planted import PlantedSettings
from data_prep.simulate.planted_table import planted_dataset
from data_prep.simulate.response_files import read_responses
from data_prep.simulate.traits import TraitSettings, trait_dataset
from data_prep.sources.router_data import matrix_from
from data_prep.sources.score_matrix import ScoreMatrix
from gmt.config import RunConfig, load_config, shipped_config
from gmt.data.dataset import Dataset
from gmt.data.interactions import TEST, TRAIN
from gmt.errors import ConfigError
from gmt.hybrid.gmt_router import GmtRouter
from gmt.report.figures import COLOURS, STYLE, save_figure
from gmt.rivals.registry import RIVALS, make_router
from gmt.routing.protocol import RoutingMethod
from gmt.studies.harness import Blocks, add, ask, block, cell, fit, joined, table, targets_of, write
from gmt.studies.rewards import (
    READ_PAIRS,
    Rewards,
    auc_table,
    compared,
    earn,
    oracle_scores,
    rank_correlation,
    reward_table,
    thinned,
)

CONFIGS = shipped_config()
THOUSAND = CostSettings(users=1000, alpha="uniform:0.2,1", per_user=30)
NINE = CostSettings(users=9, alpha="grid:0.2,1", per_user=None)
FRACTIONS = (0.76, 0.04, 0.2)  # what is not test is cut 95 to 5, for few votes are told
SHOTS = (0, 1, 2, 5, 10, 20)
PARTIAL = (
    "random",
    "best_single",
    "model_mean",
    "user_mean",
    "user_task_mean",
    "ridge",
    "boosted_trees",
    "bradley_terry",
)
"""Rivals that stand beside gmt under other feedback of 1,000 people than pairs."""


def compare(
    matrix: ScoreMatrix, settings: CostSettings, seeds: Sequence[int], rivals: Sequence[str], config: str
) -> dict[str, Any]:
    """Return every router's reward on the test questions over seeds, gmt's paired differences, and times."""
    rewards: Rewards = {}
    seconds: dict[str, list[float]] = {}
    alphas = []
    for seed in seeds:
        data, truth = cost_dataset(matrix, replace(settings, seed=seed), "minilm", FRACTIONS)
        learn, scores = data.select(data.table.split != TEST), {"oracle": oracle_scores(data)}
        started = time.monotonic()
        gmt, _ = fit(data, load_config(CONFIGS / f"{config}.yaml", (), seed))
        seconds.setdefault("gmt", []).append(time.monotonic() - started)
        scores |= ask(data, {"gmt": gmt})
        alphas.append(rank_correlation(gmt, data, truth))
        for name in rivals:
            started = time.monotonic()
            router = make_router(name, seed).fit(thinned(learn) if name in READ_PAIRS else learn)
            shown = data if name not in READ_PAIRS else thinned(data)
            scores |= ask(shown, {name: router})
            seconds.setdefault(name, []).append(time.monotonic() - started)
            print(f"seed {seed} {settings.feedback} {name}: {seconds[name][-1]:.0f} s", flush=True)
        earn(rewards, data, scores, seed)
    return {
        "seeds": list(seeds),
        "settings": vars(settings),
        "alpha": alphas,
        "seconds": {name: float(np.median(values)) for name, values in seconds.items()},
        **compared(rewards),
    }


def nine(matrix: ScoreMatrix, out: Path, seeds: Sequence[int], rivals: Sequence[str]) -> None:
    """Nine users, full feedback on all training questions."""
    found = {"nine users, full feedback": compare(matrix, NINE, seeds, rivals, "personalized_9")}
    write(out, "nine", found, reward_table(found))


def thousand(matrix: ScoreMatrix, out: Path, seeds: Sequence[int], rivals: Sequence[str]) -> None:
    """1,000 users, thirty questions each, and less and less feedback."""
    found: dict[str, dict[str, Any]] = {}
    for feedback in ("pair", "full", "random", "chosen"):
        settings = replace(THOUSAND, feedback=feedback)
        some = rivals if feedback == "pair" else [name for name in rivals if name in PARTIAL]
        found[feedback] = compare(matrix, settings, seeds, some, "personalized_1000")
        alphas = {key: one["alpha"] for key, one in found.items()}
        write(out, "thousand", found, f"{reward_table(found)}\nRank correlation of inferred and true α: {alphas}\n")
        print(f"thousand {feedback} done", flush=True)


def newcomers(matrix: ScoreMatrix, out: Path, seeds: Sequence[int], rivals: Sequence[str]) -> None:
    """Train on 800 of 1,000 users; ask the others at k votes, beside gmt trained with all of their votes."""
    rows: dict[str, Rewards] = {str(shots): {} for shots in SHOTS}
    for seed in seeds:
        data, _ = cost_dataset(matrix, replace(THOUSAND, feedback="pair", seed=seed), "minilm", FRACTIONS)
        config = load_config(CONFIGS / "personalized_1000.yaml", (), seed)
        whole, _ = fit(data, config)
        table = data.table
        fresh = np.random.default_rng([seed, 3]).permutation(len(table.users))[:200]
        new = np.isin(table.user, fresh)
        part, _ = fit(data.select(~new | (table.split == TEST)), config)
        best = ask(_asked(data, fresh), {"trained": whole})["trained"]
        for shots in SHOTS:
            shown = _asked(data.select(~new | (table.split == TEST) | _first(data, new, shots)), fresh)
            scores = {"gmt": ask(shown, {"gmt": part})["gmt"], "trained on them": best}
            for name in rivals:
                router = make_router(name, seed).fit(data.select(~new & (table.split != TEST)))
                scores[name] = ask(shown, {name: router})[name]
            asked = _asked(data, fresh)
            earn(rows[str(shots)], asked, scores, seed)
    found = {f"{shots} votes": {"seeds": list(seeds), **compared(one)} for shots, one in rows.items()}
    write(out, "newcomers", found, reward_table(found))


def models(matrix: ScoreMatrix, out: Path, seeds: Sequence[int], rivals: Sequence[str]) -> None:
    """Train without one model; let it join with k outcomes, beside gmt trained with all of them."""
    counts = (0, 5, 20, 50)
    rows: dict[str, Rewards] = {str(shots): {} for shots in counts}
    for seed in seeds:
        held = seed % len(matrix.models)
        order = [name for at, name in enumerate(matrix.models) if at != held] + [list(matrix.models)[held]]
        columns = [list(matrix.models).index(name) for name in order]
        turned = replace(
            matrix,
            models={name: matrix.models[name] for name in order},
            score=matrix.score[:, columns],
            cost=matrix.cost[:, columns],
        )
        data, _ = cost_dataset(turned, replace(THOUSAND, feedback="pair", seed=seed), "minilm", FRACTIONS)
        config = load_config(CONFIGS / "personalized_1000.yaml", (), seed)
        whole, _ = fit(data, config)
        table = data.table
        touched = np.zeros(len(table), bool)
        touched[table.row_comparison[table.model == len(order) - 1]] = True
        known = (table.split != TEST) & ~touched
        part, _ = fit(_without_last(data.select(known)), config)
        best = ask(data, {"trained": whole})["trained"]
        told = np.flatnonzero(touched & (table.split == TRAIN))
        told = np.random.default_rng([seed, 4]).permutation(told)
        for shots in counts:
            keep = (table.split == TEST) | known
            keep[told[:shots]] = True
            scores = {"gmt": ask(data.select(keep), {"gmt": part})["gmt"], "trained with it": best}
            earn(rows[str(shots)], data, scores, seed)
    found = {f"{shots} outcomes": {"seeds": list(seeds), **compared(one)} for shots, one in rows.items()}
    write(out, "models", found, reward_table(found))


def drift(matrix: ScoreMatrix, out: Path, seeds: Sequence[int], rivals: Sequence[str]) -> None:
    """Let people change after thirty votes; ask them after n more, with and without a half-life."""
    lives, since = (0.0, 3.0, 10.0, 30.0), (0, 1, 2, 5, 10, 20, 30)
    rows: dict[str, Rewards] = {f"{count} votes after": {} for count in since}
    for seed in seeds:
        settings = replace(THOUSAND, users=300, per_user=60, feedback="random", drift_at=0.5, seed=seed)
        data, _ = cost_dataset(matrix, settings, "minilm", (0.8, 0.0, 0.2))
        table = data.table
        router, _ = fit(data, load_config(CONFIGS / "personalized_1000.yaml", (), seed))
        if router.posterior is None:
            raise ConfigError("personalized_1000.yaml trains no posterior, and a half-life is one's; enable it")
        order = np.lexsort((table.timestamp, table.user))
        place = np.empty(len(table), int)
        place[order] = np.arange(len(table)) - np.searchsorted(table.user[order], table.user[order])
        for count in since:
            shown = data.select((table.split == TEST) | (place < 30 + count))
            scores = {}
            for life in lives:
                name = f"half-life {life:g}" if life else "all alike"
                scores[name] = ask(shown, {name: GmtRouter(router.posterior.with_half_life(life), None, 0.0)})[name]
            earn(rows[f"{count} votes after"], shown, scores, seed)
    found = {
        label: {"seeds": list(seeds), **compared({"gmt" if n == "all alike" else n: b for n, b in one.items()})}
        for label, one in rows.items()
    }
    write(out, "drift", found, reward_table(found).replace("**gmt**", "all votes alike"))


def ask_one(data: Dataset, config: RunConfig, seed: int) -> dict[str, Any]:
    """Fit gmt by its settings and return what it scored, under its name."""
    return {"gmt": block(data, ask(data, {"gmt": fit(data, config)[0]})["gmt"], f"{seed}:")}


def depth(matrix: ScoreMatrix, out: Path, seeds: Sequence[int], rivals: Sequence[str]) -> None:
    """Train the single-turn network with 0 to 5 layers, on cost users and on users who weigh traits of real answers."""
    answers = read_responses(Path(os.environ["GMT_REAL_DATA"]) / "gsm8k") if "GMT_REAL_DATA" in os.environ else None
    found: dict[str, dict[str, Any]] = {}
    for layers in range(6):
        changes = [f"model.layers={layers}", "train.steps=300"]
        blocks: dict[str, Blocks] = {"cost users": {}, "trait users": {}}
        for seed in seeds:
            config = load_config(CONFIGS / "personalized_network.yaml", changes, seed)
            data, _ = cost_dataset(matrix, replace(THOUSAND, users=100, seed=seed), "minilm", FRACTIONS)
            add(blocks["cost users"], ask_one(data, config, seed))
            if answers is not None:
                config = load_config(
                    CONFIGS / "personalized_network.yaml",
                    [*changes, "train.loss=pairwise", "train.select=auc"],
                    seed,
                )
                data, _ = trait_dataset(answers, TraitSettings(seed=seed), "minilm")
                add(
                    blocks["trait users"], {"gmt": block(data, ask(data, {"g": fit(data, config)[0]})["g"], f"{seed}:")}
                )
        found[str(layers)] = {name: joined(one, "gmt")["routers"]["gmt"] for name, one in blocks.items() if one}
        rows = {
            "reward of cost users": [cell(one["cost users"]["reward"]) for one in found.values()],
            "AUC of trait users": [cell(one.get("trait users", {}).get("auc")) for one in found.values()],
        }
        write(out, "depth", found, f"Seeds {', '.join(map(str, seeds))}.\n\n{table('layers', list(found), rows)}")
        depth_figure(found, out)
        print(f"depth {layers} done", flush=True)


def designs(matrix: ScoreMatrix, out: Path, seeds: Sequence[int], rivals: Sequence[str]) -> None:
    """The published single-turn design and ours, trained at full length, beside the utility head."""
    groups = {"nine users, full feedback": NINE, "1,000 users, full feedback": replace(THOUSAND, feedback="full")}
    found: dict[str, dict[str, Any]] = {}
    for label, settings in groups.items():
        rewards: Rewards = {}
        for seed in seeds:
            data, _ = cost_dataset(matrix, replace(settings, seed=seed), "minilm", FRACTIONS)
            scores = {"oracle": oracle_scores(data)}
            for name, config in (
                ("gmt", "personalized_1000"),
                ("personalized_network.yaml", "personalized_network"),
                ("personalized_paper.yaml", "personalized_paper"),
            ):
                started = time.monotonic()
                router, _ = fit(data, load_config(CONFIGS / f"{config}.yaml", (), seed))
                scores |= ask(data, {name: router})
                print(f"{label} seed {seed} {name}: {time.monotonic() - started:.0f} s", flush=True)
            for name in ("best_single", "user_task_mean"):
                router = make_router(name, seed).fit(data.select(data.table.split != TEST))
                scores |= ask(data, {name: router})
            earn(rewards, data, scores, seed)
        found[label] = {"seeds": list(seeds), **compared(rewards)}
        write(out, "designs", found, reward_table(found))


def mixed(matrix: ScoreMatrix, out: Path, seeds: Sequence[int], rivals: Sequence[str]) -> None:
    """Planted people who like cheap models besides what an answer is like: with and without `posterior.cost`."""
    settings = ["posterior.network=false", "traits.networks=1"]
    columns = {"seen, 40 votes": (40, "seen"), "seen, 10 votes": (10, "seen"), "new models": (40, "new-models")}
    found: dict[str, dict[str, Any]] = {}
    for label, (votes, protocol) in columns.items():
        blocks: Blocks = {}
        for seed in seeds:
            data, world = planted_dataset(PlantedSettings(mix_cost=0.3, votes=votes, seed=seed), "minilm", protocol)
            learn = data.select(data.table.split != TEST)
            routers: dict[str, RoutingMethod] = {
                "gmt": fit(data, load_config(None, [*settings, "posterior.cost=true"], seed))[0],
                "posterior.cost off": fit(data, load_config(None, settings, seed))[0],
            }
            for name in ("bradley_terry", "user_bradley_terry", "hierarchical_bradley_terry"):
                routers[name] = make_router(name, seed).fit(learn)
            scores = ask(data, routers) | {"oracle": world.table_scores(data.table.select(targets_of(data)))}
            add(blocks, {name: block(data, one, f"{seed}:") for name, one in scores.items()})
        found[label] = {"seeds": list(seeds), **joined(blocks, "gmt")}
        write(out, "mixed", found, auc_table(found))
        print(f"mixed {label} done", flush=True)


def depth_figure(found: dict[str, dict[str, Any]], out: Path) -> None:
    """Draw reward and AUC over the number of layers."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        drawn = Figure(figsize=(6.4, 2.6), layout="constrained")
        panels = drawn.subplots(1, 2)
        for axes, (name, metric, label) in zip(
            panels, (("cost users", "reward", "reward"), ("trait users", "auc", "AUC")), strict=True
        ):
            values = [one[name][metric] for one in found.values() if name in one]
            at = [int(layers) for layers, one in found.items() if name in one]
            if values:
                low, high = ([value[key] for value in values] for key in ("low", "high"))
                axes.fill_between(at, low, high, color=COLOURS[0], alpha=0.15, linewidth=0)
                axes.plot(at, [value["value"] for value in values], marker="o", color=COLOURS[0])
            axes.set_xlabel("layers")
            axes.set_ylabel(label)
            axes.set_title(name)
            axes.set_xticks(range(6))
        save_figure(drawn, out / "depth")


def _asked(data: Dataset, people: np.ndarray) -> Dataset:
    """Return the data in which only these people's TEST comparisons are asked."""
    return data.select((data.table.split != TEST) | np.isin(data.table.user, people))


def _first(data: Dataset, new: np.ndarray, shots: int) -> np.ndarray:
    """Return (C,) true for the first `shots` TRAIN comparisons of every new person."""
    table = data.table
    rows = np.flatnonzero(new & (table.split == TRAIN))
    order = rows[np.argsort(table.user[rows], kind="stable")]
    user = table.user[order]
    place = np.arange(len(order)) - np.searchsorted(user, user)
    out = np.zeros(len(table), bool)
    out[order[place < shots]] = True
    return out


def _without_last(data: Dataset) -> Dataset:
    """Return the data with vocabularies that do not hold the last model."""
    shorter = replace(data.table, models=data.table.models[:-1])
    return replace(data, table=shorter, model_vectors=data.model_vectors[:-1])


STUDIES = {
    "nine": nine, "thousand": thousand, "newcomers": newcomers, "models": models, "drift": drift, "depth": depth,
    "mixed": mixed,
    "designs": designs,
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the studies asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--scores", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--studies", nargs="+", choices=list(STUDIES), default=list(STUDIES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--rivals", nargs="*", choices=list(RIVALS), default=list(RIVALS))
    chosen = parser.parse_args(arguments)
    matrix = matrix_from(chosen.scores, [])
    for name in chosen.studies:
        STUDIES[name](matrix, chosen.out, chosen.seeds, chosen.rivals)
        print(f"{name} done", flush=True)


if __name__ == "__main__":
    main()
