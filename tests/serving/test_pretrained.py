"""Check what a trained run serves: rankings that depend on who asks, and people who come and go."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gmt.data.comparisons import Candidate, Comparison
from gmt.data.dataset import Dataset, ModelInfo
from gmt.data.interactions import TEST, TRAIN
from gmt.errors import DataError, RunError, UserError
from gmt.evaluation.metrics import pairs_of
from gmt.model.checkpoint import load_tensors, save_tensors
from gmt.serving.pretrained import Router
from gmt.verified import RECORD
from tests.trained import unsealed

QUERY = "How do I plan a garden?"
A, B = "atlas-90b", "telegram-8b"


def scores(decision):
    return {choice.model: choice.score for choice in decision.ranking}


def close(one, other):
    """Tell whether two decisions say the same; sums of equal numbers may round differently."""
    return (one.user, one.votes) == (other.user, other.votes) and scores(one) == pytest.approx(scores(other), abs=1e-6)


def votes(winner, count=20):
    return [{"query": f"question {i}", "model_a": A, "model_b": B, "winner": winner} for i in range(count)]


@pytest.fixture(scope="module")
def router(good_run) -> Router:
    """Return the good run; nobody may change it."""
    return Router.from_pretrained(good_run)


@pytest.fixture
def mine(good_copy) -> Router:
    return Router.from_pretrained(good_copy)


@pytest.mark.parametrize("user", ["bela", "nobody", None])
def test_all_models_are_ranked_with_a_chance(router, user):
    decision = router.rank(user, QUERY)
    assert {choice.model for choice in decision.ranking} == set(router.models) and len(router.models) == 9
    found = [choice.score for choice in decision.ranking]
    chances = [choice.win_probability for choice in decision.ranking]
    assert found == sorted(found, reverse=True) and chances == sorted(chances, reverse=True)
    assert all(0 < chance < 1 for chance in chances) and np.mean(chances) == pytest.approx(0.5)
    assert decision.model == decision.ranking[0].model and decision.query == QUERY


def test_somebody_unknown_gets_the_ranking_of_nobody(router):
    unknown, nobody, known = (router.rank(user, QUERY) for user in ("nobody", None, "bela"))
    assert close(unknown, nobody)
    assert all(choice.margin == 0 for choice in (*unknown.ranking, *nobody.ranking))
    assert (unknown.user, unknown.votes) == (None, 0)
    assert known.user == "bela" and known.votes == router.votes("bela") > 0
    assert any(abs(choice.margin) > 0.01 for choice in known.ranking)


def test_candidates_choose_what_is_ranked_and_change_no_score(router):
    few = router.rank("bela", QUERY, [B, A, B])
    assert {choice.model for choice in few.ranking} == {A, B}
    everything = scores(router.rank("bela", QUERY))
    assert scores(few) == pytest.approx({name: everything[name] for name in (A, B)}, abs=1e-5)
    assert router.rank("bela", QUERY, [A]).ranking[0].win_probability == 1


def test_asking_is_repeatable_and_leaves_nothing_behind(router, good_run):
    before = sorted((path, path.stat().st_mtime_ns) for path in good_run.rglob("*"))
    talk = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi", "model": "new"}]
    first = router.rank("bela", "Never asked before?", conversation=talk)
    assert close(router.rank("bela", "Never asked before?", conversation=talk), first)
    assert before == sorted((path, path.stat().st_mtime_ns) for path in good_run.rglob("*"))
    assert "new" not in router.models


def test_opposite_histories_give_opposite_rankings(mine):
    for user, winner in (("pro", "model_a"), ("con", "model_b")):
        assert mine.add(user, votes(winner))["votes"] == 20
    for query in (QUERY, "Write a poem", "What is 3 + 4?"):
        pro, con = (scores(mine.rank(user, query, [A, B])) for user in ("pro", "con"))
        assert pro[A] > pro[B] and con[A] < con[B], query
    pro, con = mine.preferences("pro"), mine.preferences("con")
    assert pro[A] > pro[B] and con[A] < con[B]


def test_shuffling_whose_history_is_whose_costs_accuracy(router, demo_data):
    data = Dataset.load(demo_data)
    table = data.table
    asked = np.flatnonzero((table.split == TEST) & table.rated)
    history, questions = data.select(table.split == TRAIN), data.questions(asked)

    def accuracy(shown):
        gap = pairs_of(table.ratings[asked]).differences(router.router.score(shown, questions))
        return np.mean((gap > 0) + 0.5 * (gap == 0))

    own, others = accuracy(history), []
    for seed in range(3):
        owner = np.random.default_rng(seed).permutation(len(table.users))
        others.append(accuracy(history.with_table(replace(history.table, user=owner[history.table.user]))))
    assert own > 0.7 and own > max(others) + 0.08


def test_adding_and_forgetting_restores_every_score(mine, good_copy):
    users = ("bela", "dalia", None)
    before = [mine.rank(user, QUERY) for user in users], [mine.preferences(user) for user in users]
    # What was found whole is remembered when it is old enough, at whichever look that is.
    stored = {path.name: path.read_bytes() for path in good_copy.glob("*") if path.is_file() and path.name != RECORD}
    mine.add("guest", votes("model_a"))
    assert scores(mine.rank("bela", QUERY)) == scores(before[0][0])  # only the guest's own ranking moves at once
    assert scores(mine.rank("guest", QUERY)) != scores(mine.rank(None, QUERY))
    loaded = Router.from_pretrained(good_copy)
    assert all(close(mine.rank(user, QUERY), loaded.rank(user, QUERY)) for user in ("bela", "guest"))
    for router in (mine, loaded):
        router.refresh()
    assert not close(mine.rank("bela", QUERY), before[0][0])  # what guests vote for is worth more to everybody
    assert all(close(mine.rank(user, QUERY), loaded.rank(user, QUERY)) for user in ("bela", "guest"))
    assert mine.forget("guest") == 20
    for router in (mine, Router.from_pretrained(good_copy)):
        assert all(close(router.rank(user, QUERY), old) for user, old in zip(users, before[0], strict=True))
        for user, old in zip(users, before[1], strict=True):
            assert router.preferences(user) == pytest.approx(old, abs=1e-6)
        assert close(router.rank("guest", QUERY), router.rank(None, QUERY))
        assert "guest" not in router.users
    assert stored == {name: (good_copy / name).read_bytes() for name in stored}
    assert not any("guest" in path.name for path in good_copy.rglob("*"))
    assert not any(b"guest" in path.read_bytes() for path in good_copy.rglob("*") if path.is_file())


def test_the_network_alone_hears_nobody_but_the_asker(network_copy):
    network = Router.from_pretrained(network_copy)
    users = ("dalia", None)
    before = [network.rank(user, QUERY) for user in users]
    network.add("guest", votes("model_a"))
    assert all(close(network.rank(user, QUERY), old) for user, old in zip(users, before, strict=True))
    assert scores(network.rank("guest", QUERY)) != scores(network.rank(None, QUERY))
    for name in ("guest", "bela"):
        assert network.forget(name) > 0
    for router in (network, Router.from_pretrained(network_copy)):
        for user, old in zip(users, before, strict=True):
            assert scores(router.rank(user, QUERY)) == pytest.approx(scores(old), abs=1e-5)


def test_forgetting_somebody_trained_on_takes_their_rows_everywhere(mine, good_copy):
    other = mine.rank("dalia", QUERY)
    table = mine.data.table
    asked = mine.data.questions(np.flatnonzero(table.user == table.users.index("dalia")))
    never = mine.data.select(table.user != table.users.index("bela"))
    wanted = mine.router.score(never, asked)
    assert np.abs(mine.router.score(mine.data, asked)[asked.mask] - wanted[asked.mask]).max() > 1e-3
    texts = [item.query for item in mine.history("bela")]
    assert mine.forget("bela") == len(texts) > 0
    again = Router.from_pretrained(good_copy)
    assert "bela" not in again.users and again.votes("bela") == 0
    assert close(again.rank("bela", QUERY), again.rank(None, QUERY))
    left = again.data.table
    own = np.flatnonzero(left.user == left.users.index("dalia"))
    assert again.router.score(again.data, again.data.questions(own)) == pytest.approx(wanted, abs=1e-6)
    assert close(again.rank("dalia", QUERY), mine.rank("dalia", QUERY)) and not close(mine.rank("dalia", QUERY), other)
    with pytest.raises(UserError, match="no user 'bela'"):
        again.history("bela")
    assert b"bela" not in (good_copy / "history.parquet").read_bytes()


def test_what_was_added_is_there_after_loading_and_copying(mine, good_copy, tmp_path):
    told = [Comparison("guest", "talk", t, f"round {t}", (Candidate(A, "yes", 1.0), Candidate(B))) for t in (0, 1)]
    found = mine.add("guest", [*told, *votes("tie", 2)])
    assert found == {**{"added": 4, "repeats": 0, "votes": 4}, "events": [1, 2, 3, 4], "unknown_models": []}
    copied = mine.save_pretrained(tmp_path / "copies" / "one")
    for folder in (good_copy, copied):
        again = Router.from_pretrained(folder)
        assert again.history("guest") == mine.history("guest")
        assert close(again.rank("guest", QUERY), mine.rank("guest", QUERY))
    assert [item.turn for item in mine.history("guest")][:2] == [0, 1]
    with pytest.raises(UserError, match="not empty"):
        mine.save_pretrained(copied)


def test_a_new_process_gives_identical_scores(mine, tmp_path):
    mine.add("guest", votes("model_b", 5))
    folder = mine.save_pretrained(tmp_path / "copy")
    code = (
        "import json, sys; from gmt.serving.pretrained import Router; r = Router.from_pretrained(sys.argv[1]); "
        f"print(json.dumps([r.rank(u, {QUERY!r}, explain=True).to_json() for u in ('guest', 'bela', None)]))"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        env={**os.environ, "PYTHONPATH": str(root), "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    here = [mine.rank(user, QUERY, explain=True).to_json() for user in ("guest", "bela", None)]
    for there, wanted in zip(json.loads(done.stdout), here, strict=True):
        assert [choice["model"] for choice in there["ranking"]] == [choice["model"] for choice in wanted["ranking"]]
        for found, choice in zip(there["ranking"], wanted["ranking"], strict=True):
            assert found == pytest.approx(choice, abs=1e-6)
        assert {reason["query"]: reason["effect"] for reason in there["reasons"]} == pytest.approx(
            {reason["query"]: reason["effect"] for reason in wanted["reasons"]}, abs=1e-6
        )


def test_a_conversation_is_read_as_text_and_names_its_models(network_run):
    router = Router.from_pretrained(network_run)
    talk = [
        {"role": "user", "content": "Write a python function that reverses a list"},
        {"role": "assistant", "content": "def reverse(items): return items[::-1]", "model": A},
    ]
    plain, after = router.rank("bela", QUERY), router.rank("bela", QUERY, conversation=talk)
    other = router.rank("bela", QUERY, conversation=[talk[0], {**talk[1], "content": "no"}])
    unnamed = router.rank("bela", QUERY, conversation=[talk[0], {"role": "assistant", "content": "hm"}])
    stranger = router.rank("bela", QUERY, conversation=[talk[0], {**talk[1], "model": "stranger-1b"}])
    assert scores(plain) != scores(after) != scores(other)
    for decision in (after, other, unnamed, stranger):
        assert {choice.model for choice in decision.ranking} == set(router.models)
        assert decision.votes == plain.votes
    unknown = router.rank(None, QUERY, conversation=talk)
    assert all(choice.margin == 0 for choice in unknown.ranking)


def test_reasons_are_rounds_of_that_person(router):
    decision = router.rank("bela", QUERY, explain=True)
    asked = {item.query for item in router.history("bela")}
    assert decision.reasons and all(reason.query in asked for reason in decision.reasons)
    effects = [abs(reason.effect) for reason in decision.reasons]
    assert effects == sorted(effects, reverse=True) and effects[0] > 0
    # Rounds of one answer, rated alone, are reasons like those of two.
    assert all(len(reason.models) == len(reason.ratings) in (1, 2) for reason in decision.reasons)
    assert close(decision, router.rank("bela", QUERY))
    assert router.rank("nobody", QUERY, explain=True).reasons == ()


def test_a_reason_speaks_for_the_model_it_praised(mine):
    mine.add("pro", votes("model_a", 4))
    decision = mine.rank("pro", QUERY, [A, B], explain=True)
    assert decision.model == A and sum(reason.effect for reason in decision.reasons) > 0


def test_a_model_is_offered_without_retraining(mine, good_copy):
    before = scores(mine.rank("bela", QUERY))
    info = ModelInfo("A large general model that answers at length, in numbered steps with reasons.", 3.0, 15.0)
    assert mine.add_model("newcomer-1b", info) == 0
    again = Router.from_pretrained(good_copy)
    for router in (mine, again):
        found = scores(router.rank("bela", QUERY))
        assert {name: found[name] for name in before} == pytest.approx(before, abs=1e-5)
        assert router.models[-1] == "newcomer-1b" and np.isfinite(found["newcomer-1b"])
    assert close(again.rank("bela", QUERY), mine.rank("bela", QUERY))
    with pytest.raises(UserError, match="another description"):
        mine.add_model("newcomer-1b", ModelInfo("something else"))
    assert mine.add_model("newcomer-1b", info) == 0
    for name in ("", "  ", " x"):
        with pytest.raises(UserError, match="name"):
            mine.add_model(name, info)


def test_votes_move_a_model_that_was_added(mine):
    info = ModelInfo("Nobody knows much about it.")
    told = [
        Comparison("fan", f"c{i}", 0, f"question {i}", (Candidate("newcomer-1b", None, 1.0), Candidate(A, None, 0.0)))
        for i in range(15)
    ]
    assert mine.add_model("newcomer-1b", info, told) == 15
    fan, nobody = (scores(mine.rank(user, QUERY, ["newcomer-1b", A])) for user in ("fan", None))
    assert fan["newcomer-1b"] - fan[A] > nobody["newcomer-1b"] - nobody[A]


def test_a_stranger_of_somebodys_history_can_be_offered_later(mine, good_copy):
    """A run first hears of the model in a history, then of its description: both count at once."""
    mine.add("guest", [{"query": "x", "model_a": "stranger-1b", "model_b": A, "winner": "model_a"}])
    assert "stranger-1b" not in mine.models
    mine.rank("bela", QUERY)  # what is kept of this must not outlive the description
    mine.add_model("stranger-1b", ModelInfo("A courteous, formal assistant."))
    assert mine.preferences(None) == pytest.approx(Router.from_pretrained(good_copy).preferences(None), abs=1e-5)


def test_a_stranger_of_a_conversation_is_not_taken_for_the_next_model(mine, good_copy):
    talk = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello", "model": "stranger-1b"}]
    mine.rank("bela", QUERY, conversation=talk)
    mine.add_model("newcomer-1b", ModelInfo("A courteous, formal assistant."))
    assert close(mine.rank("bela", QUERY), Router.from_pretrained(good_copy).rank("bela", QUERY))


@pytest.mark.parametrize("name", ["a/b", "../../x", "ünï 猫", 'it\'s "quoted"', "x" * 300, "somebody", "nul"])
def test_people_with_odd_names(mine, good_copy, name):
    assert mine.add(name, votes("model_a", 3))["votes"] == 3
    again = Router.from_pretrained(good_copy)
    assert name in again.users and close(again.rank(name, QUERY), mine.rank(name, QUERY))
    assert again.rank(name, QUERY).votes == 3
    assert again.forget(name) == 3 and name not in Router.from_pretrained(good_copy).users


@pytest.mark.parametrize("name", ["", "  ", " ana", "ana\n", "\udcff"])
def test_names_that_cannot_be_kept_are_refused(mine, good_copy, name):
    with pytest.raises(UserError):
        mine.add(name, votes("model_a", 1))
    assert not (good_copy / "state.db").exists()


@pytest.mark.parametrize(
    ("candidates", "query", "said"),
    [
        (["atlas"], QUERY, "no model atlas; the run offers .*atlas-90b"),
        ([], QUERY, "no model to choose from"),
        (None, "", "query is empty"),
        (None, " \n", "query is empty"),
    ],
)
def test_questions_that_cannot_be_asked(router, candidates, query, said):
    with pytest.raises(UserError, match=said):
        router.rank("bela", query, candidates)


def test_a_bad_vote_adds_nothing(mine, good_copy):
    before = mine.rank("bela", QUERY)
    with pytest.raises(DataError, match="row line 2: rating is 9.*expected a number from 0 to 1"):
        mine.add("bela", [*votes("model_a", 1), {"query": "x", "model": A, "rating": 9}], replace_history=True)
    for router in (mine, Router.from_pretrained(good_copy)):
        assert close(router.rank("bela", QUERY), before)


@pytest.mark.parametrize("name", ["model.safetensors", "posterior.safetensors"])
def test_damaged_weights_are_refused(run_copy, name):
    unsealed(run_copy)
    path = run_copy / name
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(RunError, match=f"{name} is damaged"):
        Router.from_pretrained(run_copy)


def test_a_posterior_of_another_version_is_refused(run_copy):
    unsealed(run_copy)
    path = run_copy / "posterior.safetensors"
    save_tensors(
        path, {name: value for name, value in load_tensors(path).items() if name != "settings.answer_variance"}
    )
    with pytest.raises(
        RunError, match=r"posterior\.safetensors holds no settings\.answer_variance; train the run again"
    ):
        Router.from_pretrained(run_copy)


@pytest.mark.parametrize("run", ["tiny_run", "network_run"])
def test_a_run_whose_training_did_not_end_is_refused(request, tmp_path, run):
    folder = unsealed(Path(shutil.copytree(request.getfixturevalue(run), tmp_path / "run")))
    card = json.loads((folder / "card.json").read_text())
    del card["network_weight"]  # the card is written before training and again at its end
    (folder / "card.json").write_text(json.dumps(card))
    with pytest.raises(RunError, match="did not end; go on with --resume, or train it again"):
        Router.from_pretrained(folder)


def test_settings_that_do_not_fit_the_weights_are_refused(run_copy):
    path = unsealed(run_copy) / "config.yaml"
    path.write_text(path.read_text().replace("width: 16", "width: 32"))
    with pytest.raises(RunError, match=r"does not fit config\.yaml: .* in the file and .* by the settings"):
        Router.from_pretrained(run_copy)


def test_another_encoder_is_refused(run_copy):
    unsealed(run_copy)
    card = json.loads((run_copy / "card.json").read_text())
    card["encoder"]["id"] = "hash:128"
    (run_copy / "card.json").write_text(json.dumps(card))
    with pytest.raises(RunError, match="made by hash:64 and the run by hash:128"):
        Router.from_pretrained(run_copy)


def with_an_older_encoder(run: Path) -> Router:
    """Make a run say that its vectors come from a revision that is not installed."""
    unsealed(run)
    for path in (run / "card.json", run / "embeddings" / "encoder.json"):
        value = json.loads(path.read_text())
        value.get("encoder", value)["revision"] = "0"
        path.write_text(json.dumps(value))
    return Router.from_pretrained(run)


def test_another_revision_of_the_encoder_is_refused_when_it_is_needed(run_copy):
    router = with_an_older_encoder(run_copy)
    known = router.history("bela")[0].query
    assert router.rank("bela", known).ranking  # a text that is remembered needs no encoder
    with pytest.raises(RunError, match="at revision 0 and 1 is installed"):
        router.rank("bela", "a text that was never seen")


def test_a_history_is_kept_when_the_encoder_for_a_new_one_is_missing(run_copy):
    router = with_an_older_encoder(run_copy)
    with pytest.raises(RunError):
        router.add("bela", votes("model_a", 1), replace_history=True)
    assert Router.from_pretrained(run_copy).votes("bela") == router.votes("bela") > 1
