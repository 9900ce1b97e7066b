"""Check that a tie is read under its voter's width, in every place that reads votes, and that fit learns how often."""

from dataclasses import replace

import numpy as np
import pytest

from gmt.config import load_config
from gmt.data.comparisons import Candidate, Comparison
from gmt.data.interactions import TEST, TRAIN, InteractionTable
from gmt.hybrid.closed_form import new_hierarchical
from gmt.posterior.answer_aware import AnswerAwareBradleyTerry
from gmt.posterior.hierarchical import HierarchicalBradleyTerry
from gmt.posterior.hierarchical_settings import HierarchicalSettings
from gmt.posterior.kernel_terms import blended
from gmt.posterior.likelihood import Outcomes
from gmt.posterior.tie_widths import MOST_TIES, TIE_VOTES, with_tie_widths
from gmt.posterior.user_batch import UserBatch
from gmt.posterior.vote_history import VoteHistory
from gmt.routing.grid import ValidationVotes, best_setting
from gmt.routing.pairwise import votes_of
from tests.factories import dataset_of, random_dataset

SETTINGS = HierarchicalSettings(quality_variance=0.7, query_kernel_scale=1.5, prior_scale=0.8, tie_rate=0.3)


def with_ties(seed: int = 0, share: float = 0.4):
    """Return random data in which users tie differently often: the first never, the last most."""
    data, rng = random_dataset(seed, users=5, questions=12), np.random.default_rng(seed)
    items = []
    for item in data.table.to_comparisons():
        often = data.table.users.index(item.user) / 5 * 2 * share
        # A missing rating is none; one that is turned into a tie would be a vote nobody cast.
        tied = rng.random() < often and all(one.rating is not None for one in item.candidates)
        ratings = [0.5] * len(item.candidates) if tied else [one.rating for one in item.candidates]
        pairs = zip(item.candidates, ratings, strict=True)
        items.append(replace(item, candidates=tuple(replace(one, rating=rating) for one, rating in pairs)))
    table = InteractionTable.from_comparisons(items, models=data.table.models)
    return dataset_of(table.with_split(data.table.split))


def chance_of(y: float, z: np.ndarray, width: float) -> np.ndarray:
    """Return the chance of an outcome of a vote, written out."""
    wins, loses = 1 / (1 + np.exp(width - z)), 1 / (1 + np.exp(width + z))
    return wins if y == 1 else loses if y == 0 else 1 - wins - loses


