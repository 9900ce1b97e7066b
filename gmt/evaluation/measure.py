"""Measure a run beside its rivals, on its own data or on foreign data."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from gmt.data.dataset import Dataset
from gmt.data.interactions import SPLITS, TEST
from gmt.data.store import EmbeddingStore
from gmt.errors import DataError, RunError
from gmt.evaluation.controls import SIMPLE_CONTROLS
from gmt.evaluation.evaluate import evaluate
from gmt.evaluation.predictions import ORACLE
from gmt.evaluation.protocols import foreign_trials
from gmt.evaluation.results import Result
from gmt.evaluation.trained_rounds import refuse_renamed, refuse_trained
from gmt.files import restore_folder
from gmt.rivals.registry import RIVALS, make_router
from gmt.routing.protocol import RoutingMethod
from gmt.runs import RunFolder
from gmt.serving.pretrained import Router


def measure(
    run: RunFolder,
    data: Path | None = None,
    split: str = "test",
    shots: Sequence[int] | None = None,
    draws: int = 3,
    baselines: Sequence[str] | None = None,
    seed: int = 0,
    reveal_turns: bool = False,
    out: Path | None = None,
    progress: Callable[[str], object] | None = None,
    allow_download: bool = False,
    controls: bool = True,
) -> Result:
    """Evaluate a run with the protocol on its card, or on foreign data by users it has not met.

    Args:
        run: The run.
        data: A data folder; the run's own by default.
        split: "test" or "valid" of the run's own data.
        shots, draws, seed, reveal_turns: As in `evaluate`.
        baselines: Names of rivals; all by default.
        out: Results file; RUN/results/<protocol>.json by default.
        progress: Called with a line for every trial and router.
        allow_download: As in `Router.from_pretrained`.
        controls: Measure the run's controls too (its router with shuffled owners and for an unknown user, and the
            rivals `SIMPLE_CONTROLS`), whatever `baselines` names, and judge by them.

    Raises:
        RunError: The run's data is gone or changed.
        DataError: The foreign data has another encoder or no target, or the run was trained on a round to be scored.
    """
    router = Router.from_pretrained(run.root, allow_download=allow_download)
    folder = Path(router.card["data"]["path"]) if data is None else data
    own = _own_data(router, data)
    names = [*RIVALS, ORACLE] if baselines is None else list(baselines)
    oracle = ORACLE in names
    names = [*(name for name in SIMPLE_CONTROLS if controls and name not in names), *names]
    rivals = [make_router(name, seed) for name in names if name != ORACLE]
    if own is not None:
        # Settings are chosen on VALID, so a run has always seen that part; only TEST must be new to it.
        if split == SPLITS[TEST]:
            refuse_trained(run, own.table.select(own.table.split == TEST), folder)
        # Rivals learn from what the run was given: TRAIN, with settings chosen on VALID.
        learn = own.select(own.table.split != TEST)
        routers: list[RoutingMethod] = [router.router, *_fitted(rivals, learn, progress)]
        out = out or run.results / f"{own.card.get('protocol', 'seen')}{'-valid' if split == 'valid' else ''}.json"
        return evaluate(
            own,
            routers,
            split,
            shots,
            draws,
            seed,
            reveal_turns=reveal_turns,
            oracle=oracle,
            controls=controls,
            out=out,
            progress=progress,
        )
    base, joined, known = _join(router, run, folder)
    routers = [router.router, *_fitted(rivals, base, progress)]
    foreign = np.arange(known, len(joined.table))
    cut = foreign_trials(joined.table, np.arange(known), foreign, shots, draws, seed)
    name = folder.resolve().name
    return evaluate(
        joined,
        routers,
        "test",
        seed=seed,
        reveal_turns=reveal_turns,
        oracle=oracle,
        controls=controls,
        cut=cut,
        protocol="new-users",
        source=name,
        out=out or run.results / f"on-{name}.json",
        progress=progress,
    )


def _fitted(
    rivals: list[RoutingMethod], data: Dataset, progress: Callable[[str], object] | None
) -> list[RoutingMethod]:
    fitted = []
    for rival in rivals:
        if progress is not None:
            progress(f"fitting {rival.name}")
        fitted.append(rival.fit(data))
    return fitted


def _own_data(router: Router, data: Path | None) -> Dataset | None:
    """Return the run's own data, or None if `data` is another folder."""
    facts = router.card["data"]
    folder = Path(facts["path"]) if data is None else data
    card = folder / "card.json"
    restore_folder(folder)
    if data is None and not card.is_file():
        raise RunError(f"the run was trained on {folder}, which is gone; pass the folder with --data")
    same = card.is_file() and hashlib.sha256(card.read_bytes()).hexdigest() == facts["sha256"]
    if data is None and not same:
        raise RunError(f"{folder} has changed since the run was trained on it; train again, or pass --data {folder}")
    if not same:
        return None
    # The run may know more models by now; codes of the trained ones stay what they were.
    return Dataset.load(folder)


def _join(router: Router, run: RunFolder, folder: Path) -> tuple[Dataset, Dataset, int]:
    """Return the run's own comparisons, those with the foreign ones behind, and how many are its own."""
    foreign = Dataset.load(folder)
    if foreign.encoder != router.data.encoder:
        raise DataError(
            f"{folder} was encoded by {foreign.encoder.id} and the run by {router.data.encoder.id}; prepare it with "
            f"--encoder {router.data.encoder.id}"
        )
    try:
        own = _own_data(router, None)
    except RunError:
        own = None  # the run folder alone must do; there is then no VALID part to fit temperatures on
    base = router.data if own is None else own.select(own.table.split != TEST)
    met = {base.table.users[code] for code in np.unique(base.table.user)}
    # Users whom the run has met are neither scored nor shown, so their rounds may have been trained on.
    asked = ~np.isin(foreign.table.user, [code for code, name in enumerate(foreign.table.users) if name in met])
    refuse_trained(run, foreign.table.select(asked), folder)
    refuse_renamed(run, foreign.table.select(asked), folder)
    store = EmbeddingStore.open(folder / "embeddings")
    # Conversations of one name in both tables would otherwise become one.
    items = [
        replace(item, conversation=f"{folder.name}: {item.conversation}") for item in foreign.table.to_comparisons()
    ]
    return base, base.append(items, store, foreign.models, split=TEST), len(base.table)
