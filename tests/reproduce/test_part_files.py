"""Check that parts are read strictly, and that every step of every shipped part is a line that parses."""

import argparse
import importlib

import pytest
import typer

from gmt.cli.main import app
from gmt.errors import ConfigError
from gmt.reproduce.part import chosen_parts
from gmt.reproduce.part_files import SHIPPED, read_part, read_parts
from gmt.reproduce.part_steps import Plan, command_lines
from tests.reproduce.parts import STEPS, write_part

PARTS = read_parts()
LINES = {
    " ".join(line.words): line.words
    for part in PARTS.values()
    for quick in (False, True)
    for line in command_lines(part, Plan(SHIPPED / "out", quick, data=SHIPPED, input="FILE"), "")
}


class Parsed(Exception):
    """End a study once its options are read."""


@pytest.mark.parametrize("words", LINES.values(), ids=LINES)
def test_a_step_parses_at_both_sizes(words, monkeypatch):
    if words[0] == "gmt":
        command, rest = typer.main.get_command(app), list(words[1:])
        while getattr(command, "commands", None):
            command = command.commands[rest.pop(0)]  # pyright: ignore[reportAttributeAccessIssue]
        command.make_context("gmt", rest)
        return

    def parse_args(parser, arguments=None, namespace=None):
        given, unknown = parser.parse_known_args(arguments, namespace)
        assert not unknown
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_args)
    with pytest.raises(Parsed):
        importlib.import_module(words[2]).main(list(words[3:]))


def test_the_papers_tables_are_all_there():
    groups = {part.group for part in PARTS.values()}
    assert groups >= {
        *("main-multi-turn", "main-single-turn", "new-users", "new-models", "drift", "depth", "components"),
        *("robustness", "update-cost", "designs", "yardsticks"),
    }
    assert {part.paper for part in PARTS.values()} == {"A", "B", "own", "other"}
    assert all(part.place and part.answers.rstrip().endswith((".", "?")) for part in PARTS.values())
    single = [part.name for part in PARTS.values() if part.group == "main-single-turn" and part.steps]
    assert single == ["cost-9", "cost-1000", "judge-9", "judge-1000"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("group: small", "gruop: small", "there is no key gruop. Did you mean group"),
        ("place: nowhere\n", "", "place is missing"),
        ("  - gmt draw {people}", "  - rm -r {people}", "a step is 'rm -r"),
        ("  - gmt draw {people}", "  - python -m os {people}", "expected a line that begins with `gmt`"),
        ("{people} --seed", "{poeple} --seed", "{poeple} stands in a step and is none of"),
        ('["20", "4"]', "20", "sizes.people is 20; expected two values"),
        ("paper: own", "paper: C", "paper is 'C'; expected one of A, B, own, other"),
        ("seeds: [0, 1]", "seeds: [0, -1]", "a seed is -1; expected a whole number"),
        ("seeds: [0, 1]", "seeds: 3", "seeds is 3; expected a list"),
        ("    ours: routers/gmt/auc\n", "", "ours is missing"),
        ("    file: joined.json", "    file: joined.json\n    better: larger", "better is 'larger'"),
        ("    file: joined.json", "    file: joined.json\n    paper: {says: x, kind: odd}", "kind is 'odd'"),
        ("    file: joined.json", "    file: joined.json\n    paper: {says: x, low: 2, high: 1}", "low must not be"),
        ("steps:", "impossible: no\nsteps:", "has steps, or states under `impossible`"),
        (STEPS[STEPS.index("numbers") :], "", "numbers is missing"),
    ],
)
def test_a_mistake_is_named(old, new, said, tmp_path):
    assert old in STEPS
    with pytest.raises(ConfigError) as error:
        write_part(tmp_path, "small", STEPS.replace(old, new))
    assert said in str(error.value) and "small.yaml" in str(error.value)


def test_a_file_that_is_no_block_or_no_yaml_is_refused(tmp_path):
    for text in ("just words", "a: [", "- a"):
        (tmp_path / "odd.yaml").write_text(text)
        with pytest.raises(ConfigError, match=r"odd\.yaml"):
            read_part(tmp_path / "odd.yaml")


def test_ones_own_parts_join_the_shipped_ones_and_may_replace_them(tmp_path):
    write_part(tmp_path, "01-mine")
    write_part(tmp_path, "02-drift")
    found = read_parts(tmp_path)
    assert found["mine"].group == found["drift"].group == "small" and len(found) == len(PARTS) + 1
    assert list(found)[-1] == "mine"
    with pytest.raises(ConfigError, match="holds no part"):
        read_parts(tmp_path / "none")


def test_parts_are_chosen_by_name_and_by_group_in_the_order_of_the_map():
    names = [part.name for part in chosen_parts(PARTS, ["robustness", "main-mtbench", "noise"])]
    assert names == ["main-mtbench", "noise", "scarcity", "people", "formats"]
    assert chosen_parts(PARTS, []) == list(PARTS.values())
    with pytest.raises(ConfigError, match="there is no part 'main-mtbnch'. Did you mean main-mtbench"):
        chosen_parts(PARTS, ["main-mtbnch"])
