"""Check that a run may be asked and told things from many sides at once, and by routers that do not know each other."""

import json
import shutil
import threading
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gmt.bench.made_data import made_dataset, made_run
from gmt.config import load_config
from gmt.data.comparisons import Candidate, Comparison
from gmt.data.dataset import Dataset, ModelInfo
from gmt.data.interactions import TEST, TRAIN, VALID
from gmt.data.round_hashes import owner_hash, round_hashes
from gmt.data.rounds_seen import TrainedRounds
from gmt.data.run_history import RunHistory
from gmt.errors import RunError, UserError
from gmt.hybrid.stored_belief import store_belief
from gmt.manifest import read_manifest, seal
from gmt.model.checkpoint import save_tensors
from gmt.posterior.hierarchical_model import HierarchicalModel
from gmt.runs import RunFolder, read_card
from gmt.serving.pretrained import Router
from gmt.serving.run_data import RunData
from gmt.state.user_files import UserFiles
from tests.trained import unsealed

A, B = "atlas-90b", "telegram-8b"
THREADS, EACH = 4, 150


def vote(number, winner="model_a", words="question"):
    return {"query": f"{words} {number}", "model_a": A, "model_b": B, "winner": winner}


def scores(decision):
    return {choice.model: choice.score for choice in decision.ranking}


def in_threads(work, count=THREADS):
    errors = []

    def guarded(number):
        try:
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors[0]


@pytest.mark.parametrize("run", ["run_copy", "network_copy"])
def test_threads_get_exactly_the_scores_of_one_thread(request, run):
    router = Router.from_pretrained(request.getfixturevalue(run))
    talk = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello", "model": "new-1b"}]
    people, each = ["bela", "dalia", None], EACH if run == "run_copy" else 10
    asked = [(people[n % 3], f"thread question {n}", talk if n % 5 == 0 else None) for n in range(THREADS * each)]

    def ask(router, number):
        user, query, conversation = asked[number]
        return scores(router.rank(user, query, conversation=conversation, with_uncertainty=False))

    found: list[dict[str, float]] = [{}] * len(asked)

    def work(thread):
        for number in range(thread, len(asked), THREADS):
            found[number] = ask(router, number)

    in_threads(work)
    assert sum(one == ask(router, number) for number, one in enumerate(found)) == len(asked)


def test_two_routers_of_one_run_see_each_other_at_the_next_call(run_copy):
    one, other = (Router.from_pretrained(run_copy) for _ in range(2))
    assert one.add("guest", [vote(n) for n in range(3)])["votes"] == 3
    assert other.votes("guest") == 3 and scores(other.rank("guest", "x")) == pytest.approx(
        scores(one.rank("guest", "x"))
    )
    assert other.add("guest", [vote(7)])["votes"] == 4 == one.votes("guest")
    other.add_model("late-1b", ModelInfo("A small model."))
    assert one.models[-1] == "late-1b" and "late-1b" in scores(one.rank("guest", "x"))
    assert one.forget("guest") == 4 and "guest" not in other.users and other.votes("guest") == 0
    loaded = Router.from_pretrained(run_copy)
    for router in (one, other):
        assert scores(router.rank("bela", "x")) == pytest.approx(scores(loaded.rank("bela", "x")), abs=1e-6)


def test_what_is_taken_back_counts_no_more_anywhere(run_copy):
    one, other = (Router.from_pretrained(run_copy) for _ in range(2))
    before = scores(one.rank("guest", "x"))
    events = one.add("guest", [vote(n) for n in range(3)])["events"]
    assert [event.id for event in one.events("guest")] == events
    assert other.votes("guest") == 3
    assert one.revoke(events[1]) and not one.revoke(events[1])
    assert one.votes("guest") == other.votes("guest") == 2 and one.rebuild("guest") == 2
    for event in (events[0], events[2]):
        other.revoke(event)
    assert scores(one.rank("guest", "x")) == pytest.approx(before, abs=1e-6)
    with pytest.raises(UserError, match="no event 99"):
        one.revoke(99)


