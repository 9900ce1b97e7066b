"""Check that a posterior learns from each form of feedback what users meant, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from data_prep.simulate.planted import PlantedSettings
from gmt.data.comparisons import Candidate, Comparison
from gmt.data.dataset import Dataset
from gmt.data.interactions import TEST, TRAIN, InteractionTable
from gmt.data.signals import SIGNALS
from gmt.evaluation.metrics import pairs_of, weighted_auc
from gmt.posterior.hierarchical import HierarchicalBradleyTerry
from gmt.posterior.observations import GAP, LONE, VOTE, WEAK, observations_of
from gmt.posterior.weak_feedback import SIGNAL_LOG_ODDS, WeakFeedback, own_remarks
from gmt.studies.sweep_population import population
from tests.factories import dataset_of, random_dataset, with_lone_ratings


def auc(data: Dataset, router: HierarchicalBradleyTerry) -> float:
    targets = np.flatnonzero((data.table.split == TEST) & data.table.rated)
    scores = router.score(data.select(data.table.split == TRAIN), data.questions(targets))
    gap = pairs_of(data.table.ratings[targets]).differences(scores)
    return float(weighted_auc(gap, np.zeros(len(gap), int), np.ones((1, 1)))[0])


def fitted(**settings) -> tuple[Dataset, HierarchicalBradleyTerry]:
    data, _ = population(PlantedSettings(users=60, votes=24, models=6, seed=1, **settings))
    return data, HierarchicalBradleyTerry().fit(data.select(data.table.split != TEST))


@pytest.mark.parametrize(
    ("form", "least"),
    [
        ({"feedback": "ratings", "candidates": 1}, 0.72),
        ({"feedback": "thumbs", "candidates": 1}, 0.7),
        ({"feedback": "ratings"}, 0.72),
        ({"feedback": "text", "votes_kept": 0.0}, 0.56),
    ],
    ids=["stars of one answer", "thumbs on one answer", "ratings of two", "words only"],
)
def test_every_form_teaches_who_likes_what(form, least):
    data, router = fitted(**form)
    assert auc(data, router) > least


def thumbs(user: str, liked: str, other: str, count: int = 12) -> list[Comparison]:
    return [
        Comparison(user, f"{user} {i}", 0, f"question {i % 15} turn 0", (Candidate(name, None, float(name == liked)),))
        for i in range(count)
        for name in [(liked, other)[i % 2]]
    ]


def test_opposed_thumbs_of_new_users_give_opposed_rankings():
    data = random_dataset(0, users=10, models=4)
    router = HierarchicalBradleyTerry().fit(data.select(data.table.split != TEST))
    table = data.table.append([*thumbs("kim", "model0", "model1"), *thumbs("lee", "model1", "model0")])
    wider = replace(dataset_of(table), model_vectors=data.model_vectors)
    asked = wider.questions(np.flatnonzero(table.user == table.users.index("kim"))[:1])
    codes = np.array([[table.models.index("model0"), table.models.index("model1")]])
    asked = replace(asked, candidates=codes)
    kim = router.score(wider, asked)[0]
    lee = router.score(wider, replace(asked, user=np.array([table.users.index("lee")])))[0]
    assert kim[0] - kim[1] > 0.5 and lee[0] - lee[1] < -0.5


def test_a_kind_user_and_a_strict_one_of_one_taste_rank_alike():
    """Leniency explains ratings and is no part of scores."""
    rng = np.random.default_rng(0)
    items = []
    for user in range(40):
        taste, kind = rng.normal(0, 1.5, 4), rng.normal(0, 2.5)
        for i in range(16):
            model = int(rng.integers(4))
            stars = np.searchsorted([-2, -0.7, 0.7, 2], taste[model] + kind + rng.logistic()) / 4
            answer = (Candidate(f"model{model}", None, float(stars)),)
            items.append(Comparison(f"user{user}", f"{user} {i}", 0, f"question {i}", answer))
    data = dataset_of(InteractionTable.from_comparisons(items))
    posterior = HierarchicalBradleyTerry().fit(data).condition(data)
    effects = posterior.effects
    assert effects.covariance[-1, -1] > 1.0  # how users differ in leniency is learned
    lenient = replace(posterior, effects=replace(effects, covariance=moved(effects.covariance), solved=effects.alpha))
    questions = data.questions(np.arange(0, len(data.table), 7))
    assert lenient.score(data, questions) == pytest.approx(posterior.score(data, questions), abs=1e-9)


def moved(covariance: np.ndarray) -> np.ndarray:
    """Return S with another variance of leniency, which given the same α can only reach a score by a leak."""
    out = covariance.copy()
    out[-1, -1] += 5.0
    return out


def test_what_is_added_one_by_one_is_what_the_whole_history_says():
    data = with_lone_ratings(random_dataset(1, users=6, comparisons_per_user=24))
    train = np.flatnonzero(data.table.split == TRAIN)
    late = train[data.table.user[train] == 2][-6:]
    early = np.setdiff1d(train, late)
    router = HierarchicalBradleyTerry().fit(data)
    after = data.select(np.concatenate([early, late]))
    new = np.arange(len(early), len(train))
    grown = router.condition(data.select(early)).with_observed(after, new)
    assert grown is not None and {VOTE, GAP, LONE} & set(grown.votes.kind[np.isin(grown.votes.comparison, new)])
    whole = router.prepare(after).votes
    order, wanted = (np.lexsort((v.value, v.a, v.comparison)) for v in (grown.votes, whole))
    for name in ("user", "a", "b", "kind", "value", "comparison"):
        assert np.array_equal(getattr(grown.votes, name)[order], getattr(whole, name)[wanted]), name
    assert grown.votes.outcomes.upper is not None and whole.outcomes.upper is not None
    assert np.array_equal(grown.votes.outcomes.upper[order], whole.outcomes.upper[wanted])
    again = replace(grown.effects, solved=None)
    assert grown.effects.alpha == pytest.approx(again.alpha, abs=1e-7)
    said = grown.explain(after, after.questions(new[:1]), 0)
    score = grown.score(after, after.questions(new[:1]))[0]
    assert said.shared + said.votes.sum(0) == pytest.approx(score, abs=1e-9)


def test_a_first_lone_rating_moves_its_user_alone_and_as_the_whole_history_would():
    data = random_dataset(0, users=6)
    router = HierarchicalBradleyTerry().fit(data)
    user = data.table.users[1]
    wider = dataset_of(data.table.append(thumbs(user, "model0", "model1", 6)))
    before, old = router.condition(wider.select(np.arange(len(data.table)))), len(data.table)
    assert not before.votes.scales.knows(np.array([LONE]))
    grown = before
    for at in range(old, len(wider.table)):  # one by one, as they are told
        found = grown.with_observed(wider, np.array([at]))
        assert found is not None
        grown = found
    at_once = before.with_observed(wider, np.arange(old, len(wider.table)))
    assert at_once is not None
    asked = wider.questions(np.flatnonzero(wider.table.user == 1)[:1])
    asked = replace(asked, candidates=np.array([[wider.table.models.index(f"model{n}") for n in (0, 1)]]))
    beliefs = {"before": before, "grown": grown, "at once": at_once, "whole": router.condition(wider)}
    score = {name: belief.score(wider, asked)[0] for name, belief in beliefs.items()}
    assert score["at once"] == pytest.approx(score["grown"], abs=1e-7)
    gap = {name: float(both[0] - both[1]) for name, both in score.items()}
    assert gap["grown"] - gap["before"] > 0.3 and gap["grown"] - gap["before"] == pytest.approx(
        gap["whole"] - gap["before"], rel=0.5
    )
    others = replace(asked, user=np.array([2]))
    assert grown.score(wider, others) == pytest.approx(before.score(wider, others), abs=1e-9)
    assert grown.covariances(wider, asked)[0, 0, 0] < before.covariances(wider, asked)[0, 0, 0]
    said = grown.explain(wider, asked, 0)
    assert said.shared + said.votes.sum(0) == pytest.approx(score["grown"], abs=1e-9)


def test_a_saved_fit_scores_as_before_and_one_of_votes_alone_stays_readable():
    data = with_lone_ratings(random_dataset(1, users=8))
    router = HierarchicalBradleyTerry().fit(data)
    state = router.state_dict()
    models = len(data.table.models)
    assert state["covariance"].shape == (models + 2, models + 2) and state["leniency"].shape == (2, models + 3)
    questions = data.questions(np.arange(8))
    again = HierarchicalBradleyTerry().load_state_dict(state)
    assert np.array_equal(again.score(data, questions), router.score(data, questions))
    plain = random_dataset(1, users=8)
    votes = HierarchicalBradleyTerry().fit(plain)
    old = {
        name: value for name, value in votes.state_dict().items() if name not in ("gaps", "settings.leniency_variance")
    }
    earlier = HierarchicalBradleyTerry().load_state_dict(old)
    questions = plain.questions(np.arange(8))
    assert np.array_equal(earlier.score(plain, questions), votes.score(plain, questions))


def test_a_ranking_counts_as_its_choices_and_places_are_no_distances():
    answers = [tuple(Candidate(f"model{m}", None, place) for m, place in enumerate(places)) for places in
               [(1.0, 0.5, 0.0), (0.0, 0.5, 1.0), (0.5, 0.5, 0.5)]]  # fmt: skip
    items = [Comparison("ana", f"c{i}", 0, "q", answer) for i, answer in enumerate(answers)]
    seen = observations_of(InteractionTable.from_comparisons(items))
    assert (seen.kind == VOTE).all() and np.bincount(seen.comparison, seen.weight) == pytest.approx([2, 2, 2])
    stars = [replace(one, rating=rating) for one, rating in zip(answers[0], (1.0, 0.9, 0.1), strict=True)]
    rated = replace(items[0], candidates=tuple(stars))
    seen = observations_of(InteractionTable.from_comparisons([rated]))
    assert (seen.kind == GAP).all() and sorted(seen.value) == pytest.approx([0.1, 0.8, 0.9])


def test_a_remark_that_names_no_answer_is_no_observation():
    shared = tuple(Candidate(f"model{m}", None, None, "I like this one.") for m in range(2))
    own = tuple(replace(one, feedback=text) for one, text in zip(shared, ("I like it.", "That is wrong."), strict=True))
    items = [Comparison("ana", f"c{i}", 0, "q", answers) for i, answers in enumerate((shared, own))]
    table = InteractionTable.from_comparisons(items)
    assert own_remarks(table).tolist() == [2, 3]


def signalled(count: int, right: float, rated: bool) -> Dataset:
    """Return rounds with a signal that goes with the rating in a share of them."""
    rng = np.random.default_rng(0)
    items = []
    for i in range(count):
        glad = bool(rng.random() < 0.5)
        name = ("copied" if glad else "regenerated") if rng.random() < right else ("regenerated" if glad else "copied")
        answer = (Candidate(f"model{i % 3}", None, float(glad) if rated else None, signal=name),)
        items.append(Comparison(f"user{i % 9}", f"c{i}", 0, f"q{i % 5}", answer))
    return dataset_of(InteractionTable.from_comparisons(items))


def test_signals_are_as_reliable_as_ratings_beside_them_say():
    sure, turned = (WeakFeedback.learned(signalled(300, right, True)) for right in (0.95, 0.2))
    cautious = WeakFeedback.learned(signalled(300, 0.95, False))
    assert sure is not None and turned is not None and cautious is not None
    at = SIGNALS.index("copied")
    assert cautious.signals[at] == pytest.approx(SIGNAL_LOG_ODDS["copied"])
    assert sure.signals[at] > 2 > cautious.signals[at] > 0 > turned.signals[at]
    data = signalled(300, 0.95, False)
    rows, glad, weight = cautious.read(data.table, data.vectors)
    assert len(rows) == 300 and set(glad) == {0.0, 1.0} and (weight > 0).all() and (weight < 0.6).all()
    assert (HierarchicalBradleyTerry().fit(data).condition(data).votes.kind == WEAK).all()


def test_words_are_read_by_rounds_that_carry_a_rating_too():
    """A log whose users praise in words no example holds."""
    rng = np.random.default_rng(0)
    items = []
    for i in range(400):
        glad = bool(rng.random() < 0.5)
        answer = (Candidate(f"model{i % 4}", None, float(glad), ("zorp", "blarg")[glad] + f" {rng.integers(50)}"),)
        items.append(Comparison(f"user{i % 20}", f"c{i}", 0, f"q{i % 5}", answer))
    data = encoded(InteractionTable.from_comparisons(items))
    weak = WeakFeedback.learned(data)
    assert weak is not None and weak.head is not None
    texts = np.array(data.table.texts)
    praised, blamed = (np.char.startswith(texts, word) for word in ("blarg", "zorp"))
    odds = weak.head.log_odds(data.vectors)
    assert odds[praised].min() > 1 and odds[blamed].max() < -1


def encoded(table: InteractionTable) -> Dataset:
    """Return a table with vectors of the hashing encoder, which needs no weights."""
    from data_prep.simulate.in_memory import embedded
    from gmt.data.dataset import ModelInfo

    models = {name: ModelInfo(name) for name in table.models}
    return embedded(table, models, "hash", {"protocol": "seen"})
