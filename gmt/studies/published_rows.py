"""Hold what papers publish of personal preference, to be set beside what is measured here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedRow:
    """Hold one row of a paper's table.

    Args:
        method: As the paper calls it.
        column: The set or group of people.
        accuracy: In percent.
        paper: Where it stands.
    """

    method: str
    column: str
    accuracy: float
    paper: str


def _rows(paper: str, columns: tuple[str, ...], table: dict[str, tuple[float, ...]]) -> tuple[PublishedRow, ...]:
    return tuple(
        PublishedRow(method, column, value, paper)
        for method, values in table.items()
        for column, value in zip(columns, values, strict=True)
    )


SYNTHESIZE_ME = _rows(
    "SynthesizeMe, arXiv 2506.05598",
    ("Arena", "PRISM"),
    {
        "user-blind fine-tuned reward model, 8B": (67.21, 63.27),
        "user-blind fine-tuned reward model, 70B": (71.12, 63.44),
        "SynthesizeMe, 8B": (69.78, 62.84),
        "VPL": (58.12, 58.25),
        "PAL": (57.31, 56.74),
        "GPO": (57.87, 57.29),
    },
)
P_GENRM = _rows(
    "P-GenRM, arXiv 2602.12116",
    ("Arena", "PRISM"),
    {"P-GenRM": (72.68, 65.32), "P-GenRM, test-time scaling": (75.92, 68.06)},
)
MRM = (
    *_rows("MRM, arXiv 2601.18731", ("seen", "unseen"), {"MRM": (65.3, 65.2)}),
    *_rows("MRM, arXiv 2601.18731", ("unseen",), {"SynthesizeMe": (64.5,)}),
)
P_CHECK = _rows(
    "P-Check, arXiv 2601.02986",
    ("PRISM", "Arena"),
    {"P-Check, 8B": (65.11, 61.56), "VPL": (58.23, 53.36), "GPO": (56.48, 52.01), "PAL": (54.23, 53.89)},
)
