"""Hold the terms of the kernel between a user's votes apart, so that their amplitudes can be tried cheaply."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gmt.posterior.hierarchical_settings import HierarchicalSettings
from gmt.routing.protocol import ANY_QUERY, CONVERSATION, NEAR_QUERY, STYLE, TRAITS


@dataclass(frozen=True, eq=False)
class KernelTerms:
    """Hold the terms of a user's kernel before their amplitudes.

    K_ij = s · (x_iᵀ S x_j + (g · K_q(q_i, q_j) + g_c · [one conversation]) · δ_iᵀ C δ_j) + Σ_g a_g · φ_iᵀ φ_j,
    with C = ½ diag S + ½ S, δ = e_a - e_b, x = [δ, 1, Δf] and φ the difference of the answers' features of group g.

    Args:
        linear: (…, I, J) x_iᵀ S x_j.
        query: (…, I, J) the query-conditioned term, without g.
        features: (…, I, J) φ_iᵀ φ_j, one for each group of features.
        conversation: (…, I, J) the term of votes of one conversation, without g_c; None where it is not read.
    """

    linear: np.ndarray
    query: np.ndarray
    features: tuple[np.ndarray, ...]
    conversation: np.ndarray | None = None

    def blend(
        self,
        prior_scale: float,
        query_kernel_scale: float,
        variances: tuple[float, ...],
        conversation_scale: float = 0.0,
    ) -> np.ndarray:
        """Return the kernel.

        Args:
            prior_scale: s, what S is multiplied by.
            query_kernel_scale: g.
            variances: a, one for each group of features; groups beyond them are left out.
            conversation_scale: g_c.
        """
        # A copy where nothing is added, for what follows is in place and the terms are used again.
        out = self.linear + query_kernel_scale * self.query if query_kernel_scale else self.linear.copy()
        if conversation_scale and self.conversation is not None:
            out += conversation_scale * self.conversation
        out *= prior_scale
        # Features have variances of their own, so the scale of S is applied before they join.
        for variance, term in zip(variances, self.features, strict=False):
            if variance:
                out += variance * term
        return out

    def parts(self, settings: HierarchicalSettings) -> dict[str, np.ndarray]:
        """Return the terms with their amplitudes, which add up to the kernel, under the names of `Explained`.

        Terms of amplitude 0 are left out.
        """
        prior, groups = settings.prior_scale, zip((STYLE, TRAITS), settings.feature_variances, strict=True)
        found = {ANY_QUERY: prior * self.linear}
        if settings.query_kernel_scale:
            found[NEAR_QUERY] = prior * settings.query_kernel_scale * self.query
        if settings.conversation_scale and self.conversation is not None:
            found[CONVERSATION] = prior * settings.conversation_scale * self.conversation
        # Groups beyond the variances are left out, and a router without learned traits has one group only.
        for (name, variance), term in zip(groups, self.features, strict=False):
            if variance:
                found[name] = variance * term
        return found

    def weighted(self, weight: np.ndarray) -> KernelTerms:
        """Return every term times a (…, I, J) weight, elementwise."""
        talk = None if self.conversation is None else self.conversation * weight
        features = tuple(term * weight for term in self.features)
        return KernelTerms(self.linear * weight, self.query * weight, features, talk)


def blended(terms: KernelTerms, settings: HierarchicalSettings) -> np.ndarray:
    """Return the (…, I, J) kernel with the amplitudes of settings."""
    return terms.blend(
        settings.prior_scale, settings.query_kernel_scale, settings.feature_variances, settings.conversation_scale
    )


def query_kernel_covariance(covariance: np.ndarray, models: int) -> np.ndarray:
    """Return C = ½ diag S + ½ S, the (M, M) covariance of what a user adds to models on one kind of query only.

    Half of it is shared between models as S shares it; half is a model's own, for a user may prefer it for one kind
    of query without preferring its relatives.

    Args:
        covariance: S over models, then what stands behind them.
        models: M.
    """
    own = covariance[:models, :models]
    return 0.5 * np.diag(np.diag(own)) + 0.5 * own


def precision(kernel: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return (B, T, T) I + W K."""
    out, own = weight[:, :, None] * kernel, np.arange(kernel.shape[1])
    # Added on the diagonal in place: an identity for every user would take as much memory as K.
    out[:, own, own] += 1
    return out
