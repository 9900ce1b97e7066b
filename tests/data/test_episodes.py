from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmt.config import EpisodeConfig
from gmt.data.episodes import Episode, EpisodeSampler
from gmt.data.interactions import InteractionTable
from gmt.errors import DataError
from tests.data.strategies import tables
from tests.data.test_dataset import talk
from tests.factories import random_table

SETTINGS = st.builds(
    EpisodeConfig,
    users=st.integers(1, 4),
    targets=st.integers(1, 6),
    target_pairs=st.integers(0, 5),
    history=st.integers(1, 8),
    history_length=st.sampled_from(["varied", "fixed"]),
)


@given(tables(), SETTINGS, st.integers(0, 2**31), st.integers(0, 500))
def test_an_episode_shows_nothing_of_a_conversation_it_asks(table, config, seed, step):
    if not table.rated.any():
        with pytest.raises(DataError, match="at least one rated comparison"):
            EpisodeSampler(table, config, seed)
        return
    episode = EpisodeSampler(table, config, seed).draw(step)
    history, targets = episode.history, episode.targets
    assert len(np.unique(np.concatenate([history, targets]))) == len(history) + len(targets)
    assert not np.isin(table.conversation[history], table.conversation[targets]).any()
    assert table.rated[targets].all()
    rated_people = np.unique(table.user[table.rated])
    shown_people = np.unique(table.user[np.concatenate([history, targets])])
    assert np.isin(shown_people, rated_people).all() and len(shown_people) <= config.users


@given(tables(), SETTINGS, st.integers(0, 2**31))
def test_sizes_are_bounded_up_to_the_end_of_a_conversation(table, config, seed):
    if not table.rated.any():
        return
    episode = EpisodeSampler(table, config, seed).draw(0)
    longest = int(table.turn.max())  # a conversation is never cut, so its last rounds may exceed the bound
    for user in np.unique(table.user):
        assert (table.user[episode.targets] == user).sum() <= config.targets + longest
        assert (table.user[episode.history] == user).sum() <= config.history + longest
    if config.target_pairs:
        assert len(episode.targets) <= config.target_pairs


@given(tables(), SETTINGS, st.integers(0, 2**31), st.integers(0, 500))
def test_equal_seeds_and_steps_give_equal_episodes(table, config, seed, step):
    if not table.rated.any():
        return
    one, two = (EpisodeSampler(table, config, seed) for _ in range(2))
    two.draw(step + 1)  # what was drawn before does not matter
    for name in ("history", "targets"):
        np.testing.assert_array_equal(getattr(one.draw(step), name), getattr(two.draw(step), name))


def test_other_seeds_and_other_steps_give_other_episodes():
    table = random_table(0, users=10)
    draws = [EpisodeSampler(table, EpisodeConfig(), seed).draw(step) for seed in (0, 1) for step in (0, 1)]
    assert len({tuple(draw.targets.tolist()) for draw in draws}) == 4


def test_fixed_sizes_are_met_on_single_rounds():
    table = random_table(0, users=8, comparisons_per_user=30, ties=0.0)
    config = EpisodeConfig(users=5, targets=7, history=11, history_length="fixed")
    episode = EpisodeSampler(table, config, 0).draw(3)
    assert sorted(np.bincount(table.user[episode.targets], minlength=8).tolist()) == [0] * 3 + [7] * 5
    assert sorted(np.bincount(table.user[episode.history], minlength=8).tolist()) == [0] * 3 + [11] * 5


def test_somebody_with_few_rounds_is_asked_half_of_them():
    table = random_table(0, users=1, comparisons_per_user=5)
    episode = EpisodeSampler(table, EpisodeConfig(history_length="fixed"), 0).draw(0)
    assert len(episode.targets) == 2 and len(episode.history) == 3
    alone = random_table(0, users=1, comparisons_per_user=1)
    episode = EpisodeSampler(alone, EpisodeConfig(), 0).draw(0)
    assert len(episode.targets) == 1 and len(episode.history) == 0


def test_varied_lengths_reach_from_none_to_all():
    table = random_table(0, users=1, comparisons_per_user=40)
    sampler = EpisodeSampler(table, EpisodeConfig(targets=5, history=10), 0)
    lengths = {len(sampler.draw(step).history) for step in range(200)}
    assert lengths == set(range(11))


def test_every_rated_round_is_asked_some_day():
    table = random_table(0, users=4, comparisons_per_user=6, max_turns=3, unrated=0.2)
    sampler = EpisodeSampler(table, EpisodeConfig(users=2), 0)
    asked = np.unique(np.concatenate([sampler.draw(step).targets for step in range(60)]))
    np.testing.assert_array_equal(asked, np.flatnonzero(table.rated))


def test_nobody_with_a_rating_is_an_error():
    for table in (random_table(0, unrated=1.0), InteractionTable.from_comparisons([])):
        with pytest.raises(DataError, match="no comparison carries a rating"):
            EpisodeSampler(table, EpisodeConfig(), 0)


def test_an_episode_refuses_to_ask_what_it_shows():
    table = random_table(0)
    with pytest.raises(DataError, match="both history and target"):
        Episode(table, np.array([1, 2]), np.array([2, 3]))


@pytest.mark.parametrize(("shown", "fine"), [(0, True), (2, False), (3, False)])
def test_an_episode_refuses_rounds_at_or_after_the_one_asked(shown, fine):
    rounds = talk(1, 0, 1, 0)
    # the second vote on the asked round stands apart as a comparison of its own
    table = InteractionTable.from_comparisons([*rounds[:2], replace(rounds[1], query="again"), rounds[3]])
    if fine:
        assert Episode(table, np.array([shown]), np.array([1])).targets.tolist() == [1]
    else:
        with pytest.raises(DataError, match="at or after its turn"):
            Episode(table, np.array([shown]), np.array([1]))
