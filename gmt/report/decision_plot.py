"""Draw what a decision used: what everybody's votes say of each model, what the person's own add, and which rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gmt.report.drawn_text import drawable, font_families, masked, wrapped
from gmt.report.look import GREY, INK, NARROW, WIDE, new_figure, panel_name
from gmt.report.router_looks import plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ALL, UP, DOWN = "#999999", "#0072B2", "#D55E00"
MOST = 6


def draw_decision(
    ranking: Sequence[Mapping[str, Any]],
    reasons: Sequence[Mapping[str, Any]],
    others: int = 0,
    query: str = "",
    width: float = WIDE,
) -> Figure:
    """Draw a decision: candidates with what moved them, and the rounds that moved the winner.

    Args:
        ranking: Candidates, best first, each with `model`, `score` and `margin` as `Decision.to_json` has them.
        reasons: Past rounds with `query`, `models`, `ratings` and `effect` on the winner; all of them add up to its
            margin, and what is not shown by itself is drawn as one bar.
        others: How many more rounds moved the winner that are not among the reasons.
        query: What was asked; empty keeps it out.
        width: Inches.
    """
    beside = width > NARROW
    shown = sorted(reasons, key=lambda one: -abs(one["effect"]))[:MOST]
    candidates = list(ranking)[:MOST]
    height = 0.36 * max(len(candidates), len(shown) + 2) + 0.75
    figure = new_figure(width, height if beside else 0.36 * (len(candidates) + len(shown) + 2) + 1.5)
    shape = {"width_ratios": [1.0, 1.35]} if beside else {"height_ratios": [len(candidates) + 1, len(shown) + 3]}
    left, right = figure.subplots(1 if beside else 2, 2 if beside else 1, gridspec_kw=shape)
    _candidates(left, candidates, 16 if beside else 14)
    _rounds(right, candidates[0], shown, len(reasons) - len(shown) + others, 40 if beside else 26)
    if query:
        asked = wrapped(drawable(masked(f"Asked: {query}")), int(width * 15), 2)
        figure.suptitle(plain(asked), fontsize=8, x=0.01, ha="left", family=font_families())
    return figure


def _candidates(axes: Any, candidates: Sequence[Mapping[str, Any]], columns: int) -> None:
    mean = sum(one["score"] for one in candidates) / len(candidates)
    for place, one in enumerate(reversed(candidates)):
        everybody = one["score"] - mean - one["margin"]
        axes.plot([everybody], [place], "|", color=INK, markersize=11, markeredgewidth=1.6)
        arrow = {"arrowstyle": "-|>", "color": UP if one["margin"] >= 0 else DOWN, "linewidth": 2.0}
        axes.annotate(
            "",
            xy=(everybody + one["margin"], place),
            xytext=(everybody, place),
            arrowprops={**arrow, "shrinkA": 0, "shrinkB": 0},
        )
        # The arrow alone does not widen the axes.
        axes.plot([everybody + one["margin"]], [place], ".", color="none")
    names = [wrapped(drawable(one["model"]), columns, 2) for one in reversed(candidates)]
    axes.set_yticks(range(len(candidates)), [plain(name) for name in names])
    axes.get_yticklabels()[-1].set_fontweight("bold")
    axes.set_ylim(-0.6, len(candidates) - 0.4)
    axes.margins(x=0.12)
    axes.axvline(0, color=GREY, linewidth=0.7)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("score; bar: somebody unknown,\narrow: what own votes add")
    panel_name(axes, "models on offer")


def _rounds(
    axes: Any, winner: Mapping[str, Any], shown: Sequence[Mapping[str, Any]], left_out: int, columns: int
) -> None:
    rows = [(_said(one, columns), float(one["effect"])) for one in shown]
    others = float(winner["margin"]) - sum(effect for _, effect in rows)
    if left_out > 0 or abs(others) > 1e-6:
        rows.append((f"{left_out:,} other rounds" if left_out > 0 else "all other rounds", others))
    rows.append((f"together, for {winner['model']}", float(winner["margin"])))
    for place, (_, effect) in enumerate(reversed(rows)):
        whole = place == 0
        colour = INK if whole else UP if effect >= 0 else DOWN
        axes.barh(place, effect, height=0.62, color=colour, hatch=None if effect >= 0 or whole else "////", alpha=0.85)
        # Right of the bar, also of one that runs to the left, where the names of the rounds stand.
        said = f"{effect:+.2f}".replace("-", "−")
        place_of = (max(effect, 0.0), place)
        axes.annotate(said, place_of, xytext=(3, 0), textcoords="offset points", va="center", fontsize=7)
    labels = [plain(wrapped(drawable(masked(text)), columns, 2)) for text, _ in reversed(rows)]
    axes.set_yticks(range(len(rows)), labels, family=font_families(), fontsize=7)
    axes.axvline(0, color=GREY, linewidth=0.7)
    axes.margins(x=0.25)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("added to the winner's score")
    panel_name(axes, "rated rounds")


def _said(reason: Mapping[str, Any], columns: int) -> str:
    """Say a round in a line: what was asked, and which answer was liked better."""
    rated = [
        (rating, name) for rating, name in zip(reason["ratings"], reason["models"], strict=True) if rating is not None
    ]
    if len(rated) > 2:
        liked = f"{max(rated)[1]} rated best of {len(rated)}"
    elif len(rated) > 1 and max(rated)[0] > min(rated)[0]:
        liked = f"{max(rated)[1]} over {min(rated)[1]}"
    elif len(rated) == 1:
        liked = f"{rated[0][1]} rated {rated[0][0]:g}"
    else:
        liked = "a tie of " + " and ".join(name for _, name in rated)
    return f"{liked}: {reason['query']}" if reason.get("query") else liked
