"""Check that a run is the old one or the new one wherever training is killed, fails or is refused."""

import json
import os
import shutil
import threading
from pathlib import Path

import pytest
import yaml

from gmt.artefacts import CHECKPOINT, recover, training, unfinished
from gmt.config import load_config
from gmt.errors import DataError, RunError, UserError
from gmt.manifest import MANIFEST, artefacts_of, read_manifest, verify
from gmt.runs import RunFolder
from gmt.serving.pretrained import Router
from gmt.state.user_files import to_jsonl
from gmt.training.train_run import train_run
from tests.crashes import DIED, DONE, FAILED, LEARNS_IN_FORKS, count_changes, die_before, fail_at, share_of
from tests.factories import random_table
from tests.trained import TINY

pytestmark = LEARNS_IN_FORKS

SHORT = (*TINY, "train.steps=2", "train.eval_every=1", "traits.enabled=false")
SHORT = (*SHORT, *(f"posterior.{name}=false" for name in ("query_kernel", "query_quality", "answers", "drift")))
FULL = OSError(28, "No space left on device")


def config(seed=0, *more):
    return load_config(None, [*SHORT, *more], seed)


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    """Bring nothing to the disk, which takes half the time: a killed process, unlike a machine, loses nothing of it."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    from data_prep.prepare import PrepOptions, prepare

    folder = tmp_path_factory.mktemp("small")
    (folder / "rows.jsonl").write_text(to_jsonl(random_table(0, users=3, comparisons_per_user=8).to_comparisons()))
    prepare(PrepOptions("jsonl", folder / "data", folder / "rows.jsonl", "hash:16"))
    return folder / "data"


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """Return two whole runs: the old one, with votes and results, and what training anew must end in."""
    folder = tmp_path_factory.mktemp("runs")
    for name, seed in (("old", 0), ("new", 1)):
        train_run(data, config(seed), RunFolder(folder / name))
    for name in ("state.db", "results/seen.json"):
        (folder / "old" / name).parent.mkdir(exist_ok=True)
    (folder / "old" / "results" / "seen.json").write_text("{}")
    return folder


def identity(run):
    """Return the artefacts of a run without what a clock decides."""
    found = {name: (run / name).read_bytes() for name in artefacts_of(run)}
    card = json.loads(found["card.json"])
    card["best"].pop("seconds")
    lines = [json.loads(line) for line in found["metrics.jsonl"].splitlines()]
    return found | {"card.json": card, "metrics.jsonl": [line | {"seconds": 0} for line in lines]}


def everything(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def old_copy(trained, folder):
    return Path(shutil.copytree(trained / "old", folder / "run"))


def state_of(run, trained):
    """Open a run as every command does and tell which one it is; fails for anything else."""
    recover(run)
    verify(run)
    which = "old" if yaml.safe_load((run / "config.yaml").read_text())["seed"] == 0 else "new"
    assert identity(run) == identity(trained / which)
    assert (run / "results").exists() == (which == "old")
    assert Router.from_pretrained(run).rank("user0", "anything").ranking
    return which


def points(work, most):
    """Return most of the changes that some work makes, spread evenly, with the last ones, where it switches."""
    count = count_changes(work)
    assert count > 60
    if most >= count:
        # Evenly spread ones too, so that the smallest share holds points before the switch and after it.
        found = sorted({*share_of(range(count)), *range(0, count, max(1, count // 8)), count - 1})
        print(f"{len(found)} of {count} points")
        return found
    return sorted({*range(0, count, max(1, count // most)), *range(max(0, count - most // 4), count)})


def check_kills(data, trained, folder, most):
    def work(run):
        return lambda: train_run(data, config(1), RunFolder(run))

    found = []
    for point in points(work(old_copy(trained, folder / "count")), most):
        run = old_copy(trained, folder / str(point))
        assert die_before(point, work(run)) == DIED
        found.append(state_of(run, trained))
        # The next command works: the training is gone on with, to the identical result, and leaves nothing.
        train_run(data, config(1), RunFolder(run), resume=found[-1] == "new" or unfinished(run).is_dir())
        assert state_of(run, trained) == "new" and not list(run.parent.rglob("*.part"))
        shutil.rmtree(run.parent)
    assert set(found) == {"old", "new"} and found == sorted(found, reverse=True)


def test_a_killed_training_leaves_the_old_run_or_the_new_one_and_is_resumed(data, trained, tmp_path):
    check_kills(data, trained, tmp_path, 8)


@pytest.mark.soak
def test_killed_before_every_write(data, trained, tmp_path):
    check_kills(data, trained, tmp_path, 10**6)


def check_full_disk(data, trained, folder, most):
    def work(run):
        return lambda: train_run(data, config(1), RunFolder(run))

    found = set()
    for point in points(work(old_copy(trained, folder / "count")), most):
        run = old_copy(trained, folder / str(point))
        assert fail_at(point, work(run), FULL) in (DONE, FAILED)
        found.add(state_of(run, trained))
        train_run(data, config(1), RunFolder(run))
        assert state_of(run, trained) == "new" and not list(run.parent.rglob("*.part"))
        shutil.rmtree(run.parent)
    assert found == {"old", "new"}


def test_on_a_full_disk_the_old_run_stays(data, trained, tmp_path):
    check_full_disk(data, trained, tmp_path, 4)


@pytest.mark.soak
def test_on_a_full_disk_at_every_write(data, trained, tmp_path):
    check_full_disk(data, trained, tmp_path, 10**6)


def test_a_full_disk_is_one_line_with_a_repair(data, trained, tmp_path, monkeypatch):
    run = old_copy(trained, tmp_path)
    before = everything(run)

    def full(*_):
        raise OSError(28, "No space left on device", "vectors.npy")

    monkeypatch.setattr("gmt.training.train_run.write_inputs", full)
    with pytest.raises(RunError, match=r"could not be written: No space left on device \(vectors.npy\); what stood"):
        train_run(data, config(1), RunFolder(run))
    assert everything(run) == before


def test_a_refused_training_leaves_every_byte_as_it_was(data, trained, tmp_path):
    run = old_copy(trained, tmp_path)
    before = everything(tmp_path)
    steps = []
    with pytest.raises(DataError, match="no answer has a cost"):
        train_run(data, config(1, "utility.enabled=true"), RunFolder(run), report=steps.append)
    assert not steps, "refused before a step of the network"
    (run / "notes.json").write_text("{}")
    with pytest.raises(RunError, match=r"holds notes.json, which no training wrote; move it out"):
        train_run(data, config(1), RunFolder(run))
    (run / "notes.json").unlink()
    assert {name: content for name, content in everything(tmp_path).items() if not name.endswith(".lock")} == before


def test_a_folder_that_cannot_be_written_is_said_before_training(data, trained, tmp_path, monkeypatch):
    run = old_copy(trained, tmp_path)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(RunError, match="cannot be written; make it writable, or name another folder with --run"):
        train_run(data, config(1), RunFolder(run))


def test_of_two_trainings_into_one_run_the_second_is_refused(data, trained, tmp_path):
    run, seen = RunFolder(old_copy(trained, tmp_path)), []

    def second(line):
        for resume in (False, True):
            with pytest.raises(RunError, match="is being trained by another command; wait for it"):
                train_run(data, config(1), run, resume=resume)
        seen.append(line)

    def apart(line):
        if not seen:
            thread = threading.Thread(target=second, args=(line,))
            thread.start()
            thread.join()

    train_run(data, config(1), run, report=apart)
    assert seen and state_of(run.root, trained) == "new"


def test_two_processes_at_once_end_in_one_whole_run(data, trained, tmp_path):
    run = RunFolder(tmp_path / "run")
    children = []
    for seed in (0, 1):
        child = os.fork()
        if child == 0:
            try:
                train_run(data, config(seed), run)
            except UserError:
                os._exit(FAILED)
            os._exit(DONE)
        children.append(child)
    ended = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert DONE in ended and set(ended) <= {DONE, FAILED}
    which = "old" if yaml.safe_load(run.config.read_text())["seed"] == 0 else "new"
    verify(run.root)
    assert identity(run.root) == identity(trained / which)


def test_training_anew_keeps_the_name_that_votes_are_kept_under(data, trained, tmp_path):
    run = old_copy(trained, tmp_path)
    before = read_manifest(run)
    train_run(data, config(1), RunFolder(run))
    assert read_manifest(run).run == before.run and read_manifest(run).build != before.build
    assert (run / MANIFEST).is_file()


def test_a_training_that_stopped_outside_is_kept_and_one_that_was_wrong_is_not(tmp_path):
    run = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt), training(run) as made:
        (made / "half").write_text("of it")
        raise KeyboardInterrupt
    with pytest.raises(DataError), training(run, resume=True) as made:
        assert (made / "half").read_text() == "of it"
        raise DataError("no")
    assert not unfinished(run).exists() and not run.exists()


def test_what_was_being_written_goes_and_an_error_keeps_a_checkpoint_alone(tmp_path):
    run = tmp_path / "run"
    with pytest.raises(OSError, match="full"), training(run):
        raise OSError("full")
    assert not unfinished(run).exists()
    for _ in range(2):
        with pytest.raises(OSError, match="full"), training(run, resume=True) as made:
            assert not list(made.rglob("*.part"))
            (made / "last").mkdir(exist_ok=True)
            (made / CHECKPOINT).write_text("{}")
            (made / ".embeddings.0123456789ab.part").mkdir()
            (made / ".embeddings.0123456789ab.part" / ".vectors.npy.0123456789ab.part").write_text("half")
            raise OSError("full")
    assert (unfinished(run) / CHECKPOINT).is_file()