@pytest.mark.parametrize("taken_back", ["revoked", "forgotten"])
def test_what_is_taken_back_while_another_reads_counts_no_more(run_copy, monkeypatch, taken_back):
    here, there = Router.from_pretrained(run_copy), Router.from_pretrained(run_copy)
    event = here.add("ana", [vote(1)])["events"][0]
    assert there.votes("ana") == 1
    here.add("ben", [vote(2)])
    caught_up, again = RunData.caught_up, []

    def interrupted(self, state):
        if not again:  # between the look for what was taken back and the reading of what is new
            again.append(taken_back)
            here.revoke(event) if taken_back == "revoked" else here.forget("ana")
        return caught_up(self, state)

    monkeypatch.setattr(RunData, "caught_up", interrupted)
    assert there.votes("ben") == 1 and again and there.votes("ana") == 0


def test_the_first_thumb_of_many_votes_conditions_on_nothing_and_loading_on_everything(tmp_path, monkeypatch):
    run = RunFolder(tmp_path / "run")
    made_run(run, made_dataset(6, 8, width=16))  # votes alone
    assert store_belief(run, load_config(run.config), RunHistory.read(run, read_card(run.card)).data)
    seal(run.root)
    whole, condition = [], HierarchicalModel.condition

    def counted(self, history):
        whole.append(len(history.table))
        return condition(self, history)

    def gap(router):
        found = scores(router.rank("ana", "question 1"))
        return found["m1"] - found["m2"]

    monkeypatch.setattr(HierarchicalModel, "condition", counted)
    router = Router.from_pretrained(run.root)
    before = gap(router)
    for number in range(3):
        router.add("ana", [{"query": f"question {number}", "model": "m1", "rating": 1.0}])
    after = gap(router)
    assert not whole and after > before + 0.1
    again = Router.from_pretrained(run.root)
    assert gap(again) > before + 0.1 and whole == [len(router.data.table)]
    # A form that the training knew is solved for its user alone, at loading too.
    router.revoke(3), router.revoke(2), router.revoke(1)
    router.add("ana", [{"query": "question 1", "model_a": "m1", "model_b": "m2", "winner": "model_a"}])
    assert gap(Router.from_pretrained(run.root)) > before and len(whole) == 1


def test_a_request_sent_again_is_known_by_its_key(run_copy):
    router = Router.from_pretrained(run_copy)
    first = router.add("guest", [vote(1)], keys=["k1"])
    assert router.add("guest", [vote(1)], keys=["k1"]) == first | {"added": 0, "repeats": 1}
    with pytest.raises(UserError, match="stands for another vote"):
        router.add("guest", [vote(2)], keys=["k1"])


def test_a_model_and_its_votes_are_kept_together_or_not_at_all(run_copy):
    router = Router.from_pretrained(run_copy)
    good = Comparison("guest", "c", 0, "x", (Candidate("late-1b", None, 1.0), Candidate(A, None, 0.0)))
    # A name that no database holds is found when the model and the first vote stand in the transaction already.
    with pytest.raises(UserError, match="zero character"):
        router.add_model("late-1b", ModelInfo("A small model."), [good, replace(good, conversation="c\0")])
    for one in (router, Router.from_pretrained(run_copy)):
        assert "late-1b" not in one.models and "guest" not in one.users


def old_run(run, user="guest"):
    """Give a run the files in which gmt 0.1 kept what users told."""
    told = [
        Comparison(user, f"{user}: c{n}", 0, f"old {n}", (Candidate(A, None, 1.0), Candidate(B, None, 0.0)))
        for n in range(4)
    ]
    UserFiles(run / "users").write(user, told)
    return told


