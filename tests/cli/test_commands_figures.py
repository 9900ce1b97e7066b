"""Check `gmt figures` from the outside: what it draws, what it refuses, and what it says of figures it leaves out."""

import json

import pytest

from tests.cli.test_main import run
from tests.report.test_router_figures import result


@pytest.fixture
def results(tmp_path):
    path = tmp_path / "demo-seen.json"
    path.write_text(json.dumps({**result(), "comparisons": 20}))
    return path


def test_a_results_file_is_drawn_kept_and_drawn_again_from_what_is_kept(capsys, results, tmp_path):
    kept, first, second = tmp_path / "kept", tmp_path / "one", tmp_path / "two"
    code, out, _ = run(capsys, "figures", results, "--out", first, "--save", kept, "--columns", "both")
    assert code == 0 and len(out.split()) == 4
    code, out, err = run(capsys, "figures", "--from", kept, "--out", second, "--columns", "both", "--json")
    assert (code, err) == (0, "") and len(json.loads(out)["figures"]) == 4
    assert {path.name: path.read_bytes() for path in first.iterdir()} == {
        path.name: path.read_bytes() for path in second.iterdir()
    }


def test_another_design_is_named_beside_ours(capsys, tmp_path, results):
    code, _, err = run(capsys, "figures", results, "--out", tmp_path / "f", "--beside", "paper", "--join", "x")
    assert code == 2 and "NAME=PATH" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("{results}", "--columns", "three"), "one, two, both"),
        (("{results}", "--from", "{tmp}"), "not both"),
        (("--from", "{tmp}", "--join", "x"), "about runs"),
        (("{results}", "--numbering", "papers"), "--from"),
        (("--from", "{tmp}", "--numbering", "roman"), "own"),
        (("--from", "{tmp}/nowhere"), "holds no results files"),
        (("{tmp}/nowhere",), "does not exist"),
    ],
)
def test_mistakes_are_one_line(capsys, tmp_path, results, arguments, said):
    given = [one.format(tmp=tmp_path, results=results) for one in arguments]
    code, out, err = run(capsys, "figures", *given, "--out", tmp_path / "f")
    assert (code, out) == (2, "") and err.startswith("gmt: ") and err.count("\n") == 1
    assert said in err


def test_figures_that_have_nothing_to_show_are_said(capsys, tmp_path):
    path = tmp_path / "demo-seen.json"
    path.write_text(json.dumps({**result(), "comparisons": 20, "pairs": 0}))
    code, out, err = run(capsys, "figures", path, "--out", tmp_path / "f")
    assert (code, out) == (0, "") and "nothing to draw" in err
    code, out, _ = run(capsys, "figures", path, "--out", tmp_path / "f", "--json", "--quiet")
    assert json.loads(out)["notes"]
