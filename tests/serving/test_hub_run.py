"""Check that a run goes to the hub and comes back by the hub's own mixin, and that nothing of people goes along."""

import json
import re
import shutil
from dataclasses import replace
from types import SimpleNamespace

import huggingface_hub.hub_mixin as hub_mixin
import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from huggingface_hub.errors import LocalEntryNotFoundError

from gmt.bench.made_data import made_dataset, made_run
from gmt.data.dataset import ModelInfo
from gmt.data.store import EmbeddingStore
from gmt.data.text_keys import key_of, stand_in
from gmt.errors import RunError, UserError
from gmt.manifest import verify
from gmt.runs import RunFolder
from gmt.serving import hub_run
from gmt.serving.people_free import write_without_people
from gmt.serving.pretrained import Router
from gmt.serving.vote_groups import SHARED_BY, VoteGroups

QUERY = "How do I plan a garden?"
A, B = "atlas-90b", "telegram-8b"
SECRET, NAME = "my doctor says it is the left knee", "zz-maximiliane"


class Hub:
    """Keep repositories in folders; refuse what is not there."""

    def __init__(self, root):
        self.root = root

    def api(self, token=None):
        return SimpleNamespace(create_repo=self.create_repo, upload_folder=self.upload_folder)

    def create_repo(self, repo_id, private, exist_ok):
        self.private = private
        (self.root / repo_id).mkdir(parents=True, exist_ok=exist_ok)
        return SimpleNamespace(repo_id=repo_id)

    def upload_folder(self, repo_id, folder_path, **options):
        shutil.copytree(folder_path, self.root / repo_id, dirs_exist_ok=True)
        return f"https://hub/{repo_id}/commit/1"

    def snapshot_download(self, repo_id, **options):
        if not (self.root / repo_id).is_dir():
            raise LocalEntryNotFoundError(f"no {repo_id}")
        return str(self.root / repo_id)

    def hf_hub_download(self, repo_id, filename, **options):
        return (
            str(self.root / repo_id / filename) if (self.root / repo_id).is_dir() else self.snapshot_download(repo_id)
        )


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # no folder here has the name of a hub's user
    found = Hub(tmp_path / "the hub")
    monkeypatch.setattr(hub_mixin, "HfApi", found.api)
    monkeypatch.setattr(hub_mixin, "hf_hub_download", found.hf_hub_download)
    monkeypatch.setattr(hub_run, "snapshot_download", found.snapshot_download)
    return found


@pytest.fixture(scope="module")
def told(good_run, tmp_path_factory):
    """A run whose state holds somebody's words, a new model and one less; measured, with a database named."""
    run = shutil.copytree(good_run, tmp_path_factory.mktemp("told") / "run")
    router = Router.from_pretrained(run)
    vote = {"query": SECRET, "model_a": A, "model_b": B, "winner": "model_a", "response_a": f"{SECRET}!", "task": NAME}
    router.add(NAME, [vote, {"query": "x", "model": A, "rating": 0.5, "feedback": f"oh, {SECRET}"}])
    router.add_model("late-1b", ModelInfo("A small model that came late.", 1.0, 2.0, 0.5))
    router.remove_model(B)
    router.close()
    (run / "results").mkdir()
    interval = {"value": 0.8123, "low": 0.75, "high": 0.87}
    routers = {name: dict.fromkeys(("auc", "accuracy", "log_loss"), interval) for name in ("gmt", "model_mean")}
    verdict = {"status": "worth_it", "metric": "auc", "over": "model_mean", "gain": {"auc": interval}}
    summary = {
        "split": "test",
        "comparisons": 40,
        "users": 9,
        "shots": {"all": {"routers": routers}},
        "verdict": verdict,
    }
    (run / "results" / "seen.json").write_text(json.dumps(summary))
    return run


@pytest.fixture(scope="module")
def shared(told, tmp_path_factory):
    """What `push_to_hub` would upload of it by default."""
    router = Router.from_pretrained(told)
    return router.save_for_hub(tmp_path_factory.mktemp("shared") / "run", licence="cc-by-4.0")


def scores(decision):
    return {choice.model: choice.score for choice in decision.ranking}


def written(folder):
    """Return everything that the files of a folder say, tables unpacked."""
    parts = []
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".parquet":
            parts.append(json.dumps(pq.read_table(path).to_pylist(), ensure_ascii=False))
        elif path.is_file():
            parts.append(path.read_bytes().decode("latin-1"))
    return "\n".join(parts)


