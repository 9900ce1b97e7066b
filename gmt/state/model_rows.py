"""Write which models a run offers beside those it was trained on, and which of all it offers no longer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from sqlalchemy import insert, select, update

from gmt.data.dataset import NUMBERS, ModelInfo
from gmt.data.text_keys import key_of
from gmt.errors import UserError
from gmt.state.database_tables import models
from gmt.state.events import storable
from gmt.state.run_rows import RunRows


class ModelRows(RunRows):
    """Write rows of models inside a transaction; `Change` says what its arguments are.

    A row is a card: of a model that was added, or, in the place of what `models.json` says, of one that was trained on.
    """

    def add_model(self, name: str, info: ModelInfo, vector: np.ndarray | None = None) -> bool:
        """Offer one more model, or one that was removed again; return whether it was not on offer.

        Raises:
            UserError: It is offered already, under another description, or its card cannot be kept.
        """
        storable(name, "the model's name")
        if not name.strip():
            raise UserError("the model's name is empty; expected a name")
        found = self._card(name)
        is_offered = found is not None and found.removed is None
        if found is not None and is_offered and found.description != info.description:
            raise UserError(f"model {name[:60]} is already on offer with another description; choose another name")
        self._put(name, info, vector, None)
        return not is_offered

    def update_model(self, name: str, info: ModelInfo, vector: np.ndarray | None = None) -> None:
        """Describe a model on offer anew, whoever brought it.

        Raises:
            UserError: It was removed meanwhile, or its card cannot be kept.
        """
        found = self._card(name)
        if found is not None and found.removed is not None:
            raise UserError(f"model {name[:60]} was removed; gmt models add offers it again")
        self._put(name, info, vector, None)

    def remove_model(self, name: str, info: ModelInfo) -> bool:
        """Offer a model no longer; what was said of it stays, and teaches as before.

        Args:
            name: Its name.
            info: Its card, kept where it has no row of its own.

        Returns:
            Whether it was on offer.
        """
        found = self._card(name)
        if found is not None and found.removed is not None:
            return False
        self._put(name, info, None, self.now)
        return True

    def _card(self, name: str) -> Any:
        same = (models.c.run_id == self.run_id) & (models.c.name == name)
        return self.connection.execute(select(models).where(same)).one_or_none()

    def _put(self, name: str, info: ModelInfo, vector: np.ndarray | None, removed: float | None) -> None:
        """Write a card, in the place of the one that is there."""
        _check_card(name, info)
        key = key_of(storable(info.description, "the model's description"))
        self._remember({key: info.description}, {} if vector is None else {info.description: vector})
        card = {number: getattr(info, number) for number in NUMBERS}
        card |= {"description": info.description, "key": key, "removed": removed, "version": self._touch()}
        found = self._card(name)
        if found is None:
            row = {"run_id": self.run_id, "name": name, "created": self.now}
            self.connection.execute(insert(models), row | card)
            return
        self.connection.execute(update(models).where(models.c.id == found.id).values(card))
        if found.key != key:  # nobody reads the old description any more
            self._delete_unused([found.key])


def _check_card(name: str, info: ModelInfo) -> None:
    """Refuse a card that could not be read back.

    Raises:
        UserError: The description is empty, or a price is none.
    """
    if not info.description.strip():
        raise UserError(f"the description of model {name[:60]} is empty; say what is known of it, or repeat its name")
    for number in NUMBERS:
        value = getattr(info, number)
        if value is not None and not (
            isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
        ):
            raise UserError(f"{number} of model {name[:60]} is {str(value)[:60]}; expected 0 or more, or None")
