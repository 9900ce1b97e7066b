"""Give every router one colour, marker and dash, the same in all figures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gmt.report.result_values import OURS


def plain(text: str) -> str:
    """Return text that is drawn as it stands: a dollar sign would begin a formula."""
    return text.replace("$", r"\$")


@dataclass(frozen=True)
class Look:
    """Hold what tells one line from the others: by colour on a screen, by marker and dash in a print in grey."""

    colour: str
    marker: str
    dash: Any
    label: str

    def line(self, ours: bool = False) -> dict[str, Any]:
        """Return what `Axes.plot` takes; ours is thick and filled, so that it is found first."""
        weight = {"linewidth": 1.9, "markersize": 4.6, "zorder": 4} if ours else {"linewidth": 1.1, "markersize": 4.2}
        face = self.colour if ours else "white"
        return {
            "color": self.colour,
            "marker": self.marker,
            "linestyle": self.dash,
            "markerfacecolor": face,
            "markeredgewidth": 1.1,
            "zorder": 3,
            **weight,
        }


# Okabe and Ito's colours, and two of Tol's, for the routers that are drawn most; neighbours in a legend differ in
# lightness too. Those behind them share greys: markers and dashes tell them apart, and they never lead a figure.
ROUTERS = {
    OURS: Look("#0072B2", "o", "-", "gmt (ours)"),
    "paper": Look("#D55E00", "s", "--", "GMTRouter's design"),
    "personalized_paper": Look("#E69F00", "D", "--", "PersonalizedRouter's design"),
    "personalized_network": Look("#882255", "X", (0, (5, 1, 1, 1)), "our single-turn network"),
    "hierarchical_bradley_terry": Look("#009E73", "^", "-.", "hierarchical Bradley–Terry"),
    "user_bradley_terry": Look("#CC79A7", "v", (0, (4, 1, 1, 1, 1, 1)), "Bradley–Terry per user"),
    "bradley_terry": Look("#555555", "d", ":", "Bradley–Terry (same for all)"),
    "knn": Look("#56B4E9", "P", (0, (3, 2)), "nearest votes (kNN)"),
    "graph_router": Look("#332288", ">", (0, (6, 2)), "GraphRouter"),
    "matrix_factorisation": Look("#882255", "X", (0, (5, 1, 1, 1)), "matrix factorisation"),
    "factorisation_machine": Look("#999933", "<", (0, (2, 1)), "factorisation machine"),
    "oracle": Look("#000000", "*", (0, (1, 1)), "oracle (knows the answer)"),
    "random": Look("#999999", "o", (0, (1, 3)), "random"),
    "best_single": Look("#777777", "s", (0, (8, 2)), "one model for everybody"),
    "model_mean": Look("#777777", "p", (0, (4, 4)), "mean ratings of all"),
    "user_mean": Look("#999999", "h", (0, (2, 3)), "mean ratings of a user"),
    "user_task_mean": Look("#666666", "8", (0, (6, 1, 1, 1)), "mean per user and task"),
    "user_elo": Look("#AAAAAA", "H", (0, (1, 2)), "Elo per user"),
    "low_rank": Look("#888888", "^", (0, (3, 1)), "low-rank per user"),
    "ridge": Look("#777777", "v", (0, (5, 2, 1, 2)), "ridge regression"),
    "boosted_trees": Look("#888888", "<", (0, (7, 3)), "boosted trees"),
    "constant": Look("#999999", "d", (0, (1, 3)), "no preference at all"),
    "ridge_answers": Look("#777777", "v", (0, (1, 2)), "ridge, answers read"),
    "boosted_trees_answers": Look("#888888", "<", (0, (1, 2)), "boosted trees, answers read"),
    "factorisation_machine_answers": Look("#999933", "<", (0, (1, 2)), "factorisation, answers read"),
    "dual_contrastive": Look("#999999", ">", (0, (2, 2)), "RouterDC"),
    "cascade": Look("#888888", "P", (0, (3, 3)), "FrugalGPT cascade"),
    "quality_gap": Look("#999999", "X", (0, (1, 1, 4, 1)), "HybridLLM gap"),
    "owners_shuffled": Look("#AA7744", "X", (0, (2, 2)), "gmt, histories swapped"),
    "unknown_user": Look("#AA7744", "d", (0, (5, 3)), "gmt, user unknown"),
}
SPARE = (
    *(("#EE7733", "s", "--"), ("#009988", "^", "-."), ("#AA3377", "D", ":")),
    *(("#33BBEE", "v", (0, (5, 1, 1, 1))), ("#000000", "o", "-"), ("#CC3311", "P", (0, (3, 3)))),
    *(("#777777", "X", (0, (1, 1))), ("#999933", "<", (0, (6, 2)))),
)
"""For lines that are no routers; ours is not among the colours, for blue means gmt."""


def router_look(router: str) -> Look:
    """Return the look of a router: the same in every figure; one that nobody knows is drawn in grey."""
    if router in ROUTERS:
        return ROUTERS[router]
    return Look("#888888", ".", (0, (2, 1, 1, 1)), router_label(router))


def router_label(router: str) -> str:
    """Return the name of a router as figures write it."""
    if router in ROUTERS:
        return ROUTERS[router].label
    return plain(router.replace("_", " ").replace("bradley terry", "Bradley–Terry"))


def looks_of(names: Iterable[str]) -> dict[str, Look]:
    """Return a look for every line: a router's own, a spare one for what is no router."""
    names = list(names)
    # Colours that a router of this figure has are taken.
    taken = {router_look(name).colour for name in names if name in ROUTERS}
    spare = [one for one in SPARE if one[0] not in taken] or list(SPARE)
    looks: dict[str, Look] = {}
    for name in names:
        place = sum(other not in ROUTERS for other in looks)
        looks[name] = router_look(name) if name in ROUTERS else Look(*spare[place % len(spare)], plain(name))
    return looks
