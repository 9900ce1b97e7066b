"""State every setting of a run: its default, its range, and what it does."""

from __future__ import annotations

from dataclasses import asdict, field
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from gmt.config.checked import RULES, Count, Name, NotNegative, Positive, Section, Share, Whole, require


@dataclass(frozen=True, config=RULES)
class GraphConfig(Section):
    """Say what the graph shows of the past."""

    name: ClassVar[str] = "graph"
    schema: Annotated[Literal["turns", "outcomes"], Name] = "turns"
    """`turns`: users, turns, queries, responses and llms; `outcomes`: users, tasks, queries and llms whose edges carry
    outcomes, for single-turn data."""
    turn_edges: bool = True
    """Join each turn to the next of its conversation, forward in time."""
    conversation: bool = True
    """Show the earlier rounds of the target's conversation, as text."""
    history_limit: Count = 400
    """Most recent comparisons of a user that enter the graph."""
    texts: bool = True
    """Read what queries, models and answers say; off leaves codes, and of answers their form such as length."""


@dataclass(frozen=True, config=RULES)
class ModelConfig(Section):
    """Shape the encoder and the head."""

    name: ClassVar[str] = "model"
    width: Annotated[int, Field(le=8192), "at most 8192"] = 96
    """D, the width of node states; a multiple of the heads."""
    heads: Count = 4
    """Attention heads of encoder and head."""
    layers: Annotated[int, Field(ge=0, le=8), "0 to 8"] = 2
    """Rounds of message passing; 0 reads initial states only."""
    hidden: Annotated[int, Field(le=8192), "at most 8192"] = 64
    """Width inside the head; a multiple of the heads."""
    dropout: Share = 0.1
    """Share of activations dropped in training."""
    history: Annotated[Literal["graph", "pooled", "apart"], Name] = "graph"
    """`graph`: `layers` rounds of messages between turns and users; `pooled`: the mean of a user's bound turns,
    no messages; `apart`: no turn nodes, the means of all queries, answers and models a user met, each by itself."""
    bind: bool = True
    """Start each turn from rating x model, rating x query x model and rating x answer."""
    strengths: bool = True
    """Add an explicit strength per model: a prior from its text plus a learned residual."""
    query_terms: bool = True
    """Add a question x model term read from the texts."""
    residual_dropout: Share = 0.2
    """Chance in training that a model's learned residual is hidden, so that its text must serve."""
    backend: Annotated[Literal["turn", "pyg"], Name] = "turn"
    """`turn` computes the encoder by what a turn graph is; `pyg` by PyTorch Geometric's HGTConv, the same but slow."""

    @model_validator(mode="after")
    def _together(self) -> Self:
        for name, size in (("width", self.width), ("hidden", self.hidden)):
            require(
                size > 0 and size % self.heads == 0,
                f"model.{name} is {size} and model.heads is {self.heads}; the {name} must be a multiple of the heads, "
                f"e.g. {max(size // self.heads, 1) * self.heads}",
            )
        require(
            self.bind or self.history != "pooled",
            "model.history is 'pooled' and model.bind false; there are no bound turns to pool, set model.bind=true",
        )
        return self


@dataclass(frozen=True, config=RULES)
class EpisodeConfig(Section):
    """Say what a training step shows and asks."""

    name: ClassVar[str] = "episode"
    users: Count = 24
    """Users per step."""
    targets: Count = 12
    """Target comparisons per user and step, at most."""
    target_pairs: Whole = 0
    """Target comparisons per step over all users, at most; 0 sets no bound."""
    history: Count = 60
    """Comparisons shown per user, at most."""
    history_length: Annotated[Literal["varied", "fixed"], Name] = "varied"
    """`varied`: drawn from none up to `history`; `fixed`: always `history`."""


