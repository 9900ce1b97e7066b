"""Measure learned parts that were tried beside the posterior and did not join the product.

Usage: python -m gmt.studies.learned_parts --out FOLDER [--data DATA/llmfao-seen-0 …] [--planted 0 …]
       [--parts states residual amortised]

Comparisons must be pairs, and protocol `seen`. Each part is fitted on TRAIN, chosen by the log loss of VALID,
and scored on TEST beside the posterior alone:

- `states`: what the trained graph network reads of a question and a model, as further features of the posterior,
  their amplitude chosen on VALID;
- `residual`: means and deviations of the posterior, fitted without the target's fold, enter the turns and
  the head of the graph network, which learns only what the posterior misses;
- `amortised`: a network that reads a user's votes through the posterior's kernels in place of its solve,
  first taught on simulated populations of many tastes, then on the votes at hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gmt.data.dataset import Dataset
from gmt.data.interactions import TEST, TRAIN
from gmt.posterior.answer_aware import AnswerAwareBradleyTerry
from gmt.report.markdown import interval_cell, table, turned
from gmt.routing.grid import paired_gain
from gmt.routing.one_thread import one_thread
from gmt.studies.ablations import data_sets
from gmt.studies.entry import add_data_options, run_study, study_parser
from gmt.studies.harness import Blocks, add, block, joined, targets_of, validation_of, write
from gmt.studies.learned_amortised import amortised
from gmt.studies.learned_network import residual, states

PARTS = {"states": states, "residual": residual, "amortised": amortised}
POSTERIOR = "posterior"


def measure(data: Dataset, seed: int, parts: Sequence[str], blocks: Blocks, gains: dict[str, list[Any]]) -> None:
    """Add one data set's TEST scores, and what each part gained on VALID with two standard errors."""
    # TEST is taken away first: every part is chosen before it could see it.
    learn = data.select(data.table.split != TEST)
    valid = validation_of(learn)
    router = AnswerAwareBradleyTerry().fit(learn)
    history, questions = data.select(data.table.split == TRAIN), data.questions(targets_of(data))
    # Paired by vote, so that the doubt about a gain is that of the difference and not of two losses.
    before = valid.losses(router.score(valid.history, valid.questions), logits=False)
    found = {POSTERIOR: router.score(history, questions)}
    for name in parts:
        score = PARTS[name](router, learn, seed)
        after = valid.losses(score(valid.history, valid.questions), logits=False)
        gains.setdefault(name, []).append(paired_gain(before, after))
        # From the same TRAIN history as the posterior, so that only what reads it differs.
        found[name] = score(history, questions)
        print(name, seed, gains[name][-1], flush=True)
    add(blocks, {name: block(data, scores) for name, scores in found.items()})


def markdown(found: dict[str, Any]) -> str:
    """Lay out AUC, what each part adds to the posterior's, and its gain on VALID seed by seed."""
    rows: dict[str, list[str]] = {}
    for one in found.values():
        for name in one["routers"]:
            gap = one["differences"].get(f"{POSTERIOR} - {name}", {}).get("auc")
            said = "; ".join(f"{gain:+.3f} ± {doubt:.3f}" for gain, doubt in one["valid"].get(name, []))
            cells = [interval_cell(one["routers"][name]["auc"]), interval_cell(turned(gap), "+"), said or "–"]
            rows.setdefault(name, []).extend(cells)
    heads = [f"{name} {head}" for name in found for head in ("AUC", "less the posterior", "log loss saved on VALID")]
    return table("part", heads, rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit and score every part on every data set, writing after each."""
    parser = study_parser(__doc__)
    add_data_options(parser)
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    chosen = parser.parse_args(arguments)
    found: dict[str, Any] = {}
    blocks: dict[str, Blocks] = {}
    # Many small solves: threads cost more than they give.
    with one_thread():
        for name, seed, data in data_sets(chosen.data, chosen.planted):
            one = found.setdefault(name, {"seeds": [], "valid": {}})
            measure(data, seed, chosen.parts, blocks.setdefault(name, {}), one["valid"])
            one["seeds"].append(seed)
            one |= joined(blocks[name], POSTERIOR)
            write(chosen.out, "learned-parts", found, markdown(found))
            print(f"{name} {seed} done", flush=True)


if __name__ == "__main__":
    run_study(main)
