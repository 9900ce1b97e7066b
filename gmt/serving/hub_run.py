"""Save a run for the Hugging Face hub, upload it and load it, by the hub's own mixin."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from huggingface_hub import ModelCard, ModelHubMixin, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from gmt.data.run_history import RunHistory
from gmt.errors import RunError, UserError
from gmt.files import write_json
from gmt.hybrid.stored_belief import store_belief
from gmt.manifest import FORMAT, read_manifest, seal
from gmt.runs import HUB_CONFIG, RunFolder
from gmt.serving.copy_run import copy_run
from gmt.serving.hub_card import hub_card
from gmt.serving.people_free import NOT_SHARED, compared, write_settings, write_without_people

if TYPE_CHECKING:
    from gmt.serving.pretrained import Router

RUN_FILES = ["*.json", "*.jsonl", "*.yaml", "*.safetensors", "*.parquet", "*.npy", "state.db", "README.md"]
"""What is fetched of a repository; of none of it code is run."""


class HubRun(ModelHubMixin, library_name="gmt-router", tags=["llm-routing", "personalization"]):
    """Stand for a run towards the hub.

    A run is a folder of settings, a closed-form posterior, a history with vectors and perhaps a network, and a
    `PyTorchModelHubMixin` saves the state of one torch module and builds it again from keyword arguments; so it is the
    plain mixin, whose `save_pretrained`, `push_to_hub` and `from_pretrained` call what is written here.

    Args:
        folder: A run that was loaded; None for one that is to be saved.
        write: Writes the run into an empty folder and returns the text of its card; None for one that was loaded.
    """

    def __init__(self, folder: Path | None = None, write: Callable[[Path], str] | None = None) -> None:
        self.folder, self.write = folder, write
        self._text = ""

    @classmethod
    def of(cls, router: Router, include_users: bool, licence: str | None) -> Self:
        """Return a run that is to be saved, with or without its people."""

        def write(target: Path) -> str:
            return _write_with_people(router, target, licence) if include_users else _write(router, target, licence)

        return cls(write=write)

    def _save_pretrained(self, save_directory: Path) -> None:
        if self.write is None:
            raise UserError("a run that was loaded from the hub is saved by Router.save_pretrained")
        self._text = self.write(Path(save_directory))

    def generate_model_card(self, *args: Any, **kwargs: Any) -> ModelCard:
        """Return the card of the run that was written last."""
        return ModelCard(self._text)

    @classmethod
    def _from_pretrained(
        cls,
        *,
        model_id: str,
        revision: str | None,
        cache_dir: str | Path | None,
        force_download: bool,
        local_files_only: bool,
        token: str | bool | None,
        **model_kwargs: Any,
    ) -> Self:
        folder = Path(model_id)
        if not folder.is_dir():
            folder = Path(
                snapshot_download(
                    model_id,
                    revision=revision,
                    cache_dir=cache_dir,
                    force_download=force_download,
                    local_files_only=local_files_only,
                    token=token,
                    allow_patterns=RUN_FILES,
                )
            )
        return cls(RunFolder(folder).require().root)


def downloaded(repo_id: str, revision: str | None = None, token: str | bool | None = None) -> Path:
    """Return the folder of a run of the hub, fetched where it is not in the hub's cache.

    Raises:
        RunError: The hub has no such run, or cannot be reached.
    """
    with one_line_hub_errors(repo_id):
        found = HubRun.from_pretrained(repo_id, revision=revision, token=token)
    if found.folder is None:
        raise RunError(f"the hub gave no folder for {repo_id}; try again")
    return found.folder


@contextlib.contextmanager
def one_line_hub_errors(repo_id: str) -> Iterator[None]:
    """Turn what the hub's client raises into one line."""
    try:
        yield
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        said = " ".join(str(error).split())[:120]
        raise RunError(
            f"{repo_id} could not be had of the hub or written there ({said}), and no folder here has that name; check "
            "the name, the network and your token"
        ) from error


def _write(router: Router, target: Path, licence: str | None) -> str:
    """Write a run without people; return its card."""
    from gmt.serving.pretrained import Router

    part = write_without_people(router.run_data, router.config, router.card, router.live.state, target)
    _finish(target)
    # The copy is asked as whoever loads it will ask it.
    with contextlib.closing(Router.from_pretrained(target, autosave=False)) as shared:
        part = compared(part, router.run_data, shared.run_data)
    _tidy(target)
    return hub_card(router.folder, router.card, router.run_data, part, licence)


def _write_with_people(router: Router, target: Path, licence: str | None) -> str:
    """Write a run as it is; return its card."""
    copy_run(router.folder, target, router.live.state)
    # Where data and database are stays here: a path names a machine, a URL may hold a password.
    made, config = RunFolder(target), router.config
    write_json(made.card, {**router.card, "data": {**router.card["data"], "path": NOT_SHARED}})
    if config.state.url is not None:
        write_settings(made, config)
        store_belief(made, config, RunHistory.read(made, router.card).data)
    _finish(target)
    _tidy(target)
    return hub_card(router.folder, router.card, router.run_data, None, licence)


def _finish(target: Path) -> None:
    """Add the file by which the hub counts downloads, and list it with the others."""
    write_json(target / HUB_CONFIG, {"library": "gmt-router", "format": FORMAT})
    seal(target, run=read_manifest(target).run)


def _tidy(target: Path) -> None:
    """Delete what opening a folder left in it."""
    for path in target.glob(".*"):
        if path.is_file():
            path.unlink()
