"""Check that the demo world is small, repeatable, and worth personalising."""

import numpy as np
import pytest

from data_prep.sources import demo
from data_prep.sources.demo_answers import question_pool
from data_prep.sources.demo_characters import CHARACTERS, NAMES
from data_prep.sources.demo_rounds import BLAME
from gmt.data.interactions import InteractionTable


@pytest.fixture(scope="module")
def table():
    return InteractionTable.from_comparisons(demo.make(0).comparisons)


def votes(seed=0):
    """Return (user, model a, model b, task, a won) of every untied vote."""
    out = []
    for item in demo.make(seed).comparisons:
        if len(item.candidates) < 2:
            continue
        a, b = item.candidates
        if {a.rating, b.rating} == {0.0, 1.0}:
            out.append((item.user, a.model, b.model, item.task, a.rating == 1))
    return out


def share_right(gap, cases):
    """Return how often the sign of gap(user, a, b, task) names the winner; equal scores count half."""
    return float(np.mean([0.5 if gap(*case[:4]) == 0 else (gap(*case[:4]) > 0) == case[4] for case in cases]))


def oracle(truth):
    def worth(user, model, task):
        taste, traits = truth["users"][user][task], truth["models"][model]
        return truth["quality_weight"] * truth["quality"][model][task] + sum(
            taste[t] * traits[t] for t in truth["traits"]
        )

    return lambda user, a, b, task: worth(user, a, task) - worth(user, b, task)


def replaced(truth, means):
    """Return the truth with each user's tastes replaced by `means(name, task)`."""
    return {**truth, "users": {name: {t: means(name, t) for t in tastes} for name, tastes in truth["users"].items()}}


def mean_taste(tastes):
    return {t: float(np.mean([one[t] for one in tastes])) for t in demo.TRAITS}


def test_size_suits_a_slow_machine(table):
    assert len(table.users) == 60 and len(table.models) == 9 and len(table.tasks) == 6
    assert len(table.texts) <= 1000
    per_user = np.bincount(table.user[table.rated])
    assert per_user.min() >= 35 and len(table) <= 4000
    assert set(table.turn) == {0, 1, 2, 3}
    assert "ana" not in table.users


def test_ties_silence_and_every_form_of_feedback_occur(table):
    two = table.mask.sum(axis=1) == 2
    votes = table.ratings[table.rated & two]
    assert 0.02 < (votes[:, 0] == 0.5).mean() < 0.15
    said = table.rated | (np.bincount(table.row_comparison, table.feedback >= 0) > 0)
    assert 0.04 < (~said).mean() < 0.15
    remarks = {table.texts[code] for code in table.feedback[table.feedback >= 0]}
    assert "both bad" in remarks and len(remarks) >= 12
    assert any(remark in remarks for pair in BLAME.values() for remark in pair)
    alone = table.ratings[table.rated & ~two][:, 0]
    assert set(alone) == {0.0, 0.25, 0.5, 0.75, 1.0} and 0.12 < len(alone) / table.rated.sum() < 0.35
    assert 0.03 < (said & ~table.rated).mean() < 0.2


def test_a_conversation_keeps_its_models_and_how_they_are_rated(table):
    for talk in range(len(table.conversations)):
        rounds = np.flatnonzero(table.conversation == talk)
        assert len({tuple(table.candidates[at].tolist()) for at in rounds}) == 1


def test_a_side_has_no_advantage(table):
    wins = table.ratings[table.rated & (table.mask.sum(axis=1) == 2)][:, 0]
    assert abs((wins == 1).mean() - (wins == 0).mean()) < 0.08


def test_an_answer_is_the_same_for_everybody(table):
    answers = {}
    for row, c in enumerate(table.row_comparison):
        key = (table.query[c], table.model[row])
        assert answers.setdefault(key, table.response[row]) == table.response[row]


