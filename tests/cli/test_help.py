"""Check that help shows what there is: of a source what it reads, on a narrow terminal every option, and no hole."""

import re

import pytest
import typer

from data_prep.sources.source_registry import COLUMNS, ON_RAY, READ_BY, SOURCES
from gmt.cli.main import app
from gmt.cli.prep_options import HELP
from tests.cli.test_main import LEAVES, commands, plain, run


def option_names(text: str) -> set[str]:
    """Return the options that a help lists, each at the beginning of its line."""
    return set(re.findall(r"^[\s│]*(?:-\w, )?(--[a-z][a-z-]*)", text, re.M))


def test_every_column_that_a_source_may_read_has_help():
    assert set(HELP) == set(COLUMNS)


@pytest.mark.parametrize("source", SOURCES)
def test_the_help_of_a_source_shows_what_it_reads_and_nothing_else(capsys, source):
    code, out, err = run(capsys, "prep", source, "--help")
    assert code == 0 and err == ""
    columns = {"--" + name.replace("_", "-") for name in COLUMNS}
    wanted = {"--" + name.replace("_", "-") for name in READ_BY.get(source, ())}
    assert option_names(out) & columns == wanted
    assert ("--engine" in option_names(out)) == (source in ON_RAY)
    assert ("--accept" in option_names(out)) == (source == "votes")
    assert f"gmt prep {source}" in plain(out)
    assert {"--out", "--encoder", "--protocol", "--seed"} <= option_names(out)


def test_without_a_source_help_lists_the_sources_and_no_columns(capsys):
    _, out, _ = run(capsys, "prep", "-h")
    assert not option_names(out) & {"--user", "--winner", "--join"}
    assert all(f"{name}: " in plain(out) for name in SOURCES) and "gmt prep SOURCE --help" in plain(out)
    _, out, _ = run(capsys, "prep", "recipe:llmfao", "--help")
    assert "--list-recipes" in option_names(out) and "--user" not in option_names(out)


def test_the_hub_is_explained_where_an_input_is(capsys):
    for source in ("chat", "jsonl", "mt-bench"):
        assert "hub:OWNER/NAME, a data set of the Hugging Face hub" in plain(run(capsys, "prep", source, "--help")[1])


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_no_help_has_a_hole(words):
    """Markdown takes words in pointed brackets for tags and leaves them out."""
    command = typer.main.get_command(app)
    for word in words:
        command = command.commands[word]  # pyright: ignore[reportAttributeAccessIssue]
    texts = [command.help, command.epilog, *(getattr(one, "help", None) for one in command.params)]
    texts += [getattr(one, "show_default", None) for one in command.params]
    assert [text for text in texts if isinstance(text, str) and re.search(r"<[a-zA-Z]", text)] == []


@pytest.mark.parametrize("width", [40, 60])
@pytest.mark.parametrize("words", LEAVES, ids=" ".join)
def test_a_narrow_terminal_shows_every_option_whole(capsys, monkeypatch, words, width):
    monkeypatch.setenv("COLUMNS", str(width))
    command = typer.main.get_command(app)
    for word in words:
        command = command.commands[word]  # pyright: ignore[reportAttributeAccessIssue]
    shown = [words] if words != ("prep",) else [(*words, "votes")]
    code, out, _ = run(capsys, *shown[0], "--help")
    # A word that is wider than its column stands out by a little, which a terminal wraps.
    assert code == 0 and max(map(len, out.splitlines())) <= width + 5 and not re.search(r"\w…", out)
    wanted = {name for one in command.params for name in one.opts if name.startswith("--") and not one.hidden}  # pyright: ignore
    missing = wanted - set(re.findall(r"--[a-z][a-z-]*", out))
    assert missing <= ({"--list-recipes", "--engine"} if words == ("prep",) else set())
