import numpy as np
import pytest

from gmt.errors import ConfigError, DataError, RunError
from gmt.rivals.registry import RIVALS, make_router
from tests.factories import random_dataset


def test_every_rival_is_called_what_the_registry_calls_it():
    assert all(make_router(name).name == name for name in RIVALS)


def test_an_unknown_name_is_refused():
    with pytest.raises(ConfigError, match="knn"):
        make_router("nearest")


@pytest.mark.parametrize("name", [name for name in RIVALS if make_router(name).state_dict()])
def test_a_state_that_lacks_something_says_what_to_do(name):
    with pytest.raises((RunError, KeyError)):
        make_router(name).load_state_dict({})


@pytest.mark.parametrize("name", ["boosted_trees", "dual_contrastive"])
def test_who_learns_from_train_must_be_fitted_first(name):
    data = random_dataset(0)
    with pytest.raises(DataError, match="fit it"):
        make_router(name).score(data, data.questions(np.arange(3)))
