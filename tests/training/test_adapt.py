"""Check that a person's rounds reach the run: which, how many, once, and nobody else's scores."""

import json

import pytest

from gmt.errors import DataError, RunError, UserError
from gmt.serving.pretrained import Router
from gmt.training.adapt import adapt_user
from tests.trained import unsealed

ROW = {"query": "Why is the sky blue?", "model_a": "atlas-90b", "model_b": "telegram-8b", "winner": "model_b"}


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def scores(router, user):
    return {choice.model: choice.score for choice in router.rank(user, "Plan a trip").ranking}


def rows(count, winner="model_b"):
    return [{**ROW, "query": f"question {i}", "winner": winner} for i in range(count)]


def test_the_history_of_ana_ships_with_the_demo(run_copy):
    nobody = Router.from_pretrained(run_copy).preferences(None)
    found = adapt_user(run_copy, "ana")
    assert (found["user"], found["added"], found["repeats"], found["votes"]) == ("ana", 20, 0, 20)
    assert found["unknown_models"] == []
    assert set(found["before"]) == set(found["after"]) == set(Router.from_pretrained(run_copy).models)
    again = Router.from_pretrained(run_copy)
    assert found["before"] == pytest.approx(nobody, abs=1e-6)
    assert found["after"] == pytest.approx(again.preferences("ana"), abs=1e-6)
    assert found["after"] != pytest.approx(found["before"], abs=1e-3)
    assert list(found["after"].values()) == sorted(found["after"].values(), reverse=True)


def test_exact_repeats_are_dropped(run_copy):
    adapt_user(run_copy, "ana")
    again = adapt_user(run_copy, "ana")
    assert (again["added"], again["repeats"], again["votes"]) == (0, 20, 20)
    assert again["before"] == pytest.approx(again["after"], abs=1e-6)


def test_a_repeat_within_one_file_and_a_changed_mind(run_copy, tmp_path):
    path = write(tmp_path / "h.jsonl", [ROW, ROW, {**ROW, "winner": "model_a"}])
    found = adapt_user(run_copy, "newt", path)
    assert (found["added"], found["repeats"], found["votes"]) == (2, 1, 2)


@pytest.mark.parametrize(("shots", "added", "votes"), [(0, 0, 0), (1, 2, 1), (3, 4, 3), (99, 6, 5)])
def test_shots_count_rated_rounds(run_copy, tmp_path, shots, added, votes):
    mixed = [{**ROW, "query": f"question {i}", "winner": None if i == 0 else "tie"} for i in range(6)]
    found = adapt_user(run_copy, "newt", write(tmp_path / "h.jsonl", mixed), shots=shots)
    assert found["votes"] == votes
    assert found["added"] == (1 if shots == 0 else added)  # rounds without a rating cost no shot


def test_replace_starts_anew(run_copy, tmp_path):
    adapt_user(run_copy, "newt", write(tmp_path / "one.jsonl", rows(5)))
    path = write(tmp_path / "two.jsonl", rows(3, "model_a"))
    assert adapt_user(run_copy, "newt", path)["votes"] == 8
    found = adapt_user(run_copy, "newt", path, replace=True)
    assert (found["added"], found["repeats"], found["votes"]) == (3, 0, 3)
    assert Router.from_pretrained(run_copy).votes("newt") == 3


def test_replace_works_for_somebody_the_run_was_trained_on(run_copy, tmp_path):
    others = {name: Router.from_pretrained(run_copy).votes(name) for name in ("amadou", "bela")}
    assert adapt_user(run_copy, "amadou", write(tmp_path / "h.jsonl", rows(3)), replace=True)["votes"] == 3
    router = Router.from_pretrained(run_copy)
    assert (router.votes("amadou"), router.votes("bela")) == (3, others["bela"])


def test_models_the_run_does_not_know_are_named(run_copy, tmp_path):
    path = write(tmp_path / "h.jsonl", [{**ROW, "model_a": "stranger-1b"}, ROW])
    found = adapt_user(run_copy, "newt", path)
    assert (found["added"], found["unknown_models"]) == (2, ["stranger-1b"])
    router = Router.from_pretrained(run_copy)
    assert "stranger-1b" not in router.models and router.votes("newt") == 2


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({**ROW, "winner": "left"}, "line 2.*winner is 'left'"),
        ({"query": "x", "model": "atlas-90b", "rating": 7}, "line 2.*0 to 1"),
        ({**ROW, "query": ""}, "line 2.*query is empty"),
        ({**ROW, "user": "bob"}, "line 2.*user is 'bob'; expected newt"),
    ],
)
def test_one_bad_row_and_nothing_is_added(run_copy, tmp_path, bad, said):
    with pytest.raises(DataError, match=f"{said}.*nothing was added"):
        adapt_user(run_copy, "newt", write(tmp_path / "h.jsonl", [ROW, bad]))
    assert "newt" not in Router.from_pretrained(run_copy).users
    assert not (run_copy / "state.db").exists()


def test_a_person_without_shipped_history_is_told_what_to_do(run_copy):
    for name in ("newt", "../histories/ana", ""):
        with pytest.raises(UserError, match="--history"):
            adapt_user(run_copy, name)