def test_nothing_of_people_is_in_any_file(told, shared):
    router = Router.from_pretrained(told)
    said = written(shared)
    words = set(re.findall(r"[^\s\"',:]+", said))
    assert NAME in router.users and not words & {*router.users, NAME}
    table = router.data.table
    assert SECRET in table.texts and len(table.texts) > 100
    for text in table.texts:
        # Words of one letter stand in any file.
        assert len(text) < 4 or text not in said
        assert key_of(text) not in said and stand_in(text) not in said
    for name in (*table.conversations, *table.questions):
        assert len(name) < 4 or name not in words
    assert str(told) not in said and "trained_rounds.npy" not in said and not (shared / "results").exists()


def test_no_vector_of_a_text_is_shared(told, shared):
    router = Router.from_pretrained(told)
    texts = [text for text in router.data.table.texts if text.strip()]
    own = router.run_data.texts.of_added(texts, router.live.state.existing())
    store = EmbeddingStore.open(shared / "embeddings")
    groups = [f"shared queries {number}" for number in range(1, len(store))]
    groups = [name for name in groups if not store.missing([name])]
    assert len(groups) >= 2 and len(store) == len(groups) + 9
    assert (store.vectors(groups) @ own.T).max() < 0.999


def test_groups_are_of_enough_people_and_queries_and_rounds_are_nobodys(told):
    data = Router.from_pretrained(told).data
    found = VoteGroups.of(data)
    assert len(found.rounds) + found.left_out == data.table.rated.sum() and len(
        {one.user for one in found.rounds}
    ) == len(found.rounds)
    assert not any(one.timestamp or any(c.response or c.feedback for c in one.candidates) for one in found.rounds)
    assert NAME not in {one.task for one in found.rounds}  # one person's word
    told = sorted(tuple((c.model, c.rating) for c in one.candidates) for one in found.rounds)
    rated = data.select(data.table.rated).table.to_comparisons()
    every = sorted(tuple((c.model, c.rating) for c in one.candidates) for one in rated)
    assert found.left_out or told == every
    few = data.select(np.isin(data.table.user, np.arange(SHARED_BY - 1)))
    assert VoteGroups.of(few).rounds == [] and VoteGroups.of(few, 4).rounds


def test_a_shared_run_ranks_for_somebody_unknown_and_learns_its_own_users(told, shared):
    full, copy = Router.from_pretrained(told), Router.from_pretrained(shared)
    verify(shared)
    assert copy.models == full.models and B not in copy.models and copy.models[-1] == "late-1b"
    assert copy.data.models["late-1b"] == full.data.models["late-1b"] and copy.users == []
    ours, theirs = (scores(router.rank(None, QUERY)) for router in (full, copy))
    assert np.corrcoef([ours[name] for name in ours], [theirs[name] for name in ours])[0, 1] > 0.8
    assert scores(copy.rank(NAME, QUERY)) == theirs
    votes = [{"query": f"question {n}", "model_a": "outline-9b", "model_b": A, "winner": "model_a"} for n in range(9)]
    assert copy.add("new", votes)["votes"] == 9 and copy.users == ["new"]
    new = scores(copy.rank("new", QUERY))
    assert new["outline-9b"] - new[A] > theirs["outline-9b"] - theirs[A]
    copy.refresh()  # as loading does where a model was added
    again = Router.from_pretrained(shared)
    assert scores(again.rank("new", QUERY)) == pytest.approx(scores(copy.rank("new", QUERY)), abs=1e-6)
    copy.forget("new")


def test_the_card_says_data_verdict_numbers_licence_and_people(shared, told):
    text = (shared / "README.md").read_text()
    head = yaml.safe_load(text.split("---")[1])
    assert head["license"] == "cc-by-4.0" and head["library_name"] == "gmt-router" and "llm-routing" in head["tags"]
    for said in (
        "split): ", "rounds to learn from", "**gmt** | 0.812 [0.750, 0.870]", "`model_mean` | 0.812", "worth it",
        "+0.812 [+0.750, +0.870], paired over users", "No name, no text", "at least 5", "not differential privacy",
        "same model as the whole run", "`cc-by-4.0`", "late-1b",
    ):  # fmt: skip
        assert said in text, said


def test_pushing_and_loading_goes_through_the_mixin(hub, told):
    router = Router.from_pretrained(told, autosave=False)
    assert router.push_to_hub("ana/my-run").endswith("ana/my-run/commit/1")
    assert hub.private is True and (hub.root / "ana/my-run/config.json").is_file()
    loaded = Router.from_pretrained("ana/my-run")
    assert loaded.models == router.models and "shared queries 1" in loaded.data.table.texts
    loaded.add("guest", [{"query": "x", "model_a": A, "model_b": "outline-9b", "winner": "model_a"}])
    assert loaded.votes("guest") == 1 and Router.from_pretrained("ana/my-run").users == []
    verify(hub.root / "ana/my-run")
    kept = loaded.save_pretrained(hub.root / "mine")
    assert Router.from_pretrained(kept).votes("guest") == 1


