"""Check that the truth of every simulation is read back whole, and that damage to it is one line with a repair."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data_prep.simulate.cost import CostSettings, CostTruth, write_cost
from data_prep.simulate.planted import PlantedSettings
from data_prep.simulate.planted_file import write_planted
from data_prep.simulate.traits import TraitSettings, TraitTruth, write_traits
from data_prep.simulate.truth_files import truth_paths
from data_prep.simulate.world import World
from gmt.errors import DataError
from tests.data_prep.simulate.test_cost import SCORES
from tests.data_prep.simulate.test_traits import answers

PLANTED = PlantedSettings(users=5, votes=6, models=4, questions=10, topics=3, drift_at=0.5, topic_taste=0.3)
KINDS: dict[str, Any] = {"planted": World, "traits": TraitTruth, "cost": CostTruth}
WRONG = (None, True, "x", 3.5, [], {}, [None], [[1, 2]], {"a": None}, {"a": {"b": 1}}, float("nan"))
SETTINGS = ("settings", "formula", "traits", "reward_scale")  # for people alone; nothing is computed from them


@pytest.fixture(params=KINDS)
def truth(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    out = tmp_path / "people.jsonl"
    if request.param == "planted":
        write_planted(PLANTED, out)
    elif request.param == "traits":
        write_traits(answers(turns=2), TraitSettings(users=4, votes=7), out)
    else:
        write_cost(SCORES, CostSettings(users=6), out)
    KINDS[request.param].load(out)
    return request.param, out


def said(kind: str, out: Path) -> str:
    """Return why a truth was refused, which is one line with a repair."""
    with pytest.raises(DataError) as caught:
        KINDS[kind].load(out)
    text = str(caught.value)
    assert "\n" not in text and ".truth." in text and ("gmt simulate" in text or "expected" in text)
    return text


def test_any_fact_that_is_missing_or_another_is_named(truth: tuple[str, Path]) -> None:
    kind, out = truth
    path = truth_paths(out)[0]
    whole = json.loads(path.read_text("utf-8"))
    for name in whole.keys() - set(SETTINGS) - {"drift_time", "alpha_before"}:
        path.write_text(json.dumps({key: value for key, value in whole.items() if key != name}), "utf-8")
        assert name in said(kind, out)
        refused = 0
        for wrong in WRONG:
            path.write_text(json.dumps(whole | {name: wrong}), "utf-8")
            try:
                KINDS[kind].load(out)
            except DataError:
                refused += 1
        # A number stands in for a number, and nobody in the table may be known; all else is refused.
        assert refused >= len(WRONG) - 2, name
    path.write_text('{"kind"', "utf-8")
    assert "is not JSON" in said(kind, out)
    path.write_text("[1]", "utf-8")
    assert "expected" in said(kind, out)


def test_any_array_that_is_missing_or_another_is_named(truth: tuple[str, Path]) -> None:
    kind, out = truth
    path = truth_paths(out)[1]
    if kind == "cost":
        assert not path.exists()
        return
    with np.load(path) as file:
        whole = {name: file[name] for name in file.files}
    for name, array in whole.items():
        for wrong in (None, array[..., :0], array[None], array.astype(str), np.full(array.shape, np.inf)):
            np.savez(path, **{key: wrong if key == name else value for key, value in whole.items()
                              if key != name or wrong is not None})  # fmt: skip
            # Where the first array of a size has another one, it is the next that does not fit.
            shortened = wrong is not None and 0 in wrong.shape
            assert shortened or name in said(kind, out)
            assert said(kind, out)


def test_any_damage_to_the_arrays_is_one_line(truth: tuple[str, Path]) -> None:
    kind, out = truth
    path = truth_paths(out)[1]
    if kind == "cost":
        return
    whole, dice = path.read_bytes(), random.Random(0)
    for _ in range(60):
        broken = bytearray(whole)
        if dice.random() < 0.3:
            broken = broken[: dice.randrange(len(broken))]
        else:
            broken[dice.randrange(len(broken))] ^= 1 << dice.randrange(8)
        path.write_bytes(broken)
        try:
            KINDS[kind].load(out)  # some bytes of an archive nobody reads
        except DataError as error:
            assert "\n" not in str(error)
