"""Hold every setting of a run: frozen, documented, checked, read from YAML."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

from gmt.errors import ConfigError


def _require(ok: bool, message: str) -> None:
    if not ok:
        raise ConfigError(message)


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    _require(value in allowed, f"{name} is {value!r}; expected one of {', '.join(allowed)}")


@dataclass(frozen=True)
class GraphConfig:
    """Say what the graph shows of the past."""

    schema: str = "turns"
    """`turns`: users, turns, queries, responses and llms; `outcomes`: users, tasks, queries and llms whose edges carry
    outcomes, for single-turn data."""
    turn_edges: bool = True
    """Join each turn to the next of its conversation, forward in time."""
    conversation: bool = True
    """Show the earlier rounds of the conversation that is asked, as text."""
    history_limit: int = 400
    """Most recent comparisons of a person that enter the graph."""
    texts: bool = True
    """Read what queries, models and answers say; off leaves codes, and of answers their form such as length."""

    def __post_init__(self) -> None:
        _one_of("graph.schema", self.schema, ("turns", "outcomes"))
        _require(self.history_limit >= 1, f"graph.history_limit is {self.history_limit}; expected at least 1")


@dataclass(frozen=True)
class ModelConfig:
    """Shape the encoder and the head."""

    width: int = 96
    """D, the width of node states; a multiple of the heads."""
    heads: int = 4
    """Attention heads of encoder and head."""
    layers: int = 2
    """Rounds of message passing; 0 reads initial states only."""
    hidden: int = 64
    """Width inside the head; a multiple of the heads."""
    dropout: float = 0.1
    """Share of activations dropped in training."""
    history: str = "graph"
    """`graph`: `layers` rounds of messages between turns and people; `pooled`: the mean of a person's bound turns,
    no messages; `apart`: no turn nodes, the means of all queries, answers and models a person met, each by itself."""
    bind: bool = True
    """Start each turn from rating x model, rating x query x model and rating x answer."""
    strengths: bool = True
    """Add an explicit strength per model: a prior from its text plus a learned residual."""
    query_terms: bool = True
    """Add a question x model term read from the texts."""
    residual_dropout: float = 0.2
    """Chance in training that a model's learned residual is hidden, so that its text must serve."""
    backend: str = "turn"
    """`turn` computes the encoder by what a turn graph is; `pyg` by PyTorch Geometric's HGTConv, the same but slow."""

    def __post_init__(self) -> None:
        _require(self.heads >= 1, f"model.heads is {self.heads}; expected at least 1")
        for name, size in [("width", self.width), ("hidden", self.hidden)]:
            _require(
                size > 0 and size % self.heads == 0,
                f"model.{name} is {size} and model.heads is {self.heads}; the {name} must be a multiple of the heads, "
                f"e.g. {max(size // self.heads, 1) * self.heads}",
            )
        _require(0 <= self.layers <= 8, f"model.layers is {self.layers}; expected 0 to 8")
        for name in ("dropout", "residual_dropout"):
            _require(0 <= getattr(self, name) < 1, f"model.{name} is {getattr(self, name)}; expected 0 up to below 1")
        _one_of("model.backend", self.backend, ("turn", "pyg"))
        _one_of("model.history", self.history, ("graph", "pooled", "apart"))
        _require(
            self.bind or self.history != "pooled",
            "model.history is 'pooled' and model.bind false; there are no bound turns to pool, set model.bind=true",
        )


@dataclass(frozen=True)
class EpisodeConfig:
    """Say what a training step shows and asks."""

    users: int = 24
    """People per step."""
    targets: int = 12
    """Comparisons asked per person and step, at most."""
    asked_pairs: int = 0
    """Comparisons asked per step over all people, at most; 0 sets no bound."""
    history: int = 60
    """Comparisons shown per person, at most."""
    history_length: str = "varied"
    """`varied`: drawn from none up to `history`; `fixed`: always `history`."""

    def __post_init__(self) -> None:
        for name in ("users", "targets", "history"):
            _require(getattr(self, name) >= 1, f"episode.{name} is {getattr(self, name)}; expected at least 1")
        _require(self.asked_pairs >= 0, f"episode.asked_pairs is {self.asked_pairs}; expected 0 or more")
        _one_of("episode.history_length", self.history_length, ("varied", "fixed"))