def test_a_missing_file_or_run_is_named(run_copy, tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        adapt_user(run_copy, "newt", tmp_path / "none.jsonl")
    with pytest.raises(RunError, match="gmt train"):
        adapt_user(tmp_path, "ana")


def test_steps_change_the_scores_of_that_person_only(network_copy):
    adapt_user(network_copy, "ana", shots=12)
    people = ("ana", "amadou", "bela", None)
    plain = Router.from_pretrained(network_copy)
    before = {name: scores(plain, name) for name in people}
    found = adapt_user(network_copy, "ana", shots=12, steps=10)
    assert found["added"] == 0
    learned = Router.from_pretrained(network_copy)
    assert found["after"] == pytest.approx(learned.preferences("ana"), abs=1e-6)
    for other in people[1:]:
        assert scores(learned, other) == pytest.approx(before[other], abs=1e-6)
    assert scores(learned, "ana") != pytest.approx(before["ana"], abs=1e-3)
    assert scores(plain, "ana") == scores(learned, "ana")  # a router that was there before hears of it
    learned.forget("ana")
    assert not learned.live.state.made().offsets()
    assert Router.from_pretrained(network_copy).preferences("ana") == pytest.approx(plain.preferences(None), abs=1e-6)


def test_steps_pull_towards_what_the_person_chose(network_copy):
    adapt_user(network_copy, "ana")
    history = Router.from_pretrained(network_copy).history("ana")

    def right(router):
        hits = []
        for item in history:
            first, second = item.candidates
            if first.rating == second.rating:
                continue
            ranking = router.rank("ana", item.query, [first.model, second.model]).ranking
            liked = first.model if first.rating > second.rating else second.model
            hits.append({choice.model: choice.score for choice in ranking}[liked] - ranking[1].score)
        return sum(hit > 0 for hit in hits)

    before = right(Router.from_pretrained(network_copy))
    adapt_user(network_copy, "ana", steps=40)
    assert right(Router.from_pretrained(network_copy)) >= before


def test_steps_are_repeatable_and_need_two_conversations(network_copy, tmp_path):
    adapt_user(network_copy, "newt", write(tmp_path / "h.jsonl", rows(1)))
    with pytest.raises(UserError, match="--steps needs at least 2"):
        adapt_user(network_copy, "newt", tmp_path / "h.jsonl", steps=3)
    path = write(tmp_path / "more.jsonl", rows(6))
    first = adapt_user(network_copy, "newt", path, steps=5)
    again = adapt_user(network_copy, "newt", path, steps=5)
    assert again["after"] == pytest.approx(first["after"], abs=1e-5)


def test_rounds_and_what_was_learned_of_them_are_one_transaction(network_copy, tmp_path, monkeypatch):
    path = write(tmp_path / "h.jsonl", rows(8))
    # 1. Where the last statement fails, nothing of the command is there.
    with monkeypatch.context() as patch:

        def fail(*_):
            raise OSError("no more")

        patch.setattr("gmt.state.change.Change.set_offset", fail)
        with pytest.raises(OSError, match="no more"):
            adapt_user(network_copy, "newt", path, steps=3)
    router = Router.from_pretrained(network_copy)
    assert "newt" not in router.users and not router.live.state.made().offsets()
    # 2. It counts as one change, and a refusal for want of rounds adds none.
    version = router.live.state.made().version()
    adapt_user(network_copy, "newt", path, steps=3)
    assert router.live.state.made().version() == version + 1 and set(router.live.state.made().offsets()) == {"newt"}
    with pytest.raises(UserError, match="--steps needs"):
        adapt_user(network_copy, "second", write(tmp_path / "one.jsonl", rows(1)), steps=3)
    assert "second" not in router.users


@pytest.mark.parametrize("replace", [False, True])
def test_steps_learn_from_the_rounds_as_they_will_be(network_copy, network_run, tmp_path, replace):
    import shutil

    other = shutil.copytree(network_run, tmp_path / "other")
    path = write(tmp_path / "h.jsonl", [*rows(7), rows(7)[2]])
    for run in (network_copy, other):
        adapt_user(run, "bela", write(tmp_path / "first.jsonl", rows(4, "tie")))
    adapt_user(network_copy, "bela", path, replace=replace, steps=4)
    adapt_user(other, "bela", path, replace=replace)
    adapt_user(other, "bela", path, steps=4)  # nothing new: only the vector
    found, wanted = (Router.from_pretrained(run).live.state.made().offsets()["bela"] for run in (network_copy, other))
    assert found == pytest.approx(wanted, abs=1e-7)


def test_steps_without_a_network_are_refused_before_anything_is_added(run_copy):
    path = unsealed(run_copy) / "card.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "network_weight": 0.0}))
    with pytest.raises(UserError, match="network is switched off, so --steps has nothing to learn"):
        adapt_user(run_copy, "ana", steps=3)
    assert not (run_copy / "state.db").exists() and "ana" not in Router.from_pretrained(run_copy).users
    assert adapt_user(run_copy, "ana")["added"] == 20


def test_steps_move_a_network_that_joins_a_posterior_by_its_weight(run_copy):
    path = unsealed(run_copy) / "card.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "network_weight": 2.0}))
    adapt_user(run_copy, "ana")
    plain = Router.from_pretrained(run_copy)
    before = {name: scores(plain, name) for name in ("ana", "bela")}
    adapt_user(run_copy, "ana", steps=5)
    learned = Router.from_pretrained(run_copy)
    assert scores(learned, "bela") == pytest.approx(before["bela"], abs=1e-6)
    assert scores(learned, "ana") != pytest.approx(before["ana"], abs=1e-3)
