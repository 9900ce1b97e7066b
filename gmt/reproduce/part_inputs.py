"""Find the data that a part reads, or say how to get them; and tell when they have changed."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from gmt.reproduce.part import Part
from gmt.reproduce.part_steps import Plan

REAL_DATA = "GMT_REAL_DATA"


def missing_data(part: Part, plan: Plan, ask_hub: bool = True) -> str | None:
    """Say what a part lacks and how to get it; None where all is at hand.

    Args:
        part: The part.
        plan: Where data lie.
        ask_hub: Find out whether the hub gives its dataset; else it is taken for given.
    """
    needs = part.needs
    if needs.input and plan.input is None:
        return f"needs --input: {needs.input}. {needs.get}".strip()
    if needs.files and plan.data is None:
        return f"{REAL_DATA} is not set; name the folder of public data there or with --data. {needs.get}".strip()
    for name in needs.files:
        if not (Path(plan.data or ".") / name).exists():
            return f"{plan.data} lacks {name}. {needs.get}".strip()
    if ask_hub and needs.hub and (refused := _hub_refuses(needs.hub)):
        return f"hub:{needs.hub} cannot be read ({refused}). {needs.get}".strip()
    return None


def digest_inputs(part: Part, plan: Plan) -> str:
    """Return a digest of the files that a part reads, by name and content."""
    found = hashlib.sha256((part.needs.hub or "").encode())
    roots = [Path(plan.data or ".") / name for name in part.needs.files]
    if part.needs.input and plan.input and Path(plan.input).exists():
        roots.append(Path(plan.input))
    elif part.needs.input:
        found.update(str(plan.input).encode())  # a name on the hub
    for root in roots:
        for path in [root] if root.is_file() else sorted(one for one in root.rglob("*") if one.is_file()):
            found.update(path.name.encode())
            found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()[:24]


def _hub_refuses(dataset: str) -> str | None:
    """Say in a few words why the hub does not give a dataset; None where it does."""
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        return "HF_HUB_OFFLINE is set"
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError

    try:
        # Of a gated set everybody sees the card; only its files tell whether somebody may read it.
        HfApi().auth_check(dataset, repo_type="dataset")
    except GatedRepoError:
        return "it is gated; accept its terms on the hub and log in with `hf auth login`"
    # Whatever else: the client lets errors of the HTTP library beneath it through, and that has changed before.
    except Exception as error:
        return f"the hub does not answer: {type(error).__name__}"
    return None
