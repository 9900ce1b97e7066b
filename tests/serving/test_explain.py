"""Check that the rounds of an explanation add up to the margin, in order, each with the ways in which it speaks."""

import json
import shutil

import numpy as np
import pytest

from gmt import Router
from gmt.cli.console import Terminal
from gmt.cli.print_decision import _rows, judged, print_decision
from gmt.data.text_keys import stand_in
from gmt.serving.explain import OTHERS, SHOWN, WINNER, Explanation, Reason

A, B, C = "atlas-90b", "telegram-8b", "scholar-34b"
QUERY = "How do I reverse a list in Python?"


@pytest.fixture(scope="module")
def router(good_run, tmp_path_factory):
    """Return a run to which somebody told votes, stars, words and signals."""
    run = shutil.copytree(good_run, tmp_path_factory.mktemp("told") / "run")
    router = Router.from_pretrained(run)
    router.add(
        "mixed",
        [
            {"query": "Sum a list in Python", "model_a": A, "model_b": B, "winner": "model_a"},
            {"query": "Plan a trip to Rome", "model": C, "rating": 0.1},
            {"query": "Write a poem", "model": B, "rating": 0.9},
            {"query": "Explain the printing press", "model": A, "rating": 0.25, "feedback": "Far too wordy."},
            {"query": "Sort a list in Python", "model_a": C, "model_b": B, "winner": "tie"},
        ],
    )
    return router


def explained(decision):
    return Explanation.of(decision.model, decision.ranking[0].margin, decision.reasons)


@pytest.mark.parametrize("user", ["bela", "mixed"])
@pytest.mark.parametrize("candidates", [None, [A, B]])
def test_rounds_add_up_to_the_margin(router, user, candidates):
    found = explained(router.rank(user, QUERY, candidates, explain=True))
    assert found.rest == pytest.approx(0, abs=1e-6) and sum(found.ways.values()) == pytest.approx(
        found.margin, abs=1e-6
    )
    for reason in (one for own in found.groups.values() for one in own):
        assert sum(reason.ways.values()) == pytest.approx(reason.effect, abs=1e-12)
        assert "any query" in reason.ways


def test_costs_and_staying_leave_the_sum(router):
    talk = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "hm", "model": A}]
    for more in ({"cost_weight": 2.0}, {"conversation": talk, "stay": 5.0}):
        assert explained(router.rank("bela", QUERY, explain=True, **more)).rest == pytest.approx(0, abs=1e-6)


def test_what_was_rated_in_the_conversation_comes_first_and_counts(router):
    talk = [{"query": "Sum a list", "model_a": A, "model_b": B, "winner": "model_a"}]
    for user in ("bela", "nobody known"):
        found = explained(router.rank(user, QUERY, conversation=talk, explain=True))
        assert next(iter(found.groups)) == SHOWN and len(found.groups[SHOWN]) == 1
        assert found.rest == pytest.approx(0, abs=1e-6)


def test_rounds_with_the_winner_come_before_those_about_others(router):
    decision = router.rank("bela", QUERY, explain=True)
    found = explained(decision)
    assert list(found.groups) == [WINNER, OTHERS]
    for kind, own in found.groups.items():
        assert all((decision.model in one.models) == (kind == WINNER) for one in own)
        assert [abs(one.effect) for one in own] == sorted((abs(one.effect) for one in own), reverse=True)
    assert sum(map(len, found.groups.values())) == len(decision.reasons)


def test_near_questions_speak_more_by_their_nearness(router):
    """A round's part that depends on the question is larger when that very question is asked again."""
    reasons = {one.query: one for one in router.rank("bela", QUERY, explain=True).reasons}
    query = next(one.query for one in reasons.values() if one.ways.get("near query"))
    again = {one.query: one for one in router.rank("bela", query, explain=True).reasons}[query]
    share = [abs(one.ways["near query"]) / abs(one.ways["any query"]) for one in (again, reasons[query])]
    assert share[0] > share[1]


def test_stars_words_and_ties_are_told_apart(router):
    said = {one.query: judged(one) for one in router.rank("mixed", QUERY, explain=True).reasons}
    assert said["Sum a list in Python"] == f"{A} over {B}"
    assert said["Sort a list in Python"] == f"{C} = {B}"
    assert said["Plan a trip to Rome"] == f"{C} 0.1"
    assert said["Explain the printing press"] == f"{A} “Far too wordy.” 0.25"


def test_several_answers_are_named_in_the_order_of_their_ratings():
    reason = Reason("x", ("a", "b", "c", "d"), (0.5, 1.0, 0.5, None), 0.1)
    assert judged(reason) == "b over a = c"
    assert judged(Reason("x", ("a", "b"), (None, None), 0.1, said=(None, "copied"))) == "a, b “copied”"


def test_a_text_that_is_not_kept_is_called_one():
    gone = stand_in("How do I sort a list?")
    reason = Reason(gone, ("a", "b"), (1.0, 0.0), 0.1, {"any query": 0.1}, (gone, None))
    rows = list(_rows(Explanation.of("a", 0.1, [reason])))
    assert rows[1][1].strip() == "a “(a text of 6 words, not kept)” over b: (a text of 6 words, not kept)"


def test_of_thousands_of_rounds_no_list_of_zeros_is_printed():
    reasons = [Reason("q", ("a", "b"), (1.0, 0.0), 1e-4, {"any query": 1e-4}) for _ in range(4000)]
    rows = list(_rows(Explanation.of("a", 0.4, reasons)))
    assert len(rows) < 7 and rows[-2][:2] == ["  +0.40", "  3997 others"]


@pytest.mark.parametrize("seed", range(20))
def test_printed_figures_add_up_to_the_last_digit(seed):
    dice = np.random.default_rng(seed)
    count = int(dice.integers(1, 40))
    effects = dice.normal(0, 0.05, count)
    models = dice.choice(["a", "b", "c"], (count, 2))
    reasons = [
        Reason(f"q{n}", tuple(models[n]), (1.0, 0.0), effect, {"any query": effect}, shown=bool(dice.random() < 0.2))
        for n, effect in enumerate(effects.tolist())
    ]
    rows = list(_rows(Explanation.of("a", float(effects.sum()), reasons)))
    figures = [round(100 * float(row[0])) for row in rows]
    total = figures.pop()
    tops = [figure for figure, row in zip(figures, rows, strict=False) if not row[0].startswith(" ")]
    assert sum(tops) == total == round(100 * effects.sum())
    # Within a group what is shown and the others add up too.
    group, parts = None, 0
    for figure, row in zip(figures, rows, strict=False):
        if row[0].startswith(" "):
            parts += figure
            continue
        assert group is None or group == parts
        group, parts = (None if row[1].startswith("what rounds") else figure), 0


def test_what_is_printed_defines_its_terms_and_has_no_double_negative(router, capsys):
    print_decision(Terminal(), router.rank("mixed", QUERY, explain=True), 1.0, False, True)
    out = capsys.readouterr().out
    for words in (
        "score: predicted preference in logits; a lead of 1 is preferred in 73% of cases",
        "margin:",
        "wins:",
    ):
        assert words in out
    assert "lower by -" not in out and "takes -" not in out
    print_decision(Terminal(), router.rank("nobody", QUERY, explain=True), 1.0, True, True)
    out = capsys.readouterr().out
    assert "score: the reward to expect" in out and "No round of this user" in out


def test_it_is_plain_json(router):
    read = json.loads(json.dumps(router.rank("mixed", QUERY, explain=True).to_json()))
    assert {"query", "models", "ratings", "effect", "ways", "said", "shown"} == set(read["reasons"][0])
