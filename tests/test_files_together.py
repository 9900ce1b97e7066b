"""Check that files that belong together are the old ones or the new ones, and that nothing unfinished stays."""

import errno
import os

import pytest

from gmt.files import PART, part_of, parts_of
from gmt.files_together import finish_together, together
from tests.crashes import DIED, DONE, FAILED, count_changes, die_before, fail_at

NAMES = ("rows.jsonl", "rows.truth.json", "rows.card.json")


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda handle: None)


def written(folder, word, names=NAMES):
    with together(folder / NAMES[0], NAMES) as part:
        for name in names:
            part.with_name(name).write_text(word)


def found(folder):
    finish_together(folder / NAMES[0])
    return {name: (folder / name).read_text() for name in NAMES if (folder / name).is_file()}


OLD, NEW = dict.fromkeys(NAMES, "old"), dict.fromkeys(NAMES[:2], "new")


def stopped(folder, stop):
    """Yield for every change of the disk what is left of a writer that was stopped there, its folder after it."""
    (folder / "count").mkdir()
    written(folder / "count", "old")
    for point in range(count_changes(lambda: written(folder / "count", "new", NAMES[:2]))):
        home = folder / str(point)
        home.mkdir()
        written(home, "old")
        stop(point, lambda home=home: written(home, "new", NAMES[:2]))
        yield home


@pytest.mark.parametrize("error", [None, OSError(errno.ENOSPC, "full")])
def test_stopped_at_every_change_the_files_are_of_one_making_and_the_next_writer_leaves_nothing_else(tmp_path, error):
    def stop(point, work):
        if error is None:
            assert die_before(point, work) == DIED
        else:
            assert fail_at(point, work, error) in (DONE, FAILED)

    ended = []
    for home in stopped(tmp_path, stop):
        ended.append(found(home))
        assert ended[-1] in (OLD, NEW)
        written(home, "new", NAMES[:2])
        assert found(home) == NEW and sorted(os.listdir(home)) == sorted(NAMES[:2])
    assert OLD in ended and NEW in ended and len(ended) > 10


def test_names_of_unfinished_files_are_told_from_others(tmp_path):
    own = part_of(tmp_path / "a.json")
    others = [part_of(tmp_path / "b.json"), tmp_path / f".a.json.x{PART}", tmp_path / f"a.json.0123456789ab{PART}"]
    for path in (own, *others):
        path.write_text("")
    assert parts_of(tmp_path / "a.json") == [own]
