"""Find the trained history's text for what stands in for it in a vote that was told when no texts were kept."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

from gmt.data.comparisons import Comparison
from gmt.data.text_keys import key_of, stated_key
from gmt.data.vocabulary import Names


class HistoryTexts:
    """Know the texts of a trained history by their keys; they are hashed when a stand-in is first asked for.

    A vote told while no texts are kept holds stand-ins. Once the run is trained on data that hold the texts
    themselves, both must be one text, for votes on one query share what is learned of it.

    Args:
        texts: Of the history, none of what came later.
    """

    def __init__(self, texts: Names) -> None:
        self._texts = texts

    @cached_property
    def _by_key(self) -> dict[str, str]:
        return {stated_key(text) or key_of(text): text for text in self._texts}

    def named_as_here(self, item: Comparison) -> Comparison:
        """Return a round with the history's own text wherever a stand-in of it stood."""
        if not any(stated_key(text) for text in item.texts()):
            return item
        candidates = []
        for one in item.candidates:
            response, feedback = one.response and self._own(one.response), one.feedback and self._own(one.feedback)
            candidates.append(replace(one, response=response, feedback=feedback))
        return replace(item, query=self._own(item.query), candidates=tuple(candidates))

    def _own(self, text: str) -> str:
        stated = stated_key(text)
        return text if stated is None else self._by_key.get(stated, text)
