"""Begin traits where the fitted posterior stands, so that training can only learn more."""

from __future__ import annotations

import numpy as np
import torch

from gmt.config import TraitsConfig
from gmt.data.dataset import Dataset
from gmt.errors import DataError
from gmt.model.answer_encoder import AnswerEncoder
from gmt.model.trait_network import TraitNetwork
from gmt.posterior.hierarchical import HierarchicalBradleyTerry

SHARE_OF_COVARIANCE = 0.5
"""Share of S that the traits start with; the rest stays with the posterior's own kernel."""
RESIDUAL_NOISE = 0.02
"""Deviation that keeps traits which start alike from learning alike."""
LEAST_QUERY_SCALE, LEAST_STYLE = 0.1, 0.01
"""Amplitudes are learned as logarithms, which cannot leave 0; these are where a term that fit chose as 0 starts."""


def initial_traits(router: HierarchicalBradleyTerry, train: Dataset, config: TraitsConfig) -> TraitNetwork:
    """Start from what S already says of the models: half its strongest directions become traits.

    Raises:
        DataError: The posterior was not fitted.
    """
    if router.query_centre is None or router.model_centre is None:
        raise DataError("the posterior was not fitted; fit it before its traits are learned")
    vectors, models = train.vectors.shape[1], len(train.table.models)
    network = TraitNetwork(vectors, models, config.count, len(train.table.tasks))
    network.get_buffer("query_centre").copy_(torch.from_numpy(router.query_centre))
    network.get_buffer("model_centre").copy_(torch.from_numpy(router.model_centre))
    settings = router.settings
    # Behind the models S has position bias, discrimination and leniency, which are no traits of models.
    size, basis = np.linalg.eigh(router.user_covariance(train)[:models, :models])
    kept = min(config.count, models)
    scale = np.sqrt(np.maximum(SHARE_OF_COVARIANCE * settings.prior_scale * size[-kept:], 0))
    own = torch.zeros(models, config.count)
    own[:, :kept] = torch.from_numpy(basis[:, -kept:] * scale)
    network.residual.data.copy_(own + RESIDUAL_NOISE * torch.randn(own.shape))
    # A term that is switched off starts at log 0 = -inf, which no step moves.
    query = max(settings.query_kernel_scale, LEAST_QUERY_SCALE) if router.start.query_kernel_scale else 0.0
    begin = torch.tensor([SHARE_OF_COVARIANCE * settings.prior_scale, query, max(settings.style_variance, LEAST_STYLE)])
    network.log_amplitudes.data.copy_(begin.log())
    # Drawn last, so that all else begins alike with and without messages.
    if config.layers:
        network.listen(AnswerEncoder(vectors, config.width, config.heads, config.layers))
    return network
