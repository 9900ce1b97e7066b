"""Check the map: every row has a number or a reason, and a quick number never passes for a full one."""

import json
import re

import pytest

from gmt.errors import DataError
from gmt.files import write_json
from gmt.reproduce import part_map
from gmt.reproduce.map_layout import map_lines, map_markdown, map_text, write_map
from gmt.reproduce.part_files import read_parts
from gmt.reproduce.part_map import RECORDED, map_rows
from gmt.reproduce.part_steps import Plan
from gmt.reproduce.record import record
from gmt.reproduce.run_parts import read_recorded, run_parts
from tests.reproduce.parts import STEPS, Commands, write_part

PARTS = read_parts()


def test_no_row_of_the_map_lacks_both_a_number_and_a_reason(tmp_path):
    rows = map_rows(PARTS.values(), Plan(tmp_path))
    assert {row.part for row in rows} == set(PARTS)
    for row in rows:
        assert row.ours != "–" or len(row.reason) > 15, row
        assert row.status.startswith(("recorded 20", "not measured", "cannot be run"))
    assert sum(row.ours != "–" for row in rows) > 60


def test_what_is_recorded_belongs_to_a_number_and_says_how_it_was_measured():
    for name, numbers in read_recorded(RECORDED).items():
        assert set(numbers) <= {number.name for number in PARTS[name].numbers}, name
        for found in numbers.values():
            assert re.fullmatch(r"\d{4}-\d\d-\d\d", found["date"]) and found["command"] and found["where"]
            assert found["seeds"] or found["sample"]
            assert "low" not in found["ours"] or found["ours"]["low"] <= found["ours"]["value"] <= found["ours"]["high"]
            if "rival" in found:
                # What is said to be ahead must agree with the two numbers, to the thousandths they are printed with.
                ahead = found["ours"]["value"] - found["rival"]["value"]
                assert found["gap"]["value"] == pytest.approx(ahead, abs=0.0021), (name, found)


def test_a_stand_in_is_named_wherever_its_numbers_stand(tmp_path):
    rows = [row for row in map_rows(PARTS.values(), Plan(tmp_path)) if row.part.startswith("judge-")]
    assert len(rows) == 4
    assert all(row.ours == "–" or "by rule-based stand-in, no language model" in row.status for row in rows)


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Write a part, and let nothing be recorded of it yet."""
    monkeypatch.setattr(part_map, "RECORDED", tmp_path / "recorded.json")
    write_json(tmp_path / "recorded.json", {})
    return write_part(tmp_path / "parts", "small", STEPS + "note: To be known.\n")


def test_a_full_result_goes_before_a_recorded_one_and_a_quick_one_does_neither(small, tmp_path):
    (row,) = map_rows([small], Plan(tmp_path / "out"))
    assert (row.ours, row.status, row.reason) == ("–", "not measured", "not run yet: gmt reproduce small")
    kept = {"ours": {"value": 0.5}, "date": "2026-01-01", "seeds": [0], "command": "c", "where": "w"}
    write_json(tmp_path / "recorded.json", {"small": {"AUC": kept}})
    (row,) = map_rows([small], Plan(tmp_path / "out"))
    assert (row.ours, row.status) == (".500", "recorded 2026-01-01, seed 0")
    # 1. A quick run changes nothing of the map, and nothing recorded stands in its own table.
    quick = Plan(tmp_path / "out", quick=True)
    (row,) = map_rows([small], quick)
    assert row.ours == "–" and row.status == "not measured"
    run_parts([small], quick, Commands())
    (row,) = map_rows([small], quick)
    assert (row.ours, row.status[:19]) == (".040 [.100, .900]", "quick, not a result")
    (row,) = map_rows([small], Plan(tmp_path / "out"))
    assert row.ours == ".500"
    # 2. A full one does.
    run_parts([small], Plan(tmp_path / "out"), Commands())
    (row,) = map_rows([small], Plan(tmp_path / "out"))
    assert row.ours == ".400 [.100, .900]" and re.fullmatch(r"measured 20\d\d-\d\d-\d\d, seeds 0, 1", row.status)
    assert (row.rival, row.ahead, row.reason) == ("knn .300", "+.100 [-.100, +.300]", "To be known.")


def test_finished_numbers_can_be_recorded_and_quick_ones_cannot(small, tmp_path, monkeypatch):
    monkeypatch.setattr("gmt.reproduce.record.read_parts", lambda: {"small": small})
    path = tmp_path / "recorded.json"
    run_parts([small], Plan(tmp_path / "out", quick=True), Commands())
    assert record(tmp_path / "out", [], path) == [] and json.loads(path.read_text()) == {}
    run_parts([small], Plan(tmp_path / "out"), Commands())
    assert record(tmp_path / "out", ["small"], path) == ["small"]
    found = json.loads(path.read_text())["small"]["AUC"]
    assert found["ours"]["value"] == 0.4 and found["seeds"] == [0, 1] and found["where"] == "gmt reproduce"
    assert found["command"] == "gmt reproduce small" and "rivals" not in found
    (row,) = map_rows([small], Plan(tmp_path / "elsewhere"))
    assert row.ours == ".400 [.100, .900]" and row.status.startswith("recorded ")


def test_a_failure_is_the_reason_of_its_row(small, tmp_path):
    commands = Commands()
    commands.broken = True
    outcomes = run_parts([small], Plan(tmp_path / "out"), commands)
    (row,) = map_rows([small], Plan(tmp_path / "out"), outcomes)
    assert row.ours == "–" and row.reason == "step 1-seed-0: found, wanted, repair"


def test_the_layouts_hold_every_row(small, tmp_path):
    rows = map_rows([*PARTS.values(), small], Plan(tmp_path))
    lines, text = map_lines(rows), map_text(rows)
    for row in rows:
        assert row.command in lines and row.number in lines and row.number in text
    assert "gmt reproduce main-mtbench\n" in lines and "+.006 to +.309" in text
    marked = map_markdown(rows, True)
    assert "none of its numbers is a result" in marked and "none of its numbers" not in map_markdown(rows, False)
    assert len(re.findall(r"^\| [\w-]+ \| (?:A|B|own|other) \|", marked, re.M)) == len(rows)
    assert map_lines([]) == map_text([]) == ""
    full, quick = (write_map(rows, Plan(tmp_path / "out", quick)) for quick in (False, True))
    assert [path.name for path in full + quick] == [
        *("reproduce.md", "reproduce.json", "reproduce-quick.md", "reproduce-quick.json")
    ]
    assert len(json.loads(full[1].read_text())["rows"]) == len(rows)


def test_a_damaged_record_says_what_to_do(tmp_path):
    (tmp_path / "r.json").write_text("{")
    with pytest.raises(DataError, match="is not JSON"):
        read_recorded(tmp_path / "r.json")
