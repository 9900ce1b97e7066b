"""Name every rival that a table prints, and make it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

from gmt.errors import ConfigError
from gmt.routing.protocol import RoutingMethod


@dataclass(frozen=True)
class Maker:
    """Make one kind of router; its module is imported only then.

    Args:
        module, kind: Where its class stands and what it is called.
        seeded: Whether its constructor takes a seed.
        personal: Whether two users may get different scores for one question.
    """

    module: str
    kind: str
    seeded: bool = False
    personal: bool = True

    def __call__(self, seed: int = 0) -> RoutingMethod:
        """Return an unfitted router."""
        # PyTorch and scikit-learn are slow to import, and most rivals need neither.
        kind = getattr(import_module(self.module), self.kind)
        return kind(seed) if self.seeded else kind()


RIVALS: dict[str, Maker] = {
    "random": Maker("gmt.rivals.chance", "Random", seeded=True, personal=False),
    "constant": Maker("gmt.rivals.chance", "Constant", personal=False),
    "best_single": Maker("gmt.rivals.mean_ratings", "BestSingle", personal=False),
    "model_mean": Maker("gmt.rivals.mean_ratings", "ModelMean", personal=False),
    "bradley_terry": Maker("gmt.rivals.bradley_terry", "BradleyTerry", personal=False),
    "user_mean": Maker("gmt.rivals.mean_ratings", "UserMean"),
    "user_bradley_terry": Maker("gmt.rivals.bradley_terry", "UserBradleyTerry"),
    "knn": Maker("gmt.rivals.nearest_questions", "NearestQuestions"),
    "user_elo": Maker("gmt.rivals.elo", "UserElo"),
    "low_rank": Maker("gmt.rivals.factor_models", "LowRank"),
    "matrix_factorisation": Maker("gmt.rivals.factor_models", "MatrixFactorisation", personal=False),
    "factorisation_machine": Maker("gmt.rivals.factor_models", "FactorisationMachine"),
    "user_task_mean": Maker("gmt.rivals.mean_ratings", "UserTaskMean"),
    "ridge": Maker("gmt.rivals.ridge", "Ridge"),
    "boosted_trees": Maker("gmt.rivals.boosted_trees", "BoostedTrees", seeded=True),
    "factorisation_machine_answers": Maker("gmt.rivals.factors_on_answers", "FactorisationMachineAnswers"),
    "ridge_answers": Maker("gmt.rivals.ridge_on_answers", "RidgeAnswers"),
    "boosted_trees_answers": Maker("gmt.rivals.trees_on_answers", "BoostedTreesAnswers", seeded=True),
    "dual_contrastive": Maker("gmt.rivals.contrastive", "DualContrastive", seeded=True, personal=False),
    "cascade": Maker("gmt.rivals.cascade", "Cascade"),
    "quality_gap": Maker("gmt.rivals.quality_gap", "QualityGap"),
    "graph_router": Maker("gmt.rivals.propagation", "GraphPropagation", personal=False),
    "hierarchical_bradley_terry": Maker("gmt.posterior.hierarchical", "HierarchicalBradleyTerry"),
}


def make_router(name: str, seed: int = 0) -> RoutingMethod:
    """Return an unfitted rival by name.

    Raises:
        ConfigError: There is no such rival.
    """
    if name not in RIVALS:
        raise ConfigError(f"there is no baseline {name!r}; expected one of {', '.join(RIVALS)}")
    return RIVALS[name](seed)