def test_files_of_an_older_gmt_are_taken_in_once(network_copy):
    told = old_run(network_copy)
    files, offset = UserFiles(network_copy / "users"), np.full(32, 0.3, np.float32)
    import torch

    save_tensors(files.path("guest", "safetensors"), {"shift": torch.from_numpy(offset)})
    router = Router.from_pretrained(network_copy)
    assert [item.query for item in router.history("guest")] == [item.query for item in told]
    assert router.history("guest")[0].conversation == "guest: c0"
    assert not (network_copy / "users").exists() and np.array_equal(router.router.user_offsets["guest"], offset)
    shutil.rmtree(network_copy / "users", ignore_errors=True)
    old_run(network_copy)  # as if the deletion had been cut short
    again = Router.from_pretrained(network_copy)
    assert again.votes("guest") == 4 and not (network_copy / "users").exists()


def test_a_damaged_file_of_an_older_gmt_is_named_and_nothing_is_taken_in(run_copy):
    old_run(run_copy)
    old_run(run_copy, "second")
    path = UserFiles(run_copy / "users").path("second")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    with pytest.raises(RunError, match=path.name):
        Router.from_pretrained(run_copy)
    assert UserFiles(run_copy / "users").path("guest").is_file()
    path.unlink()
    stray = run_copy / "users" / "nobody-00000000.safetensors"
    stray.write_bytes(b"x")
    with pytest.raises(RunError, match="belongs to no user"):
        Router.from_pretrained(run_copy)


def test_without_texts_only_hashes_and_vectors_are_kept(run_copy):
    path = unsealed(run_copy) / "config.yaml"
    path.write_text(path.read_text().replace("  texts: true\n  url: null", "  texts: false\n  url: null"))
    lines = path.read_text().replace("state:\n  url: null\n  texts: true", "state:\n  url: null\n  texts: false")
    path.write_text(lines)
    router = Router.from_pretrained(run_copy)
    assert not router.config.state.texts
    router.add("guest", [vote(n, words="a secret") for n in range(5)])
    wanted = scores(router.rank("guest", "a secret 3"))
    again = Router.from_pretrained(run_copy)
    assert scores(again.rank("guest", "a secret 3")) == pytest.approx(wanted, abs=0.2) and again.votes("guest") == 5
    assert scores(again.rank("guest", "a secret 3")) != scores(again.rank("guest", "a secret 9"))
    assert router.add("guest", [vote(3, words="a secret")])["repeats"] == 1
    assert not any(b"a secret" in file.read_bytes() for file in run_copy.rglob("*") if file.is_file())


def test_a_copy_is_a_run_of_its_own_with_all_that_was_told(run_copy, tmp_path):
    router = Router.from_pretrained(run_copy)
    events = router.add("guest", [vote(n) for n in range(3)])["events"]
    router.revoke(events[0])
    router.add("bela", [vote(9)], replace_history=True)
    copied = router.save_pretrained(tmp_path / "copy")
    other = Router.from_pretrained(copied)
    assert (other.votes("guest"), other.votes("bela")) == (2, 1) == (router.votes("guest"), router.votes("bela"))
    assert scores(other.rank("guest", "x")) == pytest.approx(
        scores(Router.from_pretrained(run_copy).rank("guest", "x"))
    )
    assert read_manifest(copied).run == other.live.state.made().run != router.live.state.made().run
    other.add("guest", [vote(5)])
    assert router.votes("guest") == 2 and other.votes("guest") == 3


def test_a_folder_that_cannot_be_written_is_served_and_says_so_once(run_copy, monkeypatch):
    Router.from_pretrained(run_copy).add("guest", [vote(1)])
    monkeypatch.setattr("gmt.serving.run_state.os.access", lambda *_: False)
    with pytest.warns(UserWarning, match="cannot be written") as said:
        router = Router.from_pretrained(run_copy)
        router.rank("bela", "x")
        router.rank("guest", "x")
    assert len(said) == 1 and "guest" not in router.users
    with pytest.raises(RunError, match="--state"):
        router.add("guest", [vote(2)])


