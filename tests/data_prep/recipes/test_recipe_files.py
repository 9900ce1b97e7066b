"""Check that a recipe is read strictly, named by its nearest key where one is none, and written as it was read."""

from pathlib import Path
from typing import Any

import pytest

from data_prep.recipes.recipe_files import build_recipe, load_recipe, recipe_text, save_recipe, shipped
from gmt.config.strict_yaml import parse_yaml
from gmt.errors import DataError


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"colums": {}}, r"my.yaml: there is no key colums. Did you mean columns\?"),
        ({"columns": {"usr": "u"}}, r"there is no key columns.usr. Did you mean user\?"),
        ({"each": {"list": "turns", "ass": "turn"}}, r"there is no key each.ass. Did you mean as\?"),
        ({"several": [{"colums": {}}]}, r"no key several.0.colums. Did you mean columns\?"),
        ({"each": {"list": "a", "messages": "b"}}, "one of list, mapping and messages"),
        ({"rating_scale": [1]}, "rating_scale is .1.; expected: .*at least 2"),
        ({"labels": {"a": 2}}, "labels.a"),
        ({"where": {"a": {"nott": 1}}}, "where.a is .*expected a value, a list of values, not"),
        ({"delimiter": "ab"}, "the delimiter is 'ab'; expected one character"),
        ({"format": "xml"}, "the format is 'xml'; expected one of csv"),
        ({"encoding": "utf-9"}, "the encoding is 'utf-9'; expected a name such as utf-8"),
        ({"columns": {"user": 3}}, "columns.user"),
        ([1], "expected a block of keys"),
    ],
)
def test_what_a_recipe_does_not_state_is_one_line(values: Any, said: str) -> None:
    with pytest.raises(DataError, match=said) as error:
        build_recipe(values, "my.yaml")
    assert "\n" not in str(error.value) and str(error.value).startswith("my.yaml")


def test_a_recipe_that_is_none_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no recipe 'crowdrug'. Did you mean crowdrag\?"):
        load_recipe("recipe:crowdrug")
    with pytest.raises(DataError, match="there is no recipe '../shelf/llmfao'"):
        load_recipe("recipe:../shelf/llmfao")
    with pytest.raises(DataError, match="nowhere.yaml does not exist"):
        load_recipe(str(tmp_path / "nowhere.yaml"))


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_recipe_says_where_its_data_are_and_is_written_as_it_is_read(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(f"recipe:{name}")
    assert recipe.about and recipe.source and recipe.licence
    assert build_recipe(parse_yaml(recipe_text(recipe)), name) == recipe
    save_recipe(tmp_path / "copy.yaml", recipe)
    assert load_recipe(str(tmp_path / "copy.yaml")) == recipe


def test_yes_and_no_are_words_of_a_verdict() -> None:
    recipe = build_recipe(parse_yaml("labels: {yes: 1, no: 0, 2: 0.5}"), "my.yaml")
    assert recipe.words.rating("yes", "x", None) == recipe.words.rating(True, "x", None) == 1
    assert recipe.words.rating("false", "x", None) == 0 and recipe.words.rating(2, "x", None) == 0.5
