"""Check that a run's artefacts are whole, and are the old ones or the new ones wherever a command is killed."""

import json
import os
import threading

import pytest

from gmt.artefacts import making, read_whole, recover
from gmt.errors import RunError
from gmt.files import ALIVE, locked, part_of
from gmt.manifest import MANIFEST, artefacts_of, read_manifest, seal, verify
from gmt.switch_build import JOURNAL
from tests.crashes import DIED, DONE, FAILED, die_before, fail_at

NAMES = ("config.yaml", "card.json", "embeddings/vectors.npy")


def fill(folder, text, names=NAMES):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{text} of {name}")


def contents(run):
    return {name: (run / name).read_text() for name in artefacts_of(run)}


@pytest.fixture
def run(tmp_path):
    """A run whose old build has a file that the new one lacks, and state that belongs to neither."""
    run = tmp_path / "runs" / "mine"
    fill(run, "old", (*NAMES, "posterior.safetensors"))
    seal(run)
    (run / "state.db").write_text("votes")
    (run / "results").mkdir()
    (run / "results" / "test.json").write_text("{}")
    return run


def make(run, text="new"):
    with making(run) as made:
        fill(made, text, (*NAMES, "model.safetensors"))


def test_a_manifest_lists_what_a_run_is_read_from_and_nothing_that_changes(run):
    (run / "notes.txt").write_text("mine")
    (run / ".hidden.json").write_text("{}")
    manifest = verify(run)
    assert set(manifest.files) == {*NAMES, "posterior.safetensors"}
    assert read_manifest(run) == manifest and json.loads((run / MANIFEST).read_text())["format"] == 2
    assert manifest.files["card.json"].bytes == len("old of card.json")


@pytest.mark.parametrize("name", [*NAMES, "posterior.safetensors"])
def test_damage_to_any_file_is_found_and_named(run, name):
    path = run / name
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(RunError, match=rf"{path.name} has \d+ bytes and manifest.json says \d+; restore it"):
        verify(run, hashes=False)
    path.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
    verify(run, hashes=False)
    with pytest.raises(RunError, match=rf"{path.name} is not what training wrote .*; restore it"):
        verify(run)
    path.unlink()
    with pytest.raises(RunError, match=rf"{path.name} is missing, and manifest.json lists it; restore it"):
        verify(run)


def test_a_file_nobody_listed_is_refused(run):
    (run / "embeddings" / "encoder.json").write_text("{}")
    with pytest.raises(RunError, match=r"encoder.json is not listed in manifest.json; move it out of the run"):
        verify(run)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "holds no manifest.json; write it with gmt runs upgrade"),
        ("{", "is damaged"),
        ("[]", "is damaged"),
        ('{"format": "x"}', "is damaged"),
        ("[" * 100_000, "is damaged"),
        ('{"format": 3}', "has format 3 and this gmt reads 2; install a newer gmt"),
        (
            '{"format": 2, "run": "r", "build": "b", "made": "", "files": {"../x": {"bytes": 1, "sha256": ""}}}',
            "lists '../x', which is outside the run",
        ),
    ],
)
def test_a_manifest_that_cannot_be_read_is_named(run, text, says):
    (run / MANIFEST).unlink()
    if text is not None:
        (run / MANIFEST).write_text(text)
    with pytest.raises(RunError, match=says) as error:
        verify(run)
    assert len(str(error.value).splitlines()) == 1


def test_a_new_build_takes_the_place_of_the_old_one_and_state_stays(run):
    before = verify(run)
    make(run)
    after = verify(run)
    assert set(after.files) == {*NAMES, "model.safetensors"} and (run / "card.json").read_text() == "new of card.json"
    assert after.run == before.run and after.build != before.build
    assert (run / "state.db").read_text() == "votes" and (run / "results" / "test.json").read_text() == "{}"
    assert sorted(path.name for path in run.parent.iterdir() if path.suffix != ".lock") == ["mine"]
    assert not (run / JOURNAL).exists()


def test_making_switches_a_finished_build_in_and_drops_a_failed_one(run):
    before = contents(run)
    with pytest.raises(OSError, match="full"), making(run) as made:
        fill(made, "half")
        assert contents(run) == before
        raise OSError("the disk is full")
    assert contents(run) == before
    with making(run) as made:
        fill(made, "new")
    assert contents(run) == {name: f"new of {name}" for name in NAMES}
    with making(run.parent / "first") as made:
        fill(made, "new")
    verify(run.parent / "first")
    assert sorted(path.name for path in run.parent.iterdir() if path.suffix != ".lock") == ["first", "mine"]


