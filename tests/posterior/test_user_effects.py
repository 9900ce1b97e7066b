"""Check that one more vote of a user of many is solved by products as with the kernel among all votes."""

from dataclasses import replace

import numpy as np
import pytest

from gmt.bench.made_data import made_dataset
from gmt.posterior import user_effects
from gmt.posterior.answer_aware import AnswerAwareBradleyTerry


@pytest.mark.parametrize("own", [12, 150])
def test_products_and_the_kernel_find_one_mode(monkeypatch, own):
    data = made_dataset(6, own, width=16)
    mine = np.flatnonzero(data.table.user == 2)
    before = data.select(np.setdiff1d(np.arange(len(data.table)), mine[-2:]))
    after = data.select(np.concatenate([np.setdiff1d(np.arange(len(data.table)), mine[-2:]), mine[-2:]]))
    belief, new = AnswerAwareBradleyTerry().condition(before), np.arange(len(before.table), len(after.table))
    asked, found = after.questions(np.flatnonzero(after.table.user == 2)[:6]), []
    for few in (10**6, 0):
        monkeypatch.setattr(user_effects, "FEW_VOTES", few)
        found.append(belief.of_user(2).with_observed(after, new).score(after, asked))
    np.testing.assert_allclose(found[0], found[1], atol=1e-8)
    assert not np.allclose(found[0], belief.score(after, asked), atol=1e-4)


@pytest.mark.parametrize("own", [12, 150, 1600])
def test_votes_solved_at_the_next_question_are_as_if_solved_from_nothing(monkeypatch, own):
    """The last nine join in three goes, a question behind the first; beliefs before stay what they were."""
    solved = []
    solve = user_effects.UserEffects._solved_for
    monkeypatch.setattr(user_effects.UserEffects, "_solved_for",
                        lambda self, users, alpha: solved.append(len(users)) or solve(self, users, alpha))  # fmt: skip
    data = made_dataset(4, own, width=16)
    mine = np.flatnonzero(data.table.user == 2)
    order = np.concatenate([np.setdiff1d(np.arange(len(data.table)), mine[-9:]), mine[-9:]])
    after, count = data.select(order), len(data.table)
    belief = AnswerAwareBradleyTerry().condition(data.select(order[:-9])).of_user(2)
    asked = after.questions(np.flatnonzero(after.table.user == 2)[:6])
    first, found = belief.score(after, asked), belief
    solved.clear()
    for start in (9, 6, 3):
        found = found.with_observed(after, np.arange(count - start, count - start + 3))
        if start == 9:
            found.score(after, asked)
    assert solved == [1]  # by nobody's question but the one
    later = found.score(after, asked)
    assert solved == [1, 1] and np.array_equal(later, found.score(after, asked)) and solved == [1, 1]
    nothing = replace(found, effects=replace(found.effects, solved=None, behind=()))
    np.testing.assert_allclose(later, nothing.score(after, asked), atol=1e-8)
    assert np.array_equal(first, belief.score(after, asked)) and not np.allclose(first, later, atol=1e-4)
    settled = found.effects.settled()
    assert not settled.behind and np.array_equal(settled.alpha, found.effects.alpha)
