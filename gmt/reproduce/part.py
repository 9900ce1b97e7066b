"""Say what a part is: one table or figure of a paper, the steps that measure it, and which number is compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gmt.errors import ConfigError

PAPERS = {
    "A": "GMTRouter, arXiv 2511.08590",
    "B": "PersonalizedRouter, arXiv 2511.16883",
    "own": "asked for by readers of the papers, not in them",
    "other": "a published protocol of personal preference",
}
KINDS = ("value", "gain", "gain %")
"""What a published number is: a value itself, or how far ahead of the strongest rival, absolutely or in per cent."""


@dataclass(frozen=True)
class Claim:
    """Hold what a paper, or its released code, says of one number.

    Args:
        says: In words, as it is printed.
        kind: One of `KINDS`; what `low` and `high` are.
        low, high: The number, or the ends of the range stated; None where words are all there is.

    Raises:
        ConfigError: The kind is unknown, or the ends are the wrong way round.
    """

    says: str
    kind: str = "value"
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"kind is {self.kind!r}; expected one of {', '.join(KINDS)}")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ConfigError(f"low is {self.low} and high {self.high}; low must not be above high")


@dataclass(frozen=True)
class ComparedNumber:
    """Say where one number of ours stands in what the steps write, and what it is compared with.

    A path leads through the keys of a JSON file, `/` between them; `*` stands for any key and names what it meets.

    Args:
        name: What is measured, e.g. `AUC`.
        file: JSON file below the part's folder; here and in paths `{name}` stands for a size, as in steps.
        ours: Path to the number: a number, or `value`, `low` and `high`.
        rivals: Path with one `*`, the rivals' names.
        gaps: Path with one `*` to the paired difference of ours and a rival.
        share_of: Path to a number of which ours is stated as a share.
        better: `higher` or `lower`.
        unit: Printed behind the number; `%` states a share in per cent.
        scale: What the numbers of the file are multiplied by, e.g. 1000 from seconds to milliseconds.
        named: Path to a word that says who or what was measured, e.g. the judge; always shown beside the number.
        quick: Whether a quick run measures it too.
        paper, code: What is published, of the paper and of its released code.
        reason: Why there is no number of ours where nothing has been measured.

    Raises:
        ConfigError: `better` is neither.
    """

    name: str
    file: str
    ours: str
    rivals: str | None = None
    gaps: str | None = None
    share_of: str | None = None
    better: str = "higher"
    unit: str = ""
    scale: float = 1.0
    named: str | None = None
    quick: bool = True
    paper: Claim | None = None
    code: Claim | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        if self.better not in ("higher", "lower"):
            raise ConfigError(f"better is {self.better!r}; expected higher or lower")


@dataclass(frozen=True)
class Needed:
    """Say what data a part reads, and how to get them.

    Args:
        files: Below the folder of public data, `$GMT_REAL_DATA`; a name may end in `/`.
        hub: Id of a dataset on the hub.
        input: What `--input` has to name.
        get: How to get them, in a sentence.
    """

    files: tuple[str, ...] = ()
    hub: str | None = None
    input: str | None = None
    get: str = ""


@dataclass(frozen=True)
class Part:
    """Hold one table or figure of a paper.

    Args:
        name: As `gmt reproduce NAME` takes it.
        group: Parts of one group are asked for together by the group's name.
        paper: One of `PAPERS`.
        place: Where in the paper, in words.
        answers: What of the paper it answers.
        seeds: Seeds of a full run.
        sizes: Name -> what stands for it in the steps of a full run and of a quick one.
        steps: Command lines, in which names in braces are filled in: `{name}` of a size, `{seed}` for each seed in
            turn, `{seeds}` for all, a word with `{seed*}` once for every seed, `{work}` the part's folder, `{data}`
            that of public data, `{input}` what `--input` names, `{judge}` who plays the people.
        numbers: What is compared.
        needs: Data that it reads.
        note: What has to be known beside the numbers.
        impossible: Why nothing of it can be run anywhere.
    """

    name: str
    group: str
    paper: str
    place: str
    answers: str
    seeds: tuple[int, ...] = (0,)
    sizes: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    steps: tuple[str, ...] = ()
    numbers: tuple[ComparedNumber, ...] = ()
    needs: Needed = Needed()
    note: str = ""
    impossible: str | None = None

    @property
    def command(self) -> str:
        """What a user types to run it."""
        return f"gmt reproduce {self.name}" + (" --input FILE" if self.needs.input else "")


def chosen_parts(parts: Mapping[str, Part], names: Sequence[str]) -> list[Part]:
    """Return the parts of these names and groups, in the order of the map and each once; all without a name.

    Raises:
        ConfigError: There is no such part or group.
    """
    if not names:
        return list(parts.values())
    groups = {part.group for part in parts.values()}
    for name in names:
        if name not in parts and name not in groups:
            raise ConfigError(f"there is no part {name!r}. {_near(name, [*parts, *groups])}")
    return [part for part in parts.values() if part.name in names or part.group in names]


def _near(name: str, known: Sequence[str]) -> str:
    """Say which name may have been meant."""
    import difflib

    close: Any = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"Did you mean {close[0]}?" if close else "gmt reproduce --list names them all."