@dataclass(frozen=True)
class TrainConfig:
    """Say how long and how fast to learn."""

    steps: int = 600
    """Optimiser steps at most."""
    lr: float = 2e-3
    """Peak learning rate of AdamW."""
    weight_decay: float = 0.02
    """Decoupled weight decay."""
    warmup: int = 20
    """Steps until the peak learning rate."""
    schedule: str = "cosine"
    """`cosine` decays to a tenth; `constant` stays."""
    eval_every: int = 50
    """Steps between validations; each writes checkpoints and a line of metrics.jsonl."""
    patience: int = 4
    """Validations without a better result before training stops; 0 never stops early."""
    select: str = "auc"
    """What validation chooses weights by: `auc` of pairs, or `reward` of the choices among all candidates."""
    loss: str = "pairwise"
    """`pairwise`: which of two is better; `choice`: which of all is best; `reward`: how much better."""
    ties: str = "half"
    """`half`: a tie pulls the scores together; `ignore`: ties teach nothing."""
    clip: float = 1.0
    """Largest gradient norm."""
    accumulate: int = 1
    """Steps whose gradients are added before an update."""
    precision: str = "no"
    """Mixed precision as Accelerate names it."""

    def __post_init__(self) -> None:
        _require(self.steps >= 1, f"train.steps is {self.steps}; expected at least 1")
        _require(self.lr > 0, f"train.lr is {self.lr}; expected above 0")
        for name in ("weight_decay", "warmup", "patience"):
            _require(getattr(self, name) >= 0, f"train.{name} is {getattr(self, name)}; expected 0 or more")
        _require(self.clip > 0, f"train.clip is {self.clip}; expected above 0")
        _require(self.eval_every >= 1, f"train.eval_every is {self.eval_every}; expected at least 1")
        _require(self.accumulate >= 1, f"train.accumulate is {self.accumulate}; expected at least 1")
        _require(
            self.eval_every % self.accumulate == 0,
            f"train.eval_every is {self.eval_every} and train.accumulate is {self.accumulate}; validate after whole "
            f"updates, e.g. every {self.accumulate * max(self.eval_every // self.accumulate, 1)}",
        )
        _one_of("train.schedule", self.schedule, ("cosine", "constant"))
        _one_of("train.loss", self.loss, ("pairwise", "choice", "reward"))
        _one_of("train.select", self.select, ("auc", "reward"))
        _one_of("train.ties", self.ties, ("half", "ignore"))
        _one_of("train.precision", self.precision, ("no", "fp16", "bf16"))


@dataclass(frozen=True)
class PosteriorConfig:
    """Say what the closed-form half of the router does."""

    enabled: bool = True
    """Score with a hierarchical Bayesian posterior; the network adds what validation says it knows beyond."""
    answers: bool = True
    """Read the answers that the visible history holds; off, and `drift` off, gives the rival
    `hierarchical_bradley_terry` exactly."""
    network: bool = True
    """Train the graph network beside it; off leaves the posterior alone."""
    query_quality: bool = True
    """Let the worth of a model's answer differ between queries; off leaves a strength, and what answers look like."""
    query_kernel: bool = True
    """Count a person's votes on similar queries more."""
    discrimination: bool = True
    """Let some people's votes follow the worth of answers more than others'."""
    user_effects: bool = True
    """Let people differ at all; off ranks alike for everybody and needs `traits.enabled` off."""
    cost: bool = False
    """Let people differ in how much they mind what an answer costs, beside their taste; reads the column `cost`."""
    drift: bool = True
    """Let validation decide whether tastes wander, so that newer votes count more, where votes carry times."""

    def __post_init__(self) -> None:
        _require(
            self.enabled or self.network,
            "posterior.enabled and posterior.network are both false; nothing would be left to score with",
        )
        _require(
            self.answers or not self.cost,
            "posterior.cost is true and posterior.answers false; cost is read beside the answers, set "
            "posterior.answers=true",
        )


