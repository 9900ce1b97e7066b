"""Check that a history is read however the log it comes from was: in our columns, by labels, by a recipe."""

from pathlib import Path

import pytest

from data_prep.sources.histories import HistoryForm, user_rounds
from gmt.errors import DataError
from tests.data_prep.samples import jsonl

PAIR = {"query": "why?", "model_a": "x", "model_b": "y"}
RECIPE = "columns: {user: who, query: prompt, model: model, rating: thumbs}\ndelimiter: semicolon\n"


def said(rounds: object) -> list[list[float | None]]:
    return [[one.rating for one in item.candidates] for item in rounds]  # type: ignore[attr-defined]


def test_names_of_models_labels_thumbs_and_scales_are_read(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "h.jsonl", [PAIR | {"winner": "y"}, PAIR | {"winner": "tie"}])
    assert said(user_rounds(path, "ann", HistoryForm())) == [[0, 1], [0.5, 0.5]]
    path = jsonl(tmp_path / "h.jsonl", [PAIR | {"winner": "left"}, PAIR | {"winner": "x"}])
    assert said(user_rounds(path, "ann", HistoryForm(labels=("left", "right")))) == [[1, 0], [1, 0]]
    single = {"query": "why?", "model": "x"}
    path = jsonl(tmp_path / "h.jsonl", [single | {"rating": "up"}, single | {"rating": False}])
    assert said(user_rounds(path, "ann", HistoryForm())) == [[1], [0]]
    path = jsonl(tmp_path / "h.jsonl", [single | {"rating": 4}])
    assert said(user_rounds(path, "ann", HistoryForm(rating_scale=(1, 5)))) == [[0.75]]
    with pytest.raises(DataError, match="outside 0 to 1; state the scale, e.g. --rating-scale 0,10; nothing was added"):
        user_rounds(path, "ann", HistoryForm())


def test_a_recipe_reads_a_log_of_many_and_the_rows_of_one_count(tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text(RECIPE, "utf-8")
    path = tmp_path / "log.csv"
    path.write_text("who;prompt;model;thumbs\nann;why?;x;up\nann;why?;y;down\nbob;why?;x;down\n", "utf-8")
    form = HistoryForm(recipe=str(tmp_path / "my.yaml"))
    (found,) = user_rounds(path, "ann", form)
    assert {one.model: one.rating for one in found.candidates} == {"x": 1, "y": 0}
    with pytest.raises(DataError, match="no row of log.csv is of eve; its users are ann, bob"):
        user_rounds(path, "eve", form)
    with pytest.raises(DataError, match="a recipe states labels and scale itself"):
        HistoryForm(recipe="recipe:llmfao", labels=("a", "b"))


def test_a_recipe_without_users_reads_the_history_of_one(tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text(RECIPE.replace("user: who, ", ""), "utf-8")
    path = tmp_path / "ann.csv"
    path.write_text("prompt;model;thumbs\nwhy?;x;up\nwhat?;x;\n", "utf-8")
    with pytest.raises(DataError, match="line 3: thumbs is empty.*nothing was added"):
        user_rounds(path, "ann", HistoryForm(recipe=str(tmp_path / "my.yaml")))
    path.write_text("prompt;model;thumbs\nwhy?;x;up\n", "utf-8")
    (found,) = user_rounds(path, "ann", HistoryForm(recipe=str(tmp_path / "my.yaml")))
    assert found.user == "ann"
