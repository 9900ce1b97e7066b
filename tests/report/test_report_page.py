"""Check the page of gmt report: what it says, that nothing breaks out of it, and how it behaves in a real browser."""

import os
import re
import shutil
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest

from gmt.errors import UserError
from gmt.report.held_out import HeldOutRounds
from gmt.report.report_page import PageOptions, write_report
from gmt.report.run_facts import RunFacts
from gmt.report.user_cards import CHARACTERS, ROUNDS, UserCards
from gmt.runs import read_run_json
from gmt.serving.pretrained import Router
from tests.gateway.browser import chromium, program
from tests.report.hostile_run import BREAKS, EMOJI, LONG, MIRROR, TEMPLATE, make_hostile_run, train_hostile_run

PICTURES = os.environ.get("GMT_PICTURES")
NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
needs_browser = pytest.mark.skipif(program() is None, reason="Chromium is missing (Debian: apt-get install chromium)")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """Return a run of hostile texts; nobody may change it."""
    return make_hostile_run(tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="module")
def written(hostile, tmp_path_factory):
    """Return the page of that run."""
    out = tmp_path_factory.mktemp("page") / "report.html"
    write_report([hostile], out, PageOptions(users=8), made=NOW)
    return out


class Elements(HTMLParser):
    """List the elements of a page with their attributes, and the text outside scripts and styles."""

    def __init__(self, page):
        super().__init__()
        self.found, self.text, self.inside = [], [], []
        self.feed(page.read_text("utf-8"))
        self.said = " ".join("".join(self.text).split())

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        self.text.append(" " if tag in ("th", "td", "dt", "dd", "li") else "")
        self.inside.append(tag)

    def handle_endtag(self, tag):
        if tag in self.inside:
            del self.inside[len(self.inside) - 1 - self.inside[::-1].index(tag) :]

    def handle_data(self, data):
        if not {"script", "style"} & set(self.inside):
            self.text.append(data)

    def of(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


def test_the_page_says_verdict_data_results_users_and_receipt(hostile, written):
    page, card = Elements(written), read_run_json(hostile / "card.json")
    result = read_run_json(hostile / "results/seen.json")
    ids = {attributes["id"] for _, attributes in page.found if "id" in attributes}
    for part in ("verdict", "data", "results", "figures", "users", "receipt"):
        assert f"run-1-{part}" in ids and {"href": f"#run-1-{part}"} in page.of("a")
    assert (
        "routing by person" in page.said.lower()
        and "owners_shuffled is gmt with each history handed to another user" in page.said
    )
    auc = result["shots"]["all"]["routers"]["gmt"]["auc"]
    assert f"{auc['value']:.3f} [{auc['low']:.3f}, {auc['high']:.3f}]" in page.said
    assert card["data"]["sha256"] in page.said and card["encoder"]["revision"] in page.said
    assert card["versions"]["torch"] in page.said and "2026-01-02 03:04 UTC" in page.said
    assert "gmt train" in page.said and "posterior" not in page.said.split("To make it again")[0].split("Receipt")[1]
    assert "gmt eval" in page.said and "--baselines bradley_terry" in page.said
    assert "8 of 8 users" in page.said and "Test questions" in page.said
    assert len(page.of("option")) == 8 and len(page.of("figure")) >= 2


def test_it_loads_nothing_and_lets_nothing_in(written):
    page, text = Elements(written), written.read_text("utf-8")
    policy = next(one["content"] for one in page.of("meta") if one.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert len(page.of("script")) == 1 and len(page.of("style")) == 1
    names = {name for _, attributes in page.found for name in attributes}
    assert not [name for name in names if name.startswith("on") or name in ("src", "style", "srcset", "action")]
    links = [value for _, one in page.found for name, value in one.items() if name in ("href", "xlink:href")]
    assert all(link.startswith(("#", "data:,")) for link in links)
    assert set(re.findall(r"https?://[^\s\"'<]+", text)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }


def test_ids_stand_once_and_whatever_refers_to_one_finds_it(hostile, tmp_path):
    out = tmp_path / "two.html"
    write_report([hostile, hostile], out, PageOptions(users=2))
    page = Elements(out)
    ids = [attributes["id"] for _, attributes in page.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = [one[key] for _, one in page.found for key in ("aria-labelledby", "aria-controls", "for") if key in one]
    named += [one[key][1:] for _, one in page.found for key in ("href", "xlink:href") if one.get(key, "")[:1] == "#"]
    named += re.findall(r"url\(#([^)]*)\)", out.read_text("utf-8"))
    assert len(named) > 50 and set(named) <= set(ids)


def test_texts_stay_texts(written):
    page, text = Elements(written), written.read_text("utf-8")
    assert page.of("img") == [] and page.of("b") == [] and page.of("i") == []
    assert TEMPLATE in page.said  # neither our templates nor the browser read it
    assert BREAKS[:60] in page.said and EMOJI in page.said and "m&m" in page.said
    # Marks that turn the direction of a whole line are shown, and not obeyed.
    assert "\u202e" not in text and "\\u202egpj.exe" in page.said
    assert "\x1b" not in text and "\\x1b[31m" in page.said
    assert "<i>run & co" in page.said


def test_equal_runs_make_equal_pages(hostile, written, tmp_path):
    again = tmp_path / "again.html"
    write_report([hostile], again, PageOptions(users=8), made=NOW)
    assert again.read_bytes() == written.read_bytes()


def test_long_texts_and_long_histories_are_cut_and_said(written):
    page = Elements(written)
    assert LONG[:CHARACTERS] + "…" in page.said and LONG not in page.said
    assert f"(of {len(LONG) + len(' (4)')} characters)" in page.said
    assert f"the latest {ROUNDS} of" in page.said


def test_texts_and_names_are_left_out(hostile, tmp_path):
    out = tmp_path / "bare.html"
    write_report([hostile], out, PageOptions(users=8, texts=False, names=False))
    page = Elements(out)
    for text in (BREAKS[:40], TEMPLATE[:10], MIRROR[:4], EMOJI, LONG[:50], "plain question", "onmouseover"):
        assert text not in page.said
    assert "a query, " in page.said and "user 1" in page.said and "Texts are left out." in page.said
    # Of the drawings, that of a user's conversation goes.
    assert "The longest conversation" not in page.said


def test_a_run_that_keeps_no_texts_shows_none_with_its_data_or_without(hostile, tmp_path):
    run = make_hostile_run(tmp_path, train=["state.texts=false"], measure=False)
    write_report([run], tmp_path / "report.html", PageOptions(users=3))
    said = Elements(tmp_path / "report.html").said
    assert "The run keeps no texts, so none are shown." in said and "plain question" not in said
    assert "Nothing was measured yet." in said and "text:" not in said
    assert "Ranking of the models" in said and "Test questions" in said
    shutil.rmtree(tmp_path / "data")
    write_report([run], tmp_path / "report.html", PageOptions(users=3))
    said = Elements(tmp_path / "report.html").said
    assert "the data folder is gone" in said and "Test questions" not in said
    assert "Questions of other users" in said and "by the user’s own rounds" in said and "text:" not in said
    # What stands in for a text is asked by the text's vector, so all is as in a run that keeps texts.
    cards = []
    for one in (hostile, run):
        router = Router.from_pretrained(one)
        cards.append(UserCards(router, None, True).of("plain"))
        router.close()
    assert cards[0].questions and [one.query.characters for one in cards[0].questions] == [
        one.query.characters for one in cards[1].questions
    ]
    margins = [[one.margin for one in card.questions] for card in cards]
    assert margins[0] == pytest.approx(margins[1], abs=1e-4) and any(margins[0])


def test_reasons_add_up_to_the_margin(good_run, tmp_path):
    router = Router.from_pretrained(good_run)
    held_out = HeldOutRounds.of(RunFacts.read(good_run))
    assert held_out is not None
    card = UserCards(router, held_out, True).of(router.users[0])
    assert card.questions and card.history and card.note.startswith("Test questions")
    for question in card.questions:
        both = question.speak_for.total + question.speak_against.total
        assert both == pytest.approx(question.margin, abs=1e-5)
        assert all(one.effect > 0 for one in question.speak_for.strongest)
        assert question.said is not None and question.agrees is not None
    assert [score for _, score, _ in card.likings] == sorted((one[1] for one in card.likings), reverse=True)
    router.close()


def test_users_are_left_out_for_the_size_and_this_is_said(hostile, tmp_path):
    out = tmp_path / "small.html"
    found = write_report([hostile], out, PageOptions(users=8, megabytes=0.2))
    shown = found["users"][str(hostile)]["shown"]
    assert 0 < shown < 8 and out.stat().st_size == found["bytes"] < 300_000
    assert f"{shown} of 8 users" in Elements(out).said and "--megabytes raises" in Elements(out).said


def test_named_users_come_first_and_unknown_ones_are_refused(hostile, tmp_path):
    out = tmp_path / "named.html"
    write_report([hostile], out, PageOptions(users=1, named=("plain",)))
    assert Elements(out).of("option")[0] and re.findall(r"<option[^>]*>([^<]*)", out.read_text("utf-8"))[0] == "plain"
    with pytest.raises(UserError, match="no user 'nobody'"):
        write_report([hostile], tmp_path / "not.html", PageOptions(named=("nobody",)))
    assert not (tmp_path / "not.html").exists()


def test_several_runs_get_a_table_and_seeds_are_joined(hostile, tmp_path, gmt):
    other = train_hostile_run(hostile.parent.parent / "data", tmp_path / "seed-1", seed=1)
    out = tmp_path / "two.html"
    found = gmt("report", hostile, other, "--out", out, "--users", "1", "--no-names")
    assert found["bytes"] == out.stat().st_size and found["users"][str(other)] == {"shown": 1, "all": 8}
    said = Elements(out).said
    assert "All runs" in said and "<i>run & co seen" in said and "seed-1 seen" in said
    assert "All seeds together, seen" in said and "Means over seeds 0, 1" in said
    # Runs of other settings are other runs, and no seeds of one.
    changed = train_hostile_run(
        hostile.parent.parent / "data", tmp_path / "changed", seed=2, train=["posterior.drift=false"]
    )
    write_report([hostile, changed], out, PageOptions(users=0))
    assert "All seeds together" not in Elements(out).said


@pytest.fixture
def page(tmp_path, written):
    with chromium(tmp_path / "profile") as found:
        found.call("Page.navigate", url=written.as_uri())
        found.until("document.readyState === 'complete' && document.querySelectorAll('.pick').length === 1")
        yield found


def picture(page, name):
    if PICTURES:
        page.picture(Path(PICTURES) / f"report-{name}.png")


def shown(page):
    return page.run("[...document.querySelectorAll('.user')].filter(e => !e.hidden).map(e => e.id).join()")


@needs_browser
def test_nothing_of_what_users_wrote_runs(page):
    assert page.run("window.boom") is None
    assert page.run("document.scripts.length") == 1 and page.run("document.images.length") == 0
    # The page's own style and script are let in by their hashes, and no other.
    assert page.run("getComputedStyle(document.querySelector('.card')).borderTopStyle") == "solid"
    added = "(s => { s.textContent = 'window.boom = 4'; document.body.append(s) })(document.createElement('script'))"
    page.run(added)
    assert page.run("window.boom") is None
    assert page.run("fetch('https://example.org').then(() => 'sent', () => 'refused')") == "refused"


@needs_browser
def test_the_keyboard_picks_users(page):
    assert shown(page) == "run-1-user-1"
    page.run("document.getElementById('run-1-pick').focus()")
    page.key("ArrowDown", 40)
    page.until("document.getElementById('run-1-user-1').hidden")
    assert shown(page) == "run-1-user-2"
    page.key("Tab", 9)
    assert page.run("document.activeElement.innerText") == "Previous"
    page.key("Enter", 13, "\r")
    # The first user has none before, so the focus goes where one can go on.
    assert shown(page) == "run-1-user-1" and page.run("document.activeElement.id") == "run-1-pick"
    page.run("location.hash = '#run-1-user-3'")
    page.until("!document.getElementById('run-1-user-3').hidden")
    assert shown(page) == "run-1-user-3" and page.run("document.getElementById('run-1-pick').value") == "run-1-user-3"


@needs_browser
def test_the_first_tab_skips_to_the_content_and_the_focus_is_seen(page):
    page.key("Tab", 9)
    assert page.run("document.activeElement.className") == "skip"
    assert page.run("document.activeElement.getBoundingClientRect().left") >= 0
    assert page.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"


@needs_browser
def test_light_and_dark_and_narrow(page):
    page.look(width=1280)
    light = page.run("getComputedStyle(document.body).backgroundColor")
    picture(page, "light")
    page.look(width=1280, scheme="dark")
    assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(23, 24, 26)" != light
    assert "invert" in page.run("getComputedStyle(document.querySelector('.plot')).filter")
    picture(page, "dark")
    page.look(width=360)
    # Nothing sticks out, not even names of 200 letters, with every fold open.
    page.run("document.querySelectorAll('details').forEach(e => e.open = true)")
    assert page.run("document.documentElement.scrollWidth <= 360")
    picture(page, "narrow")


@needs_browser
def test_print_unfolds_what_is_folded_and_leaves_the_picker_out(page):
    folded = page.run("document.querySelectorAll('details:not([open])').length")
    assert folded > 0
    assert len(page.call("Page.printToPDF")["data"]) > 10_000
    assert page.run("document.querySelectorAll('details:not([open])').length") == folded
    page.run("window.dispatchEvent(new Event('beforeprint'))")
    assert page.run("document.querySelectorAll('details:not([open])').length") == 0
    page.call("Emulation.setEmulatedMedia", media="print")
    assert page.run("getComputedStyle(document.querySelector('.pick')).display") == "none"


@needs_browser
def test_without_script_every_user_is_there(tmp_path, written):
    with chromium(tmp_path / "profile") as page:
        page.call("Emulation.setScriptExecutionDisabled", value=True)
        page.call("Page.navigate", url=written.as_uri())
        page.until("document.readyState === 'complete' && document.querySelectorAll('.user').length === 8")
        assert page.run("[...document.querySelectorAll('.user')].every(e => e.offsetHeight > 0)")
        assert page.run("document.querySelector('.pick').hidden")
