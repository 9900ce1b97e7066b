import pytest
import torch

from gmt.model.answer_encoder import AnswerEncoder
from gmt.model.trait_ensemble import TraitEnsemble, networks_of
from gmt.model.trait_network import TraitNetwork


def network(seed, layers):
    torch.manual_seed(seed)
    encoder = AnswerEncoder(8, 4, 2, layers) if layers else None
    made = TraitNetwork(8, 3, 2 + seed, 1, encoder)
    with torch.no_grad():
        made.log_amplitudes.normal_()
    return made


@pytest.mark.parametrize("depths", [(0,), (2,), (0, 0), (0, 2), (1, 3, 2)])
def test_an_ensemble_is_rebuilt_from_its_state(depths):
    made = TraitEnsemble.of([network(seed, layers) for seed, layers in enumerate(depths)])
    again = TraitEnsemble.from_state(made.state_dict())
    assert type(again) is type(made)
    assert len(networks_of(made)) == (1 if not any(depths) else len(depths))  # plain networks become one
    state = again.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in made.state_dict().items())


def test_its_amplitudes_are_the_means():
    made = [network(seed, 1) for seed in range(3)]
    mean = torch.stack([one.log_amplitudes.exp() for one in made]).mean(0)
    assert torch.allclose(TraitEnsemble.of(made).log_amplitudes.exp(), mean)
