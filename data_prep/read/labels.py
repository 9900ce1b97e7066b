"""Read verdicts and ratings in words: sides of a vote, names of models, thumbs, and labels that a user states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from data_prep.read.cells import OptionMissing, WinnerUnclear, label, scaled, shown
from gmt.errors import DataError

BOTH_BAD = "both bad"
"""What a label may stand for beside a number: a tie in which neither answer is good."""
Verdict = tuple[float, float, str | None]
"""Rating of a, rating of b, and what the verdict says more in words."""
THUMBS: dict[str, float] = {
    **dict.fromkeys(
        ("up", "thumbs up", "thumbs_up", "thumbsup", "thumb_up", "👍", "like", "liked", "good", "yes", "true",
         "positive", "helpful", "upvote"), 1.0,
    ),
    **dict.fromkeys(
        ("down", "thumbs down", "thumbs_down", "thumbsdown", "thumb_down", "👎", "dislike", "disliked", "bad", "no",
         "false", "negative", "unhelpful", "not helpful", "not_helpful", "downvote"), 0.0,
    ),
    **dict.fromkeys(("neutral", "meh"), 0.5),
}  # fmt: skip
"""Words for a good and a bad answer that mean the same to everybody; read where no scale and no labels are stated."""
SIDES: dict[str, float | str] = {"model_a": 1.0, "model_b": 0.0, "tie": 0.5, "tie (bothbad)": BOTH_BAD}
"""The words of the arena's files, and what each says of a."""
VERDICT_HINT = ", or name your own words with --labels A,B,TIE"
RATING_HINT = "or name your own words with --labels GOOD,BAD"
"""Endings of messages on words that nobody knows, by which such rows are found again."""


def stated_labels(words: Sequence[str]) -> dict[str, float | str]:
    """Return what each word of `--labels A,B,TIE,BOTHBAD` (of ratings: GOOD,BAD,MIDDLE) says of a."""
    return dict(zip(words, (1.0, 0.0, 0.5, BOTH_BAD), strict=False))


@dataclass(frozen=True)
class Labels:
    """Hold the words of a verdict or rating.

    Args:
        words: Word -> rating of a in [0, 1] (b has 1 less it), or `BOTH_BAD`.
        stated: Whether a user stated them; else they are ours and the message offers `--labels`.
    """

    words: Mapping[str, float | str] = field(default_factory=lambda: SIDES)
    stated: bool = False

    def verdict(self, value: Any, name: str, models: tuple[str, str], hint: str = "") -> Verdict:
        """Read who won: a word, or the name of one of the two models.

        Args:
            value: The cell.
            name: Name of the column, for messages.
            models: Names of a and b.
            hint: What to do about a word that nobody knows, where the user can be asked for labels.

        Raises:
            DataError: It is empty or neither.
            WinnerUnclear: It is both, and they differ: either reading would be a guess.
        """
        winner = label(value, name)
        by_label = self._of_word(winner)
        # Many logs write the winner's name instead of a side.
        by_name = None
        if winner in models and models[0] != models[1]:
            by_name = (1.0, 0.0, None) if winner == models[0] else (0.0, 1.0, None)
        if by_label and by_name and by_label != by_name:
            if not hint:
                side = "ab"[models.index(str(winner))]
                raise WinnerUnclear(
                    f"{name} is {winner!r}, which is also the name of the model shown as {side}; rename the model"
                )
            raise WinnerUnclear(
                f"{name} is {winner!r}, which is a label and the name of a model on the other side; rename the model, "
                "or write other words for the sides and name them with --labels"
            )
        found = by_label or by_name
        if found is None:
            known = list(self.words)
            expected = ", ".join(known if self.stated else known[:3])
            more = "" if winner is None or self.stated else hint
            raise DataError(f"{name} is {shown(winner or '')}; expected one of {expected}{more}")
        return found

    def _of_word(self, winner: str | None) -> Verdict | None:
        if winner is None:
            return None
        said = self.words.get(winner)
        if said is None:
            return None
        if isinstance(said, str):
            # A verdict compares and knows no scale: both bad is a tie, and what it says more is kept as feedback.
            return 0.5, 0.5, BOTH_BAD
        return said, 1.0 - said, None

    def rating(self, value: Any, name: str, scale: tuple[float, float] | None) -> float | None:
        """Read a rating in [0, 1]: a number on the scale, or a word; None where it is missing.

        Args:
            value: The cell.
            name: Name of the column, for messages.
            scale: The worst and the best rating.

        Raises:
            ScaleUnknown: No scale was stated and the rating is outside 0..1.
            DataError: It is neither a number on the scale nor a word that is known.
        """
        word = label(value, name) if isinstance(value, str) else None
        if self.stated:
            word = label(value, name)
            if word is None:
                return None
            said = self.words.get(word)
            if said is None:
                raise DataError(f"{name} is {shown(word)}; expected one of {', '.join(self.words)}")
            return said if isinstance(said, float) else 0.5
        if word is not None and scale is None:
            said = THUMBS.get(word.casefold())
            if said is not None:
                return said
            if not _is_number(word):
                raise DataError(f"{name} is {shown(word)}; expected a number or a word like up or down, {RATING_HINT}")
        return scaled(value, name, scale)


OUR_LABELS = Labels()


def read_labels(words: Sequence[str] | None) -> Labels:
    """Return the labels that `--labels` states, or ours."""
    return OUR_LABELS if words is None else Labels(stated_labels(words), True)


def refuse_unexplained(reasons: Sequence[tuple[str, str]], understood: bool) -> None:
    """Refuse an input whose bad rows one missing option would explain; dropped, they would be lost in silence.

    Args:
        reasons: (row with its reason, reason) of the bad rows.
        understood: Whether any row says a rating off the middle in words that are known.

    Raises:
        OptionMissing: No verdict is understood; or a word for a rating, unknown to us, stands on more than one row.
    """
    unknown = [row for row, reason in reasons if reason.endswith(VERDICT_HINT)]
    if unknown and not understood:
        raise OptionMissing(f"{unknown[0]}; no row names a winner in these words")
    words: set[str] = set()
    for row, reason in reasons:
        # A word that comes back is a label of its writer and no slip; one that stands alone is a bad row as ever.
        if reason.endswith(RATING_HINT) and reason in words:
            raise OptionMissing(row)
        words.add(reason)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
