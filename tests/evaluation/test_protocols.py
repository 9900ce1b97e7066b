import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.splits import PROTOCOLS, assign
from gmt.data.comparisons import Candidate, Comparison
from gmt.data.interactions import TEST, TRAIN, VALID, InteractionTable
from gmt.errors import DataError
from gmt.evaluation.protocols import foreign_trials, trials
from gmt.evaluation.trial import Trial
from tests.factories import random_table


def split_table(protocol, seed=0, **settings):
    table = random_table(seed, **settings)
    return table.with_split(assign(table, protocol, seed=seed))


def check_no_leak(table, trial, shots_allowed):
    history, targets = set(trial.history.tolist()), set(trial.targets.tolist())
    assert not history & targets
    assert table.rated[trial.targets].all()
    for target in trial.targets:
        same = table.conversation[trial.history] == table.conversation[target]
        assert (table.turn[trial.history][same] < table.turn[target]).all()
    beyond = trial.history[table.split[trial.history] != TRAIN]
    assert (table.split[beyond] != VALID).all()
    assert set(np.flatnonzero(table.split == TRAIN)) <= history
    assert shots_allowed or not len(beyond)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    protocol=st.sampled_from(PROTOCOLS),
    max_turns=st.integers(1, 4),
    max_candidates=st.integers(2, 3),
    unrated=st.sampled_from([0.0, 0.3]),
    split=st.sampled_from(["test", "valid"]),
)
def test_nothing_leaks(seed, protocol, max_turns, max_candidates, unrated, split):
    table = split_table(
        protocol,
        seed,
        users=6,
        models=9,
        comparisons_per_user=12,
        max_turns=max_turns,
        max_candidates=max_candidates,
        unrated=unrated,
    )
    try:
        planned = trials(table, protocol, split, draws=2, seed=seed)
    except DataError:
        assert not (table.rated & (table.split == (TEST if split == "test" else VALID))).any()
        return
    for trial in planned:
        check_no_leak(table, trial, split == "test" and protocol in ("new-users", "new-models"))


@pytest.mark.parametrize("protocol", ["seen", "new-questions", "drift"])
def test_protocols_without_shots_ask_everything_once(protocol):
    table = split_table(protocol, unrated=0.2)
    (trial,) = trials(table, protocol)
    assert trial.shots == "all" and (trial.history == np.flatnonzero(table.split == TRAIN)).all()
    assert (trial.targets == np.flatnonzero((table.split == TEST) & table.rated)).all()


def test_new_users_show_exactly_the_first_k_rated_and_ask_the_same_for_every_k():
    table = split_table("new-users", users=12, comparisons_per_user=21, max_turns=3, unrated=0.3)
    planned = trials(table, "new-users", shots=[0, 1, 3, 50], draws=2)
    assert [(trial.shots, trial.draw) for trial in planned] == [(k, d) for d in (0, 1) for k in (0, 1, 3, 50)]
    for draw in (0, 1):
        group = {trial.shots: trial for trial in planned if trial.draw == draw}
        for trial in group.values():
            assert (trial.targets == group[0].targets).all()
        assert set(group[0].history) <= set(group[1].history) <= set(group[3].history) <= set(group[50].history)
        for k, trial in group.items():
            shown = trial.history[table.split[trial.history] == TEST]
            users = np.unique(table.user[trial.targets])
            rated = [int(table.rated[shown[table.user[shown] == user]].sum()) for user in users]
            assert all(count <= k for count in rated) and sum(count < k for count in rated) == trial.short
        assert group[0].short == 0 and group[50].short == 3
    assert (
        (planned[0].targets != planned[4].targets).any() if len(planned[0].targets) == len(planned[4].targets) else True
    )


def test_a_pool_and_the_targets_halve_the_conversations_that_carry_a_rating():
    table = split_table("new-users", users=12, comparisons_per_user=20)
    most = trials(table, "new-users", shots=[1000], draws=1)[0]
    for user in np.unique(table.user[table.split == TEST]):
        pool = most.history[table.user[most.history] == user]
        assert len(pool) == 10 and (table.user[most.targets] == user).sum() == 10


