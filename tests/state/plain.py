"""Say in the plainest way what a store must do: lists in memory, walked from end to end."""

from dataclasses import dataclass

from gmt.data.comparisons import Candidate, Comparison


def vote(number, user="ana", conversation="c", words="question"):
    """A round that differs from every other one by its number."""
    pair = Candidate("x", f"{words} {number}: yes", 1.0), Candidate("y", None, 0.0, "too long", 0.25)
    return Comparison(user, conversation, number % 7, f"{words} {number}", pair, f"q{number}", "maths", 12.5 + number)


def content(item):
    return item.turn, item.query, item.candidates


@dataclass
class Kept:
    user: str
    item: Comparison
    key: str | None
    live: bool = True


class PlainState:
    """Do what `StateStore` does, to a list."""

    def __init__(self):
        self.log = []
        self.people = {}
        self.version = 0

    def add(self, user, rounds, keys=None, replace=False):
        keys = keys or [None] * len(rounds)
        mine = [kept for kept in self.log if kept.user == user]
        changed = replace or not mine and user not in self.people
        self.people[user] = True
        if replace:
            for kept in mine:
                kept.live = kept.live and kept.key is not None and kept.key in keys
        for item, key in zip(rounds, keys, strict=True):
            mine = [kept for kept in self.log if kept.user == user]
            if any(kept.key == key for kept in mine if key is not None):
                continue
            if any(kept.live and content(kept.item) == content(item) for kept in mine):
                continue
            self.log.append(Kept(user, item, key))
            changed = True
        self.version += changed

    def revoke(self, place):
        self.version += self.log[place].live
        self.log[place].live = False

    def forget(self, user):
        self.log = [kept for kept in self.log if kept.user != user]
        self.people.pop(user, None)
        self.version += 1

    def users(self):
        return {name: len(self.of(name)) for name in self.people}

    def of(self, user):
        return [content(kept.item) for kept in self.log if kept.user == user and kept.live]
