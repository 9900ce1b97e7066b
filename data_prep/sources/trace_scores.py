"""Read what an export says of an answer: which score of several counts, its number or word, and what was asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from data_prep.read.cells import answer, label, shown, text
from data_prep.read.json_text import parse_json
from data_prep.read.labels import THUMBS, Labels, read_labels
from data_prep.sources.source import SourceOptions
from gmt.errors import DataError

VERDICTS = {
    **THUMBS,
    **dict.fromkeys(("pass", "passed", "accept", "accepted", "success", "correct", "relevant"), 1.0),
    **dict.fromkeys(("fail", "failed", "reject", "rejected", "failure", "incorrect", "irrelevant"), 0.0),
}
"""Words of evaluations beside those of thumbs."""
LABELS = Labels(VERDICTS)


@dataclass(frozen=True)
class ScoreReader:
    """Turn a score into a rating in [0, 1].

    Args:
        scale: The worst and the best score; None stands for 0 to 1.
        labels: Words that a user stated; None stands for the usual ones.
    """

    scale: tuple[float, float] | None
    labels: Labels | None

    @classmethod
    def of(cls, options: SourceOptions) -> ScoreReader:
        """Return the reader that the options of a command ask for."""
        return cls(options.rating_scale, None if options.labels is None else read_labels(options.labels))

    def rating(self, value: Any, word: Any, name: str) -> float | None:
        """Return the rating that a number states, or a word where there is no number.

        Raises:
            ScaleUnknown: The number is outside 0..1 and nobody stated its scale.
            DataError: The word is not known.
        """
        if self.labels is not None:
            return self.labels.rating(value if word is None else word, name, None)
        said = value if value is not None else word
        known = VERDICTS.get(said.strip().casefold()) if isinstance(said, str) else None
        return known if known is not None else LABELS.rating(said, name, self.scale)


def chosen_name(names: Iterable[str], wanted: str | None) -> str:
    """Return which score counts where an export holds several.

    Raises:
        DataError: There are several and nobody said which, or there is none of that name.
    """
    counts = Counter(names)
    listed = ", ".join(f"{name} ({count:,})" for name, count in counts.most_common(8))
    if wanted is not None:
        if wanted not in counts:
            raise DataError(f"there is no score named {wanted!r}; the export holds {listed or 'none'}")
        return wanted
    if len(counts) != 1:
        # Averaging a thumb with, say, a latency would rate nothing; which one is people's nobody but they can say.
        raise DataError(
            f"the export holds scores of {len(counts)} names ({listed}); say which counts with --rating NAME"
        )
    return next(iter(counts))


def last_question(value: Any, name: str) -> str | None:
    """Return what was asked last: a text, chat messages (or their JSON), or an object that holds either.

    Raises:
        DataError: It is something else.
    """
    value = decoded(value)
    if isinstance(value, Mapping):
        held = ("messages", "input", "query", "question", "prompt", "content")
        value = next((value[key] for key in held if key in value), None)
        return None if value is None else last_question(value, name)
    if isinstance(value, list):
        asked = [message for message in value if isinstance(message, Mapping) and message.get("role") == "user"]
        return message_text(asked[-1], name) if asked else None
    return text(value, name)


def said_answer(value: Any, name: str) -> str | None:
    """Return what was answered, from a text, a message, messages or an API's response."""
    value = decoded(value)
    if isinstance(value, Mapping) and isinstance(value.get("choices"), list) and value["choices"]:
        value = value["choices"][0].get("message")
    if isinstance(value, list) and value and isinstance(value[-1], Mapping) and "role" in value[-1]:
        value = value[-1]
    if isinstance(value, Mapping):
        if "content" in value or "parts" in value:
            return message_text(value, name)
        held = ("output", "answer", "response", "text")
        return said_answer(next((value[key] for key in held if key in value), None), name)
    return answer(value, name)


def message_text(message: Mapping[str, Any], name: str) -> str | None:
    """Return the text of a chat message, whose content is a text, parts, or OpenTelemetry's `parts` of `content`."""
    parts = message.get("parts")
    if isinstance(parts, list):
        said = [part.get("content") for part in parts if isinstance(part, Mapping) and part.get("type") == "text"]
        return answer("\n".join(one for one in said if isinstance(one, str)), name)
    return answer(message.get("content"), name)


def decoded(value: Any) -> Any:
    """Return the value of a JSON text of a list or object; anything else as it is."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return parse_json(value)
        except ValueError:
            return value  # a text that begins with a bracket is a text
    return value


def first_of(row: Mapping[str, Any], names: Sequence[str]) -> str | None:
    """Return the first of some fields that names something."""
    for name in names:
        value = row.get(name)
        if value is not None and not isinstance(value, list | Mapping) and (found := label(value, name)) is not None:
            return found
    return None


def objects(value: Any, name: str) -> list[Mapping[str, Any]]:
    """Return a list of objects; an absent one is empty.

    Raises:
        DataError: It is something else.
    """
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        raise DataError(f"{name} is {shown(value)}; expected a list of objects")
    return value
