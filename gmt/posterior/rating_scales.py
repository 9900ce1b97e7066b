"""Cut latent scores into the levels of a rating scale, at thresholds that are learned."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from scipy.special import expit, logit

from gmt.posterior.likelihood import Outcomes
from gmt.posterior.observations import GAP, LONE, VOTE, WEAK, Observations

MOST_LEVELS = 7
"""Levels of a scale that are told apart; a finer one is binned by quantiles."""
MOST_GAPS = 4
"""Sizes of a difference of two ratings that are told apart, beside none."""
PSEUDO_COUNT = 0.5
"""Ratings of each level taken for granted, so that a level nobody gave has a finite threshold."""
PREFIX = "scales."
"""Begins the names of thresholds among the arrays of a saved state."""
LEAST_STEP = 1e-3


@dataclass(frozen=True, eq=False)
class RatingScales:
    """Hold the levels of ratings and the thresholds of the latent score between them.

    A lone rating is of level k where t_k < z + logistic noise < t_{k+1} (proportional odds, McCullagh 1980); of two
    levels it is a Bernoulli outcome of one threshold. A difference of two ratings has cut points that are symmetric
    around 0 (Agresti 1992). Words and signals are Bernoulli outcomes of a threshold of their own.

    Args:
        lone_edges, lone_cuts: (L - 1,) ratings between the L levels, and their thresholds; None without lone ratings.
        gap_edges, gap_cuts: (G,) differences above which the next size begins, and their thresholds; None without.
        weak_cut: (1,) the threshold of words and signals; None without.
    """

    lone_edges: np.ndarray | None = None
    lone_cuts: np.ndarray | None = None
    gap_edges: np.ndarray | None = None
    gap_cuts: np.ndarray | None = None
    weak_cut: np.ndarray | None = None

    @classmethod
    def of(cls, observed: Observations) -> RatingScales:
        """Read the levels of observations, thresholds as if every answer were alike."""
        return cls().covering(observed)

    def covering(self, observed: Observations) -> RatingScales:
        """Return the same with scales, not fitted yet, for kinds of observations that have none."""
        out, values = self, {kind: observed.value[observed.kind == kind] for kind in (GAP, LONE, WEAK)}
        if out.lone_edges is None and len(values[LONE]):
            edges = _edges(values[LONE], MOST_LEVELS)
            out = replace(
                out, lone_edges=edges, lone_cuts=_first_cuts(np.searchsorted(edges, values[LONE]), len(edges))
            )
        if out.gap_edges is None and len(values[GAP]):
            size = np.abs(values[GAP])
            edges = np.concatenate([[size[size > 0].min() / 2], _edges(size[size > 0], MOST_GAPS)])
            edges = np.unique(edges)
            cuts = _first_cuts(np.searchsorted(edges, size), len(edges))
            # A size is the absolute value of a logistic number, so that its threshold is that of half the chance.
            share = expit(cuts)
            out = replace(out, gap_edges=edges, gap_cuts=logit((1 + share) / 2))
        if out.weak_cut is None and len(values[WEAK]):
            out = replace(out, weak_cut=_first_cuts(values[WEAK].astype(int), 1))
        return out

    def knows(self, kinds: np.ndarray) -> bool:
        """Tell whether every kind of observation has its scale."""
        have = {VOTE: True, GAP: self.gap_cuts is not None, LONE: self.lone_cuts is not None}
        have[WEAK] = self.weak_cut is not None
        return all(have[int(kind)] for kind in np.unique(kinds))

    def outcomes(self, kind: np.ndarray, value: np.ndarray, weight: np.ndarray) -> Outcomes:
        """Return the outcomes of (V,) observations; votes alone get no bounds, and no weights where all are 1."""
        weighted = None if (weight == 1).all() else weight
        if (kind == VOTE).all():
            return Outcomes(np.asarray(value, float), weight=weighted)
        y, lower, upper = np.asarray(value, float).copy(), np.zeros(len(value)), np.zeros(len(value))
        lone, gap, weak = (kind == one for one in (LONE, GAP, WEAK))
        if lone.any() and self.lone_edges is not None and self.lone_cuts is not None:
            if len(self.lone_cuts) == 1:
                lower[lone] = upper[lone] = self.lone_cuts[0]
            else:
                ends = np.concatenate([[-np.inf], self.lone_cuts, [np.inf]])
                level = np.searchsorted(self.lone_edges, value[lone])
                lower[lone], upper[lone] = ends[level], ends[level + 1]
        if gap.any() and self.gap_edges is not None and self.gap_cuts is not None:
            lower[gap], upper[gap] = self._gap_ends(value[gap])
        if weak.any() and self.weak_cut is not None:
            lower[weak] = upper[weak] = self.weak_cut[0]
        return Outcomes(y, lower, upper, weighted)

    def _gap_ends(self, gap: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        edges, cuts = self.gap_edges, self.gap_cuts
        size = np.searchsorted(edges, np.abs(gap))  # pyright: ignore[reportCallIssue, reportArgumentType]
        ends = np.concatenate([[0.0], cuts, [np.inf]])  # pyright: ignore[reportCallIssue, reportArgumentType]
        low, high = ends[size], ends[size + 1]
        # None is the interval around 0; a difference the other way is the mirror image.
        low = np.where(size == 0, -high, low)
        return np.where(gap < 0, -high, low), np.where((gap < 0) & (size > 0), -low, high)

    def fitted(self, kind: np.ndarray, value: np.ndarray, weight: np.ndarray, z: np.ndarray) -> RatingScales:
        """Return the same levels with the likeliest thresholds given (V,) latent scores.

        Thresholds stay ordered, for it is the logarithms of their steps that are searched.
        """
        out = self
        lone, gap, weak = (kind == one for one in (LONE, GAP, WEAK))
        if lone.any() and self.lone_edges is not None and self.lone_cuts is not None:
            level = np.searchsorted(self.lone_edges, value[lone])
            out = replace(out, lone_cuts=_likeliest(self.lone_cuts, level, z[lone], weight[lone]))
        if weak.any() and self.weak_cut is not None:
            cut = _likeliest(self.weak_cut, value[weak].astype(int), z[weak], weight[weak])
            out = replace(out, weak_cut=cut)
        if gap.any() and self.gap_edges is not None and self.gap_cuts is not None:
            size = np.searchsorted(self.gap_edges, np.abs(value[gap]))
            towards = np.where(value[gap] < 0, -z[gap], z[gap])
            out = replace(out, gap_cuts=_likeliest(self.gap_cuts, size, towards, weight[gap], mirrored=True))
        return out

    def before(self, other: RatingScales) -> RatingScales:
        """Return these scales, and the other's where these have none."""
        mine = {item.name: getattr(self, item.name) for item in fields(self)}
        return replace(other, **{name: value for name, value in mine.items() if value is not None})

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return what is known, by its name in a saved state."""
        found = {item.name: getattr(self, item.name) for item in fields(self)}
        return {f"{PREFIX}{name}": value for name, value in found.items() if value is not None}

    @classmethod
    def from_arrays(cls, state: dict[str, np.ndarray]) -> RatingScales:
        """Read what `to_arrays` returned; a state of an earlier version has none."""
        return cls(**{item.name: state.get(f"{PREFIX}{item.name}") for item in fields(cls)})


UNTOLD = RatingScales(lone_edges=np.array([0.5]), lone_cuts=np.zeros(1), weak_cut=np.zeros(1))
"""Reads answers judged alone before any were seen: a rating is the share of a thumb up, and as likely one as not."""


def _edges(values: np.ndarray, most: int) -> np.ndarray:
    """Return the ratings half-way between levels: between those that occur, or quantiles where they are many."""
    levels = np.unique(np.round(values, 6))
    if len(levels) > most:
        # "lower" gives ratings that occur, so that equal ratings never fall into two bins.
        ends = np.unique(np.quantile(np.round(values, 6), np.arange(1, most) / most, method="lower"))
        ends = ends[ends < levels[-1]] + 1e-9
        # Where nearly all gave the highest rating, that and the rest are the two levels.
        return ends if len(ends) else (levels[-1:] + levels[-2:-1]) / 2
    # A scale of which one level alone was given is taken for thumbs.
    return (levels[1:] + levels[:-1]) / 2 if len(levels) > 1 else np.array([0.5])


def _first_cuts(level: np.ndarray, count: int) -> np.ndarray:
    """Return (count,) thresholds under which the levels come as often as they do where all scores are 0."""
    given = np.bincount(level, minlength=count + 1)[: count + 1] + PSEUDO_COUNT
    return logit(np.cumsum(given)[:-1] / given.sum())


def _likeliest(
    cuts: np.ndarray, level: np.ndarray, z: np.ndarray, weight: np.ndarray, mirrored: bool = False
) -> np.ndarray:
    """Return the thresholds that make (N,) levels the likeliest given latent scores.

    Args:
        cuts: (L - 1,) ascending thresholds to begin from.
        level, z, weight: (N,) each.
        mirrored: Whether level 0 lies between -cuts[0] and cuts[0], all cuts being above 0.
    """
    # Here, for the solvers take a third of a second to load and routing a question needs none.
    from scipy.optimize import minimize

    count = len(cuts)
    # 1. Some of every level at the mean score: without them a level never given would have no finite threshold.
    level = np.concatenate([level, np.arange(count + 1)])
    z = np.concatenate([z, np.full(count + 1, np.average(z, weights=weight))])
    weight = np.concatenate([weight, np.full(count + 1, PSEUDO_COUNT)])

    def steps(x: np.ndarray) -> np.ndarray:
        free = np.concatenate([[np.exp(x[0]) if mirrored else x[0]], LEAST_STEP + np.exp(x[1:])])
        return np.cumsum(free)

    def loss(x: np.ndarray) -> tuple[float, np.ndarray]:
        at = steps(x)
        ends = np.concatenate([[-at[0] if mirrored else -np.inf], at, [np.inf]])
        low, high = expit(ends[level] - z), expit(ends[level + 1] - z)
        chance = np.maximum(high - low, 1e-12)
        up, down = weight * high * (1 - high) / chance, weight * low * (1 - low) / chance
        # 2. Each threshold is the upper end of one level and the lower end of the next.
        slope = np.bincount(level, up, count + 1)[:-1] - np.bincount(level, down, count + 1)[1:]
        if mirrored:
            slope[0] += np.bincount(level, down, count + 1)[0]
        # 3. By the steps: one step moves its own threshold and all above it.
        by_step = np.cumsum(slope[::-1])[::-1] * np.concatenate([[np.exp(x[0]) if mirrored else 1.0], np.exp(x[1:])])
        return -float(weight @ np.log(chance)), -by_step

    gaps = np.maximum(np.diff(cuts), 2 * LEAST_STEP) - LEAST_STEP
    first = np.log(max(cuts[0], LEAST_STEP)) if mirrored else cuts[0]
    start = np.concatenate([[first], np.log(gaps)])
    bounds = [(-6.0, 3.0) if mirrored else (-15.0, 15.0), *[(-7.0, 3.0)] * (count - 1)]
    found = minimize(loss, np.clip(start, *np.transpose(bounds)), jac=True, method="L-BFGS-B", bounds=bounds)
    return steps(found.x)
