"""Take in what an older gmt kept in files of its users, all of it or nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from gmt.data.comparisons import Comparison
from gmt.errors import RunError
from gmt.model.checkpoint import load_tensors
from gmt.state.state_store import StateStore
from gmt.state.user_files import UserFiles


def import_user_files(
    files: UserFiles,
    store: StateStore,
    trained: Callable[[str], list[Comparison]],
    names: Callable[[], list[str]],
    delete: bool = True,
) -> bool:
    """Write the rounds and offsets of all files in one transaction, then delete the folder.

    Where the deletion is cut short, the next time finds everything known already.

    Args:
        files: The files.
        store: The state they go into.
        trained: Returns the rounds of a user that the run was trained on.
        names: Returns the names of the users it was trained on.
        delete: Delete the folder, for the store is the run's own.

    Returns:
        Whether there was anything to take in.

    Raises:
        RunError: A file is damaged or belongs to nobody; nothing is written then.
    """
    if not files.root.is_dir():
        return False
    added: dict[str, list[Comparison]] = {}
    for item in files.read_all():
        added.setdefault(item.user, []).append(item)
    # An offset's file has no name in it: it is that of whoever's file name fits.
    owner = {files.path(name, "safetensors"): name for name in (*names(), *added)}
    offsets = sorted(files.root.glob("*.safetensors"))
    for path in offsets:
        if path not in owner:
            raise RunError(f"{path} belongs to no user of the run; restore the user's .jsonl beside it, or delete it")
    vectors = {owner[path]: load_tensors(path) for path in offsets}
    with store.change() as change:
        for user, rounds in added.items():
            change.add(user, rounds, known=trained(user), source="users/")
        for user, tensors in vectors.items():
            # Runs made before 0.2 call it a shift.
            change.set_offset(user, tensors["offset" if "offset" in tensors else "shift"].numpy())
    if delete:
        shutil.rmtree(files.root)
    return bool(added or vectors)
