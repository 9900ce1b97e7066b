import pytest
import torch

from gmt.model.trait_network import TraitNetwork

TASK = torch.tensor([0, 1, -1, 2, 0])


def network(seed=0, traits=3, models=4, width=8):
    torch.manual_seed(seed)
    made = TraitNetwork(width, models, traits, tasks=2)
    made.residual.data.normal_()
    made.task.data.normal_()
    made.log_amplitudes.data.normal_()
    for name in ("query_centre", "model_centre"):
        made.get_buffer(name).copy_(torch.linspace(-0.1, 0.1, width))
    return made


def kernel(made, models, queries):
    traits = made.of_models(models)[None] * made.weights(queries, TASK)[:, None]
    flat = traits.reshape(-1, made.traits)
    return flat @ flat.T


def test_a_model_never_trained_on_is_read_from_its_text_alone():
    made, vectors = network(), torch.randn(6, 8)
    found = made.of_models(vectors)
    made.residual.data.zero_()
    plain = made.of_models(vectors)
    assert torch.equal(found[4:], plain[4:]) and not torch.allclose(found[:4], plain[:4])


def test_fewer_models_than_trained_on_are_the_first_ones():
    made, vectors = network(), torch.randn(4, 8)
    assert torch.allclose(made.of_models(vectors[:2]), made.of_models(vectors)[:2])


def test_joined_networks_have_the_mean_kernel_and_amplitudes():
    several = [network(seed, traits) for seed, traits in ((0, 3), (1, 2), (2, 4))]
    models, queries = torch.randn(4, 8), torch.randn(5, 8)
    joined = TraitNetwork.joined(several)
    wanted = sum(kernel(made, models, queries) for made in several) / 3
    assert joined.traits == 9
    assert kernel(joined, models, queries).detach().numpy() == pytest.approx(wanted.detach().numpy(), abs=1e-5)
    mean = torch.stack([made.log_amplitudes.exp() for made in several]).mean(0)
    assert joined.log_amplitudes.exp().tolist() == pytest.approx(mean.tolist())


def test_a_network_is_rebuilt_from_its_state():
    made, vectors = network(traits=5), torch.randn(4, 8)
    again = TraitNetwork.from_state(made.state_dict())
    assert torch.equal(again.of_models(vectors), made.of_models(vectors))
    assert torch.equal(again.weights(vectors, TASK[:4]), made.weights(vectors, TASK[:4]))


def test_a_task_never_trained_on_adds_nothing():
    made, vectors = network(), torch.randn(3, 8)
    none = made.weights(vectors, torch.tensor([-1, -1, -1]))
    assert torch.equal(made.weights(vectors, torch.tensor([2, 7, -1])), none)
    assert torch.allclose(made.weights(vectors, torch.tensor([0, 1, 1])) - none, made.task[[0, 1, 1]], atol=1e-6)
