"""Keep with a run what is believed after its trained history, so that loading it solves nothing again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace

from gmt.config import RunConfig
from gmt.data.dataset import Dataset
from gmt.errors import RunError
from gmt.hybrid.closed_form import load_posterior
from gmt.manifest import mark_of
from gmt.model.saved_arrays import load_arrays, save_arrays
from gmt.posterior.conditioned_posterior import ConditionedPosterior
from gmt.posterior.hierarchical_model import HierarchicalModel
from gmt.posterior.stored_fields import FieldWriter, UnreadableFields, read_fields
from gmt.routing.protocol import ClosedForm
from gmt.runs import STORE, RunFolder

LAYOUT = 1
"""Counts up when a fit means something else though its fields are the same; what was stored before is then stale."""


def store_belief(folder: RunFolder, config: RunConfig, data: Dataset, write: bool = True) -> bool:
    """Condition on a run's trained history and write what is believed; return whether it was of a kind that is stored.

    Of several processes of one training each must call it alike, for they share what is solved.

    Args:
        folder: The run, with all else that routing reads in its place.
        config: Its settings.
        data: Its history, read from the folder: codes of texts and users must be those that whoever loads it sees.
        write: Whether it is this process that writes.
    """
    if write:
        folder.conditioned.unlink(missing_ok=True)
    posterior = load_posterior(config, folder)
    # A utility keeps its beliefs in torch; it is conditioned on when it is first asked.
    if not isinstance(posterior, HierarchicalModel):
        return False
    belief = posterior.condition(data if config.graph.texts else data.without_vectors())
    if not isinstance(belief, ConditionedPosterior):
        return False
    # α is solved when it is first needed, hence now.
    belief = replace(belief, effects=belief.effects.settled())
    if not write:
        return True
    writer = FieldWriter(_outside(posterior))
    try:
        described = writer.description(belief)
    except UnreadableFields:
        return False
    made_of = {name: mark_of(folder.root / name).sha256 for name in _sources(folder)}
    # One note, for the format puts several in any order, and equal trainings are to write equal files.
    save_arrays(folder.conditioned, writer.arrays, {"belief": json.dumps([_key(made_of), described])})
    return True


def stored_belief(
    folder: RunFolder, posterior: ClosedForm | None, marks: Mapping[str, str]
) -> ConditionedPosterior | None:
    """Read what is believed after the trained history.

    Args:
        folder: The run.
        posterior: Its fitted closed form.
        marks: Path inside the run -> SHA-256 of the file, as the manifest that was checked names them.

    Returns:
        None where nothing was stored, or where it was of other settings, another history or another gmt: the history
        is then conditioned on anew.
    """
    if not isinstance(posterior, HierarchicalModel) or folder.conditioned.name not in marks:
        return None
    try:
        arrays, notes = load_arrays(folder.conditioned)
        made_of, described = json.loads(notes["belief"])
        if made_of != _key({name: marks[name] for name in _sources(folder) if name in marks}):
            return None
        found = read_fields(described, arrays, _outside(posterior))
    except (UnreadableFields, KeyError, RunError, ValueError, TypeError):
        return None
    return found if isinstance(found, ConditionedPosterior) else None


def _outside(posterior: HierarchicalModel) -> dict[str, object]:
    """Return what a belief holds that is saved with the fit itself."""
    return {} if posterior.traits is None else {"traits": posterior.traits}


def _sources(folder: RunFolder) -> list[str]:
    """Return the files, as paths inside the run, that what is believed follows from."""
    own = (folder.config, folder.posterior, folder.models, folder.history)
    return [path.name for path in own] + [f"{folder.embeddings.name}/{name}" for name in STORE]


def _key(hashes: Mapping[str, str]) -> str:
    """Return one hash for those of all files, and for how this gmt reads them."""
    return hashlib.sha256(json.dumps([LAYOUT, sorted(hashes.items())]).encode()).hexdigest()
