import pytest

from gmt.report import drawn_text
from gmt.report.drawn_text import MASK, drawable, is_replaced, masked, wrapped


@pytest.mark.parametrize(
    "text",
    ["write to jo@x.org", "jo.doe+tag@mail.example.co.uk asks", "<Jo.Doe@x-y.com>, (a@b.io)", "münchen@straße.de"],
)
def test_addresses_are_masked(text):
    assert "@" not in masked(text) and MASK in masked(text)


@pytest.mark.parametrize("text", ["at 5 @ the corner", "@home", "f(x) @ y"])
def test_what_is_no_address_stays(text):
    assert masked(text) == text


def test_runs_of_letters_without_a_font_are_counted_by_script(monkeypatch):
    monkeypatch.setattr(drawn_text, "_glyphs", lambda: frozenset(range(0x20, 0x500)))
    assert drawable("in 東京 and こんにちは, 한국") == "in [2 CJK] and [5 Japanese], [2 Korean]"
    # Vowel signs and joiners belong to their letters, and are no letters of their own.
    assert drawable("हिन्दी में") == "[3 Devanagari] [1 Devanagari]" and drawable("ok 🙂\u200d🙂!") == "ok [2 emoji]!"
    assert is_replaced("東") and not is_replaced("naïve façade, Ж")


def test_what_the_machine_can_draw_stays():
    assert drawable("naïve – “quoted” → α ≥ β, Ж, é") == "naïve – “quoted” → α ≥ β, Ж, é"


def test_lines_are_no_longer_than_asked_and_the_cut_is_marked():
    text = "a wonderful incomprehensibilities-of-the-world and a few more words behind"
    for width in (6, 9, 20):
        lines = wrapped(text, width, 3).split("\n")
        assert len(lines) <= 3 and all(len(line) <= width for line in lines), lines
        assert lines[-1].endswith("…")
    assert wrapped("short", 10, 1) == "short"
    assert wrapped("", 10, 2) == ""


def test_names_of_models_break_at_their_joints():
    assert wrapped("llama-3.1-nemotron-51b-instruct", 16, 3) == "llama-3.1-\nnemotron-51b-\ninstruct"


def test_wide_letters_count_twice():
    assert all(len(line) <= 4 for line in wrapped("東京都庁舎前広場", 8, 4).split("\n"))
