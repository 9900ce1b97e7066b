"""Check that the figures of the repository are those of their results files, and that their page names them all."""

from pathlib import Path

import pytest

from gmt.report.figure_file import FigureFile

FOLDER = Path(__file__).resolve().parent.parent.parent / "figures"
FILES = sorted((FOLDER / "results").glob("*.json"))


def test_there_is_a_figure_for_each_results_file_and_no_other():
    drawn = {path.stem for path in FOLDER.glob("*.png")}
    assert drawn == {path.stem for path in FILES}
    assert {path.stem for path in FOLDER.glob("*.pdf")} == {name + end for name in drawn for end in ("", "-one-column")}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_says_what_it_shows_and_how_its_numbers_are_made_and_draws_at_both_widths(path):
    one = FigureFile.read(path)
    assert one.caption and one.made_by
    page = (FOLDER / "README.md").read_text("utf-8")
    assert one.caption in page and f"results/{one.name}.json" in page
    for width in (3.35, 6.9):
        assert one.draw(width).get_figwidth() == width


def test_names_of_the_papers_are_of_use_as_file_names():
    there = [one for path in FILES if (one := FigureFile.read(path).in_papers()) is not None]
    names = [one.name for one in there]
    assert len(set(names)) == len(names) > 5
    assert "personalizedrouter-figure-2-layers-of-the-network" in names
