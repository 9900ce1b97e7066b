import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from gmt.config import ModelConfig
from gmt.data.schema import turn_schema
from gmt.errors import RunError
from gmt.model.checkpoint import load_tensors, load_weights, optimizer_tensors, restore_optimizer, save_tensors
from gmt.model.scorer import GraphScorer


def scorer(seed=0, **changes):
    torch.manual_seed(seed)
    settings = {"width": 16, "heads": 2, "hidden": 8} | changes
    return GraphScorer(ModelConfig(**settings), turn_schema(), 12, 4)


def test_weights_come_back_bit_by_bit(tmp_path):
    path = tmp_path / "new" / "model.safetensors"
    one, two = scorer(0), scorer(1)
    save_tensors(path, one.state_dict())
    assert [file.name for file in path.parent.iterdir()] == ["model.safetensors"]
    load_weights(two, path)
    for name, value in one.state_dict().items():
        assert torch.equal(two.state_dict()[name], value), name
    assert set(load_file(path)) == set(one.state_dict())


def test_views_and_other_types_are_saved_as_they_look(tmp_path):
    whole = torch.arange(12.0).view(3, 4)
    tensors = {"turned": whole.t(), "part": whole[1:], "count": torch.tensor(7), "flag": torch.tensor([True, False])}
    save_tensors(tmp_path / "t.safetensors", tensors, {"made": "here"})
    found = load_tensors(tmp_path / "t.safetensors")
    assert set(found) == set(tensors)
    assert all(torch.equal(found[name], tensors[name]) and found[name].dtype == tensors[name].dtype for name in tensors)


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    save_tensors(path, {"a": torch.ones(3)})

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("gmt.model.checkpoint.save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        save_tensors(path, {"a": torch.zeros(3)})
    assert torch.equal(load_tensors(path)["a"], torch.ones(3))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RunError, match=r"none.safetensors does not exist; train the run again"):
        load_tensors(tmp_path / "none.safetensors")


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"not tensors at all", lambda b: b""])
def test_a_damaged_file_is_named(tmp_path, damage):
    path = tmp_path / "model.safetensors"
    save_tensors(path, scorer().state_dict())
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(RunError, match=r"model.safetensors is damaged .*; restore it or train the run again"):
        load_weights(scorer(), path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"width": 8}, r"\S+ is \(.*16.*\) in the file and \(.*8.*\) by the settings"),
        # The last layer holds less than those before it, so the difference begins where a file's last layer is not.
        ({"layers": 3}, r"encoder.layers.1\S+ is absent in the file and \(\d+(, \d+)*,?\) by the settings"),
        ({"layers": 1}, r"encoder.layers.0\S+ is \(\d+(, \d+)*,?\) in the file and absent by the settings"),
        ({"bind": False}, r"is \(.*\) in the file and absent by the settings"),
    ],
)
def test_weights_of_other_settings_are_refused_with_the_difference_and_nothing_is_loaded(tmp_path, changes, words):
    path = tmp_path / "model.safetensors"
    save_tensors(path, scorer(0).state_dict())
    other = scorer(1, **changes)
    before = {name: value.clone() for name, value in other.state_dict().items()}
    with pytest.raises(RunError, match=f"model.safetensors does not fit config.yaml: .*{words}"):
        load_weights(other, path)
    assert all(torch.equal(value, before[name]) for name, value in other.state_dict().items())


def test_an_optimiser_goes_on_as_if_it_had_never_stopped(tmp_path):
    def build():
        torch.manual_seed(0)
        model = nn.Linear(4, 3)
        return model, torch.optim.AdamW([*model.parameters(), nn.Parameter(torch.ones(2))], 0.1)  # one never learns

    def step(model, optimizer, number):
        generator = torch.Generator().manual_seed(number)
        optimizer.zero_grad()
        model(torch.randn(5, 4, generator=generator)).square().sum().backward()
        optimizer.step()

    model, optimizer = build()
    for number in range(3):
        step(model, optimizer, number)
    save_tensors(tmp_path / "m.safetensors", model.state_dict())
    save_tensors(tmp_path / "o.safetensors", optimizer_tensors(optimizer))
    assert {name.split(".")[0] for name in optimizer_tensors(optimizer)} == {"0", "1"}
    again, restored = build()
    load_weights(again, tmp_path / "m.safetensors")
    restore_optimizer(restored, load_tensors(tmp_path / "o.safetensors"))
    fresh, unrestored = build()
    load_weights(fresh, tmp_path / "m.safetensors")
    for one, two in ((model, optimizer), (again, restored), (fresh, unrestored)):
        step(one, two, 3)
        step(one, two, 4)
    assert torch.equal(model.weight, again.weight) and torch.equal(model.bias, again.bias)
    assert not torch.allclose(model.weight, fresh.weight)


def test_the_state_of_an_optimiser_before_its_first_step_is_empty():
    optimizer = torch.optim.AdamW(nn.Linear(2, 2).parameters())
    assert optimizer_tensors(optimizer) == {}
    restore_optimizer(optimizer, {})
    assert optimizer.state_dict()["state"] == {}


def test_weights_written_under_earlier_names_are_read_under_those_of_today(tmp_path):
    made = scorer(0)
    old = {
        name.replace("turn__updates__user", "turn__tells__user").replace("term_", "cell_"): value
        for name, value in made.state_dict().items()
    }
    assert len(set(old) - set(made.state_dict())) == 10  # of each of two layers the prior and two relations
    save_tensors(tmp_path / "model.safetensors", old)
    again = scorer(1)
    load_weights(again, tmp_path / "model.safetensors")
    assert all(torch.equal(again.state_dict()[name], value) for name, value in made.state_dict().items())
