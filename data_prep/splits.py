"""Assign every comparison to train, valid or test, never cutting a conversation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from data_prep.repeats import first_occurrences
from gmt.data.interactions import TEST, TRAIN, VALID, InteractionTable
from gmt.errors import DataError

PROTOCOLS = ("seen", "new-users", "new-models", "new-questions", "drift")
GIVEN = "given"  # the source's own split
# Shares of users and models held out, and of the other conversations that are VALID.
NEW_USERS, NEW_MODELS, OTHERS_VALID = 0.25, 0.12, 0.15
# Each new model takes all its conversations out of training, hence a bound on how many are new.
MOST_NEW_MODELS, LEAST_NEW_QUESTIONS = 6, 3


def assign(
    table: InteractionTable, protocol: str, fractions: Sequence[float] = (0.7, 0.1, 0.2), seed: int = 0
) -> np.ndarray:
    """Split the comparisons by a named protocol.

    Args:
        table: The comparisons; their present split is ignored by all but `given`, which keeps what is
            test and, where nothing is valid yet, takes valid from train.
        protocol: One of `PROTOCOLS`, or `given`.
        fractions: Shares of train, valid and test; `seen`, `new-questions` (valid and test), `drift` and
            `given` (valid beside train) read them, the other protocols state their own.
        seed: Chooses the permutation; equal seeds give equal splits.

    Returns:
        (C,) int8 split codes, equal within a conversation and, but for `given`, in exact repeats of one.

    Raises:
        DataError: The protocol is unknown, the fractions are no shares of one, or the table has
            too few users, models or questions to hold any out.
    """
    rules: dict[str, Callable[[InteractionTable, np.ndarray, np.random.Generator], np.ndarray]] = {
        "seen": _seen,
        "new-users": _new_users,
        "new-models": _new_models,
        "new-questions": _new_questions,
        "drift": _drift,
        GIVEN: _given,
    }
    if protocol not in rules:
        raise DataError(f"protocol is {protocol!r}; expected one of {', '.join(rules)}")
    shares = np.asarray(fractions, dtype=float)
    if shares.shape != (3,) or not (shares >= 0).all() or abs(shares.sum() - 1) > 1e-6 or shares[0] == 0:
        given = ",".join(f"{share:g}" for share in np.ravel(shares))
        raise DataError(f"fractions are {given}; expected train, valid and test shares that sum to 1, e.g. .7,.1,.2")
    if not len(table):
        return np.zeros(0, dtype=np.int8)
    # What was said twice word for word goes where its first time goes: nothing is tested that training shows.
    first = first_occurrences(table)
    # Repeats are not drawn by themselves: they would shift the shares, and may land on the other side.
    fresh = table if protocol == GIVEN else table.select(first[table.conversation] == table.conversation)
    by_conversation = rules[protocol](fresh, shares, np.random.default_rng(seed)).astype(np.int8)
    return by_conversation[table.conversation if protocol == GIVEN else first[table.conversation]]


def drift_time(table: InteractionTable, fractions: Sequence[float] = (0.7, 0.1, 0.2)) -> tuple[float, float] | None:
    """Return the UTC seconds after which `drift` takes valid and test, None where timestamps are missing."""
    if not len(table) or np.isnan(table.timestamp).any():
        return None
    # `lower` gives a time that stands in the table, so that ties at the bound fall on one side.
    bounds = np.quantile(table.timestamp, [fractions[0], fractions[0] + fractions[1]], method="lower")
    return float(bounds[0]), float(bounds[1])


def _present(codes: np.ndarray) -> np.ndarray:
    """Return the distinct codes in order of first appearance, so that the table's order decides nothing else."""
    values, first = np.unique(codes, return_index=True)
    return values[np.argsort(first)]


def _owner(table: InteractionTable) -> np.ndarray:
    """Return (conversations,) the user of each conversation, -1 where the table holds none of its rounds."""
    owner = np.full(len(table.conversations), -1, dtype=np.int64)
    owner[table.conversation[::-1]] = table.user[::-1]
    return owner


def _by_user(table: InteractionTable) -> Iterator[np.ndarray]:
    """Yield the conversations of each user, ascending, users in order of first appearance."""
    owner = _owner(table)
    order = np.argsort(owner, kind="stable")
    users = _present(table.user)
    begin, end = (np.searchsorted(owner[order], users, side=side) for side in ("left", "right"))
    for low, high in zip(begin.tolist(), end.tolist(), strict=True):
        yield order[low:high]


def _touching(table: InteractionTable, comparisons: np.ndarray) -> np.ndarray:
    """Return (conversations,) true where any round of the conversation is in the (C,) mask."""
    touched = np.zeros(len(table.conversations), dtype=bool)
    touched[table.conversation[comparisons]] = True
    return touched


