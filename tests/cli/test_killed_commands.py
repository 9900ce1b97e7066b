"""Check that prep, train, adapt, forget, models add and simulate leave old or new, wherever they are stopped."""

import errno
import json
import os
import random
import shutil
import signal
import stat
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest

from data_prep.simulate.cost import CostSettings, CostTruth, write_cost
from data_prep.simulate.planted import PlantedSettings
from data_prep.simulate.planted_file import write_planted
from data_prep.simulate.traits import TraitSettings, TraitTruth, write_traits
from data_prep.simulate.world import World
from gmt.cli.main import main
from gmt.data.dataset import Dataset
from gmt.files_together import finish_together
from gmt.serving.pretrained import Router
from tests.crashes import DIED, DONE, FAILED, count_changes, die_before, fail_at
from tests.data_prep.simulate.test_cost import SCORES
from tests.data_prep.simulate.test_traits import answers
from tests.trained import TINY, settings

FULL = OSError(errno.ENOSPC, "No space left on device")
QUICK = [*TINY, "train.steps=2", "train.eval_every=1", "traits.enabled=false", "posterior.query_kernel=false"]
QUICK += ["posterior.query_quality=false", "posterior.answers=false", "posterior.drift=false"]


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    """Bring nothing to the disk: a killed process, unlike a machine, loses nothing of it."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


def rows(path, count, word):
    lines = [
        {
            "user": f"u{n % 3}",
            "query": f"{word} {n}",
            "model_a": "a",
            "model_b": "b",
            "winner": "model_a" if n % 2 else "tie",
        }
        for n in range(count)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def command(*words):
    """Return the work of a command line, which may not fail."""

    def work():
        try:
            main([str(word) for word in words])
        except SystemExit as stop:
            if stop.code not in (0, None):
                raise RuntimeError(f"exit {stop.code}") from None

    return work


class Prep:
    """Prepare other rows into a data folder that stands."""

    def __init__(self, home, _):
        self.home = home
        rows(home / "old.jsonl", 30, "old"), rows(home / "new.jsonl", 24, "new")
        self.work_of("old")()

    def work_of(self, name):
        return command(
            "prep", "jsonl", self.home / f"{name}.jsonl", "--encoder", "hash:16", "--out", self.home / "data", "--quiet"
        )

    def work(self):
        self.work_of("new")()

    def found(self):
        table = Dataset.load(self.home / "data").table
        words = {text.split()[0] for text in table.texts}
        assert (words, len(table)) in (({"old"}, 30), ({"new"}, 24))
        return words.pop()

    def place(self):
        return self.home


class Simulate:
    """Simulate other users where some lie already."""

    def __init__(self, home, _):
        self.home = home
        self.of(5)

    def of(self, users):
        write_planted(
            PlantedSettings(users=users, votes=4, models=3, questions=6, topics=2), self.home / "people.jsonl"
        )

    def work(self):
        self.of(7)

    def load(self, out):
        return len(World.load(out).taste)

    def found(self):
        out = self.home / "people.jsonl"
        finish_together(out)
        users = len({json.loads(line)["user"] for line in out.read_text().splitlines()})
        assert self.load(out) == users and users in (5, 7), "rows and truth are of one simulation"
        return "old" if users == 5 else "new"

    def place(self):
        return self.home


class SimulateCost(Simulate):
    """Simulate users who weigh cost, whose rows have a card beside them."""

    def of(self, users):
        write_cost(SCORES, CostSettings(users=users), self.home / "people.jsonl")

    def load(self, out):
        assert (self.home / "people.card.json").is_file()
        return len(CostTruth.load(out).alpha)


class SimulateTraits(Simulate):
    """Simulate users who weigh traits of answers."""

    def of(self, users):
        write_traits(answers(turns=2), TraitSettings(users=users, votes=4), self.home / "people.jsonl")

    def load(self, out):
        return len(TraitTruth.load(out).users)


class OnRun:
    """Change a copy of a trained run by one command; what it says of everybody is compared."""

    words: tuple = ()

    def __init__(self, home, run):
        self.home, self.run = home, Path(shutil.copytree(run, home / "run"))
        votes = [
            {"query": f"more {n}", "model_a": "atlas-90b", "model_b": "telegram-8b", "winner": "model_a"}
            for n in range(3)
        ]
        (home / "more.jsonl").write_text("".join(json.dumps(vote) + "\n" for vote in votes))
        router = Router.from_pretrained(self.run)
        router.add("bela", [{"query": "told", "model": "atlas-90b", "rating": 1.0}])
        router.close()
        self.old = self.said()

    def work(self):
        command(*self.words, "--run", self.run, "--quiet")()

    def said(self):
        router = Router.from_pretrained(self.run)
        found = {name: sorted(map(repr, router.history(name))) for name in router.users}, router.models
        router.close()
        return found

    def found(self):
        return "old" if self.said() == self.old else self.new()

    def new(self):
        return "new" if self.said() == self.wanted(self.old) else "neither"

    def place(self):
        return self.home


class Adapt(OnRun):
    """Add three rounds to a user."""

    def work(self):
        command("adapt", "--user", "bela", "--history", self.home / "more.jsonl", "--run", self.run, "--quiet")()

    def new(self):
        users, models = self.said()
        others = {name: found for name, found in users.items() if name != "bela"}
        before = {name: found for name, found in self.old[0].items() if name != "bela"}
        same = others == before and models == self.old[1]
        return "new" if same and len(users["bela"]) == len(self.old[0]["bela"]) + 3 else "neither"


class Replace(Adapt):
    """Put three rounds in the place of all of a user's."""

    def work(self):
        command(
            "adapt", "--user", "bela", "--history", self.home / "more.jsonl", "--replace", "--run", self.run, "--quiet"
        )()

    def new(self):
        users, _ = self.said()
        return "new" if len(users["bela"]) == 3 and users.keys() == self.old[0].keys() else "neither"