@dataclass(frozen=True)
class TraitsConfig:
    """Say how the traits that people may like are learned."""

    enabled: bool = True
    """Learn traits of models and queries through the posterior's solve; validation decides whether they join."""
    count: int = 16
    """Most traits; half and a quarter of it are tried too, and validation chooses."""
    networks: int = 3
    """How many networks, each of other weights and folds, share the kernel of the chosen size."""
    steps: int = 400
    """Optimiser steps of each."""
    users: int = 64
    """People per step."""
    lr: float = 0.02
    """Peak learning rate."""
    weight_decay: float = 0.01
    """Decoupled weight decay of the models' traits."""
    query_decay: float = 0.05
    """Decoupled weight decay of what a query does to their weight."""

    def __post_init__(self) -> None:
        for name in ("count", "networks", "steps", "users"):
            _require(getattr(self, name) >= 1, f"traits.{name} is {getattr(self, name)}; expected at least 1")
        _require(self.lr > 0, f"traits.lr is {self.lr}; expected above 0")
        for name in ("weight_decay", "query_decay"):
            _require(getattr(self, name) >= 0, f"traits.{name} is {getattr(self, name)}; expected 0 or more")


@dataclass(frozen=True)
class UtilityConfig:
    """Say whether quality and cost are told apart, and how people weigh them."""

    enabled: bool = False
    """Score by α · quality − (1 − α) · cost with α inferred for every person, in place of the hierarchical posterior;
    needs rows with `cost`."""
    half_life: float = 0.0
    """Rated comparisons after which one counts half in a person's α, for people who change; 0: all count alike."""

    def __post_init__(self) -> None:
        _require(self.half_life >= 0, f"utility.half_life is {self.half_life}; expected 0 or more")


