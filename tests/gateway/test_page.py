"""Drive the page in a real browser: ask, compare, vote, forget; by keyboard, in light and dark, and narrow."""

import os
from pathlib import Path

import pytest

from gmt.gateway.api_keys import hash_of
from gmt.gateway.pool_settings import ApiKeyEntry
from tests.gateway.browser import chromium, program
from tests.gateway.conftest import A, B, C
from tests.gateway.upstreams import http

PICTURES = os.environ.get("GMT_PICTURES")
needs_browser = pytest.mark.skipif(program() is None, reason="Chromium is missing (Debian: apt-get install chromium)")


@pytest.fixture
def page(tmp_path):
    with chromium(tmp_path / "profile") as found:
        yield found


def fill(page, user="ana", question="How do I plan a garden?", show="one"):
    page.run(f"byId('user').value = {user!r}; byId('question').value = {question!r};"
             f"document.querySelector('input[value={show}]').click()")  # fmt: skip


def picture(page, name):
    if PICTURES:
        page.picture(Path(PICTURES) / f"{name}.png")


def shown(page, id):
    return page.run(f"byId('{id}').hidden ? '' : byId('{id}').innerText")


@needs_browser
def test_one_answer_is_asked_for_rated_and_forgotten(started, page):
    url = started()
    page.open(url)
    fill(page)
    page.run("byId('go').click()")
    page.until("!byId('votes').hidden")
    assert "Hello ⚑ world" in shown(page, "answers") and "best for an unknown user" in shown(page, "reason")
    page.run("byId('votes').children[0].click()")
    page.until("byId('status').innerText.includes('knows 1 of your votes')")
    page.run("byId('votes').children[1].click()")  # another mind: still one vote
    page.until("byId('votes').children[1].getAttribute('aria-pressed') === 'true'")
    (event,) = http.get(f"{url}/v1/users/ana").json()["feedback"]
    assert event["round"]["answers"][0]["rating"] == 0.0
    page.run("byId('likes-button').click()")
    page.until("!byId('about').hidden")
    assert {A, B, C} <= set(shown(page, "likes").split())
    picture(page, "one-light")
    page.run("byId('forget').click()")
    page.until("byId('sure').open")
    page.run("document.querySelector('#sure button[value=no]').click()")
    assert http.get(f"{url}/v1/users/ana").status_code == 200
    page.run("byId('forget').click(); document.querySelector('#sure button[value=yes]').click()")
    page.until("byId('status').innerText.startsWith('Forgotten: 1')")
    assert http.get(f"{url}/v1/users/ana").status_code == 404


@needs_browser
def test_two_answers_are_compared_without_their_names(started, page):
    url = started()
    page.open(url)
    page.look(scheme="dark")
    fill(page, show="two")
    page.run("byId('go').click()")
    page.until("!byId('votes').hidden")
    assert not any(name in page.run("document.body.innerText") for name in (A, B, C))
    page.run("byId('votes').children[2].click()")
    page.until("!byId('why').hidden")
    names = page.run("[...document.querySelectorAll('article h2')].map(e => e.innerText)")
    (event,) = http.get(f"{url}/v1/users/ana").json()["feedback"]
    assert {one["model"]: one["rating"] for one in event["round"]["answers"]} == {names[0]: 0.0, names[1]: 1.0}
    assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(23, 24, 26)"
    tops = page.run("[...document.querySelectorAll('article')].map(e => e.getBoundingClientRect().top)")
    assert tops[0] == tops[1]
    picture(page, "two-dark")
    page.look(width=360, height=1100)
    assert page.run("document.documentElement.scrollWidth <= 360")  # nothing sticks out
    tops = page.run("[...document.querySelectorAll('article')].map(e => e.getBoundingClientRect().top)")
    assert tops[1] > tops[0]
    picture(page, "two-narrow")


@needs_browser
def test_the_keyboard_is_enough(started, page):
    page.open(started())
    page.run("byId('user').focus()")
    page.type("ana")
    page.key("Tab", 9)
    assert page.run("document.activeElement.id") == "question"
    page.type("How do I plan a garden?")
    for _ in range(2):
        page.key("Tab", 9)
    assert page.run("document.activeElement.id") == "go"
    assert page.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"  # where one is can be seen
    page.key("Enter", 13, "\r")
    page.until("!byId('votes').hidden")
    page.key("Tab", 9)
    assert page.run("document.activeElement.innerText") == "Good answer"
    page.key(" ", 32, " ")
    page.until("byId('status').innerText.includes('knows 1')")


@needs_browser
def test_what_goes_wrong_is_said_and_a_key_is_asked_for(started, upstream, page):
    url = started(keys=[ApiKeyEntry(hash_of("gmt-one"), "one")])
    page.open(url)
    fill(page)
    page.run("byId('go').click()")
    page.until("!byId('key-row').hidden && byId('status').innerText.includes('API key is missing')")
    page.run("byId('key').value = 'gmt-one'; byId('go').click()")
    page.until("!byId('votes').hidden")
    upstream.faults = dict.fromkeys((A, B, "c-inside"), "half")
    page.run("byId('go').click()")
    page.until("byId('status').innerText.includes('broke off')")


@needs_browser
def test_what_a_model_writes_stays_text(started, upstream, page, monkeypatch):
    import tests.gateway.upstreams as upstreams

    real = upstreams.event
    monkeypatch.setattr(upstreams, "event", lambda model, **delta: real(model, content="<img src=x onerror=alert(1)>"))
    page.open(started())
    fill(page)
    page.run("byId('go').click()")
    page.until("!byId('votes').hidden")
    assert page.run("document.querySelectorAll('article img').length") == 0
    assert "<img src=x" in shown(page, "answers")


def test_the_page_loads_nothing_from_elsewhere(started):
    url = started()
    found = {path: http.get(url + path) for path in ("/", "/page.js", "/page.css")}
    assert all(
        got.status_code == 200 and "default-src 'none'" in got.headers["content-security-policy"]
        for got in found.values()
    )
    assert not any(
        "http:" in got.text or "https:" in got.text or "//" in got.text.replace("// ", "") for got in found.values()
    )
