"""Keep which rounds a run was trained on, by their hashes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gmt.data.dataset import read_run_models
from gmt.data.interactions import InteractionTable
from gmt.data.round_hashes import content_hashes, owner_hashes, round_hashes
from gmt.errors import RunError
from gmt.files import replace_file
from gmt.runs import RunFolder


@dataclass(frozen=True, eq=False)
class TrainedRounds:
    """Hold the hashes of the T rounds that training saw.

    Args:
        rounds: (T,) sorted `round_hashes`.
        owners, contents: (T,) `owner_hashes` and `content_hashes` of the same; None in runs of earlier versions.
    """

    rounds: np.ndarray
    owners: np.ndarray | None = None
    contents: np.ndarray | None = None

    @classmethod
    def of(cls, table: InteractionTable) -> TrainedRounds:
        """Hash rounds; exact repeats count once."""
        rounds, first = np.unique(round_hashes(table), return_index=True)
        return cls(rounds, owner_hashes(table)[first], content_hashes(table)[first])

    def write(self, path: Path) -> None:
        """Write the hashes: 24 bytes for each round."""

        def write(part: Path) -> None:
            with part.open("wb") as file:
                np.save(file, self.to_array(), allow_pickle=False)

        replace_file(path, write)

    def to_array(self) -> np.ndarray:
        """Return what is written: (T, 3), or (T,) where that is all there is."""
        if self.owners is None or self.contents is None:
            return self.rounds
        return np.stack([self.rounds, self.owners, self.contents], axis=1)

    @classmethod
    def read(cls, path: Path) -> TrainedRounds:
        """Read what was written.

        Raises:
            RunError: The file is damaged.
        """
        try:
            # A run may come from anybody, and unpickling runs code.
            found = np.load(path, allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise RunError(f"{path} is damaged ({error}); restore it or train the run again") from error
        if found.dtype != np.uint64 or found.ndim not in (1, 2) or (found.ndim == 2 and found.shape[1] != 3):
            raise RunError(f"{path} holds {found.dtype} of shape {found.shape}; restore it or train the run again")
        return cls(found) if found.ndim == 1 else cls(*np.ascontiguousarray(found.T))

    def without(self, owner: int, rounds: np.ndarray) -> TrainedRounds:
        """Return all but one user's rounds.

        Args:
            owner: The `owner_hash` of the user.
            rounds: Hashes of those of their rounds that are known, for runs of earlier versions, which name no owners.
        """
        kept = ~np.isin(self.rounds, rounds)
        if self.owners is None or self.contents is None:
            return TrainedRounds(self.rounds[kept])
        kept &= self.owners != np.uint64(owner)
        return TrainedRounds(self.rounds[kept], self.owners[kept], self.contents[kept])


def trained_rounds(run: RunFolder) -> TrainedRounds:
    """Return the hashes of the rounds that training saw, for older runs of the TRAIN part alone.

    Raises:
        RunError: The file is damaged.
    """
    if not run.trained.is_file():
        # Runs made before the list was kept hold the TRAIN part itself as their history.
        return TrainedRounds.of(InteractionTable.read(run.history, list(read_run_models(run.models))))
    return TrainedRounds.read(run.trained)
