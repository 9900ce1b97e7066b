"""Check a run after any sequence of what users do to it: it loads, is whole, and knows all that was told, no more."""

import json
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import create_engine, text

from gmt.config import load_config
from gmt.data.dataset import ModelInfo
from gmt.data.text_keys import stated_key
from gmt.manifest import verify
from gmt.runs import RunFolder
from gmt.serving.pretrained import Router
from gmt.serving.rounds_given import read_rounds
from gmt.state.engine import database_url
from gmt.state.events import encode, stored_key
from gmt.training.train_run import train_run
from gmt.training.upgrade_run import upgrade_run
from tests.crashes import count_of
from tests.trained import must, unsealed

QUICK = ("posterior.network=false", "traits.enabled=false")
WORDS = ("blue", "red", "green")
"""Of the texts in two data folders, and of those that stand in neither."""
NEWCOMERS = ("newt", "olga")
TRAINED = ("u0", "u1")
EVERYBODY = (*NEWCOMERS, *TRAINED, "u2", "u3")


def vote(word, n):
    return {
        "user": f"u{n % 4}", "conversation": f"{word} {n}", "query": f"{word} {n % 20}",
        "feedback": f"{word} remark {n}",
        "model_a": "x", "model_b": ("y", "z", "late")[n % (2 + (word == "green"))], "response_a": f"{word} yes {n}",
        "response_b": f"{word} no {n}", "winner": "model_a" if n * 7 % 5 < 3 else "model_b",
    }  # fmt: skip


def votes_of(user, word, first, count):
    return [{**vote(word, n % 40), "user": user} for n in range(first, first + count)]


