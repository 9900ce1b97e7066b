"""Differentiate the solve for user effects, so that what shapes their kernel can be learned through it."""

from __future__ import annotations

import torch
from torch import Tensor

from gmt.posterior.likelihood import Outcomes
from gmt.posterior.users_mode import users_mode


def implicit_mode(kernel: Tensor, offset: Tensor, outcomes: Outcomes, mask: Tensor) -> Tensor:
    """Return the dual weights α of B users' modes K α, differentiable in K and the offsets.

    The mode is found without gradients; one more Newton step from it changes nothing in value and carries exactly the
    derivative of the fixed point α = ℓ'(K α + offset), by the implicit function theorem:
    dα = (I + W K)⁻¹ (-W) (dK α + d offset).

    Source: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), section 5.5.1.

    Args:
        kernel: (B, T, T) symmetric K.
        offset: (B, T) logits known beforehand.
        outcomes: (B, T) what was observed.
        mask: (B, T) true where a vote is shown; the others have no weight.
    """
    # Votes that are not shown get no row and no column, as if they had not been cast.
    shown = mask.to(kernel.dtype)
    kernel = kernel * shown[:, :, None] * shown[:, None, :]
    # 1. The mode, outside of the graph: recorded Newton steps would cost memory and add nothing to the derivative.
    found = users_mode(kernel.detach().numpy(), outcomes, offset.detach().numpy(), mask.numpy())
    # The last Newton step is zero at the mode; its gradient is what the solve itself has none of.
    alpha = torch.from_numpy(found).to(kernel.dtype)
    latent = (kernel @ alpha[:, :, None])[:, :, 0] + offset
    at = latent.detach().numpy()
    slope = torch.from_numpy(outcomes.curvature(at)).to(kernel.dtype) * shown
    # ℓ' to first order around the mode: its value there, and the slope along which the kernel moves it.
    residual = torch.from_numpy(outcomes.residual(at)).to(kernel.dtype) - slope * (latent - latent.detach())
    gap = (residual - alpha) * shown
    # 2. The matrix of the step is a constant here: at the mode the gap is 0, and so is its part in the derivative.
    system = slope[:, :, None] * kernel.detach() + torch.eye(kernel.shape[1], dtype=kernel.dtype)
    return alpha + torch.linalg.solve(system, gap[:, :, None])[:, :, 0]
