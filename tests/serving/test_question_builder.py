"""Check that a question built from codes is the one put through the table, and that the builder remembers nothing."""

import numpy as np
import pytest

from gmt.errors import DataError, UserError
from gmt.serving.conversation_question import conversation_question
from gmt.serving.pretrained import Router


@pytest.fixture(scope="module")
def router(good_run):
    return Router.from_pretrained(good_run)


def through_the_table(router, user, query, names):
    """Return the scores of a question appended to the table, as questions within a conversation are asked."""
    from dataclasses import replace

    data, questions = conversation_question(router.run_data, user, query, names, ())
    code = router.data.table.users.index(user) if user in router.data.table.users else -1
    return router.router.score(data, replace(questions, user=np.array([code, -1])))


@pytest.mark.parametrize("query", ["a question nobody asked before", None])
def test_a_built_question_is_what_the_table_would_ask(router, query):
    query = query or router.data.table.texts[router.data.table.query[3]]
    for user in (router.users[0], "nobody known"):
        wanted = through_the_table(router, user, query, router.models)[0]
        found = router.rank(user, query, with_uncertainty=False)
        scores = {choice.model: choice.score for choice in found.ranking}
        assert [scores[name] for name in router.models] == pytest.approx(wanted.tolist(), abs=1e-6)
        assert all(choice.uncertainty is None for choice in found.ranking)


def test_one_question_leaves_nothing_behind_for_the_next(router):
    user = router.users[0]
    first = router.rank(user, "what is the tide?", with_uncertainty=False)
    router.rank(user, "write a haiku about rust", with_uncertainty=False)
    again = router.rank(user, "what is the tide?", with_uncertainty=False)
    assert first == again and len(router.data.table.texts) == len(router.data.vectors)


def test_uncertainty_changes_no_score(router):
    user = router.users[0]
    plain, told = (router.rank(user, "what is the tide?", with_uncertainty=wanted) for wanted in (False, True))
    assert [choice.score for choice in plain.ranking] == [choice.score for choice in told.ranking]
    assert all(choice.uncertainty > 0 for choice in told.ranking)


def test_an_unknown_task_is_no_task_and_an_empty_query_is_refused(router):
    user = router.users[0]
    plain = router.rank(user, "what is the tide?", with_uncertainty=False)
    assert router.rank(user, "what is the tide?", with_uncertainty=False, task="no such task") == plain
    with pytest.raises(UserError, match="empty"):
        router.rank(user, " ")


def test_half_a_character_in_a_query_is_one_line_however_it_is_asked(router):
    talk = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "yes"}]
    for query in ("\ud800", "how are\udfff you?"):
        for how in ({}, {"conversation": talk}):
            with pytest.raises(DataError, match="query holds half a character"):
                router.rank(router.users[0], query, **how)
        vector = router.run_data.texts.encode(["known"])[0]
        with pytest.raises(DataError, match="query holds half a character"):
            router.run_data.builder.build([0], query, vector, [0, 1])
    with pytest.raises(UserError, match="half a character"):
        router.rank(router.users[0], "plain", conversation=[{"role": "user", "content": "\ud800"}, *talk[1:]])
