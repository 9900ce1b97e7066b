"""Check that a seeded block draws what its seed says and leaves the generator outside as it was."""

import torch

from gmt.model.seeding import seeded


def test_equal_seeds_draw_equal_numbers_and_other_seeds_others():
    drawn = []
    for seed in (3, 3, 4):
        with seeded(seed):
            drawn.append(torch.randn(5))
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    assert torch.equal(drawn[0], torch.randn(5, generator=torch.Generator().manual_seed(3)))


def test_the_generator_outside_stays_as_it_was():
    before = torch.get_rng_state()
    with seeded(7):
        torch.nn.Linear(4, 4)
    assert torch.equal(torch.get_rng_state(), before)
