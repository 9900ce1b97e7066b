"""Check that models are offered, described anew and removed, and that states of before know of neither."""

from dataclasses import replace

import numpy as np
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text

from gmt.data.dataset import ModelInfo
from gmt.data.text_keys import key_of
from gmt.errors import UserError
from gmt.state import migrate
from gmt.state.engine import WRITE, connect, database_url
from tests.state.conftest import Place
from tests.state.plain import vote

CARD = ModelInfo("a small model", 1.0, 2.0, 0.25, 3.0)


def test_a_card_is_kept_whole(store):
    assert store.add_model("m", CARD, np.ones(2)) and store.models() == {"m": CARD}
    assert not store.add_model("m", replace(CARD, switch_cost=None))
    assert store.models()["m"].switch_cost is None


def test_an_update_replaces_the_card_and_drops_the_old_description(store):
    store.add_model("m", CARD, np.ones(2))
    version = store.version()
    store.update_model("m", ModelInfo("another model", None, 5.0), np.zeros(2))
    assert store.models() == {"m": ModelInfo("another model", None, 5.0)}
    assert store.news(version).models == ("m",) and store.version() == version + 1
    assert store.text_keys() == {key_of("another model")} and not store.vectors([key_of("a small model")])


def test_a_description_that_others_use_stays(store):
    store.add_model("m", CARD)
    store.add_model("n", CARD)
    store.update_model("m", ModelInfo("other"))
    assert store.text_keys() == {key_of("other"), key_of(CARD.description)}


def test_a_model_is_removed_once_and_comes_back(store):
    store.add_model("m", CARD)
    store.add_model("n", ModelInfo("another"))
    assert store.remove_model("m", CARD) and not store.remove_model("m", CARD)
    assert list(store.models()) == ["n"] and list(store.kept_models()) == ["m", "n"]
    with pytest.raises(UserError, match="model m was removed; gmt models add offers it again"):
        store.update_model("m", CARD)
    assert store.add_model("m", ModelInfo("described anew")) and list(store.models()) == ["m", "n"]


def test_one_that_training_brought_gets_a_row_of_its_own(store):
    assert store.remove_model("trained", CARD) and store.models() == {}
    assert store.kept_models()["trained"].info == CARD


@pytest.mark.parametrize("wrong", [-1.0, float("nan"), float("inf"), "1", True])
@pytest.mark.parametrize("number", ["input_price", "output_price", "cached_input_price", "switch_cost"])
def test_what_is_no_price_is_refused_and_nothing_written(store, number, wrong):
    with pytest.raises(UserError, match=f"{number} of model m is .*; expected 0 or more, or None"):
        store.add_model("m", replace(CARD, **{number: wrong}))
    assert store.kept_models() == {} and store.version() == 0


def test_a_model_without_a_description_is_refused(store):
    with pytest.raises(UserError, match="the description of model m is empty"):
        store.add_model("m", ModelInfo(" "))


@pytest.fixture(params=["sqlite", "postgresql"])
def before(request, tmp_path):
    """A database of the schema before, with one vote and one model in it."""
    url = request.getfixturevalue("postgres_database") if request.param == "postgresql" else None
    place = Place(tmp_path, url, "a run")
    engine = connect(database_url(tmp_path, url))
    config = Config()
    config.set_main_option("script_location", str(migrate.FOLDER).replace("%", "%%"))
    with engine.connect().execution_options(**{WRITE: True}) as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        connection.execute(text("INSERT INTO runs (uuid, created, version, scrub) VALUES ('a run', 1, 1, false)"))
        connection.execute(
            text("INSERT INTO texts (run_id, key, text) VALUES (1, :key, :text)"),
            {"key": key_of("old"), "text": b"old"},
        )
        connection.execute(
            text(
                "INSERT INTO models (run_id, name, description, key, input_price, created, version) "
                "VALUES (1, 'm', 'old', :key, 1.5, 1, 1)"
            ),
            {"key": key_of("old")},
        )
    engine.dispose()
    return place


def test_a_state_of_before_keeps_its_models_on_offer(before):
    with before.open() as store:
        assert store.models() == {"m": ModelInfo("old", 1.5)}
        store.add("ana", [vote(1)])
        store.update_model("m", replace(store.models()["m"], cached_input_price=0.5, switch_cost=2.0))
    with before.open() as store:
        assert store.models() == {"m": ModelInfo("old", 1.5, None, 0.5, 2.0)} and store.users() == {"ana": 1}
