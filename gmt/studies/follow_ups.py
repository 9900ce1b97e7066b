"""Measure what reading the conversation pays where follow-ups say nothing of their subject, and what staying costs.

Usage: python -m gmt.studies.follow_ups --out FOLDER [--seeds 0 1 2 3 4] [--users 200] [--no-staying]
       [--set posterior.network=false traits.enabled=false …]

Planted people whose taste depends on the subject have conversations of four rounds, six in ten of the later ones mere
follow-ups such as "Shorter, please.": gmt with each query read by its own text alone, and with its conversation. Others
have conversations of twenty rounds on one subject: how often the best model changes, and what staying loses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import expit
from scipy.stats import kendalltau

from data_prep.simulate.planted import PlantedSettings
from data_prep.simulate.planted_table import ANSWER_TOKENS, planted_dataset
from data_prep.simulate.world import World
from gmt.config import load_config
from gmt.data.dataset import Dataset
from gmt.data.interactions import TRAIN
from gmt.report.markdown import interval_cell, table, turned
from gmt.routing.protocol import RoutingMethod
from gmt.routing.staying import CHARACTERS, Staying, switch_costs
from gmt.studies.entry import run_study, study_parser
from gmt.studies.harness import Blocks, add, block, fit, joined, score_targets, targets_of, write

FOLLOWING = PlantedSettings(turns=4, topic_taste=0.8, follow_ups=0.6)
"""Whoever is read by follow-ups alone cannot tell what they are about, and taste is mostly the subject's."""
LONG = replace(FOLLOWING, turns=20, votes=100)
VARIANTS = {"own text alone": ["posterior.conversation=false"], "conversation read": []}
REVEALED = ", ratings shown"
WEIGHTS = (0.0, 0.02, 0.05, 0.1, 0.25, 1.0)
"""Weights of a switch's cost that are tried."""


def measure(data: Dataset, routers: dict[str, RoutingMethod], blocks: dict[str, Blocks], seed: int) -> None:
    """Add the blocks of one population: of all rounds, of later questions, and of follow-ups."""
    rows, rounds = targets_of(data), data.table
    follow_up = rounds.task[rows] < 0
    parts = {"all": rows >= 0, "later": (rounds.turn[rows] > 0) & ~follow_up, "follow-ups": follow_up}
    scores = score_targets(data, routers)
    shown = score_targets(data, routers, reveal_turns=True)
    scores |= {name + REVEALED: found for name, found in shown.items()}
    for part, which in parts.items():
        found = {name: block(data, one, f"{seed}-", np.flatnonzero(which)) for name, one in scores.items()}
        add(blocks.setdefault(part, {}), found)


def all_models(data: Dataset, rows: np.ndarray, router: RoutingMethod) -> np.ndarray:
    """Return (C, M) scores of all models for the TEST rounds at (C,) positions, given TRAIN."""
    asked, models = data.questions(rows), len(data.table.models)
    asked = replace(asked, candidates=np.tile(np.arange(models), (len(rows), 1)))
    return router.score(data.select(data.table.split == TRAIN), asked)


def agreement(data: Dataset, router: RoutingMethod) -> float:
    """Return the mean Kendall correlation of a follow-up's ranking with that of the last question of its talk."""
    rounds, rows = data.table, targets_of(data)
    pairs, last = [], -1
    for at in rows[np.lexsort((rounds.turn[rows], rounds.conversation[rows]))].tolist():
        if rounds.task[at] >= 0:
            last = at
        elif last >= 0 and rounds.conversation[last] == rounds.conversation[at]:
            pairs.append((last, at))
    asked, followed = (all_models(data, np.array(side), router) for side in zip(*pairs, strict=True))
    return float(np.mean([kendalltau(*both).statistic for both in zip(asked, followed, strict=True)]))


