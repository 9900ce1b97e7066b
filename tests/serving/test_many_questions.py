"""Check that many questions are answered as one by one, from lists and from tasks at once, and what is no question."""

import asyncio
import threading

import numpy as np
import pandas as pd
import pytest

from gmt.errors import UserError
from gmt.serving.pretrained import Router
from gmt.serving.rankings import COLUMNS, Rankings

QUERIES = ["How do I plan a garden?", "Write a poem", "What is 3 + 4?", "Write a poem", "東京の天気は？"]
USERS = ["bela", "dalia", None, "nobody", "bela"]


@pytest.fixture(scope="module")
def router(good_run):
    """Return the good run; nobody may change it."""
    return Router.from_pretrained(good_run)


@pytest.mark.parametrize(
    "how", [{}, {"with_uncertainty": True}, {"explain": True}, {"cost_weight": 1.0, "task": "maths"}]
)
def test_a_list_is_answered_to_the_last_digit_as_one_by_one(router, how):
    every = router.rank("bela", QUERIES, **how)
    assert isinstance(every, Rankings) and len(every) == len(QUERIES)
    assert every == [router.rank("bela", query, **how) for query in QUERIES]
    mixed = router.rank(USERS, QUERIES, ["atlas-90b", "telegram-8b"], **how)
    one_by_one = [
        router.rank(user, query, ["atlas-90b", "telegram-8b"], **how)
        for user, query in zip(USERS, QUERIES, strict=True)
    ]
    assert mixed == one_by_one


def test_whatever_holds_texts_is_a_list_of_them(router):
    wanted = router.rank("bela", QUERIES)
    for held in (tuple(QUERIES), iter(QUERIES), pd.Series(QUERIES, index=range(5, 10)), np.array(QUERIES, object)):
        assert router.rank("bela", held) == wanted
    assert router.rank("bela", []) == []
    assert router.rank(pd.Series(USERS, dtype=object), QUERIES) == router.rank(USERS, QUERIES)


def test_draws_of_a_list_are_those_of_one_generator(router):
    one, other = np.random.default_rng(3), np.random.default_rng(3)
    assert router.rank("bela", QUERIES, explore=one) == [router.rank("bela", query, explore=other) for query in QUERIES]


@pytest.mark.parametrize(
    ("user", "query", "how", "said"),
    [
        ("bela", 7, {}, "query is a int; expected a text or a list of texts"),
        ("bela", None, {}, "query is a NoneType"),
        ("bela", {"query": "x"}, {}, "query is a dict"),
        ("bela", b"x", {}, "query is a bytes"),
        ("bela", pd.DataFrame({"query": ["x"]}), {}, r"query is a DataFrame; .* e.g. list\(frame\['query'\]\)"),
        ("bela", ["x", 7], {}, "query 1 is 7, no text"),
        ("bela", ["x", float("nan")], {}, "query 1 is nan, no text"),
        ("bela", ["x", " "], {}, "the query is empty"),
        (["bela"], "x", {}, "1 users ask 1 queries; expected one user, or one for each query"),
        (["bela"], ["x", "y"], {}, "1 users ask 2 queries"),
        (7, ["x"], {}, "user is 7; expected a name, None, or a list of these"),
        ("bela", ["x", "y"], {"conversation": [{"role": "user", "content": "hi"}]}, "a conversation comes before one"),
    ],
)
def test_what_is_no_question_is_one_clear_line(router, user, query, how, said):
    with pytest.raises(UserError, match=said) as error:
        router.rank(user, query, **how)
    assert len(str(error.value).splitlines()) == 1


def test_standard_deviations_are_left_out_unless_asked_for(router):
    assert all(choice.uncertainty is None for choice in router.rank("bela", QUERIES[0]).ranking)
    told = router.rank("bela", QUERIES[0], with_uncertainty=True)
    assert all(choice.uncertainty > 0 for choice in told.ranking)


def test_rankings_are_tables(router):
    every = router.rank(USERS, QUERIES)
    rows = every.to_arrow()
    assert rows.schema == COLUMNS and rows.num_rows == len(QUERIES) * len(router.models)
    frame = every.to_pandas()
    best = frame[frame["place"] == 1]
    assert best["model"].tolist() == [decision.model for decision in every] and best["query"].tolist() == QUERIES
    assert best["user"].isna().tolist() == [False, False, True, True, False]
    assert every.to_dataset().column_names == COLUMNS.names
    scores = [choice.score for decision in every for choice in decision.ranking]
    assert frame["score"].tolist() == scores
    assert Rankings().to_arrow().num_rows == 0


def test_awaiting_is_the_same_and_the_loop_goes_on(router, monkeypatch):
    began, release = threading.Event(), threading.Event()
    rank = Router.rank

    def slow(self, *asked, **how):
        began.set()
        assert release.wait(20)
        return rank(self, *asked, **how)

    async def both():
        asked = asyncio.create_task(router.arank("bela", QUERIES[0], explain=True))
        while not began.is_set():
            await asyncio.sleep(0.001)
        # The question waits for what only this loop does now: a blocked loop would never come here.
        assert not asked.done()
        release.set()
        return await asked, await router.arank(USERS, QUERIES)

    monkeypatch.setattr(Router, "rank", slow)
    one, many = asyncio.run(both())
    assert one == rank(router, "bela", QUERIES[0], explain=True) and many == rank(router, USERS, QUERIES)


def test_many_tasks_ask_and_tell_at_once(good_copy):
    router = Router.from_pretrained(good_copy)
    wanted = router.rank("dalia", QUERIES)

    async def all_at_once():
        vote = {"model_a": "atlas-90b", "model_b": "telegram-8b", "winner": "model_a"}
        told = [router.aadd(f"guest {n % 4}", [{"query": f"q{n}", **vote}]) for n in range(24)]
        asked = [router.arank("dalia", query) for query in QUERIES * 8]
        return await asyncio.gather(*told, *asked)

    found = asyncio.run(all_at_once())
    assert found[24:] == wanted * 8  # what others say moves nobody's ranking at once
    assert [router.votes(f"guest {n}") for n in range(4)] == [6] * 4
    with pytest.raises(UserError, match="no model nobody-1b"):
        asyncio.run(router.arank("dalia", "x", ["nobody-1b"]))
