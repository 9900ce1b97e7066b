"""Personalised LLM routing over multi-turn conversations."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gmt.serving.pretrained import Router

__all__ = ["Router", "__version__"]
__version__ = "0.2.0"


def __getattr__(name: str) -> Any:
    """Load `Router` when it is first asked for, so that `import gmt` stays light."""
    if name == "Router":
        from gmt.serving.pretrained import Router

        return Router
    raise AttributeError(f"module 'gmt' has no attribute {name!r}")