class Forget(OnRun):
    """Forget a user who was trained on and told more."""

    def work(self):
        router = Router.from_pretrained(self.run)
        if "bela" in router.users:
            router.forget("bela")
        router.close()

    def new(self):
        users, models = self.said()
        wanted = {name: found for name, found in self.old[0].items() if name != "bela"}
        assert b"bela" not in (self.run / "history.parquet").read_bytes()
        return "new" if (users, models) == (wanted, self.old[1]) else "neither"


class AddModel(OnRun):
    """Offer one more model."""

    words = ("models", "add", "new-1b", "--description", "small and new")

    def new(self):
        return "new" if self.said() == (self.old[0], [*self.old[1], "new-1b"]) else "neither"


class Train(OnRun):
    """Train a run anew; a kill is gone on from with --resume, to the very weights of a training that was let be."""

    def __init__(self, home, run):
        self.home, self.run = home, home / "run"
        rows(home / "old.jsonl", 24, "old")
        command("prep", "jsonl", home / "old.jsonl", "--encoder", "hash:16", "--out", home / "data", "--quiet")()
        for name, seed in (("run", 0), ("wanted", 1)):
            self.train(home / name, seed)()
        self.old, self.wanted = self.weights("run"), self.weights("wanted")

    def train(self, run, seed, *more):
        words = ["train", self.home / "data", "--run", run, "--seed", seed, "--quiet", *more, *settings(QUICK)]
        return command(*words)

    def weights(self, name):
        Router.from_pretrained(self.home / name).close()  # completes what a kill left, and checks every hash
        return [(self.home / name / file).read_bytes() for file in ("model.safetensors", "posterior.safetensors")]

    def work(self):
        resume = ["--resume"] if (self.home / ".run.training.part").is_dir() else []
        self.train(self.run, 1, *resume)()

    def found(self):
        found = self.weights("run")
        return "old" if found == self.old else "new" if found == self.wanted else "neither"


QUICKLY = {"prep": Prep, "planted": Simulate, "cost": SimulateCost, "traits": SimulateTraits}
ON_RUNS = {"adapt": Adapt, "replace": Replace, "forget": Forget, "models add": AddModel, "train": Train}


def leftovers(home):
    return [path.name for path in (*home.rglob(".*.part"), *home.rglob(".*.together.json"))]


def check_end(job, wanted=("old", "new")):
    """Check what a stopped command left, that the command then works, and that nothing of the stopped one is left."""
    found = job.found()
    assert found in wanted
    job.work()
    assert job.found() == "new" and not leftovers(job.place())
    return found


