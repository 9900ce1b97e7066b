import pytest

from gmt.errors import ConfigError
from gmt.rivals.registry import RIVALS, make_router


def test_every_rival_is_called_what_the_registry_calls_it():
    assert all(make_router(name).name == name for name in RIVALS)


def test_an_unknown_name_is_refused():
    with pytest.raises(ConfigError, match="knn"):
        make_router("nearest")
