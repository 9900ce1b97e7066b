"""Check that one more vote of a user of many is solved by products as with the kernel among all votes."""

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
