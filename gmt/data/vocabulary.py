"""Hold the names that codes stand for, so that one more name costs the same beside any number of others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import SupportsIndex, TypeAlias, overload

from gmt.data.stored_texts import StoredTexts


class _SharedNames:
    """Hold the names of all vocabularies that were grown from one another, oldest first."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = list(names)
        self.codes = {name: code for code, name in enumerate(self.names)}


class Vocabulary(Sequence[str]):
    """Hold N different names in the order of their codes.

    Vocabularies grown from one another share their names, so that growing copies nothing. An older one does not see
    the names that came later, also where other threads read it meanwhile.

    Args:
        shared: The names of this one and of those grown from it.
        count: How many of them are this one's.
        behind: Names that this one alone has behind them -> their codes.
    """

    __slots__ = ("_behind", "_count", "_shared")

    def __init__(self, shared: _SharedNames, count: int, behind: Mapping[str, int] | None = None) -> None:
        self._shared, self._count, self._behind = shared, count, dict(behind or {})

    @classmethod
    def of(cls, names: Iterable[str]) -> Vocabulary:
        """Return names as a vocabulary; what is none yet is copied."""
        if isinstance(names, Vocabulary):
            return names
        shared = _SharedNames(names)
        return cls(shared, len(shared.names))

    def code(self, name: str) -> int:
        """Return the code of a name, -1 where it is not there."""
        found = self._shared.codes.get(name, self._count)
        return found if found < self._count else self._behind.get(name, -1)

    def grown(self, names: Iterable[str]) -> Vocabulary:
        """Return the names with more behind them; those that are there already keep their codes.

        The newest of the vocabularies that share their names grows in place, any other is copied first. Two threads
        must not grow one vocabulary at once.
        """
        new = self._unknown(names)
        if not new:
            return self
        shared = self._shared
        if self._behind or len(shared.names) > self._count:
            return Vocabulary.of([*self, *new])
        # Names first, codes second: a code that another thread finds always has its name.
        shared.names.extend(new)
        shared.codes.update((name, self._count + place) for place, name in enumerate(new))
        return Vocabulary(shared, len(shared.names))

    def beside(self, names: Iterable[str]) -> Vocabulary:
        """Return the names with more behind them that nobody else ever sees, for one question."""
        new = {name: len(self) + place for place, name in enumerate(self._unknown(names))}
        return Vocabulary(self._shared, self._count, self._behind | new)

    def _unknown(self, names: Iterable[str]) -> list[str]:
        return [name for name in dict.fromkeys(names) if self.code(name) < 0]

    def __len__(self) -> int:
        return self._count + len(self._behind)

    def __iter__(self) -> Iterator[str]:
        yield from islice(self._shared.names, self._count)
        yield from self._behind

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.code(name) >= 0

    def index(self, value: str, start: int = 0, stop: int | None = None) -> int:
        """Return the code of a name, in the same time whatever the code."""
        found = self.code(value)
        if found < max(start, 0) or (stop is not None and found >= stop):
            raise ValueError(f"{value!r} is not in the vocabulary")
        return found

    @overload
    def __getitem__(self, index: SupportsIndex) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> str | tuple[str, ...]:
        if isinstance(index, slice):
            return tuple(self[place] for place in range(*index.indices(len(self))))
        code = int(index)
        place = code + len(self) if code < 0 else code
        if not 0 <= place < len(self):
            raise IndexError(f"there is no name {index} among {len(self)}")
        return self._shared.names[place] if place < self._count else list(self._behind)[place - self._count]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"Vocabulary({', '.join(map(repr, self[:3]))}{', …' if len(self) > 3 else ''})"


Names: TypeAlias = tuple[str, ...] | Vocabulary | StoredTexts
"""Names in the order of their codes, whether or not more may come."""