@dataclass(frozen=True, config=RULES)
class TrainConfig(Section):
    """Say how long and how fast to learn."""

    name: ClassVar[str] = "train"
    steps: Count = 600
    """Optimiser steps at most."""
    lr: Positive = 2e-3
    """Peak learning rate of AdamW."""
    weight_decay: NotNegative = 0.02
    """Decoupled weight decay."""
    warmup: Whole = 20
    """Steps until the peak learning rate."""
    schedule: Annotated[Literal["cosine", "constant"], Name] = "cosine"
    """`cosine` decays to a tenth; `constant` stays."""
    eval_every: Count = 50
    """Steps between validations; each writes checkpoints and a line of metrics.jsonl."""
    patience: Whole = 4
    """Validations without a better result before training stops; 0 never stops early."""
    select: Annotated[Literal["auc", "reward"], Name] = "auc"
    """What validation chooses weights by: `auc` of pairs, or `reward` of the choices among all candidates."""
    loss: Annotated[Literal["pairwise", "choice", "reward"], Name] = "pairwise"
    """`pairwise`: which of two is better; `choice`: which of all is best; `reward`: how much better."""
    ties: Annotated[Literal["half", "ignore"], Name] = "half"
    """`half`: a tie pulls the scores together; `ignore`: ties teach nothing."""
    clip: Positive = 1.0
    """Largest gradient norm."""
    accumulate: Count = 1
    """Steps whose gradients are added before an update."""
    precision: Annotated[Literal["no", "fp16", "bf16"], Name] = "no"
    """Mixed precision as Accelerate names it."""
    tracker: Annotated[Literal["none", "tensorboard", "wandb", "mlflow"], Name] = "none"
    """Where losses and validations are logged too, through Accelerate: a folder `tracking` beside the run, W&B or
    MLflow. The tracker's package must be installed."""

    @model_validator(mode="after")
    def _together(self) -> Self:
        require(
            self.eval_every % self.accumulate == 0,
            f"train.eval_every is {self.eval_every} and train.accumulate is {self.accumulate}; validate after whole "
            f"updates, e.g. every {self.accumulate * max(self.eval_every // self.accumulate, 1)}",
        )
        return self


@dataclass(frozen=True, config=RULES)
class PosteriorConfig(Section):
    """Say what the closed-form half of the router does."""

    name: ClassVar[str] = "posterior"
    enabled: bool = True
    """Score with a hierarchical Bayesian posterior; the network adds what validation says it knows beyond."""
    answers: bool = True
    """Read the answers that the visible history holds; off, and `drift`, `conversation` and `tie_widths` off, gives the
    rival `hierarchical_bradley_terry` exactly."""
    network: bool = False
    """Train a second graph network beside it, joined by a weight, or alone where `enabled` is off: the published
    designs. Without it the graph is read by the learned traits, inside the posterior."""
    query_quality: bool = True
    """Let the quality of a model's answer differ between queries; off leaves a strength, and what answers look like."""
    query_kernel: bool = True
    """Count a user's votes on similar queries more."""
    discrimination: bool = True
    """Let some users' votes follow answer quality more than others'."""
    user_effects: bool = True
    """Let users differ at all; off ranks alike for everybody and needs `traits.enabled` off."""
    tie_widths: bool = True
    """Let validation decide whether a tie is half a win or a difference too small for its voter, each user with a width
    of their own; off, half a win."""
    cost: bool = False
    """Let users differ in how much they mind what an answer costs, beside their taste; reads the column `cost`."""
    drift: bool = True
    """Let validation decide whether tastes drift, so that newer votes count more, where votes carry times."""
    conversation: bool = True
    """Let validation decide how queries are read with what came before them, and how much more ratings of the same
    conversation count, where conversations have several rounds."""

    @model_validator(mode="after")
    def _together(self) -> Self:
        require(
            self.enabled or self.network,
            "posterior.enabled and posterior.network are both false; nothing would be left to score with, set "
            "posterior.network=true",
        )
        require(
            self.answers or not self.cost,
            "posterior.cost is true and posterior.answers false; cost is read beside the answers, set "
            "posterior.answers=true",
        )
        return self


@dataclass(frozen=True, config=RULES)
class TraitsConfig(Section):
    """Say how the traits that users may like are learned."""

    name: ClassVar[str] = "traits"
    enabled: bool = True
    """Learn traits of answers through the posterior's solve; validation decides whether they join."""
    count: Count = 16
    """Most traits; fewer are tried too, and validation chooses."""
    networks: Count = 3
    """How many networks, each of other weights and folds, share the kernel of the chosen size."""
    layers: Annotated[int, Field(ge=0, le=8), "0 to 8"] = 2
    """Rounds of messages over the graph of queries, answers, models and earlier turns; 0 reads texts alone."""
    width: Annotated[int, Field(ge=1, le=8192), "1 to 8192"] = 32
    """D, the width of node states; a multiple of the heads."""
    heads: Count = 4
    """Attention heads of a layer."""
    steps: Count = 200
    """Optimiser steps of each at most."""
    users: Count = 64
    """Users per step."""
    lr: Positive = 0.05
    """Peak learning rate."""
    text_rate: Positive = 0.1
    """Share of the learning rate that what reads texts, and the layers of messages, have; the codes of models and tasks
    have all of it."""
    weight_decay: NotNegative = 0.1
    """Decoupled weight decay of the traits of models and of what a task does to their weight."""
    text_decay: NotNegative = 0.5
    """Decoupled weight decay of what reads texts, and of the layers of messages."""
    averaging: Share = 0.9
    """Share of the running mean of the weights that a step keeps; 0 takes the weights of the last step."""
    eval_every: Count = 25
    """Steps between validations."""
    patience: Count = 3
    """Validations without a better result before training stops."""

    @model_validator(mode="after")
    def _together(self) -> Self:
        require(
            self.width % self.heads == 0,
            f"traits.width is {self.width} and traits.heads is {self.heads}; the width must be a multiple of the "
            f"heads, e.g. {max(self.width // self.heads, 1) * self.heads}",
        )
        return self


