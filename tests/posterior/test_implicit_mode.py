"""Check that the mode of users' votes is the right one and that gradients go through it exactly."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import expit

from gmt.posterior.implicit_mode import implicit_mode
from gmt.posterior.likelihood import Outcomes


def problem(votes=6, people=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    root = torch.randn(people, votes, 3, dtype=torch.float64, generator=generator)
    offset = torch.randn(people, votes, dtype=torch.float64, generator=generator)
    y = torch.randint(0, 3, (people, votes), generator=generator).double() / 2
    mask = torch.ones(people, votes, dtype=torch.bool)
    mask[0, -2:] = False
    return root, offset, y, mask


def test_the_mode_is_the_one_a_general_optimiser_finds():
    root, offset, y, mask = problem()
    alpha = implicit_mode(root @ root.transpose(1, 2), offset, Outcomes(y.numpy()), mask)
    for person in range(2):
        own = mask[person].numpy()
        rows, known, won = root[person].numpy()[own], offset[person].numpy()[own], y[person].numpy()[own]

        def loss(w, rows=rows, known=known, won=won):
            logit = rows @ w + known
            return np.sum(np.logaddexp(0, logit) - won * logit) + w @ w / 2

        w = minimize(loss, np.zeros(3), tol=1e-12).x
        assert alpha[person].numpy()[own] == pytest.approx(won - expit(rows @ w + known), abs=1e-5)
        assert (alpha[person].numpy()[~own] == 0).all()


def test_gradients_through_the_solve_are_exact():
    root, offset, y, mask = problem()
    root.requires_grad_()
    offset.requires_grad_()

    def asked(root, offset):
        kernel = root @ root.transpose(1, 2)
        return (kernel @ implicit_mode(kernel, offset, Outcomes(y.numpy()), mask)[:, :, None])[:, :, 0]

    assert torch.autograd.gradcheck(asked, (root, offset), eps=1e-6, atol=1e-5)
