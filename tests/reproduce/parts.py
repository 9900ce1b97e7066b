"""Write parts and run them with a command that only notes what it is given."""

import json
from pathlib import Path

from gmt.errors import DataError
from gmt.reproduce.part_files import read_part
from gmt.reproduce.part_steps import Plan
from gmt.reproduce.run_parts import run_parts

STEPS = """
group: small
paper: own
place: nowhere
answers: A question.
seeds: [0, 1]
sizes:
  people: ["20", "4"]
steps:
  - gmt draw {people} --seed {seed} --out {work}/rows-{seed}.json
  - gmt join {work}/rows-{seed*}.json --out {work}/joined.json
numbers:
  - name: AUC
    file: joined.json
    ours: routers/gmt/auc
    rivals: routers/*/auc
    gaps: differences/*/auc
"""


def write_part(folder, name, text=STEPS):
    """Write a part file; return the part."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return read_part(path)


class Commands:
    """Stand in for `gmt`: `draw` writes a number, `join` adds numbers up, `fail` fails; calls are kept."""

    def __init__(self):
        self.calls = []
        self.broken = False

    def __call__(self, words):
        self.calls.append(words)
        if words[0] == "fail" or self.broken:
            raise DataError("found, wanted, repair")
        out = words[words.index("--out") + 1]
        if words[0] == "draw":
            value = {"people": int(words[1])}
        else:
            people = [json.loads(Path(path).read_text())["people"] for path in words[1 : words.index("--out")]]
            auc = {"value": sum(people) / 100, "low": 0.1, "high": 0.9}
            value = {
                "routers": {"gmt": {"auc": auc}, "knn": {"auc": {"value": 0.3}}, "oracle": {"auc": {"value": 1.0}}},
                "differences": {"gmt - knn": {"auc": {"value": 0.1, "low": -0.1, "high": 0.3}}},
            }
        Path(out).write_text(json.dumps(value))

    def names(self):
        """Return what was called, and take it off the list."""
        found, self.calls = [words[0] for words in self.calls], []
        return found


def run(parts, out, commands, **more):
    """Run parts; return their outcomes by name."""
    return {outcome.part.name: outcome for outcome in run_parts(parts, Plan(out, **more), commands)}
