import pytest

from gmt.data.interactions import TEST
from gmt.errors import DataError
from gmt.evaluation.evaluate import evaluate
from gmt.evaluation.summary import summarise
from gmt.rivals.registry import make_router
from tests.factories import random_dataset


def run(folder, seed, names=("bradley_terry", "user_bradley_terry"), protocol="seen", shots=None):
    data = random_dataset(seed, users=10, comparisons_per_user=25, protocol=protocol)
    known = data.select(data.table.split != TEST)
    path = folder / f"{protocol}-{seed}.json"
    routers = [make_router(name).fit(known) for name in names]
    evaluate(data, routers, seed=seed, shots=shots, draws=2, reference="user_bradley_terry", out=path)
    return path


def test_seeds_are_averaged_with_users_joined(tmp_path):
    paths = [run(tmp_path, seed) for seed in (0, 1, 2)]
    alone = [summarise([path], "user_bradley_terry")["seen"] for path in paths]
    joint = summarise(paths, "user_bradley_terry")["seen"]
    assert joint["seeds"] == [0, 1, 2]
    for section, name in (("routers", "bradley_terry"), ("differences", "user_bradley_terry - bradley_terry")):
        values = [one["shots"]["all"][section][name]["auc"]["value"] for one in alone]
        found = joint["shots"]["all"][section][name]["auc"]
        assert found["value"] == pytest.approx(sum(values) / 3)
        assert found["low"] < found["value"] < found["high"]


def test_one_seed_is_the_result_itself(tmp_path):
    import json

    path = run(tmp_path, 0)
    written = json.loads(path.read_text())["shots"]["all"]
    assert summarise([path], "user_bradley_terry", seed=0)["seen"]["shots"]["all"]["routers"] == written["routers"]


def test_a_router_missing_from_one_run_is_left_out_by_name(tmp_path):
    paths = [run(tmp_path, 0), run(tmp_path, 1, names=("bradley_terry", "random"))]
    found = summarise(paths, "bradley_terry")["seen"]
    assert found["left_out"] == ["random", "user_bradley_terry"]
    assert list(found["shots"]["all"]["routers"]) == ["bradley_terry", "oracle"]


def test_equal_seeds_and_missing_files_are_refused(tmp_path):
    path = run(tmp_path, 0)
    with pytest.raises(DataError, match="seed 0"):
        summarise([path, path])
    with pytest.raises(DataError, match="does not exist"):
        summarise([tmp_path / "none.json"])
    with pytest.raises(DataError, match="no results file"):
        summarise([])
