"""Make votes of answers whose models nobody names: the answer is the candidate, its place stands for a model."""

from __future__ import annotations

from collections.abc import Iterable

from gmt.data.answer_slots import DESCRIPTION, is_slot, slot_name
from gmt.data.comparisons import Candidate
from gmt.data.dataset import ModelInfo


def vote_on_places(
    places: tuple[int, int],
    responses: tuple[str | None, str | None],
    ratings: tuple[float, float] | None,
    feedback: str | None = None,
) -> list[Candidate]:
    """Return the candidates of a vote on the answers at two places, the earlier place first.

    In the order of places and not of the verdict, or the liking of a place would give the verdict away.
    """
    said = sorted(zip(places, responses, ratings or (None, None), strict=True), key=lambda one: one[0])
    return [Candidate(slot_name(place), response, rating, feedback) for place, response, rating in said]


def slot_cards(models: Iterable[str]) -> dict[str, ModelInfo]:
    """Return cards of the places among some models, all with one description."""
    return {name: ModelInfo(DESCRIPTION) for name in models if is_slot(name)}