def content(item):
    return encode(item, stored_key).content


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return the name of a data folder -> its path."""
    home = tmp_path_factory.mktemp("data")
    for word in ("blue", "red"):
        rows = "".join(json.dumps(vote(word, n)) + "\n" for n in range(40))
        (home / f"{word}.jsonl").write_text(rows)
        must(
            ["prep", "jsonl", str(home / f"{word}.jsonl"), "--encoder", "hash:16", "--out", str(home / word), "--quiet"]
        )
    return {word: home / word for word in ("blue", "red")}


@pytest.fixture(scope="module")
def first(data, tmp_path_factory):
    """Return whether texts are kept -> a trained run; nobody may change it."""
    home = tmp_path_factory.mktemp("first")
    for kept in (True, False):
        config = load_config(None, [*QUICK, f"state.texts={str(kept).lower()}"])
        train_run(data["blue"], config, RunFolder(home / str(kept)))
    return {kept: home / str(kept) for kept in (True, False)}


class RunInUse(RuleBasedStateMachine):
    """Do to one run, through two routers at once, what users do, and to a few dictionaries the same."""

    data: dict[str, Path]
    first: dict[bool, Path]
    url: str | None
    trainings: int

    @initialize(kept=st.booleans())
    def begin(self, kept):
        self.home = Path(tempfile.mkdtemp())
        self.run, self.kept = self.home / "run 0", kept
        shutil.copytree(self.first[kept], self.run)
        if self.url is not None:  # one database for all examples: another run, hence another name
            manifest = self.run / "manifest.json"
            name = json.loads(manifest.read_text())["run"]
            manifest.write_text(manifest.read_text().replace(name, self.home.name.ljust(36, "-")[-36:]))
        self.told, self.aside, self.models, self.copies, self.trained_again = {}, set(), [], 0, 0
        self.open()

    def open(self):
        self.routers = [Router.from_pretrained(self.run, self.url) for _ in range(2)]
        self.learned()

    def learned(self):
        """Note what the run was trained on, whoever was set aside since."""
        bare = self.bare("learned")
        self.trained = {user: {content(item) for item in bare.data.table.to_comparisons() if item.user == user}
                        for user in EVERYBODY}  # fmt: skip
        bare.close()

    def bare(self, name):
        """Return a router of the artefacts alone, in a copy without state."""
        target = self.home / name
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(self.run, target, ignore=shutil.ignore_patterns("state.db*", "*.lock"))
        return Router.from_pretrained(target)

    def teardown(self):
        if hasattr(self, "home"):
            self.close()
            shutil.rmtree(self.home)

    def close(self):
        for router in self.routers:
            router.close()

    # What users do.
    users = st.sampled_from((*NEWCOMERS, *TRAINED))
    which = st.integers(0, 1)
    some = st.tuples(st.sampled_from(WORDS), st.integers(0, 39), st.integers(1, 4))

    @rule(user=users, which=which, some=some)
    def tell(self, user, which, some):
        rows = votes_of(user, *some)
        mine = self.told.setdefault(user, {})
        seen = set(mine) | (set() if user in self.aside else self.trained[user])
        fresh = {content(item): row for row, item in zip(rows, read_rounds(rows, user), strict=True)}
        assert self.routers[which].add(user, rows)["added"] == len(fresh.keys() - seen)
        mine |= {key: row for key, row in fresh.items() if key not in seen}

    @rule(user=users, which=which, some=some)
    def replace(self, user, which, some):
        rows = votes_of(user, *some)
        self.routers[which].add(user, rows, replace_history=True)
        self.told[user] = {content(item): row for row, item in zip(rows, read_rounds(rows, user), strict=True)}
        self.aside.add(user)

    @rule(user=users, which=which, place=st.integers(0, 99))
    def revoke(self, user, which, place):
        if found := self.routers[1 - which].events(user):
            event = found[place % len(found)]
            assert self.routers[which].revoke(event.id)
            del self.told[user][content(event.comparison)]

    @rule(user=users, which=which)
    def forget(self, user, which):
        self.routers[which].forget(user)
        self.told.pop(user, None)
        self.aside.add(user)
        self.learned()

    @rule(which=which, name=st.sampled_from(("late", "y", "extra")), words=st.sampled_from(("small", "blue 3")))
    def change_model(self, which, name, words):
        router = self.routers[which]
        step = ("update_model", "remove_model")[len(self.models) % 2] if name in router.models else "add_model"
        more = {"add_model": (ModelInfo(words),), "update_model": (words,), "remove_model": ()}[step]
        getattr(router, step)(name, *more)
        self.models.append((step, name, *more))

    @precondition(lambda self: self.trained_again < self.trainings)
    @rule(word=st.sampled_from(("blue", "red")), kept=st.booleans(), held=st.booleans(), some=some)
    def train_again(self, word, kept, held, some):
        more = [f"state.texts={str(kept).lower()}"] + ([f"state.url={self.url}"] if self.url else [])
        train_run(self.data[word], load_config(None, [*QUICK, *more]), RunFolder(self.run))
        self.kept, self.trained_again = kept, self.trained_again + 1
        if held:  # a process that still answers from the earlier run is told something
            self.routers[0].add("newt", rows := votes_of("newt", *some))
            found = {content(item): row for row, item in zip(rows, read_rounds(rows, "newt"), strict=True)}
            mine = self.told.setdefault("newt", {})
            mine |= {key: row for key, row in found.items() if key not in mine}  # in the order of the log
        self.close()
        self.open()

    @precondition(lambda self: self.url is None)
    @rule()
    def upgrade(self):
        self.close()
        unsealed(self.run)
        assert upgrade_run(RunFolder(self.run))
        self.open()

    @rule()
    def copy(self):
        if self.url is None:
            self.copies += 1
            target = self.routers[0].save_pretrained(self.home / f"run {self.copies}")
            self.close()
            self.run = target
            self.open()

    @rule(user=users)
    def rebuild(self, user):
        self.routers[0].rebuild(user)

    # What must be so after each of them.
    def expected(self, user):
        told = set(self.told.get(user, ()))
        return told if user in self.aside else told | self.trained[user]

    @invariant()
    def all_is_known(self):
        verify(self.run)
        loaded = Router.from_pretrained(self.run, self.url)
        for router in (*self.routers, loaded):
            known = {user: set() for user in EVERYBODY}
            for item in router.data.table.to_comparisons():
                known[item.user].add(content(item))
            assert known == {user: self.expected(user) for user in EVERYBODY}
            assert {user: router.votes(user) for user in EVERYBODY} == {
                user: len(found) for user, found in known.items()
            }
        for user in NEWCOMERS:
            assert {content(event.comparison) for event in loaded.events(user)} == set(self.told.get(user, ()))
        self.scores_are_those_of_a_rebuilt_state(loaded)
        loaded.close()

    def scores_are_those_of_a_rebuilt_state(self, loaded):
        rebuilt = self.bare("rebuilt")
        for user in sorted(self.aside):
            rebuilt.add(user, [], replace_history=True)
        for user, rows in self.told.items():
            rebuilt.add(user, list(rows.values()))
        for step, name, *more in self.models:
            getattr(rebuilt, step)(name, *more)
        rebuilt.live.read_again()
        assert rebuilt.models == loaded.models
        for user in ("newt", "u0", None):
            for query in ("blue 3", "what is new"):
                one, other = (
                    {choice.model: choice.score for choice in router.rank(user, query).ranking}
                    for router in (loaded, rebuilt)
                )
                assert one == pytest.approx(other, abs=1e-6)
        rebuilt.close()

    @invariant()
    def no_text_is_kept_that_must_not_be(self):
        if not self.kept and self.url is None and (self.run / "state.db").is_file():
            engine = create_engine(database_url(self.run, self.url))
            with engine.connect() as connection:
                found = [bytes(row[0]).decode() for row in connection.execute(text("SELECT text FROM texts"))]
            engine.dispose()
            assert [one for one in found if stated_key(one) is None] == []


def in_any_sequence(data, first, url, trainings, **options):
    class Machine(RunInUse):
        pass

    Machine.data, Machine.first, Machine.url, Machine.trainings = data, first, url, trainings
    run_state_machine_as_test(Machine, settings=settings(deadline=None, **options))


def test_a_run_knows_what_it_was_told(data, first):
    in_any_sequence(data, first, None, 1, max_examples=4, stateful_step_count=8)


def test_a_run_that_keeps_texts_again_scores_as_a_rebuilt_state(data, first):
    """Replay what the long form found: a stand-in and the text it stood for were two texts, and scores .04 off."""
    state = type("Replayed", (RunInUse,), {"data": data, "first": first, "url": None, "trainings": 2})()
    state.begin(kept=False)
    try:
        state.replace(some=("blue", 17, 4), user="u1", which=1)
        state.train_again(held=True, kept=False, some=("red", 26, 1), word="blue")
        state.change_model(name="late", which=0, words="small")
        state.train_again(held=True, kept=True, some=("red", 11, 1), word="blue")
        state.all_is_known()
    finally:
        state.teardown()


@pytest.mark.soak
@pytest.mark.parametrize("where", ["sqlite", "postgresql"])
def test_two_hundred_sequences(data, first, where, request):
    url = request.getfixturevalue("postgres_database") if where == "postgresql" else None
    in_any_sequence(data, first, url, 3, max_examples=count_of(200), stateful_step_count=8)
