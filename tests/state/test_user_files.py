"""Check that what people tell a run is kept whole, apart from each other, and only once."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.sources.jsonl import read_history
from gmt.data.comparisons import Candidate, Comparison
from gmt.errors import RunError
from gmt.state.user_files import UserFiles, fresh, to_jsonl

NAMES = [
    "ana",
    "Ana",
    "a/b",
    "a\\b",
    "../../etc/passwd",
    "..",
    "ünï 猫",
    "猫",
    "a:b",
    "con",
    "x" * 300,
    "-",
    "a b",
    "a_b",
]


def talk(user="ana", conversation="c", turns=2, rating=1.0):
    pair = (Candidate("x", "yes", rating), Candidate("y", None, 1 - rating, "too long", 0.25))
    return [Comparison(user, conversation, t, f"question {t}", pair, f"q{t}", "maths", 12.5 + t) for t in range(turns)]


def test_rounds_come_back_as_they_were(tmp_path):
    files = UserFiles(tmp_path / "users")
    assert files.read("ana") == [] and files.read_all() == [] and not files.root.exists()
    files.write("ana", talk())
    files.write("bo", talk("bo"))
    assert files.read("ana") == talk() and files.read("bo") == talk("bo")
    assert sorted(item.user for item in files.read_all()) == ["ana", "ana", "bo", "bo"]
    files.write("ana", [])
    assert [item.user for item in files.read_all()] == ["bo", "bo"]


def test_every_name_has_a_file_of_its_own_inside_the_folder(tmp_path):
    files = UserFiles(tmp_path / "users")
    for name in NAMES:
        files.write(name, talk(name))
    written = list((tmp_path / "users").iterdir())
    assert len({path.name.lower() for path in written}) == len(NAMES)
    assert [path.name for path in tmp_path.iterdir()] == ["users"]
    assert all(path.name.isascii() and len(path.name) < 100 and not path.name.startswith(".") for path in written)
    assert all(files.read(name) == talk(name) for name in NAMES)


def test_forgetting_takes_rows_and_state_of_one_person(tmp_path):
    files = UserFiles(tmp_path)
    files.write("ana", talk())
    files.path("ana", "safetensors").write_bytes(b"state")
    files.write("bo", talk("bo"))
    assert files.forget("ana") and not files.forget("ana")
    assert [path.name for path in tmp_path.iterdir()] == [files.path("bo").name]


def test_a_damaged_file_is_named_with_its_line(tmp_path):
    files = UserFiles(tmp_path)
    files.write("ana", talk())
    path = files.path("ana")
    path.write_text(path.read_text().replace('"rating": 0.0', '"rating": "much"'))
    with pytest.raises(RunError, match=f"{path.name} line 2.*mend the line or delete it"):
        files.read("ana")


words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(str.strip)
labels = words.map(str.strip)
candidates = st.builds(
    Candidate,
    labels,
    st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.none() | st.floats(0, 1),
    st.none() | words,
    st.none() | st.floats(-1e6, 1e6),
)
rounds = st.builds(
    Comparison,
    labels,
    labels,
    st.integers(0, 5),
    words,
    st.lists(candidates, min_size=1, max_size=3, unique_by=lambda item: item.model).map(tuple),
    labels,
    st.none() | labels,
    st.none() | st.floats(-1e10, 1e10),
)


@given(st.lists(rounds, max_size=4, unique_by=lambda item: (item.user, item.conversation)))
def test_any_round_survives_the_file(tmp_path_factory, told):
    path = tmp_path_factory.mktemp("files") / "history.jsonl"
    path.write_text(to_jsonl(told), "utf-8")
    data = read_history(path)
    assert not data.rejected and data.comparisons == told


def test_lines_are_json_without_absent_values():
    lines = [json.loads(line) for line in to_jsonl(talk(turns=1)).splitlines()]
    assert [line["model"] for line in lines] == ["x", "y"]
    assert "response" not in lines[1] and lines[0]["comparison"] == lines[1]["comparison"]


def test_only_exact_repeats_are_left_out():
    known = talk()
    assert fresh(known, known, "ana") == ([], 2)
    other = replace(known[0], turn=1), replace(known[0], query="else"), talk(rating=0.0)[0]
    added, repeats = fresh(known, [*other, known[1]], "ana")
    assert len(added) == 3 and repeats == 1
    assert fresh(known, talk("bo"), "bo")[1] == 0
    added, repeats = fresh([], [known[0], known[0]], "ana")
    assert (len(added), repeats) == (1, 1)


def test_another_conversation_of_the_same_name_is_kept_apart():
    first, _ = fresh([], talk(), "ana")
    second, _ = fresh(first, talk(rating=0.0), "ana")
    assert {item.conversation for item in first} == {"ana: c"}
    assert {item.conversation for item in second} == {"ana: c (2)"}
    assert [item.turn for item in second] == [0, 1]
