"""Turn the steps of a part into command lines, each with a digest of all that decides what it computes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gmt import __version__
from gmt.reproduce.part import Part


@dataclass(frozen=True)
class Plan:
    """Say how parts are run.

    Args:
        out: Folder of all parts.
        quick: Take the small sizes, in folders of their own.
        seeds: In place of those of the parts.
        data: Folder of public data, where there is one.
        input: What `{input}` stands for.
        judge: What `{judge}` stands for: who plays the people of some parts.
    """

    out: Path
    quick: bool = False
    seeds: tuple[int, ...] | None = None
    data: Path | None = None
    input: str | None = None
    judge: str = "stand-in"

    @property
    def mode(self) -> str:
        """Name of the folder that keeps quick and full numbers apart."""
        return "quick" if self.quick else "full"

    def work(self, part: Part) -> Path:
        """Return a part's folder."""
        return self.out / self.mode / part.name

    def seeds_of(self, part: Part) -> tuple[int, ...]:
        """Return the seeds that a part is run with; a quick run has one."""
        return self.seeds or (part.seeds[:1] if self.quick else part.seeds)


@dataclass(frozen=True)
class CommandLine:
    """Hold one command line.

    Args:
        words: Its words, `gmt` or `python -m …` first.
        digest: Of all that decides what it computes.
        kin: The same whatever the seeds: a study that ran with other seeds left runs that it can go on from.
        label: Number of the step, and of the seed where it has one.
    """

    words: tuple[str, ...]
    digest: str
    kin: str
    label: str


def command_lines(part: Part, plan: Plan, inputs: str) -> list[CommandLine]:
    """Return the lines of a part in the order in which they run.

    Args:
        part: The part.
        plan: How it is run.
        inputs: Digest of the data that it reads.
    """
    seeds, found = plan.seeds_of(part), []
    # What ran before decides too: of one seed its own steps and those of all seeds, so that another seed more leaves
    # finished ones as they are.
    before: dict[int | None, list[str]] = {None: [], **{seed: [] for seed in seeds}}
    kins: list[str] = []
    # Where folders lie decides nothing, so a digest is of words in which they are not filled in.
    places = {"work": str(plan.work(part)), "data": str(plan.data)}
    for number, step in enumerate(part.steps, start=1):
        kins.append(_digest(inputs, _words(step, part, plan, ("*",), "*"), kins))
        for seed in seeds if "{seed}" in step else [None]:
            words = _words(step, part, plan, seeds, seed)
            known = [*before[None], *(before[seed] if seed is not None else sum(before.values(), []))]
            before[seed].append(_digest(inputs, words, known))
            label = f"{number}" + ("" if seed is None else f"-seed-{seed}")
            whole = tuple(_filled_in(word, places) for word in words)
            found.append(CommandLine(whole, before[seed][-1], kins[-1], label))
    return found


def _digest(inputs: str, words: Sequence[str], before: Sequence[str]) -> str:
    text = json.dumps([__version__, inputs, list(words), list(before)])
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _words(step: str, part: Part, plan: Plan, seeds: Sequence[int | str], seed: int | str | None) -> list[str]:
    """Return the words of a step, places of folders left open; a size may be several words, or none."""
    texts = {name: values[int(plan.quick)] for name, values in part.sizes.items()}
    texts |= {"seeds": " ".join(map(str, seeds)), "seed": str(seed)}
    words = [
        one
        for word in _filled_in(step, texts).split()
        for one in ([word.replace("{seed*}", str(seed)) for seed in seeds] if "{seed*}" in word else [word])
    ]
    # These may hold spaces, so they come after the line has been cut into words.
    return [_filled_in(word, {"input": str(plan.input), "judge": plan.judge}) for word in words]


def _filled_in(text: str, texts: Mapping[str, str]) -> str:
    """Return a text with what stands for the names in braces; unknown names stay."""
    return re.sub(r"\{(\w+)\}", lambda name: texts.get(name[1], name[0]), text)