def test_forgetting_somebody_trained_on_leaves_neither_name_nor_text(run_copy):
    (run_copy / "results").mkdir(exist_ok=True)
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = pa.table({"user": ["bela", "dalia"], "score": [1.0, 2.0]})
    pq.write_table(rows, run_copy / "results" / "seen.predictions.parquet")
    seal(run_copy)
    build = read_manifest(run_copy).build
    router = Router.from_pretrained(run_copy)
    texts = {item.query for item in router.history("bela")}
    others = {item.query for name in router.users if name != "bela" for item in router.history(name)}
    router.add("bela", [vote(n, words="only bela asked") for n in range(3)])
    gone = router.removed("bela")
    assert gone.rounds > 3 and any("weights" in one for one in gone.remains)
    assert any("data folder" in one for one in gone.remains)
    assert read_manifest(run_copy).build != build
    for name in ("bela", "only bela asked", *sorted(texts - others)):
        assert not any(name.encode() in path.read_bytes() for path in run_copy.rglob("*") if path.is_file()), name
    left = pq.read_table(run_copy / "results" / "seen.predictions.parquet")
    assert left["user"].to_pylist() == ["dalia"]
    assert "bela" not in pq.read_table(run_copy / "history.parquet")["user"].to_pylist()
    assert router.rank("bela", "x").user is None


def test_forgetting_leaves_no_hash_of_a_round_either(run_copy, demo_data):
    path, table = run_copy / "trained_rounds.npy", Dataset.load(demo_data).table
    mine, learned = table.user == table.users.index("bela"), table.split != TEST
    own, others = round_hashes(table.select(mine & learned)), round_hashes(table.select(~mine & learned))
    assert np.isin(own, TrainedRounds.read(path).rounds).all() and (table.split[mine] == VALID).any()
    gone = Router.from_pretrained(run_copy).removed("bela")
    assert TrainedRounds.read(path).rounds.tolist() == np.unique(others).tolist()
    assert not any("hashes of" in one for one in gone.remains)
    blob = path.read_bytes()
    assert not any(int(one).to_bytes(8, "little") in blob for one in [*own.tolist(), owner_hash("bela")])


def test_forgetting_in_a_run_of_an_earlier_gmt_says_which_hashes_remain(run_copy, demo_data):
    path, table = unsealed(run_copy) / "trained_rounds.npy", Dataset.load(demo_data).table
    np.save(path, TrainedRounds.read(path).rounds)
    gone = Router.from_pretrained(run_copy).removed("bela")
    assert any("hashes of rounds that validated the run; train again" in one for one in gone.remains)
    train = table.select((table.user == table.users.index("bela")) & (table.split == TRAIN))
    assert len(train) and not np.isin(round_hashes(train), TrainedRounds.read(path).rounds).any()


def test_what_is_told_goes_to_the_database_that_is_named(run_copy, tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path}/elsewhere.db"
    Router.from_pretrained(run_copy, url).add("guest", [vote(1)])
    assert not (run_copy / "state.db").exists() and (run_copy / "manifest.json").is_file()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "guest" not in Router.from_pretrained(run_copy).users
    monkeypatch.setenv("GMT_STATE", url)
    assert Router.from_pretrained(run_copy).votes("guest") == 1


def test_the_command_line_shows_takes_back_and_rebuilds(run_copy, gmt):
    path = Path(run_copy.parent / "h.jsonl")
    path.write_text("".join(json.dumps(vote(n)) + "\n" for n in range(2)))
    gmt("adapt", "--user", "guest", "--history", path, "--run", run_copy)
    shown = gmt("users", "show", "guest", "--run", run_copy)["events"]
    assert [one["query"] for one in shown] == ["question 0", "question 1"] and shown[0]["source"] == "adapt"
    assert gmt("users", "revoke", shown[0]["id"], "--run", run_copy)["revoked"]
    assert gmt("users", "rebuild", "guest", "--run", run_copy) == {"user": "guest", "events": 1, "votes": 1}
    assert gmt("users", "forget", "guest", "--run", run_copy)["remains"]
