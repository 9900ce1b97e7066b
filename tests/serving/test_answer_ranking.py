"""Rank answers with a run that learned from answers without models, from Python and at the terminal."""

import json
from pathlib import Path

import pytest

from gmt.cli.main import main
from gmt.errors import UserError
from gmt.serving.pretrained import Router
from tests.data_prep.samples import jsonl
from tests.studies.test_yardsticks import LONG, SHORT, pairs
from tests.trained import TINY, must, settings


@pytest.fixture(scope="module")
def answer_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run that learned who likes short answers and who long ones."""
    folder = tmp_path_factory.mktemp("answers")
    path = jsonl(folder / "pairs.jsonl", pairs())
    must(["prep", "personal-reward-bench", str(path), "--encoder", "hash:16", "--out", str(folder / "data"), "--quiet"])
    must(["train", str(folder / "data"), "--run", str(folder / "run"), *settings(TINY)])
    return folder / "run"


def test_each_gets_the_answer_of_their_taste_in_whatever_order_answers_stand(answer_run: Path) -> None:
    router = Router.from_pretrained(answer_run)
    answers = [SHORT.format("new"), LONG.format("new")]
    for user, wanted in (("u0", answers[0]), ("u1", answers[1])):
        for shown in (answers, answers[::-1]):
            decision = router.rank_answers(user, "a question", shown)
            assert shown[int(decision.model.removeprefix("answer ")) - 1] == wanted
    one, two = router.rank_answers("u0", "a question", answers), router.rank_answers("u0", "a question", answers[::-1])
    assert one.ranking[0].score == pytest.approx(two.ranking[0].score)
    unknown = router.rank_answers("nobody", "a question", answers)
    assert unknown.user is None
    assert {choice.margin for choice in unknown.ranking} == {0.0}


def test_more_answers_than_were_ever_shown_together_are_ranked(answer_run: Path) -> None:
    answers = [SHORT.format(word) for word in "abcde"] + [LONG.format("x")]
    decision = Router.from_pretrained(answer_run).rank_answers("u1", "a question", answers)
    assert decision.model == "answer 6"
    assert sorted(choice.model for choice in decision.ranking) == [f"answer {n}" for n in range(1, 7)]


def test_places_are_no_models_on_offer(answer_run: Path, tiny_run: Path) -> None:
    router = Router.from_pretrained(answer_run)
    assert router.models == []
    with pytest.raises(UserError, match="ranks answers and names no models; hand it the answers"):
        router.rank("u0", "a question")
    with pytest.raises(UserError, match="chooses among models and does not rank answers"):
        Router.from_pretrained(tiny_run).rank_answers("u0", "a question", ["a", "b"])
    # Whoever names places gets an answer all the same: what is known of them without any text.
    assert len(router.rank("u0", "a question", ["answer 1", "answer 2"]).ranking) == 2
    for answers in ([], ["one"], ["one", " "]):
        with pytest.raises(UserError, match="expected a query and two answers or more"):
            router.rank_answers("u0", "a question", answers)


def test_the_terminal_ranks_answers_too(answer_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["route", "--run", str(answer_run), "--user", "u1", "--query", "why?"]
    line += ["--answer", SHORT.format("x"), "--answer", LONG.format("x")]
    with pytest.raises(SystemExit, match="0"):
        main([*line, "--json"])
    assert json.loads(capsys.readouterr().out)["ranking"][0]["model"] == "answer 2"
    with pytest.raises(SystemExit, match="2"):
        main([*line, "--explain"])
    assert "--answer goes with --user, --query and --task alone" in capsys.readouterr().err


def test_an_answer_has_no_name_to_be_liked_by(answer_run: Path) -> None:
    assert Router.from_pretrained(answer_run).preferences("u0") == {}
