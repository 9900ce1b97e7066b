"""Draw planted users who give feedback, and then cast clean votes, so that all points of a sweep are measured alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from data_prep.simulate.in_memory import embedded
from data_prep.simulate.planted import PlantedSettings, Rounds, draw_rounds, draw_world
from data_prep.simulate.planted_table import table_of
from data_prep.simulate.world import World
from gmt.data.dataset import Dataset
from gmt.data.interactions import TEST, TRAIN, VALID

TARGETS = 8
ELSEWHERE = 1_000_003  # added to the seed of the target rounds, so that they are not the rounds known


def population(settings: PlantedSettings, targets: int = TARGETS, valid: float = 1 / 8) -> tuple[Dataset, World]:
    """Draw users whose feedback, as the settings say, is TRAIN and VALID, and who then vote cleanly as TEST.

    Args:
        settings: Who they are and how they rate.
        targets: Clean votes of each, on two answers.
        valid: Share of the conversations known that is VALID.
    """
    world = draw_world(settings)
    clean = replace(
        settings, votes=targets, feedback="votes", noise_labels=0.0, candidates=None, seed=settings.seed + ELSEWHERE
    )
    both = replace(settings, votes=(settings.conversations + clean.conversations) * settings.turns)
    # Chunks are joined as arrays, and rankings are wider than votes.
    width = max(settings.shown, clean.shown)
    known = [_after(part, 0, width) for part in draw_rounds(world, settings)]
    later = [_after(part, settings.conversations, width) for part in draw_rounds(world, clean)]
    rounds = table_of(world, both, [*known, *later])
    rng = np.random.default_rng([settings.seed, 6])
    # By conversation, for a later round shows the rounds before it.
    split = np.where(rng.random(len(rounds.conversations)) < valid, VALID, TRAIN)[rounds.conversation]
    split[sum(len(part.user) for part in known) :] = TEST
    card = {"source": "planted", "protocol": "seen", "seed": settings.seed}
    return embedded(rounds.with_split(split), world.models, "hash", card), world


def _after(rounds: Rounds, conversations: int, width: int) -> Rounds:
    """Number conversations on from those before, and pad what was shown to one width."""
    padding = ((0, 0), (0, max(0, width - rounds.shown.shape[1])))
    return replace(
        rounds,
        conversation=rounds.conversation + conversations,
        shown=np.pad(rounds.shown, padding, constant_values=-1),
        rating=np.pad(rounds.rating, padding, constant_values=np.nan),
        remark=np.pad(rounds.remark, padding, constant_values=-1),
    )
