"""Check across modules that nothing is handed what it must not see."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from gmt.config import EpisodeConfig, load_config
from gmt.data.dataset import Dataset
from gmt.data.episodes import EpisodeSampler
from gmt.data.interactions import TEST, TRAIN, VALID, InteractionTable
from gmt.data.signals import SIGNALS
from gmt.evaluation import measure as measuring
from gmt.evaluation.evaluate import evaluate
from gmt.evaluation.metrics import pairs_of
from gmt.evaluation.score_blocks import ScoreBlock, bootstrap
from gmt.posterior.answer_aware import AnswerAwareBradleyTerry
from gmt.posterior.answer_quality import fit_answer_quality
from gmt.posterior.hierarchical import HierarchicalBradleyTerry
from gmt.rivals.registry import RIVALS, make_router
from gmt.rivals.ridge_on_answers import RidgeAnswers
from gmt.routing.grid import ValidationVotes
from gmt.routing.pairwise import fit_temperature
from gmt.runs import RunFolder
from gmt.training import train_run as training
from gmt.training.accelerator import new_accelerator
from gmt.training.train_network import episode_batch
from tests.factories import dataset_of, random_dataset
from tests.trained import TINY


class Handed(Exception):
    """Ends what a test only wants to see the beginning of."""


def turned(data: Dataset, comparisons: np.ndarray) -> Dataset:
    """Return the data with the ratings of some comparisons turned round."""
    rows = comparisons[data.table.row_comparison]
    rating = np.where(rows, 1 - data.table.rating, data.table.rating)
    return data.with_table(replace(data.table, rating=rating))


def test_the_temperature_is_that_of_valid():
    data = random_dataset(0, users=10, comparisons_per_user=30)
    table = data.table
    router = make_router("user_bradley_terry").fit(data.select(table.split != TEST))
    found = evaluate(data, [router], oracle=False).summary["temperatures"]["user_bradley_terry"]
    valid = np.flatnonzero((table.split == VALID) & table.rated)
    scores = router.score(data.select(table.split == TRAIN), data.questions(valid))
    assert found == fit_temperature(pairs_of(table.ratings[valid]).differences(scores))
    other = evaluate(turned(data, table.split == TEST), [router], oracle=False).summary["temperatures"]
    assert other["user_bradley_terry"] == found


def test_no_test_row_is_handed_to_training(demo_data, tmp_path, monkeypatch):
    def handed(learn, *rest):
        assert len(learn.table) and set(np.unique(learn.table.split)) == {TRAIN, VALID}
        raise Handed

    monkeypatch.setattr(training, "fit_parts", handed)
    with pytest.raises(Handed):
        training.train_run(demo_data, load_config(None, TINY), RunFolder(tmp_path / "run"))


def test_no_test_row_is_handed_to_a_rivals_fit(tiny_run, monkeypatch, tmp_path):
    class Spy:
        name, logits = "spy", False

        def fit(self, data):
            assert len(data.table) and set(np.unique(data.table.split)) == {TRAIN, VALID}
            raise Handed

    monkeypatch.setattr(measuring, "make_router", lambda name, seed: Spy())
    with pytest.raises(Handed):
        measuring.measure(RunFolder(tiny_run), baselines=["knn"], out=tmp_path / "seen.json")


def test_settings_are_chosen_by_valid_with_train_in_view():
    data = random_dataset(0, users=10)
    found = ValidationVotes.of(data)
    assert found is not None and (found.history.table.split == TRAIN).all()
    valid = data.table.comparison[(data.table.split == VALID) & data.table.rated]
    assert set(found.questions.comparison) == set(valid)


def test_outcomes_of_an_episodes_targets_reach_the_labels_alone():
    data = random_dataset(0, users=10)
    config = load_config(None, TINY)
    sampler = EpisodeSampler(data.table, EpisodeConfig(users=6, targets=3), 0)
    targets = np.zeros(len(data.table), bool)
    targets[sampler.draw(0).targets] = True
    accelerator = new_accelerator(config)
    one, other = (episode_batch(some, sampler, 0, config, accelerator)[0] for some in (data, turned(data, targets)))
    assert torch.equal(one.feedback, other.feedback) and torch.equal(one.turn_user, other.turn_user)
    # Every turn of the graph is one of the history.
    shown = np.diff(data.table.start)[sampler.draw(0).history].sum()
    assert len(one.turn_user) == shown > 0
    assert not torch.equal(one.rating.nan_to_num(), other.rating.nan_to_num())


def test_intervals_are_over_users_and_not_over_their_comparisons():
    data = random_dataset(0, users=10, comparisons_per_user=40)
    table = data.table
    router = make_router("bradley_terry").fit(data.select(table.split != TEST))
    found = evaluate(data, [router], oracle=False, seed=3).summary["shots"]["all"]["routers"]["bradley_terry"]
    asked = np.flatnonzero((table.split == TEST) & table.rated)
    scores = router.score(data.select(table.split == TRAIN), data.questions(asked))
    users = np.array(table.users)[table.user[asked]]
    wanted = bootstrap({"it": [ScoreBlock(users, scores, table.ratings[asked])]}, 3).interval("it", "accuracy")
    rows = bootstrap({"it": [ScoreBlock(asked.astype(str), scores, table.ratings[asked])]}, 3)
    assert wanted is not None and found["accuracy"] == pytest.approx(wanted.to_json())
    other = rows.interval("it", "accuracy")
    assert other is not None and other.low != wanted.low


@pytest.mark.parametrize("name", [name for name, maker in RIVALS.items() if maker.seeded])
def test_a_seed_reaches_whoever_draws(name):
    router: Any = make_router(name, 7)
    assert router.state_dict()["seed"] == 7


def test_the_curvature_of_answer_quality_is_that_of_the_log_loss():
    """Compare with second differences of -log p(y), which know nothing of p (1 - p)."""
    data = random_dataset(0, users=6)
    router = HierarchicalBradleyTerry()
    votes, prior = router.prepare(data).votes, router.prior(data, router.prepare(data), router.settings)
    fit = fit_answer_quality(prior, votes.query, votes.a, votes.b, votes.outcomes)
    gap, step = fit.differences(votes.query, votes.a, votes.b), 1e-3

    def loss(logit):
        return np.logaddexp(0, logit) - votes.outcomes.y * logit

    wanted = (loss(gap + step) - 2 * loss(gap) + loss(gap - step)) / step**2
    assert fit.curvature == pytest.approx(wanted, abs=1e-4)


def test_regret_is_what_the_best_choice_would_have_earned_more():
    scores, ratings = np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([[0.2, 0.9], [0.6, 0.1]])
    block = ScoreBlock(np.array(["x", "y"]), scores, ratings)
    found = bootstrap({"it": [block]}).interval("it", "regret")
    assert found is not None and found.value == pytest.approx((0.7 + 0.0) / 2)


def told_in_every_form() -> Dataset:
    """Return data in which some rounds carry a lone rating, some words alone and some a signal alone."""
    items = []
    for number, item in enumerate(
        random_dataset(2, users=6, comparisons_per_user=20, max_turns=3).table.to_comparisons()
    ):
        one = item.candidates[0]
        forms = [
            item.candidates,
            (one,),
            (replace(one, rating=None, feedback=("thanks, great", "that is wrong")[number % 2]),),
            (replace(one, rating=None, signal=SIGNALS[number % len(SIGNALS)]),),
        ]
        items.append(replace(item, candidates=forms[number % 4]))
    split = random_dataset(2, users=6, comparisons_per_user=20, max_turns=3).table.split
    return dataset_of(InteractionTable.from_comparisons(items, split.tolist()))


def test_what_a_target_got_of_any_form_does_not_reach_its_score():
    data = told_in_every_form()
    router = HierarchicalBradleyTerry().fit(data.select(data.table.split != TEST))
    targets = np.flatnonzero(data.table.split == TEST)
    at = np.isin(data.table.row_comparison, targets)
    swapped = {
        "rating": np.where(at, 1 - data.table.rating, data.table.rating),
        "feedback": np.where(at, -1, data.table.feedback),
        "signal": np.where(at, 2, data.table.signal),
    }
    told = data.with_table(replace(data.table, **swapped))
    history = data.select(data.table.split == TRAIN), told.select(data.table.split == TRAIN)
    one, other = (router.score(seen, d.questions(targets)) for seen, d in zip(history, (data, told), strict=True))
    assert len(targets) > 15 and np.array_equal(one, other)
    # Earlier rounds of the same conversation are shown without what was said about them.
    earlier = data.questions(targets).earlier
    said = np.isin(data.table.comparison, earlier.comparison)[data.table.row_comparison]
    assert (data.table.feedback[said] >= 0).any() and (data.table.signal[said] >= 0).any()
    assert np.isnan(earlier.rating).all() and (earlier.feedback == -1).all() and (earlier.signal == -1).all()


def test_a_fit_of_every_form_is_not_moved_by_test():
    """Thresholds, leniency, the head of remarks and the reliability of signals are those of TRAIN and VALID."""
    data = told_in_every_form()
    at = (data.table.split == TEST)[data.table.row_comparison]
    signal = np.where(at, 0, data.table.signal)
    told = turned(data, data.table.split == TEST)
    told = told.with_table(replace(told.table, signal=signal, feedback=np.where(at, -1, told.table.feedback)))
    one, other = (HierarchicalBradleyTerry().fit(seen).state_dict() for seen in (data, told))
    assert {"scales.lone_cuts", "weak.signals", "leniency"} <= set(one) == set(other)
    for name, value in one.items():
        assert np.array_equal(value, other[name]), name


def test_thresholds_stay_those_that_were_fitted():
    data = told_in_every_form()
    router = HierarchicalBradleyTerry().fit(data.select(data.table.split != TEST))
    seen = router.condition(data).votes.scales
    assert np.array_equal(seen.lone_cuts, router.reading.scales.lone_cuts)


def shown_answers(seed: int = 0) -> tuple[Dataset, Dataset]:
    """Return data of models, and the same declared to be of answers, which may be read where they are ranked."""
    data = random_dataset(seed, users=6, comparisons_per_user=16)
    # Texts of several lengths, so that their form differs.
    texts = tuple(text + " and more" * (at % 5) for at, text in enumerate(data.table.texts))
    data = data.with_table(replace(data.table, texts=texts))
    return data, replace(data, card={**data.card, "answers_shown": True})


def test_the_texts_of_targets_are_visible_only_where_data_declare_it():
    data, shown = shown_answers()
    targets = np.flatnonzero(data.table.split == TEST)
    assert data.questions(targets).responses is None
    responses = shown.questions(targets).responses
    assert responses is not None
    table = data.table.select(targets)
    assert responses[table.mask].tolist() == table.response.tolist()
    # Questions keep what they show when they are cut; ratings have no field in either.
    cut = shown.questions(targets).select(np.array([1])).responses
    assert cut is not None
    assert cut.tolist() == responses[[1]].tolist()
    assert not hasattr(shown.questions(targets), "rating")


@pytest.mark.parametrize("kind", [HierarchicalBradleyTerry, AnswerAwareBradleyTerry, RidgeAnswers])
def test_scores_follow_a_targets_text_only_where_answers_are_ranked_and_never_its_rating(kind):
    for data, moves in zip(shown_answers(), (False, True), strict=True):
        router = kind()  # not fitted, for on these data without any taste VALID would leave answers unread
        test = data.table.split == TEST
        history, targets = data.select(data.table.split == TRAIN), np.flatnonzero(test)
        scores = router.score(history, data.questions(targets))
        rows = test[data.table.row_comparison]
        # 1. Other texts for the targets: each gets the one of the row before it.
        response = data.table.response.copy()
        response[rows] = np.roll(response[rows], 1)
        other = data.with_table(replace(data.table, response=response))
        assert (not np.array_equal(router.score(history, other.questions(targets)), scores)) == moves
        # 2. Other ratings change nothing, whatever is shown.
        assert np.array_equal(router.score(history, turned(data, test).questions(targets)), scores)