def _cut(order: np.ndarray, shares: np.ndarray, offset: float) -> np.ndarray:
    """Return a split code for each of `order`'s places, shares rounded up or down as `offset` in [0, 1) falls.

    The first place is always TRAIN, so that no user is tested without a history.
    """
    # A random offset rounds shares up for some users and down for others, so that they hold over all users, even where
    # each has few conversations.
    place = (np.arange(len(order)) + offset) / len(order)
    codes = np.searchsorted(np.cumsum(shares)[:2], place, side="right")
    codes[:1] = TRAIN
    return codes


def _seen(table: InteractionTable, shares: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    split = np.zeros(len(table.conversations), dtype=np.int8)
    for own in _by_user(table):
        order = rng.permutation(own)
        split[order] = _cut(order, shares, rng.random())
    return split


def _others_valid(table: InteractionTable, held_out: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Make the held-out conversations TEST and a share of the others VALID."""
    split = np.where(held_out, TEST, TRAIN)
    others = rng.permutation(np.flatnonzero(~held_out & (_owner(table) >= 0)))
    split[others[: round(OTHERS_VALID * len(others))]] = VALID
    return split


def _new_users(table: InteractionTable, shares: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    users = rng.permutation(_present(table.user))
    if len(users) < 2:
        raise DataError("the table has 1 user; new-users needs at least 2, or take --protocol seen")
    new = users[: max(1, round(NEW_USERS * len(users)))]
    return _others_valid(table, _touching(table, np.isin(table.user, new)), rng)


def _new_models(table: InteractionTable, shares: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    models = rng.permutation(_present(table.model))
    new = models[: min(MOST_NEW_MODELS, max(1, round(NEW_MODELS * len(models))))]
    # One new model in it is enough: the comparison would tell training about that model.
    touched = np.logical_or.reduceat(np.isin(table.model, new), table.start[:-1])
    held_out = _touching(table, touched)
    if held_out[table.conversation].all():
        raise DataError(
            f"every conversation shows one of the {len(new)} of {len(models)} models held out, none is left to train "
            "on; new-models needs comparisons of few models each, or take --protocol seen"
        )
    return _others_valid(table, held_out, rng)


def _new_questions(table: InteractionTable, shares: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    questions = rng.permutation(_present(table.question))
    test = max(LEAST_NEW_QUESTIONS, round(shares[TEST] * len(questions)))
    valid = max(1, round(shares[VALID] * len(questions)))
    if len(questions) < test + valid + 1:
        raise DataError(
            f"the table has {len(questions)} questions; new-questions needs at least {test + valid + 1}, "
            "or take --protocol seen"
        )
    split = np.zeros(len(table.conversations), dtype=np.int8)
    split[_touching(table, np.isin(table.question, questions[test : test + valid]))] = VALID
    # TEST last: a conversation with questions of both kinds must not be seen before the test.
    split[_touching(table, np.isin(table.question, questions[:test]))] = TEST
    return split


def _drift(table: InteractionTable, shares: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    times = drift_time(table, shares.tolist())
    split = np.zeros(len(table.conversations), dtype=np.int8)
    if times is not None:
        # A conversation counts by its last round, so that nothing in train is later than the stated time.
        end = np.full(len(table.conversations), -np.inf)
        np.maximum.at(end, table.conversation, table.timestamp)
        return np.searchsorted(np.array(times), end, side="left")
    # Without times the order of the file stands for them, within each user alone.
    position = np.zeros(len(table.conversations), dtype=np.int64)
    np.maximum.at(position, table.conversation, np.arange(len(table)))
    for order in _by_user(table):
        order = order[np.argsort(position[order], kind="stable")]
        # The middle: time decides the order here and nothing is drawn, so that no seed changes the split.
        split[order] = _cut(order, shares, 0.5)
    return split


def _given(table: InteractionTable, shares: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Keep the split; cut valid from train as test was cut: by question where no question is on both sides."""
    split = np.zeros(len(table.conversations), dtype=np.int8)
    split[table.conversation] = table.split
    if (table.split == VALID).any():
        return split
    train, test = table.split == TRAIN, table.split == TEST
    # VALID must be as hard as TEST, or what is chosen on it is chosen for another task.
    unit = table.conversation if np.isin(table.question[train], table.question[test]).any() else table.question
    units = rng.permutation(_present(unit[train]))
    # The share of TRAIN that VALID has of both, since TEST is cut already.
    valid = units[: round(len(units) * shares[VALID] / (shares[TRAIN] + shares[VALID]))]
    cut = _touching(table, train & np.isin(unit, valid))
    return np.where(cut & (split == TRAIN), VALID, split)
