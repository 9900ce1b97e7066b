"""Check what measures the cost of a vote."""

from gmt.bench.vote_cost import vote_cost
from gmt.serving.pretrained import Router


def test_every_vote_is_told_and_every_decision_knows_them(monkeypatch):
    known, rank = [], Router.rank
    monkeypatch.setattr(Router, "rank", lambda self, user, *more, **how: known.append((user, self.votes(user)))
                        or rank(self, user, *more, **how))  # fmt: skip
    found = vote_cost([3, 8], 2)
    assert [one["votes"] for one in found] == [3, 8]
    assert all(one[name] > 0 for one in found for name in ("vote", "decision", "one more decision"))
    expected = [(f"voted {own}", own + number + 1) for own in (3, 8) for number in range(3) for _ in range(2)]
    assert known == expected
