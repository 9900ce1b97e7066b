"""Hold every setting of a run: what it may be (`settings`), and how files and `--set` state it (`reading`)."""

from gmt.config.reading import build_config, default_config, load_config, shipped_config
from gmt.config.settings import (
    EpisodeConfig,
    GraphConfig,
    ModelConfig,
    PosteriorConfig,
    RunConfig,
    StateConfig,
    TrainConfig,
    TraitsConfig,
    UtilityConfig,
    setting_names,
)

__all__ = [
    "EpisodeConfig",
    "GraphConfig",
    "ModelConfig",
    "PosteriorConfig",
    "RunConfig",
    "StateConfig",
    "TrainConfig",
    "TraitsConfig",
    "UtilityConfig",
    "build_config",
    "default_config",
    "load_config",
    "setting_names",
    "shipped_config",
]