@dataclass(frozen=True, config=RULES)
class UtilityConfig(Section):
    """Say whether quality and cost are told apart, and how users weigh them."""

    name: ClassVar[str] = "utility"
    enabled: bool = False
    """Score by α · quality − (1 − α) · cost with α inferred for every user, in place of the hierarchical posterior;
    needs rows with `cost`."""
    half_life: NotNegative = 0.0
    """Rated comparisons after which one counts half in a user's α, for users who change; 0: all count alike."""


@dataclass(frozen=True, config=RULES)
class RoutingConfig(Section):
    """Say what counts beside preference when a run is asked for a model."""

    name: ClassVar[str] = "routing"
    stay: NotNegative = 0.0
    """Logits of preference that one unit of a switch's cost takes away within a conversation; a unit is what a thousand
    tokens cost to read at the dearest candidate's input price. 0: the best model is chosen in every round."""
    switch_cost: NotNegative = 1.0
    """Units that a switch costs beside reading the conversation anew, for models that declare no `switch_cost`."""


@dataclass(frozen=True, config=RULES)
class StateConfig(Section):
    """Say where what people tell a run after training is kept, and how much of it."""

    name: ClassVar[str] = "state"
    url: str | None = None
    """Database, such as `postgresql://user@host/name`; none: `state.db` in the run folder. `--state` and the
    environment variable GMT_STATE come before it."""
    texts: bool = True
    """Keep users' texts, of the trained history and of what is added; else vectors, hashes and lengths alone
    (`--no-texts`)."""


@dataclass(frozen=True, config=RULES)
class RunConfig(Section):
    """Hold every setting of a run."""

    graph: GraphConfig = field(default_factory=GraphConfig)
    """What the graph shows."""
    model: ModelConfig = field(default_factory=ModelConfig)
    """The network's shape."""
    episode: EpisodeConfig = field(default_factory=EpisodeConfig)
    """What a training step shows and asks."""
    train: TrainConfig = field(default_factory=TrainConfig)
    """How the network learns."""
    posterior: PosteriorConfig = field(default_factory=PosteriorConfig)
    """The closed-form half."""
    traits: TraitsConfig = field(default_factory=TraitsConfig)
    """Learned traits."""
    utility: UtilityConfig = field(default_factory=UtilityConfig)
    """Quality against cost."""
    routing: RoutingConfig = field(default_factory=RoutingConfig)
    """What counts beside preference when a model is chosen."""
    state: StateConfig = field(default_factory=StateConfig)
    """What people tell the run after training."""
    seed: Annotated[int, Field(ge=0, lt=2**32), f"0 up to {2**32 - 1}"] = 0
    """Seed of everything drawn."""

    @model_validator(mode="after")
    def _together(self) -> Self:
        require(
            self.posterior.user_effects or not self.traits.enabled or not self.posterior.enabled,
            "posterior.user_effects is false and traits.enabled true; traits are what users like, set "
            "traits.enabled=false",
        )
        require(
            self.posterior.enabled or not self.utility.enabled,
            "utility.enabled is true and posterior.enabled false; the utility stands in the posterior's place, set "
            "posterior.enabled=true",
        )
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return plain nested dictionaries, as written to config.yaml."""
        return asdict(self)


def setting_names() -> list[str]:
    """Return every setting as `section.key`, or its bare name where it stands in no section."""
    names: list[str] = []
    for key, value in RunConfig().to_dict().items():
        names += [f"{key}.{inner}" for inner in value] if isinstance(value, dict) else [key]
    return names


Section.known = tuple(setting_names())  # the sections are built on it, so it cannot import their names
