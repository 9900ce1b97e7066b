"""Check `gmt reproduce`: its map, its runs, and what it does with a yardstick."""

import json

import pytest

from gmt.cli.main import main
from gmt.reproduce.part_files import read_parts

PART = """
group: mine
paper: own
place: nowhere
answers: Whether a part of one's own runs.
seeds: [0, 1]
sizes:
  people: ["6", "4"]
steps:
  - gmt simulate planted --users {people} --votes 6 --models 3 --questions 12 --seed {seed} --out {work}/{seed}.jsonl
  - gmt prep jsonl {work}/{seed}.jsonl --models {work}/{seed}.models.json --encoder hash:16 --seed {seed}
    --out {work}/data-{seed}
numbers:
  - name: users
    file: data-0/card.json
    ours: counts/users
"""


def command(words, capsys):
    """Run a command line; return its exit code, what it prints and what it says on the side."""
    with pytest.raises(SystemExit) as stop:
        main(["reproduce", *map(str, words)])
    said = capsys.readouterr()
    return stop.value.code, said.out, said.err


@pytest.fixture
def parts(tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    (folder / "mine.yaml").write_text(PART)
    return folder


def test_the_map_lists_every_part_and_runs_nothing(tmp_path, capsys):
    code, out, _ = command(["--list", "--out", tmp_path / "out"], capsys)
    assert code == 0 and not (tmp_path / "out").exists()
    for name, part in read_parts().items():
        assert f"  {part.command}\n" in out if part.steps else f"  {name}: nothing to run\n" in out
    assert "with the reason why there is none" in out
    code, out, _ = command(["--list", "--json", "robustness", "--out", tmp_path / "out"], capsys)
    rows = json.loads(out)["rows"]
    assert code == 0 and {row["part"] for row in rows} == {"noise", "scarcity", "people", "formats"}
    code, out, _ = command(["--list", "cost-9"], capsys)
    assert "paper: .255, +15.38 % over its best rival" in out and "ours against the paper: " in out


def test_a_part_of_ones_own_runs_through_the_command_itself(parts, tmp_path, capsys):
    line = ["mine", "--parts", parts, "--out", tmp_path / "out", "--json"]
    code, out, err = command(line, capsys)
    found = json.loads(out)
    assert code == 0 and found["parts"][0]["status"] == "done" and found["rows"][0]["ours"] == "6.000"
    assert "mine: gmt simulate planted --users 6" in err
    log = (tmp_path / "out/full/mine/logs/step-1-seed-1.log").read_text()
    assert "rounds of 6 people" in log  # what a step prints is in its log and not between the results
    code, out, err = command(line, capsys)
    assert json.loads(out)["parts"][0]["status"] == "kept" and "simulate" not in err
    code, out, _ = command(["mine", "--parts", parts, "--out", tmp_path / "out", "--quick"], capsys)
    assert code == 0 and "none of these numbers is a result" in out and "users: 4.000   quick, not a result" in out
    assert "1 parts: 1 run" in out
    # The file holds the whole map, so that running another part takes nothing away.
    table = (tmp_path / "out/reproduce-quick.md").read_text()
    assert "| mine | own |" in table and "| main-mtbench | A |" in table


def test_a_failed_part_ends_in_exit_code_1_with_its_reason(parts, tmp_path, capsys):
    (parts / "mine.yaml").write_text(PART.replace("--encoder hash:16", "--encoder hash:0"))
    code, out, _ = command(["mine", "--parts", parts, "--out", tmp_path / "out", "--seeds", "0"], capsys)
    assert code == 1 and "1 failed" in out and "step 2-seed-0: " in out


def test_mistakes_are_one_line(parts, tmp_path, capsys):
    for words, said in (
        (["main-mtbnch"], "Did you mean main-mtbench?"),
        (["noise", "--seeds", "0,0"], "--seeds is '0,0'; expected different numbers from 0"),
        (["noise", "--seeds", "a"], "expected numbers separated by commas"),
        (["--parts", tmp_path], "holds no part"),
        (["noise", "--input", "x"], "--input is for yardsticks, and none was chosen"),
    ):
        code, _, err = command(words, capsys)
        assert code == 2 and said in err and err.count("\n") == 1


def test_a_yardstick_without_its_set_says_what_to_name(tmp_path, capsys):
    code, out, _ = command(["mrm", "--out", tmp_path / "out"], capsys)
    assert code == 0 and "needs --input: PRISM's utterances.jsonl" in out and "1 without their data" in out