def old_or_new(run):
    """Open a run as every command does and tell which build it holds; fails for anything else."""
    recover(run)
    verify(run)
    found = {text.split()[0] for text in contents(run).values()}
    assert len(found) == 1 and (run / "state.db").read_text() == "votes"
    assert not list(run.parent.rglob("*.part")) and not (run / JOURNAL).exists()
    return found.pop()


def old_run(tmp_path, number):
    run = tmp_path / f"runs{number}" / "mine"
    fill(run, "old", (*NAMES, "posterior.safetensors"))
    seal(run)
    (run / "state.db").write_text("votes")
    return run


def test_killed_before_any_write_a_run_is_old_and_from_one_point_on_new(tmp_path):
    found, ended = [], None
    while ended != DONE:
        run = old_run(tmp_path, len(found))
        ended = die_before(len(found), lambda run=run: make(run))
        assert ended in (DIED, DONE)
        found.append(old_or_new(run))
    assert len(found) > 15 and set(found) == {"old", "new"} and found == sorted(found, reverse=True)


def test_on_a_full_disk_a_run_is_old_or_new(tmp_path):
    full = OSError(28, "No space left on device")
    found = set()
    for change in range(30):
        run = old_run(tmp_path, change)
        assert fail_at(change, lambda run=run: make(run), full) in (DONE, FAILED)
        found.add(old_or_new(run))
    assert found == {"old", "new"}


def test_a_recovery_that_is_killed_itself_is_completed_by_the_next(tmp_path):
    # Somewhere a kill leaves a journal; from there on, the recovery is killed before each of its own writes.
    run, point = old_run(tmp_path, "first"), 0
    while not (run / JOURNAL).exists():
        assert die_before(point, lambda: make(run)) == DIED
        point += 1
    point, change, ended = point - 1, 0, None
    while ended != DONE:
        run = old_run(tmp_path, change)
        die_before(point, lambda run=run: make(run))
        assert (run / JOURNAL).exists()
        ended = die_before(change, lambda run=run: recover(run))
        assert old_or_new(run) == "new"
        change += 1
    assert change > 5


def test_only_leftovers_of_dead_commands_are_deleted(run):
    dead, other = part_of(run), part_of(run.parent / "mine.too")
    for folder in (dead, other):
        folder.mkdir()
        (folder / "history.parquet").write_text("votes")
    (run / ".card.json.0123456789ab.part").write_text("half")
    with locked(other / ALIVE):
        pass
    with making(run) as alive:
        fill(alive, "new")
        thread = threading.Thread(target=recover, args=(run,))
        thread.start()
        thread.join()
        assert alive.is_dir() and not dead.exists() and other.is_dir()
        assert not [path for path in run.iterdir() if path.suffix == ".part"]
    verify(run)


def test_a_run_in_order_is_opened_without_writing(run):
    os.chmod(run, 0o555)
    assert die_before(0, lambda: recover(run)) == DONE
    os.chmod(run, 0o755)


@pytest.mark.parametrize("made", ["../outside.part", "/etc.part", "..", ""])
def test_a_strangers_journal_reaches_nothing_outside_the_run(run, made):
    (run.parent / "secret").write_text("mine")
    for journal in ({"made": made, "move": [], "delete": []}, {"made": "a.part", "move": [], "delete": ["../secret"]}):
        (run / JOURNAL).write_text(json.dumps(journal))
        with pytest.raises(RunError, match="is damaged; restore the run"):
            recover(run)
    assert (run.parent / "secret").read_text() == "mine"


def test_a_reader_sees_one_build_while_others_replace_it(run):
    stop, seen, made = threading.Event(), [], [0]

    def replace():
        try:
            for number in range(20):
                make(run, f"new{number}")
                made[0] += 1
        finally:
            stop.set()

    def load():
        texts = {(run / name).read_text().split()[0] for name in read_manifest(run).files}
        seen.append(texts)
        return texts

    writer = threading.Thread(target=replace)
    writer.start()
    while not stop.is_set():
        assert len(read_whole(run, load)) == 1
    writer.join()
    assert made[0] == 20 and read_whole(run, load) == {"new19"}


def test_what_is_wrong_with_a_run_is_not_taken_for_a_replacement(run):
    def load():
        raise RunError("damaged")

    with pytest.raises(RunError, match="damaged"):
        read_whole(run, load)


@pytest.mark.parametrize("gone", [("results",), ("last",), ("results", "last")])
def test_what_tells_of_one_build_goes_with_it_and_votes_stay(run, gone):
    (run / "last").mkdir()
    (run / "last" / "state.json").write_text("{}")
    with making(run, drop=gone) as made:
        fill(made, "new")
    assert [name for name in ("results", "last") if not (run / name).exists()] == list(gone)
    assert (run / "state.db").read_text() == "votes" and contents(run) == {name: f"new of {name}" for name in NAMES}
    assert not (run / JOURNAL).exists() and not list(run.rglob("*.part"))
