"""Say, of every command that is stopped with Ctrl-C, what it left and how to go on."""

from __future__ import annotations

from collections.abc import Sequence

WHOLE = (
    "what it changes in a run is changed whole or not at all; gmt users list shows what is known, then give it again"
)
GO_ON = {
    "prep": "the data folder is what it was before; give the command again, with --workers to read and encode faster",
    "cut": "give the command again",
    "simulate": "the files are what they were before; give the command again",
    "simulate judge": "replies that were paid for are kept: the same command goes on and pays for nothing twice",
    "train": "training had not begun; give the command again",
    "eval": "no results were written; give the command again, with fewer --baselines or --no-controls to be faster",
    "summary": "nothing was written; give the command again",
    "adapt": WHOLE,
    "users": WHOLE,
    "models": WHOLE,
    "runs": "a run is changed whole or not at all; give the command again",
    "figures": "figures drawn so far are whole; give the command again",
    "bench": "nothing was written; give the command again, with --quick or fewer --parts to be faster",
    "demo": "finished steps are kept: go on with the commands printed above, or give gmt demo again",
}
"""Command -> what to do about it once it was stopped; of all others nothing is left behind."""
AGAIN = "give the command again"


class Stopped(KeyboardInterrupt):
    """Say how to go on with a command that the user stopped."""


def how_to_go_on(arguments: Sequence[str]) -> str:
    """Return what to say of a command line that was stopped."""
    words = [word for word in arguments if not word.startswith("-")]
    # A command of a group has advice of its own where the group's would not serve.
    advice = next((GO_ON[name] for name in (" ".join(words[:2]), *words[:1]) if name in GO_ON), AGAIN)
    return f"stopped. {advice[0].upper()}{advice[1:]}"