def check_points(kind, home, run, stop, most):
    count_home = home / "count"
    count_home.mkdir()
    count = count_changes(kind(count_home, run).work)
    ended = {"old": 0, "new": 0}
    points = range(count) if most >= count else sorted({*np.linspace(0, count - 1, most).astype(int).tolist()})
    for point in points:
        place = home / str(point)
        place.mkdir()
        job = kind(place, run)
        stop(point, job.work)
        ended[check_end(job)] += 1
        shutil.rmtree(place)
    print(f"{kind.__name__}: {len(points)} of {count} points, {ended}")
    # A disk that was full for one write alone may have done no harm at a few points.
    assert ended["old"] or stop is full


def killed(point, work):
    assert die_before(point, work) == DIED


def full(point, work):
    assert fail_at(point, work, FULL) in (DONE, FAILED)


@pytest.mark.parametrize("name", QUICKLY)
@pytest.mark.parametrize("stop", [killed, full])
def test_a_command_that_is_stopped_leaves_old_or_new(tiny_run, tmp_path, name, stop):
    check_points(QUICKLY[name], tmp_path, tiny_run, stop, 6)


@pytest.mark.soak
@pytest.mark.parametrize("stop", [killed, full])
@pytest.mark.parametrize("name", QUICKLY)
def test_stopped_before_every_write(tiny_run, tmp_path, name, stop):
    check_points(QUICKLY[name], tmp_path, tiny_run, stop, 10**6)


def kill_at_random(kind, home, run, dice):
    """Kill a command at a moment between its start and the time it takes; return what it left."""
    home.mkdir()
    job = kind(home, run)
    child = os.fork()
    if child == 0:
        try:
            devnull = os.open(os.devnull, os.O_WRONLY)
            os.dup2(devnull, 1), os.dup2(devnull, 2)
            job.work()
        finally:
            os._exit(DONE)
    time.sleep(dice.uniform(0, LONGEST[kind]))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    found = check_end(job)
    shutil.rmtree(home)
    return found


LONGEST = {Prep: 0.4, Simulate: 0.05, Adapt: 0.5, Replace: 0.5, Forget: 0.6, AddModel: 0.5, Train: 4.0}
"""Seconds about as long as a command takes in a process that has imported what it needs."""


def check_random_moments(home, run, count):
    dice, kinds, ended = random.Random(0), list(LONGEST), {}
    for number in range(count):
        kind = kinds[number % len(kinds)]
        found = kill_at_random(kind, home / str(number), run, dice)
        ended[kind.__name__, found] = ended.get((kind.__name__, found), 0) + 1
    print(f"{count} random moments: {ended}")


def test_killed_at_random_moments(tiny_run, tmp_path):
    check_random_moments(tmp_path, tiny_run, len(LONGEST))


@pytest.mark.soak
def test_killed_at_two_hundred_random_moments(tiny_run, tmp_path):
    check_random_moments(tmp_path, tiny_run, 200)


@pytest.mark.parametrize("name", [*QUICKLY, *ON_RUNS])
def test_a_folder_that_cannot_be_written_changes_nothing(tiny_run, name):
    """Run a command as somebody without rights; the superuser, to whom nothing is refused, becomes one."""
    kind = {**QUICKLY, **ON_RUNS}[name]
    home = Path(tempfile.mkdtemp(prefix="gmt-read-only-"))
    try:
        job = kind(home, tiny_run)
        before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
        for path in (home, *home.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        child = os.fork()
        if child == 0:
            try:
                if os.geteuid() == 0:
                    os.setgroups([]), os.setgid(65534), os.setuid(65534)
                os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
                job.work()
            except BaseException as error:
                # A refusal is one line of the command's, or an error of the system that the command makes one of.
                os._exit(FAILED if isinstance(error, (RuntimeError, OSError)) or "gmt" in type(error).__module__ else 1)
            os._exit(DONE)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == FAILED
        for path in (home, *home.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before
        assert job.found() == "old"
        job.work()
        assert job.found() == "new"
    finally:
        for path in (home, *home.rglob("*")):
            path.chmod(stat.S_IRWXU)
        shutil.rmtree(home)