def ends(outcomes: Outcomes) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of the intervals, which every outcome has where votes are read under widths."""
    assert outcomes.lower is not None and outcomes.upper is not None
    return outcomes.lower, outcomes.upper


def width_of(ties: int, votes: int, rate: float) -> float:
    share = min((ties + TIE_VOTES * rate) / (votes + TIE_VOTES), MOST_TIES)
    return float(np.log((1 + share) / (1 - share)))


def test_win_tie_and_loss_share_all_chance_under_the_width_of_their_voter():
    user, y = np.repeat([3, 8], [5, 12]), np.array([1, 0, 0.5, 1, 0] + [0.5] * 10 + [1, 0])
    found, z = with_tie_widths(Outcomes(y), user, np.ones(len(y), bool), 0.2), np.linspace(-4, 4, 9)
    for code, width in ((3, width_of(1, 5, 0.2)), (8, width_of(10, 12, 0.2))):
        for outcome in (1.0, 0.5, 0.0):
            at = int(np.flatnonzero((user == code) & (y == outcome))[0])
            assert np.exp(found[np.full(9, at)].log_likelihood(z)) == pytest.approx(chance_of(outcome, z, width))
    # Who hardly tells answers apart says more by a win, and less by a tie.
    residual, curvature = found.residual(np.zeros(17)), found.curvature(np.zeros(17))
    assert residual[-2] > residual[0] > 0.5 and curvature[2] > curvature[5]


def test_a_user_who_only_ties_has_a_finite_width():
    found = with_tie_widths(Outcomes(np.full(10_000, 0.5)), np.zeros(10_000, int), np.ones(10_000, bool), 0.99)
    upper = ends(found)[1]
    assert np.isfinite(upper).all() and upper[0] == pytest.approx(width_of(10_000, 10_000, 0.99))


def test_what_is_no_vote_keeps_its_thresholds():
    # A thumb whose threshold happens to be that of votes, an interval of another scale, and two votes.
    outcomes = Outcomes(np.array([1.0, 0.5, 0.5, 1.0]), np.array([0.0, -2.0, 0.0, 0.0]), np.array([0.0, 3.0, 0.0, 0.0]))
    vote = np.array([False, False, True, True])
    lower, upper = ends(with_tie_widths(outcomes, np.zeros(4, int), vote, 0.5))
    assert lower[:2].tolist() == [0.0, -2.0] and upper[:2].tolist() == [0.0, 3.0]
    width = width_of(1, 2, 0.5)
    assert lower[2:].tolist() == pytest.approx([-width, width]) and upper[2:].tolist() == pytest.approx([width, np.inf])


def test_parts_of_a_vote_count_as_parts_in_the_width_of_their_user():
    y = np.array([0.5, 0.5, 1.0, 0.5])
    whole = ends(with_tie_widths(Outcomes(y[1:]), np.zeros(3, int), np.ones(3, bool), 0.3))[1]
    parts = Outcomes(y, weight=np.array([0.5, 0.5, 1.0, 1.0]))
    assert ends(with_tie_widths(parts, np.zeros(4, int), np.ones(4, bool), 0.3))[1][1:] == pytest.approx(whole)


def test_without_ties_a_vote_stays_one_of_bradley_and_terry():
    outcomes = Outcomes(np.array([1.0, 0.0, 0.5]))
    assert with_tie_widths(outcomes, np.zeros(3, int), np.ones(3, bool), 0.0) is outcomes
    data = random_dataset(3, users=6, questions=20, ties=0.0)
    votes = votes_of(data.table)
    assert len(votes) and not (votes.y == 0.5).any()
    learn = data.select(data.table.split != TEST)
    asked = data.questions(np.flatnonzero(data.table.split == TEST))
    half = AnswerAwareBradleyTerry(replace(AnswerAwareBradleyTerry.initial, tie_rate=0.0)).fit(learn)
    wide = AnswerAwareBradleyTerry().fit(learn)
    history = data.select(data.table.split == TRAIN)
    assert wide.settings.tie_rate == 0 and (wide.score(history, asked) == half.score(history, asked)).all()


@pytest.mark.parametrize("seed", [0, 1])
def test_f_and_users_are_at_the_mode_of_the_likelihood_with_widths(seed):
    data = with_ties(seed)
    posterior = HierarchicalBradleyTerry(SETTINGS).condition(data)
    votes, effects = posterior.votes, posterior.effects
    y, step = votes.outcomes.y, 1e-5
    assert 0.1 < (y == 0.5).mean() < 0.7
    for user in np.unique(votes.user):
        own = np.flatnonzero(votes.user == user)
        width = width_of(int((y[own] == 0.5).sum()), len(own), 0.3)
        batch = UserBatch(votes, own[None], effects.offset, effects.covariance)
        latent = blended(batch.among(), SETTINGS)[0] @ effects.alpha[own] + effects.offset[own]
        # α is the slope of the log likelihood at the mode, here of its written-out form, by differences.
        for at, z in zip(own, latent, strict=True):
            high, low = np.log(chance_of(y[at], z + step, width)), np.log(chance_of(y[at], z - step, width))
            assert effects.alpha[at] == pytest.approx((high - low) / (2 * step), abs=1e-5)


def test_every_way_to_solve_a_user_reads_the_same_widths(monkeypatch):
    data = with_ties(2)
    asked = data.questions(np.flatnonzero(data.table.split == TEST))
    router = HierarchicalBradleyTerry(SETTINGS)
    dense = router.condition(data)
    # The same user, once with the kernel formed and once as one of very many votes, for whom it never is.
    monkeypatch.setattr("gmt.posterior.vote_history.NUMBERS_AT_ONCE", 1)
    monkeypatch.setattr("gmt.posterior.linear_effects.MOST_DENSE_VOTES", 3)
    monkeypatch.setattr("gmt.posterior.user_effects.MOST_DENSE_VOTES", 3)
    large = router.condition(data)
    assert large.score(data, asked) == pytest.approx(dense.score(data, asked), abs=1e-4)
    assert large.covariances(data, asked) == pytest.approx(dense.covariances(data, asked), abs=1e-4)
    said, score = dense.explain(data, asked, 0), dense.score(data, asked)[0]
    assert said.shared + said.votes.sum(axis=0) == pytest.approx(score)


def test_new_votes_move_the_width_of_their_user_alone():
    data = with_ties(4)
    train = np.flatnonzero(data.table.split == TRAIN)
    late = train[data.table.user[train] == 3][-4:]
    early = np.setdiff1d(train, late)
    router = HierarchicalBradleyTerry(SETTINGS)
    after = data.select(np.concatenate([early, late]))
    posterior = router.condition(data.select(early)).with_observed(after, np.arange(len(early), len(train)))
    assert posterior is not None
    grown = posterior.votes
    whole = router.prepare(after).votes
    assert np.array_equal(grown.user, whole.user)
    for user in range(5):
        mine = grown.user == user
        # Whatever the outcomes, a user's finite ends are all as far from 0.
        widths = [np.unique(np.abs(ends(votes.observed)[0][mine])) for votes in (grown, whole)]
        assert widths[0] == pytest.approx(widths[1])


def test_fit_reads_the_share_of_ties_from_train_alone():
    data = with_ties(5)
    learn = data.select(data.table.split != TEST)
    fitted = AnswerAwareBradleyTerry().fit(learn)
    train = votes_of(learn.table.select(learn.table.split == TRAIN)).y
    assert fitted.settings.tie_rate == pytest.approx((train == 0.5).mean()) and fitted.settings.tie_rate > 0.1
    # What was fitted is a setting that is saved; a run from before it was one reads ties as half wins.
    state = fitted.state_dict()
    assert AnswerAwareBradleyTerry().load_state_dict(state).settings == fitted.settings
    state.pop("settings.tie_rate")
    earlier = AnswerAwareBradleyTerry().load_state_dict(state)
    assert earlier.settings.tie_rate == 0 and earlier.prepare(learn).votes.observed.lower is None


def test_the_rival_and_the_switch_read_a_tie_as_half_a_win():
    assert HierarchicalBradleyTerry().fit(with_ties(6)).settings.tie_rate == 0
    assert new_hierarchical(load_config(None, ["posterior.tie_widths=false"])).start.tie_rate == 0
    assert new_hierarchical(load_config(None, ["posterior.answers=false"])).start.tie_rate > 0


def test_an_indifferent_user_is_not_drawn_to_even_scores():
    """Two users prefer the same model as often; one of them calls every other round a tie, which says little."""

    def rounds(user: str, ties: int):
        texts = [f"question {number}" for number in range(8 + ties)]
        return [
            Comparison(user, f"{user} {n}", 0, text, (Candidate("a", rating=0.5 if n >= 8 else 1.0),
                                                      Candidate("b", rating=0.5 if n >= 8 else 0.0)))
            for n, text in enumerate(texts)
        ]  # fmt: skip

    data = dataset_of(InteractionTable.from_comparisons([*rounds("firm", 0), *rounds("tying", 8)]))
    gaps = {}
    for rate in (0.0, 0.3):
        settings = replace(SETTINGS, tie_rate=rate)
        posterior = HierarchicalBradleyTerry(settings).condition(data)
        scores = posterior.score(data, data.questions(np.arange(len(data.table))))
        tying = data.table.user == data.table.users.index("tying")
        gaps[rate] = (scores[tying, 0] - scores[tying, 1]).mean() / (scores[~tying, 0] - scores[~tying, 1]).mean()
    assert 0 < gaps[0.0] < gaps[0.3]


def test_a_history_without_votes_has_nothing_to_read():
    data = with_ties(7).select(np.zeros(0, int))
    assert len(VoteHistory.read(data, (), np.zeros(data.vectors.shape[1]), tie_rate=0.3).observed) == 0


def test_what_was_judged_alone_is_read_under_no_width():
    rounds = [
        Comparison("user1", f"alone {n}", 0, f"question {n}", (Candidate("model0", rating=float(n % 2)),))
        for n in range(4)
    ]
    data = random_dataset(0, users=4)
    votes = HierarchicalBradleyTerry(SETTINGS).prepare(dataset_of(data.table.append(rounds))).votes
    # A threshold of 0 makes of a thumb what a vote would be, but for its kind.
    votes = votes.under(replace(votes.scales, lone_cuts=np.zeros(1)))
    lower, upper = ends(votes.observed)
    assert votes.lone.sum() == 4 and (lower[votes.lone] == 0).all() and (upper[votes.lone] == 0).all()
    assert (lower[~votes.lone] != upper[~votes.lone]).all()


# Widths suit neither part of VALID, only its ties, only what is no tie, both.
@pytest.mark.parametrize(("seed", "wider"), [(17, False), (19, False), (25, True), (13, True)])
def test_the_untied_votes_of_valid_choose_between_half_wins_and_widths(seed, wider, monkeypatch):
    data, pairs = with_ties(seed), []

    def watched(choices, losses):
        choices = list(choices)
        # Grids are larger; two are the best of each way to read ties.
        pairs.extend([choices] if len(choices) == 2 else [])
        return best_setting(choices, losses)

    monkeypatch.setattr("gmt.posterior.hierarchical.best_setting", watched)
    learn = data.select(data.table.split != TEST)
    fitted, valid = AnswerAwareBradleyTerry().fit(learn), ValidationVotes.of(learn)
    assert valid is not None and len(pairs) == 1
    untied = valid.untied()
    assert 0 < len(untied) < len(valid) and (untied.y != 0.5).all()
    half, wide = (float(untied.losses(scores, logits=False).mean()) for _, scores in pairs[0])
    rates = [one.effects.settings.tie_rate for one, _ in pairs[0]]
    assert rates[0] == 0 < rates[1] and fitted.settings == pairs[0][wide < half][0].effects.settings
    assert (fitted.settings.tie_rate > 0) == wider


def test_without_a_vote_to_choose_by_a_tie_stays_half_a_win():
    data = with_ties(5)
    fitted = AnswerAwareBradleyTerry().fit(data.select(data.table.split == TRAIN))
    assert fitted.settings.tie_rate == 0
