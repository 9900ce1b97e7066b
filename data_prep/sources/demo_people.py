"""Draw what the people of the demo prefer: something anywhere, and something else again in every task."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from zlib import crc32

import numpy as np

from data_prep.sources.demo_characters import ANA, CHARACTERS, NAMES, TASTES, TRAITS, Character
from data_prep.sources.demo_texts import TASKS

QUALITY_WEIGHT = 2.0  # logits for a unit of answer quality
OWN_SPREAD, CAMP_SPREAD = 1.2, 0.4  # standard deviations of general preferences, without and within a camp
TASK_SPREAD = 1.0  # of what is added for each task alone, about as much as preferences vary in general
LENIENCY_SPREAD = 0.7  # of how kindly people give stars, thumbs and words, in logits


@dataclass(frozen=True, eq=False)
class Person:
    """Hold one user of the demo.

    Args:
        name: Name.
        tastes: Task -> (5,) weights on `TRAITS`.
        leniency: Logits added before stars, thumbs and words, never to a comparison.
    """

    name: str
    tastes: dict[str, np.ndarray]
    leniency: float = 0.0

    def utility(self, model: str, task: str) -> float:
        """Return the utility of a model's answers in a task, in logits."""
        character = CHARACTERS[model]
        return QUALITY_WEIGHT * quality(character, task) + float(np.dot(self.tastes[task], character.traits))

    @cached_property
    def usual(self) -> dict[str, float]:
        """Task -> mean utility over all models: what an answer rated alone is held against."""
        return {task: float(np.mean([self.utility(model, task) for model in CHARACTERS])) for task in TASKS}


def people(seed: int) -> dict[str, Person]:
    """Draw everybody: two camps of opposite preferences and users who follow neither, each with tastes by task."""
    out = {}
    for camp, names in NAMES.items():
        # Camps are tight around opposite centres; those of no camp lie wide around nothing.
        centre = np.array(TASTES.get(camp, np.zeros(len(TRAITS))))
        for name in names:
            # By name, so that one more person changes nobody else.
            rng = np.random.default_rng([seed, 0, crc32(name.encode())])
            general = centre + (OWN_SPREAD if camp == "own" else CAMP_SPREAD) * rng.normal(size=len(TRAITS))
            tastes = {task: general + TASK_SPREAD * rng.normal(size=len(TRAITS)) for task in TASKS}
            out[name] = Person(name, tastes, LENIENCY_SPREAD * float(rng.normal()))
    return out


def ana() -> Person:
    """Return `ana`, who prefers brevity and no jokes in every task alike, so that what moves her can be followed."""
    return Person("ana", {task: np.array(ANA) for task in TASKS})


def quality(character: Character, task: str) -> float:
    """Return how good a model's answers in a task are, whoever asks."""
    return round(character.quality + 0.5 * (task in character.strong), 3)
