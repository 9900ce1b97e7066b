"""Measure gmt beside rivals and controls on four more sets of real people, and on one negative control.

Usage: GMT_REAL_DATA=FOLDER python -m gmt.studies.more_people [--out bench] [--sets crowdrag llm_rubric …]
       [--protocols seen new-users] [--shots 0 5 10] [--seeds 0 1 2 3 4] [--set section.key=value …]
       [--encoder minilm] [--baselines all]

FOLDER holds crowdrag/, llm_rubric/, checkmate/, dialogue_eval/ and halie_dialogue/; docs/data.md says where each is
published. Every set is read by the recipe that ships. What stands in --out is kept, so a call that was stopped goes on
where it was. Tables and their numbers lie in OUT/tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data_prep.prepare import PrepOptions
from gmt.errors import DataError
from gmt.evaluation.summary import summarise
from gmt.files import read_json, write_json, write_text
from gmt.report.markdown import comparison_table
from gmt.runs import RunFolder
from gmt.studies.entry import run_study
from gmt.studies.seed_runs import public_data, run_options, runs_of_seeds

SETS = {
    "crowdrag": "crowdrag",
    "llm_rubric": "llm_rubric",
    "llm_rubric_synthetic": "llm_rubric",
    "checkmate": "checkmate",
    "checkmate_ranking": "checkmate",
    "dialogue_eval": "dialogue_eval",
    "halie": "halie_dialogue",
}
"""Recipe -> the folder of its published files."""
PROTOCOLS = ("seen", "new-users")
METRICS = {
    "auc": "AUC",
    "accuracy": "accuracy",
    "log_loss": "log loss",
    "lone_auc": "AUC of lone ratings",
    "rank_correlation": "rank correlation",
}


def metrics_table(label: str, found: Mapping[str, Any], verdicts: Sequence[str]) -> str:
    """Lay out a summary, one table for every number of shots; a metric that nothing was measured of is left out.

    Args:
        label: The set.
        found: One protocol of `gmt.evaluation.summary.summarise`.
        verdicts: The status of each seed's verdict.
    """
    seeds = ", ".join(map(str, found["seeds"]))
    parts = [
        f"**{label}** — {found['comparisons']:,.0f} comparisons of {found['users']:,.0f} people, {found['pairs']:,.0f} "
        f"untied pairs, seeds {seeds}; 95 % intervals over people. Verdicts: {', '.join(verdicts)}.\n"
    ]
    for shots, part in found["shots"].items():
        measured = [one for one in METRICS if any(row.get(one) for row in part["routers"].values())]
        columns = {f"{METRICS[one]} ({part['users'][one]:,} people)": (part, one) for one in measured}
        head = "router" if shots == "all" else f"{shots} shots"
        parts.append(comparison_table(head, columns))
    return "\n".join(parts)


def main(arguments: Sequence[str] | None = None) -> None:
    """Prepare, train, measure and join every set under every protocol."""
    parser = run_options(__doc__, "bench", ["all"])
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--protocols", nargs="+", choices=PROTOCOLS, default=["seen"])
    parser.add_argument("--shots", type=int, nargs="+", default=[0, 5, 10], help="of new users")
    chosen = parser.parse_args(arguments)
    # Before any work, for a run takes minutes.
    real = public_data("crowdrag/, llm_rubric/ and the others")
    for name in chosen.sets:
        for protocol in chosen.protocols:
            runs = runs_of_seeds(
                chosen,
                name,
                protocol,
                lambda out, seed, name=name, protocol=protocol: PrepOptions(
                    f"recipe:{name}", out, str(real / SETS[name]), chosen.encoder, protocol, seed=seed
                ),
                chosen.shots if protocol == "new-users" else None,
            )
            _join(name, protocol, runs, chosen.out / "tables" / f"{chosen.config}-{name}-{protocol}.md")


def _join(name: str, protocol: str, runs: Sequence[Path], out: Path) -> None:
    """Average runs over seeds and write the Markdown tables, the numbers beside them."""
    results = [path for run in runs for path in sorted(RunFolder(run).results.glob("*.json"))]
    judged = [read_json(path, DataError, "measure the run again").get("verdict") for path in results]
    verdicts = ["none" if one is None else one["status"] for one in judged]
    found = summarise(results)
    text = "\n".join(metrics_table(f"{name}, {label}", one, verdicts) for label, one in found.items())
    write_text(out, text)
    write_json(out.with_suffix(".json"), {**found, "verdicts": judged})
    print(f"{out} written", flush=True)


if __name__ == "__main__":
    run_study(main)