@dataclass(frozen=True)
class RunConfig:
    """Hold every setting of a run."""

    graph: GraphConfig = field(default_factory=GraphConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    episode: EpisodeConfig = field(default_factory=EpisodeConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    posterior: PosteriorConfig = field(default_factory=PosteriorConfig)
    traits: TraitsConfig = field(default_factory=TraitsConfig)
    utility: UtilityConfig = field(default_factory=UtilityConfig)
    seed: int = 0

    def __post_init__(self) -> None:
        _require(0 <= self.seed < 2**32, f"seed is {self.seed}; expected 0 up to {2**32 - 1}")
        _require(
            self.posterior.user_effects or not self.traits.enabled or not self.posterior.enabled,
            "posterior.user_effects is false and traits.enabled true; traits are what users like, set "
            "traits.enabled=false",
        )

        _require(
            self.posterior.enabled or not self.utility.enabled,
            "utility.enabled is true and posterior.enabled false; the utility stands in the posterior's place, set "
            "posterior.enabled=true",
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain nested dictionaries, as written to config.yaml."""
        return dataclasses.asdict(self)


RENAMED = {
    "taste": "traits",
    "traits.traits": "traits.count",
    "posterior.cells": "posterior.query_quality",
    "posterior.memory": "posterior.query_kernel",
    "posterior.reliability": "posterior.discrimination",
    "posterior.people": "posterior.user_effects",
    "model.cells": "model.query_terms",
}
"""Settings of runs made before 0.2 and what they are called now; both are read."""


def _renamed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested values with the names that settings have now."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        section = RENAMED.get(key, key)
        if isinstance(value, Mapping):
            value = {RENAMED.get(f"{section}.{name}", f".{name}").rpartition(".")[2]: of for name, of in value.items()}
        found[section] = value
    return found


def build_config(values: Mapping[str, Any], source: str = "config") -> RunConfig:
    """Build a `RunConfig` from nested values.

    Raises:
        ConfigError: A key is unknown (the nearest name is given) or a value is of the wrong type or range.
    """
    return _build(RunConfig, _renamed(values) if isinstance(values, Mapping) else values, source, "")


def _build(kind: type, values: Mapping[str, Any], source: str, prefix: str) -> Any:
    if not isinstance(values, Mapping):
        raise ConfigError(f"{source}: {prefix.rstrip('.') or 'the file'} is {values!r}; expected a block of settings")
    known = {item.name: item for item in fields(kind)}
    defaults = kind()
    arguments: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            raise ConfigError(f"{source}: there is no setting {prefix}{key}. {_nearest(f'{prefix}{key}')}")
        current = getattr(defaults, key)
        if is_dataclass(current):
            arguments[key] = _build(type(current), value, source, f"{prefix}{key}.")
        else:
            arguments[key] = _typed(current, value, source, f"{prefix}{key}")
    try:
        return kind(**arguments)
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from None


def _typed(current: Any, value: Any, source: str, name: str) -> Any:
    if isinstance(current, float) and not isinstance(value, bool):
        try:
            return float(value)  # YAML 1.1 reads 2e-3 as text
        except (TypeError, ValueError):
            pass
    elif isinstance(current, str) and isinstance(value, bool):
        return "yes" if value else "no"  # YAML 1.1 reads these words as truth values
    elif type(value) is type(current):
        return value
    wanted = {"bool": "true or false", "int": "a whole number", "float": "a number", "str": "a name"}
    raise ConfigError(f"{source}: {name} is {value!r}; expected {wanted[type(current).__name__]}")


def setting_names(config: RunConfig | None = None) -> list[str]:
    """Return every setting as `section.key`."""
    names: list[str] = []
    for key, value in (config or RunConfig()).to_dict().items():
        names += [f"{key}.{inner}" for inner in value] if isinstance(value, dict) else [key]
    return names


def _nearest(name: str) -> str:
    inside = [full for full in setting_names() if full.startswith(f"{name}.")]
    if inside:
        return f"It is a section; name a setting of it, e.g. {inside[0]}."
    sections = sorted({full.split(".")[0] for full in setting_names()})
    close = difflib.get_close_matches(name, setting_names() + sections, n=1, cutoff=0.5)
    return f"Did you mean {close[0]}?" if close else f"The sections are {', '.join(sections)}."


def default_config() -> Path:
    """Return configs/default.yaml of the folder one stands in, or the copy that ships with gmt."""
    here = Path("configs/default.yaml")
    return here if here.is_file() else shipped_config("default")


def shipped_config(name: str = "") -> Path:
    """Return a config that ships with gmt, from the wheel or from the checkout; without a name, their folder."""
    inside = Path(__file__).parent / "configs"
    folder = inside if inside.is_dir() else Path(__file__).parent.parent / "configs"
    return folder / f"{name}.yaml" if name else folder


def load_config(path: Path | None, overrides: Iterable[str] = (), seed: int | None = None) -> RunConfig:
    """Read a YAML file that states what differs from the defaults, then apply `section.key=value` overrides.

    Raises:
        ConfigError: The file is missing or unreadable, or a setting is unknown or out of range.
    """
    import yaml

    values: dict[str, Any] = {}
    if path is not None:
        if not path.is_file():
            raise ConfigError(f"{path} does not exist; name a YAML file such as configs/default.yaml")
        try:
            values = yaml.safe_load(path.read_text("utf-8")) or {}
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} is not YAML ({' '.join(str(error).split())}); mend the line it names") from error
    config = build_config(values, path.name if path else "defaults")
    merged = config.to_dict()
    for override in overrides:
        name, equals, text = override.partition("=")
        section, _, key = name.strip().partition(".")
        if not equals:
            raise ConfigError(f"--set {override}: expected section.key=value, e.g. train.lr=0.001")
        if name.strip() not in setting_names():
            raise ConfigError(f"--set: there is no setting {name.strip()}. {_nearest(name.strip())}")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            raise ConfigError(f"--set {override}: {text!r} is no value; expected e.g. train.lr=0.001") from None
        if key:
            merged[section][key] = value
        else:
            merged[section] = value
    if seed is not None:
        merged["seed"] = seed
    return build_config(merged, "--set" if overrides else "config")
