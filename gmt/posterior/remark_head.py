"""Read from a remark's vector how glad its writer was."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from gmt.data.dataset import Dataset
from gmt.data.encoder_by_name import encoder_of_run
from gmt.errors import UserError
from gmt.posterior.example_remarks import GLAD, MIDDLING, SORRY

RIDGES = (0.003, 0.01, 0.03, 0.1)
"""Variances of the direction, as shares of the rounds, that are tried out of fold; the least that is best stays."""
FOLDS = 5
ENOUGH = 40
"""Rounds with both words and a rating from which on they alone say how far to trust the head."""
EXAMPLE_TRUST = 3.0
"""What log odds learned from examples are multiplied by: few examples of many wordings leave them too small.

Of 1, 1.5 and 3 the best on planted users of seeds 7 and 8 (AUC of words alone .699, .716, .729)."""


@dataclass(frozen=True, eq=False)
class RemarkHead:
    """Hold log odds that are linear in a remark's unit vector: direction · v + bias.

    Args:
        direction: (D,).
        bias: Of all remarks.
    """

    direction: np.ndarray
    bias: float

    def log_odds(self, vectors: np.ndarray) -> np.ndarray:
        """Return (N,) log P(remark | glad) / P(remark | not glad) of (N, D) vectors."""
        return np.asarray(vectors, float) @ self.direction + self.bias

    @classmethod
    def learned(cls, train: Dataset, own: np.ndarray, glad: np.ndarray, weight: np.ndarray) -> RemarkHead | None:
        """Learn from rounds with both words and a rating, beside the shipped examples.

        Args:
            train: The data.
            own: (N,) rows with a remark.
            glad, weight: (R,) as `gladness` gives them.

        Returns:
            None where neither has anything to learn from.
        """
        table = train.table
        both = own[~np.isnan(glad[own])]
        vectors, said = train.vectors[table.feedback[both]].astype(float), glad[both]
        examples, labels = _examples(train)
        if not len(both) and not len(examples):
            return None
        # 1. By users, so that what one of them always writes does not tell its own rating.
        fold = table.user[table.row_comparison[both]] % FOLDS
        if len(both) >= ENOUGH:
            x, y, w = vectors, said, weight[both]
        else:
            x, y = np.concatenate([vectors, examples]), np.concatenate([said, labels])
            w = np.concatenate([weight[both], np.ones(len(labels))])
            # Examples stand side by side by mood and language, so they are dealt out in turn.
            fold = np.concatenate([fold, np.arange(len(labels)) % FOLDS])
        if len(np.unique(y[y != 0.5])) < 2:
            return None
        # 2. Ridge and scale of the log odds are those that predict best out of fold.
        held = {ridge: _held_out(x, y, w, fold, ridge) for ridge in RIDGES}
        scales = {ridge: _scale(found, y, w) for ridge, found in held.items()}
        losses = [_loss(scales[ridge] * held[ridge], y, w) for ridge in RIDGES]
        ridge = RIDGES[int(np.argmin(losses))]
        direction, bias = _fit(x, y, w, ridge)
        trust = scales[ridge] * (1.0 if len(both) >= ENOUGH else EXAMPLE_TRUST)
        if len(both) < ENOUGH:
            # 3. Half of the log's own remarks are taken to be glad: examples cannot know how its users write.
            mine = train.vectors[table.feedback[own]].astype(float) @ direction
            bias = -float(np.median(mine))
        return cls(trust * direction, trust * bias)


def _examples(train: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Return (N, D) vectors of the shipped remarks and (N,) how glad they are; none where their encoder is not here."""
    nothing = np.zeros((0, train.vectors.shape[1])), np.zeros(0)
    try:
        encoder = encoder_of_run(train.encoder)
        texts = [*GLAD, *SORRY, *MIDDLING]
        vectors = np.asarray(encoder.encode(texts), float)
    except UserError:
        return nothing
    if vectors.shape[1] != train.vectors.shape[1]:
        return nothing
    labels = np.repeat([1.0, 0.0, 0.5], [len(GLAD), len(SORRY), len(MIDDLING)])
    # In a fixed shuffle, so that folds that are dealt out in turn hold all moods and languages.
    order = np.argsort(np.arange(len(texts)) * 7919 % 10007, kind="stable")
    return vectors[order], labels[order]


def _fit(x: np.ndarray, y: np.ndarray, w: np.ndarray, ridge: float) -> tuple[np.ndarray, float]:
    """Return the direction and bias of a logistic regression; y may be ½."""
    # Here, for the solvers take a third of a second to load and routing a question needs none.
    from scipy.optimize import minimize

    penalty = 1 / max(ridge * w.sum(), 1e-9)

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        z = x @ theta[:-1] + theta[-1]
        gap = w * (expit(z) - y)
        value = float((w * (np.logaddexp(0, z) - y * z)).sum() + penalty * theta[:-1] @ theta[:-1] / 2)
        return value, np.append(x.T @ gap + penalty * theta[:-1], gap.sum())

    found = minimize(loss, np.zeros(x.shape[1] + 1), jac=True, method="L-BFGS-B").x
    return found[:-1], float(found[-1])


def _held_out(x: np.ndarray, y: np.ndarray, w: np.ndarray, fold: np.ndarray, ridge: float) -> np.ndarray:
    """Return (N,) log odds, each from a fit without its fold."""
    out = np.zeros(len(y))
    for part in np.unique(fold):
        hidden = fold == part
        if hidden.all():
            continue
        direction, bias = _fit(x[~hidden], y[~hidden], w[~hidden], ridge)
        out[hidden] = x[hidden] @ direction + bias
    return out


def _scale(odds: np.ndarray, y: np.ndarray, w: np.ndarray) -> float:
    """Return what calibrates out-of-fold log odds (Platt 1999, without an offset), 0 where they tell nothing."""
    steps = np.concatenate([[0.0], np.geomspace(0.05, 3.0, 30)])
    return float(steps[int(np.argmin([_loss(step * odds, y, w) for step in steps]))])


def _loss(z: np.ndarray, y: np.ndarray, w: np.ndarray) -> float:
    return float((w * (np.logaddexp(0, z) - y * z)).sum() / w.sum())
