"""Check that files are written whole or not at all, and that two writers wait for each other."""

import threading

import pytest

from gmt.errors import DataError, RunError
from gmt.files import locked, parse_json, read_json, replace_file, replace_folder, write_json, write_text


def test_a_file_is_replaced_whole_and_nothing_else_stays(tmp_path):
    path = tmp_path / "deep" / "a.json"
    write_json(path, {"ü": [1]})
    assert path.read_text("utf-8") == '{\n "ü": [\n  1\n ]\n}\n'
    write_text(path, "new")
    assert path.read_text() == "new" and list(path.parent.iterdir()) == [path]


def test_json_that_is_missing_or_damaged_is_named_with_its_repair(tmp_path):
    path = tmp_path / "a.json"
    with pytest.raises(DataError, match=r"a\.json does not exist; make it$"):
        read_json(path, DataError, "make it", "mend it")
    path.write_text("{")
    with pytest.raises(DataError, match=r"a\.json is not JSON \(.*\); mend it$"):
        read_json(path, DataError, "make it", "mend it")
    path.write_text('{"ü": 1}', "utf-8")
    assert read_json(path, DataError, "make it") == {"ü": 1}


def test_a_writer_that_fails_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def fail(part):
        part.write_text("ha")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        replace_file(path, fail)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_folder_takes_the_place_of_another(tmp_path):
    old, made = tmp_path / "run", tmp_path / "made"
    for folder, text in ((old, "old"), (made, "new")):
        folder.mkdir()
        (folder / "x").write_text(text)
    (old / "only-old").touch()
    replace_folder(made, old)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert [path.name for path in old.iterdir()] == ["x"] and (old / "x").read_text() == "new"


def test_a_folder_that_cannot_be_moved_in_leaves_the_old_one(tmp_path):
    old = tmp_path / "run"
    old.mkdir()
    with pytest.raises(OSError):
        replace_folder(tmp_path / "never made", old)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_lock_lets_one_writer_in_at_a_time(tmp_path):
    path, total = tmp_path / "count", 200
    path.write_text("0")

    def count():
        for _ in range(total):
            with locked(path):
                path.write_text(str(int(path.read_text()) + 1))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_text() == str(4 * total)


def test_waiting_for_a_lock_has_an_end(tmp_path):
    with locked(tmp_path / "x"):
        raised = []

        def wait():
            try:
                with locked(tmp_path / "x", timeout=0.05):
                    pass
            except TimeoutError as error:
                raised.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        thread.join()
    assert len(raised) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1, "a": 2}', "'a' stands twice"),
        ('[{"b": {"c": 1, "c": 1}}]', "'c' stands twice"),
        ("[" * 100_000, "deep"),
    ],
)
def test_json_that_would_be_read_in_two_ways_is_refused(text, said):
    with pytest.raises(ValueError, match=said):
        parse_json(text)


def test_a_folder_where_a_file_is_expected_is_said_so(tmp_path):
    with pytest.raises(RunError, match="is no file; name one"):
        read_json(tmp_path, RunError, "name one")


def test_an_error_of_the_disk_names_the_file_and_not_its_temporary_name(tmp_path):
    def full(part):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left") as found:
        replace_file(tmp_path / "x.json", full)
    assert (found.value.errno, found.value.filename) == (28, str(tmp_path / "x.json"))
    assert list(tmp_path.iterdir()) == []