def test_answers_show_the_manners_of_their_models():
    asks = [ask for rounds in question_pool() for ask in rounds]
    length = {m: np.mean([len(ask.answers[m]) for ask in asks]) for m in CHARACTERS}
    assert length["atlas-90b"] > 3 * length["telegram-8b"]
    assert all(ask.answers["outline-9b"].startswith("- ") for ask in asks)
    opening_code = [rounds[0] for rounds in question_pool() if rounds[0].task == "coding"]
    assert all("```python" in ask.answers["codewright-20b"] for ask in opening_code)
    assert not any("{" in ask.query for ask in asks)


def test_code_in_answers_runs():
    for ask in (rounds[0] for rounds in question_pool() if rounds[0].task == "coding"):
        code = ask.answers["codewright-20b"].split("```python\n")[1].split("```")[0]
        names: dict[str, object] = {}
        exec(compile(code, ask.question, "exec"), names)
        assert any(callable(value) for name, value in names.items() if name != "__builtins__")


def test_equal_seeds_make_equal_worlds_and_others_differ():
    assert demo.make(3).comparisons == demo.make(3).comparisons
    assert demo.make(3).comparisons != demo.make(4).comparisons
    assert demo.truth(3) == demo.truth(3)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_taste_matters_more_than_quality_and_depends_on_the_topic(seed):
    cases, truth = votes(seed), demo.truth(seed)
    users = truth["users"]
    everybody = {task: mean_taste([user[task] for user in users.values()]) for task in users["bela"]}
    personal = share_right(oracle(truth), cases)
    anywhere = share_right(oracle(replaced(truth, lambda name, task: mean_taste(users[name].values()))), cases)
    shared = share_right(oracle(replaced(truth, lambda name, task: everybody[task])), cases)
    assert personal > 0.82 and personal - shared > 0.15
    assert personal - anywhere > 0.02


def test_taste_can_be_learned_from_a_persons_own_votes():
    cases, truth = votes(), demo.truth()
    rng = np.random.default_rng(0)
    known = rng.random(len(cases)) < 0.7
    names = list(truth["models"])
    traits = np.array([[truth["models"][m][t] for t in demo.TRAITS] for m in names])

    def features(case):
        return traits[names.index(case[1])] - traits[names.index(case[2])]

    x, y = np.array([features(case) for case in cases]), np.array([case[4] for case in cases], float)
    users = np.array([case[0] for case in cases])
    right = []
    for who in [np.ones(len(cases), bool), *(users == user for user in set(users))]:
        seen, asked = who & known, who & ~known
        weights = np.linalg.solve(x[seen].T @ x[seen] + 2 * np.eye(x.shape[1]), x[seen].T @ (2 * y[seen] - 1))
        right.append(((x[asked] @ weights > 0) == y[asked]).astype(float))
    shared, personal = right[0].mean(), np.concatenate(right[1:]).mean()
    # One weight for all topics cannot follow what differs between them, so it stays well below the oracle.
    assert personal > shared + 0.1 and 0.7 < personal < share_right(oracle(truth), cases) - 0.05


def test_opposite_camps_have_opposite_tastes():
    users = demo.truth()["users"]
    brisk, chatty = (
        np.mean([list(mean_taste(users[name].values()).values()) for name in NAMES[camp]], axis=0)
        for camp in ("brisk", "chatty")
    )
    assert np.corrcoef(brisk, chatty)[0, 1] < -0.9


def test_history_of_ana_shows_a_clear_taste():
    rows = demo.ana_history()
    assert len(rows) == 20
    assert rows == demo.ana_history()
    assert {row["winner"] for row in rows} <= {"model_a", "model_b", "tie"}
    cases = [
        ("ana", r["model_a"], r["model_b"], r["task"], r["winner"] == "model_a") for r in rows if r["winner"] != "tie"
    ]
    assert share_right(oracle(demo.truth()), cases) > 0.8
    known = {ask.query for rounds in question_pool() for ask in rounds}
    assert all(row["query"] in known and row["response_a"] and row["response_b"] for row in rows)
    assert all(taste["length"] < -1 for taste in demo.truth()["users"]["ana"].values())


def test_prices_and_descriptions_are_given():
    for info in demo.make().models.values():
        assert info.description and info.input_price and info.output_price
