"""List the user nodes of a graph: every user once, and a view for each conversation that goes on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmt.data.dataset import Questions


@dataclass(frozen=True)
class UserNodes:
    """List the users of some questions, then the views of conversations that have earlier rounds to show.

    Args:
        code: (V,) user code of each node.
        owner: (V,) the own node of the user that a node stands for.
        conversation, before: (V,) the conversation a view shows and the turn it stops at; -1 for own nodes.
        target: (C,) the node that each question belongs to.
        users: U, the number of users; nodes U.. are views.
    """

    code: np.ndarray
    owner: np.ndarray
    conversation: np.ndarray
    before: np.ndarray
    target: np.ndarray
    users: int

    @classmethod
    def collect(cls, questions: Questions, conversation: bool) -> UserNodes:
        """Find the nodes that questions need.

        Args:
            questions: C questions.
            conversation: Make views; else earlier rounds are shown to nobody.
        """
        codes, owner = np.unique(questions.user, return_inverse=True)
        users, none = len(codes), np.full(len(codes), -1)
        earlier = questions.earlier
        # 1. A question needs a view if its conversation has an earlier round that is visible.
        talks, talk = np.unique(np.concatenate([earlier.conversation, questions.conversation]), return_inverse=True)
        first = np.full(len(talks), np.iinfo(np.int64).max)
        # The earliest round decides: if it lies before a question, there is something to show.
        np.minimum.at(first, talk[: len(earlier)], earlier.turn)
        opened = first[talk[len(earlier) :]]
        continued = np.flatnonzero(opened < questions.turn) if conversation else np.zeros(0, np.int64)
        # 2. Questions at the same point of the same conversation share a view: they may see the same.
        keys = np.stack([owner, questions.conversation, questions.turn], axis=1)[continued]
        target = owner.astype(np.int64)
        if not len(keys):
            return cls(codes, np.arange(users), none, none, target, users)
        views, view = np.unique(keys, axis=0, return_inverse=True)
        target[continued] = users + view.reshape(-1)
        return cls(
            np.concatenate([codes, codes[views[:, 0]]]),
            np.concatenate([np.arange(users), views[:, 0]]),
            np.concatenate([none, views[:, 1]]),
            np.concatenate([none, views[:, 2]]),
            target,
            users,
        )

    def earlier_rounds(self, questions: Questions) -> tuple[np.ndarray, np.ndarray]:
        """Return (E,) positions in `questions.earlier` shown by views, all before their turn, and (E,) the views."""
        nodes = np.arange(self.users, len(self.code))
        # Sorted by conversation, so that two binary searches find all views of a round.
        nodes = nodes[np.argsort(self.conversation[nodes], kind="stable")]
        talks = self.conversation[nodes]
        shown = questions.earlier.conversation
        begin = np.searchsorted(talks, shown, side="left")
        sizes = np.searchsorted(talks, shown, side="right") - begin
        position = np.repeat(np.arange(len(shown)), sizes)
        view = nodes[np.repeat(begin, sizes) + within(sizes)]
        seen = questions.earlier.turn[position] < self.before[view]
        return position[seen], view[seen]

    def updates(self, owner: np.ndarray) -> np.ndarray:
        """Return (2, E) turn -> user node: its owner, and for a user's turns all the user's views.

        Args:
            owner: (T,) ascending, the node each turn was shown to.
        """
        own = np.stack([np.arange(len(owner)), owner])
        views = np.arange(self.users, len(self.code))
        if not len(views):
            return own
        begin = np.searchsorted(owner, self.owner[views], side="left")
        sizes = np.searchsorted(owner, self.owner[views], side="right") - begin
        extra = np.stack([np.repeat(begin, sizes) + within(sizes), np.repeat(views, sizes)])
        return np.concatenate([own, extra], axis=1)


def newest_of_each(user: np.ndarray, users: np.ndarray, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of each user's newest `limit` comparisons, and the place in `users` of each.

    Args:
        user: (C,) user codes, oldest comparison first.
        users: (U,) ascending codes; -1 has no comparison.
        limit: Most per user.
    """
    order = np.argsort(user, kind="stable")
    begin = np.searchsorted(user[order], users, side="left")
    end = np.searchsorted(user[order], users, side="right")
    # An unknown user has no history, whatever code -1 would find.
    end = np.where(users >= 0, end, begin)
    # Oldest first, so the newest are the last ones.
    begin = np.maximum(begin, end - limit)
    sizes = end - begin
    owner = np.repeat(np.arange(len(users)), sizes)
    return order[np.repeat(begin, sizes) + within(sizes)], owner


def within(sizes: np.ndarray) -> np.ndarray:
    """Return 0, 1, … up to each of (N,) sizes, one count after the other."""
    return np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