def test_an_unrated_round_comes_along_and_counts_as_no_shot():
    def rounds(conversation, ratings):
        for turn, rating in enumerate(ratings):
            other = None if rating is None else 1 - rating
            pair = (Candidate("x", None, rating), Candidate("y", None, other))
            yield Comparison("new", conversation, turn, f"{conversation}{turn}", pair)

    items = [c for name in ("a", "b") for c in rounds(name, [None, 1.0, None, 0.0])]
    table = InteractionTable.from_comparisons(items, split=[TEST] * 8)
    for k, turns in ((0, []), (1, [0, 1]), (2, [0, 1, 2, 3]), (3, [0, 1, 2, 3])):
        trial = trials(table, "new-users", shots=[k], draws=1)[0]
        assert table.turn[trial.history].tolist() == turns
        assert trial.short == (k == 3)


def test_new_models_show_up_to_k_rated_comparisons_of_each():
    table = split_table("new-models", users=20, models=20, comparisons_per_user=30)
    known = np.unique(table.model[table.split[table.row_comparison] != TEST])
    new = np.setdiff1d(np.arange(20), known)
    planned = trials(table, "new-models", shots=[0, 5, 1000], draws=2)
    for trial in planned:
        assert np.isin(table.candidates[trial.targets], new).any(axis=1).all()
        assert (trial.targets == next(t for t in planned if t.draw == trial.draw).targets).all()
        shown = trial.history[table.split[trial.history] == TEST]
        counts = np.array([(table.candidates[shown] == model).any(axis=1).sum() for model in new])
        if trial.shots == 5:
            # A comparison between two new models may show one of them more often than it needed.
            assert counts.min() == 5 and len(shown) <= 5 * len(new) and trial.short == 0
        assert trial.shots != 0 or not len(shown)
        assert trial.shots != 1000 or trial.short == len(new)


def test_foreign_data_asks_only_people_the_run_has_not_met():
    run = split_table("seen", users=6)
    table = run.append(
        [
            Comparison(user, f"far-{user}-{i}", 0, "q", (Candidate("model0", None, 1.0), Candidate("new", None, 0.0)))
            for user in ("user0", "eve")
            for i in range(10)
        ],
        split=VALID,
    )
    known, foreign = np.arange(len(run)), np.arange(len(run), len(table))
    planned = foreign_trials(table, known, foreign, [0, 2, 20], draws=2)
    assert len(planned) == 6
    for trial in planned:
        assert {table.users[user] for user in table.user[trial.targets]} == {"eve"} and len(trial.targets) == 5
        shown = np.setdiff1d(trial.history, np.flatnonzero(run.split == TRAIN))
        assert len(shown) == min(trial.shots, 5) and (shown >= len(run)).all()
    with pytest.raises(DataError, match="met every user"):
        foreign_trials(table, np.arange(len(table)), foreign)


def test_draws_and_seeds_change_the_halves_and_equal_seeds_do_not():
    table = split_table("new-users", users=20, comparisons_per_user=30)
    one, two, again, other = (
        trials(table, "new-users", shots=[0], draws=2, seed=seed)[draw].targets.tolist()
        for seed, draw in ((0, 0), (0, 1), (0, 0), (1, 0))
    )
    assert one == again and one != two and one != other


def test_a_trial_refuses_to_show_what_it_asks():
    table = random_table(0, max_turns=3)
    with pytest.raises(DataError, match="disjoint"):
        Trial("all", 0, np.array([0, 1]), np.array([1]))
    with pytest.raises(DataError, match="twice"):
        Trial("all", 0, np.array([0]), np.array([1, 1]))
    later = int(np.flatnonzero(table.turn == 1)[0])
    with pytest.raises(DataError, match="after a target's turn"):
        Trial("all", 0, np.array([later]), np.array([later - 1])).check(table)


def test_nothing_to_ask_is_said():
    table = random_table(0)
    with pytest.raises(DataError, match="test holds no rated"):
        trials(table, "seen")
    with pytest.raises(DataError, match="expected test or valid"):
        trials(table, "seen", "train")
