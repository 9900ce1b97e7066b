"""State what a gateway forwards to and how: upstream models, variants of the router, limits and keys, from one file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import BeforeValidator, Field
from pydantic.dataclasses import dataclass

from gmt.config.checked import RULES, Count, Name, NotNegative, Positive, Section, Whole, require
from gmt.config.strict_yaml import read_yaml
from gmt.errors import ConfigError

T = TypeVar("T", bound=Section)
Part = Annotated[float, Field(ge=0, le=1), BeforeValidator(lambda v: float(v) if isinstance(v, int) else v), "0 to 1"]
MaybePrice = Annotated[
    float | None,
    Field(ge=0, allow_inf_nan=False),
    BeforeValidator(lambda v: float(v) if isinstance(v, int) and not isinstance(v, bool) else v),
    "0 or more ($ per million tokens)",
]
TENANT = "[A-Za-z0-9_.-]{1,60}"
"""Pattern of the names of tenants."""
FORM = "expected models: {NAME: {url, key_env, …}}, and optionally variants, gateway and keys"


@dataclass(frozen=True, config=RULES)
class UpstreamModel(Section):
    """Say where one model answers."""

    name: ClassVar[str] = "models"
    url: Annotated[str, Field(pattern=r"^https?://[^\s@?#]+$"), "a base URL such as https://host/v1, without a user"]
    """Base URL, to which `/chat/completions` is added."""
    served_as: str | None = None
    """What the upstream calls the model; its name here by default."""
    key_env: Annotated[str | None, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$"), "a name of a variable"] = None
    """Environment variable that holds the upstream's API key."""
    input_price: MaybePrice = None
    """$ per million tokens read."""
    cached_price: MaybePrice = None
    """$ per million tokens read that the upstream has in its prompt cache; the input price by default."""
    output_price: MaybePrice = None
    """$ per million tokens written."""

    def key(self) -> str | None:
        """Return the API key, read from the environment at each call so that it can be changed."""
        return None if self.key_env is None else os.environ.get(self.key_env)


@dataclass(frozen=True, config=RULES)
class RouterVariant(Section):
    """Say how `gmt/auto:NAME` chooses."""

    name: ClassVar[str] = "variants"
    cost_weight: NotNegative = 0.0
    """Logits of preference that the dearest answer's cost takes away."""
    models: list[str] | None = None
    """The models to choose from; all by default."""


@dataclass(frozen=True, config=RULES)
class GatewaySettings(Section):
    """Say how the gateway decides, forwards and limits."""

    name: ClassVar[str] = "gateway"
    mode: Annotated[Literal["observe", "apply", "bypass"], Name] = "apply"
    """`apply`: gmt chooses; `observe`: answer as asked, write down what gmt would choose; `bypass`: no decision."""
    default_model: str | None = None
    """Answers `gmt/auto` where gmt does not choose; the first of the models by default."""
    fallback: bool = True
    """Ask the next best model where one cannot be reached, is too slow, or answers 408, 429 or 5xx."""
    tries: Count = 3
    """Models asked for one request at most."""
    connect_seconds: Positive = 5.0
    """Longest wait for a connection."""
    answer_seconds: Positive = 120.0
    """Longest wait for the first byte of an answer, and between two parts of it."""
    explore_share: Part = 0.0
    """Share of requests, or of people, that explore."""
    explore_by: Annotated[Literal["request", "user"], Name] = "request"
    """What `explore_share` is a share of."""
    explore_rate: Part = 0.5
    """How often somebody who explores by `user` is answered by a challenger."""
    stay_logits: NotNegative = 0.1
    """Logits of preference below which a conversation keeps its model."""
    logits_per_dollar: NotNegative = 10.0
    """Logits that a dollar is worth when the loss of a prompt cache is weighed."""
    body_bytes: Count = 8_000_000
    """Largest request."""
    requests_per_minute: Whole = 0
    """Requests of one key, or one address where there are no keys, per minute and process; 0 is no limit."""
    keep_hours: NotNegative = 168.0
    """How long a decision and the question in it are kept for feedback."""
    log_texts: bool = False
    """Write questions into the log; otherwise no text of a request is."""
    forward_user: bool = False
    """Pass the field `user` of routed requests on to upstreams."""


@dataclass(frozen=True, config=RULES)
class ApiKeyEntry(Section):
    """Name the holder of an API key by the key's hash."""

    name: ClassVar[str] = "keys"
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$"), "64 hex digits; gmt serve --new-key makes a key"]
    tenant: Annotated[str, Field(pattern=f"^{TENANT}$"), "1 to 60 letters, digits, '.', '_' or '-'"] = "main"
    admin: bool = False
    """May see the run's own users, and any tenant's."""


@dataclass(frozen=True)
class Pool(Section):
    """Hold everything a gateway's file states."""

    name: ClassVar[str] = "pool"
    models: Mapping[str, UpstreamModel]
    variants: Mapping[str, RouterVariant] = field(default_factory=dict)
    gateway: GatewaySettings = field(default_factory=GatewaySettings)
    keys: tuple[ApiKeyEntry, ...] = ()

    def __post_init__(self) -> None:
        require(bool(self.models), f"pool: there are no models; {FORM}")
        for name in self.models:
            require(
                0 < len(name) <= 200 and not name.startswith("gmt/") and name.isprintable() and name == name.strip(),
                f"models: {name!r} cannot name a model; expected a name that does not begin with gmt/",
            )
        named = [self.gateway.default_model] if self.gateway.default_model else []
        for variant, of in self.variants.items():
            require(bool(re.fullmatch(r"[A-Za-z0-9_.-]{1,60}", variant)), f"variants: {variant!r} is no plain word")
            require(of.models != [], f"variants.{variant}.models is empty; name some, or leave it out")
            named += of.models or []
        lost = sorted(set(named) - set(self.models))
        require(not lost, f"pool: {', '.join(lost)} is named and is none of the models; add it there")

    @property
    def default(self) -> str:
        """Return the model that answers where gmt does not choose."""
        return self.gateway.default_model or next(iter(self.models))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file.

        Raises:
            ConfigError: It is missing or unreadable, or a setting is unknown or out of range.
        """
        values = read_yaml(path, ConfigError, "name a YAML file with --pool; docs/serving.md shows one")
        if not isinstance(values, Mapping) or set(values) - {"models", "variants", "gateway", "keys"}:
            raise ConfigError(f"{path}: {FORM}")
        try:
            keys = values.get("keys") or []
            require(isinstance(keys, list), f"keys is {type(keys).__name__}; expected a list of tenant and sha256")
            return cls(
                _named(UpstreamModel, values.get("models"), "models"),
                _named(RouterVariant, values.get("variants") or {}, "variants"),
                _built(GatewaySettings, values.get("gateway") or {}, "gateway"),
                tuple(_built(ApiKeyEntry, entry, f"keys[{at}]") for at, entry in enumerate(keys)),
            )
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None


def _named(kind: type[T], values: Any, place: str) -> dict[str, T]:
    require(isinstance(values, Mapping), f"{place} is missing or no block; {FORM}")
    return {str(name): _built(kind, value or {}, f"{place}.{name}") for name, value in values.items()}


def _built(kind: type[T], values: Any, place: str) -> T:
    require(isinstance(values, Mapping), f"{place} is {values!r}; expected a block of settings")
    try:
        return kind(**{str(key): value for key, value in values.items()})
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from None
