"""Check how steps become command lines, and what their digests depend on."""

from pathlib import Path

from gmt.reproduce.part_steps import Plan, command_lines
from tests.reproduce.parts import STEPS, write_part

HERE = Path("out")


def lines(part, inputs="", **more):
    return {line.label: line for line in command_lines(part, Plan(HERE, **more), inputs)}


def test_sizes_seeds_and_folders_are_filled_in(tmp_path):
    found = lines(write_part(tmp_path, "small"))
    assert list(found) == ["1-seed-0", "1-seed-1", "2"]
    assert found["1-seed-1"].words == ("gmt", "draw", "20", "--seed", "1", "--out", "out/full/small/rows-1.json")
    assert found["2"].words[1:4] == ("join", "out/full/small/rows-0.json", "out/full/small/rows-1.json")
    quick = lines(write_part(tmp_path, "small"), quick=True)
    assert list(quick) == ["1-seed-0", "2"] and quick["1-seed-0"].words[2] == "4"


def test_a_size_may_be_several_words_or_none_and_a_path_may_hold_spaces(tmp_path):
    text = STEPS.replace('["20", "4"]', '["--users 20 --set a=1 b=2", ""]').replace(
        "draw {people}", "draw {people} {data}/x"
    )
    part = write_part(tmp_path, "small", text)
    words = lines(part, data=Path("my data"))["1-seed-0"].words
    assert words[2:8] == ("--users", "20", "--set", "a=1", "b=2", "my data/x")
    assert lines(part, data=Path("my data"), quick=True)["1-seed-0"].words[2] == "my data/x"


def test_seeds_stand_in_one_line_and_the_judge_decides_the_digest(tmp_path):
    step = "  - python -m gmt.studies.x --seeds {seeds} --judge {judge} --out {work}\n"
    part = write_part(tmp_path, "small", STEPS[: STEPS.index("  - gmt draw")] + step + STEPS[STEPS.index("numbers") :])
    found = lines(part, seeds=(3, 4))["1"]
    assert found.words[3:9] == ("--seeds", "3", "4", "--judge", "stand-in", "--out")
    assert found.digest != lines(part, seeds=(3, 4), judge="m@http://x")["1"].digest


def test_a_digest_depends_on_what_decides_and_on_nothing_else(tmp_path):
    part = write_part(tmp_path, "small")
    first = lines(part)
    assert {line.digest for line in first.values()} == {line.digest for line in lines(part).values()}
    # Neither on where folders lie nor on the seeds beside it.
    read = STEPS.replace("gmt draw {people}", "gmt draw {people} {data}/votes")
    here, there = (lines(write_part(tmp_path, "reading", read), data=Path(name)) for name in ("a", "elsewhere/b"))
    assert here["2"].digest == there["2"].digest and here["2"].words == there["2"].words
    assert here["1-seed-0"].words != there["1-seed-0"].words
    moved = {line.label: line for line in command_lines(part, Plan(Path("elsewhere")), "")}
    more = lines(part, seeds=(0, 1, 2))
    assert moved["2"].digest == first["2"].digest and more["1-seed-1"].digest == first["1-seed-1"].digest
    assert more["2"].digest != first["2"].digest
    # On the data, on the step itself and on the steps before it.
    assert all(lines(part, "other data")[label].digest != line.digest for label, line in first.items())
    changed = lines(write_part(tmp_path, "small", STEPS.replace("gmt draw", "gmt draw --anew")))
    assert all(changed[label].digest != line.digest for label, line in first.items())
    later = lines(write_part(tmp_path, "small", STEPS.replace("gmt join", "gmt join --anew")))
    assert [label for label, line in first.items() if later[label].digest != line.digest] == ["2"]