def test_a_run_with_its_people_goes_only_where_that_is_said(hub, told):
    Router.from_pretrained(told).push_to_hub("ana/everybody", include_users=True, private=None)
    loaded, full = Router.from_pretrained("ana/everybody"), Router.from_pretrained(told)
    assert NAME in loaded.users and scores(loaded.rank(NAME, QUERY)) == pytest.approx(
        scores(full.rank(NAME, QUERY)), abs=1e-6
    )
    text = (hub.root / "ana/everybody/README.md").read_text()
    assert "**Everything**" in text and "None was stated" in text and hub.private is None
    assert json.loads((hub.root / "ana/everybody/card.json").read_text())["data"]["path"] == "not shared"


def test_the_mixin_reads_a_folder_and_saves_no_run_that_it_only_read(shared, tmp_path):
    found = hub_run.HubRun.from_pretrained(str(shared))
    assert found.folder == shared and isinstance(found, hub_mixin.ModelHubMixin)
    with pytest.raises(UserError, match="saved by Router.save_pretrained"):
        found.save_pretrained(tmp_path / "again")
    with pytest.raises(RunError, match="holds no config.yaml"):
        hub_run.HubRun.from_pretrained(str(tmp_path))


@pytest.mark.parametrize("include_users", [False, True])
def test_where_the_database_is_stays_here(told, tmp_path, include_users):
    run = shutil.copytree(told, tmp_path / "run")
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["state"]["url"] = f"sqlite:///{tmp_path}/secret-place.db"
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    (run / "manifest.json").unlink()
    card = json.loads((run / "card.json").read_text())
    del card["format"]
    (run / "card.json").write_text(json.dumps(card))
    out = Router.from_pretrained(run).save_for_hub(tmp_path / "out", include_users=include_users)
    assert "secret-place" not in written(out)
    assert Router.from_pretrained(out).rank(None, QUERY).ranking


def test_what_is_not_there_is_one_line(hub, tmp_path):
    with pytest.raises(
        RunError, match="nobody/nothing could not be had of the hub.*no folder here has that name"
    ) as error:
        Router.from_pretrained("nobody/nothing")
    assert len(str(error.value).splitlines()) == 1
    # A path whose folder is here is never asked of the hub, nor is a Path.
    (tmp_path / "runs").mkdir()
    with pytest.raises(RunError, match="there is no run runs/missing"):
        Router.from_pretrained("runs/missing")


def test_a_run_of_the_hub_is_not_written_into_its_cache(hub, told, tmp_path):
    Router.from_pretrained(told).push_to_hub("ana/my-run")
    with pytest.raises(UserError, match="lies in the hub's cache, where nothing is kept; name a database"):
        Router.from_pretrained("ana/my-run", autosave=True)
    url = f"sqlite:///{tmp_path}/votes.db"
    Router.from_pretrained("ana/my-run", url).add("guest", [{"query": "x", "model": A, "rating": 1}])
    assert Router.from_pretrained("ana/my-run", url).users == ["guest"]
    assert not (hub.root / "ana/my-run/state.db-wal").exists()


def test_a_run_of_few_people_or_of_answers_is_not_shared(tmp_path):
    made_run(RunFolder(tmp_path / "few"), made_dataset(SHARED_BY - 1, 30, width=16))
    router = Router.from_pretrained(tmp_path / "few")
    with pytest.raises(UserError, match="fewer than 5 people .* pass include_users=True if everybody in it agreed"):
        router.save_for_hub(tmp_path / "out")
    assert not (tmp_path / "out" / "card.json").exists()
    now = router.run_data
    shown = replace(now, data=replace(now.data, card={**now.data.card, "answers_shown": True}))
    with pytest.raises(UserError, match="ranks answers by their texts and cannot be shared without them"):
        write_without_people(shown, router.config, router.card, router.live.state, tmp_path / "out")


def test_tasks_keep_their_codes_where_some_lose_their_names(told, shared):
    """Learned traits know tasks by their codes, and groups of rounds begin with other tasks than the history did."""
    before, after = Router.from_pretrained(told).tasks, Router.from_pretrained(shared).tasks
    assert len(before) > 1
    for name, kept in zip(before, after, strict=False):
        assert kept in (name, f"task {before.index(name) + 1}")
    assert NAME in before and NAME not in after
