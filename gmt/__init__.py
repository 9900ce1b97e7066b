"""Personalised LLM routing over multi-turn conversations."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gmt.data.comparisons import Candidate, Comparison
    from gmt.data.dataset import Dataset, ModelInfo
    from gmt.data.interactions import InteractionTable
    from gmt.data.load_data import load_dataset
    from gmt.errors import UserError
    from gmt.serving.decision import Choice, Decision, Reason
    from gmt.serving.pretrained import Router
    from gmt.serving.rankings import Rankings
    from gmt.serving.rounds_given import read_rounds

# All that stays as it is from one release to the next; whatever else a module holds may change.
__all__ = [
    "Candidate",
    "Choice",
    "Comparison",
    "Dataset",
    "Decision",
    "InteractionTable",
    "ModelInfo",
    "Rankings",
    "Reason",
    "Router",
    "UserError",
    "__version__",
    "load_dataset",
    "read_rounds",
]
__version__ = "0.2.0"

_PLACES = {
    "Candidate": "gmt.data.comparisons",
    "Choice": "gmt.serving.decision",
    "Comparison": "gmt.data.comparisons",
    "Dataset": "gmt.data.dataset",
    "Decision": "gmt.serving.decision",
    "InteractionTable": "gmt.data.interactions",
    "ModelInfo": "gmt.data.dataset",
    "Rankings": "gmt.serving.rankings",
    "Reason": "gmt.serving.decision",
    "Router": "gmt.serving.pretrained",
    "UserError": "gmt.errors",
    "load_dataset": "gmt.data.load_data",
    "read_rounds": "gmt.serving.rounds_given",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first asked for, so that `import gmt` stays light."""
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'gmt' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Name what is public, for whoever completes names."""
    return sorted(__all__)