def staying(data: Dataset, world: World, router: RoutingMethod) -> dict[float, tuple[float, float, float]]:
    """Follow the conversations under each weight of a switch.

    Returns:
        Weight -> changes of model in a conversation, share of the conversations with one at most, and the mean chance
        that the chosen answer is preferred to another one.
    """
    rounds, rows = data.table, targets_of(data)
    rows = rows[np.lexsort((rounds.turn[rows], rounds.conversation[rows]))]
    names, scores = list(rounds.models), all_models(data, rows, router)
    truth = world.table_utilities(rounds.select(rows))
    length = np.array([len(rounds.texts[code]) for code in rounds.query[rows]]) / CHARACTERS + ANSWER_TOKENS
    first = np.flatnonzero(np.diff(rounds.conversation[rows], prepend=-1))
    found = {}
    for weight in WEIGHTS:
        changes, chances = [], []
        for talk in np.split(np.arange(len(rows)), first[1:]):
            current, changed = -1, 0
            for at in talk.tolist():
                lost = np.zeros(len(names))
                if current >= 0:
                    costs = switch_costs(data.models, names, float(length[talk[0] : at].sum()), 1.0)
                    lost = Staying(names[current], weight, costs).penalties(names)
                chosen = int(np.argmax(scores[at] - lost))
                changed += current not in (-1, chosen)
                chances.append(np.delete(expit(truth[at, chosen] - truth[at]), chosen).mean())
                current = chosen
            changes.append(changed)
        counts = np.array(changes)
        found[weight] = float(counts.mean()), float((counts <= 1).mean()), float(np.mean(chances))
    return found


def markdown(found: dict[str, Any]) -> str:
    """Lay out AUC by variant, each less the first one, and the changes of model by weight."""
    rows: dict[str, list[str]] = {}
    reference = next(iter(VARIANTS))
    for part in ("all", "later", "follow-ups"):
        for name, one in found[part]["routers"].items():
            base = reference + REVEALED if name.endswith(REVEALED) else reference
            gap = found[part]["differences"].get(f"{reference} - {name}", {}).get("auc")
            cells = [interval_cell(one["auc"]), interval_cell(turned(gap), "+") if base == reference else "–"]
            rows.setdefault(name, []).extend(cells)
    for name, value in found["agreement"].items():
        rows[name].append(f"{np.mean(value):.2f}")
    for name in rows:
        rows[name] += [""] * (7 - len(rows[name]))
    columns = [name for part in ("all", "later questions", "follow-ups") for name in (f"AUC, {part}", "gain")]
    said = table("queries", [*columns, "τ with the question before"], rows)
    kept = {
        f"{weight:g}": [f"{value:.{digits}f}" for value, digits in zip(np.mean(one, axis=0), (2, 2, 4), strict=True)]
        for weight, one in found["staying"].items()
    }
    if not kept:
        return f"seeds {', '.join(map(str, found['seeds']))}\n\n{said}"
    seeds = f"seeds {', '.join(map(str, found['seeds']))}"
    stayed = table("weight of a switch", ["changes in 20 rounds", "one at most", "accuracy of the choice"], kept)
    return f"{seeds}\n\n{said}\n\n{stayed}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every seed, writing after each."""
    parser = study_parser(__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--set", nargs="+", default=[])
    parser.add_argument("--no-staying", action="store_true", help="leave out what staying costs")
    chosen = parser.parse_args(arguments)
    blocks: dict[str, Blocks] = {}
    found: dict[str, Any] = {"seeds": [], "set": chosen.set, "agreement": {}, "staying": {}, "notes": []}
    for seed in chosen.seeds:
        data, _ = planted_dataset(replace(FOLLOWING, users=chosen.users, seed=seed))
        routers: dict[str, RoutingMethod] = {}
        for name, changes in VARIANTS.items():
            routers[name], notes = fit(data, load_config(None, [*chosen.set, *changes], seed))
            found["agreement"].setdefault(name, []).append(agreement(data, routers[name]))
            found["notes"].append(f"{seed}, {name}: {' '.join(notes)}")
        measure(data, routers, blocks, seed)
        # Twenty rounds of every person take longer than all else together.
        if not chosen.no_staying:
            long, world = planted_dataset(replace(LONG, users=max(20, chosen.users * 3 // 10), seed=seed))
            router, _ = fit(long, load_config(None, chosen.set, seed))
            for weight, one in staying(long, world, router).items():
                found["staying"].setdefault(weight, []).append(one)
        found["seeds"].append(seed)
        found |= {part: joined(several, next(iter(VARIANTS))) for part, several in blocks.items()}
        write(chosen.out, "follow-ups", found, markdown(found))
        print(f"{seed} done", flush=True)
    print(markdown(found), flush=True)


if __name__ == "__main__":
    run_study(main)
