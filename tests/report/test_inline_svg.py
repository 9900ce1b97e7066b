"""Check that figures go into a page as text and shapes alone, each with ids of its own."""

import re

import matplotlib
import pytest
from matplotlib.figure import Figure

from gmt.report.inline_svg import DRAWING, inline_svg


def drawn(title='a <b> & "c" 東京', name="one"):
    with matplotlib.rc_context(DRAWING):
        figure = Figure(figsize=(2, 2))
        axes = figure.add_subplot()
        axes.plot([0, 1], [1, 0], "s--", color="#D55E00", label="line")
        axes.set_title(title)
        return inline_svg(figure, name, 'says "it"')


@pytest.mark.filterwarnings("error")
def test_texts_stay_texts_and_styles_become_attributes():
    svg = drawn()
    assert 'a &lt;b&gt; &amp; "c" 東京' in svg and "<b>" not in svg
    assert "style=" not in svg and "<style" not in svg and "metadata" not in svg
    assert 'stroke="#d55e00"' in svg and "stroke-dasharray=" in svg and 'aria-label="says &quot;it&quot;"' in svg
    assert re.search(r'<svg [^>]*viewBox="0 0 ', svg) and not re.search(r"<svg [^>]* width=", svg)


@pytest.mark.parametrize("names", [("one", "two"), ("run-1-figure-1", "run-1-figure-10")])
def test_two_figures_of_one_page_share_no_id(names):
    pages = [drawn(name=name) for name in names]
    found = [set(re.findall(r' id="([^"]*)"', svg)) for svg in pages]
    assert all(found) and not found[0] & found[1]
    for svg, ids in zip(pages, found, strict=True):
        used = re.findall(r"url\(#([^)]*)\)", svg) + re.findall(r'href="#([^"]*)"', svg)
        assert used and set(used) <= ids
