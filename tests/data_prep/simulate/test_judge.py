"""Check the judge against a real service with faults and a tiny model: order, retries, resuming, money."""

import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from data_prep.simulate.judge import JudgeSettings, Outcome, Simulation, plan
from data_prep.simulate.judge_endpoint import Endpoint
from data_prep.simulate.judge_ledger import Ledger, Prices
from data_prep.simulate.judge_local import LocalModel
from data_prep.simulate.judge_prompt import parse
from data_prep.simulate.judge_protocol import Busy
from data_prep.simulate.judge_run import JudgeError, Pace
from data_prep.simulate.personas import WRITTEN, personas, read_personas
from data_prep.simulate.response_table import ResponseTable
from data_prep.sources.jsonl import read
from data_prep.sources.source import SourceOptions
from gmt.errors import ConfigError, DataError
from tests.data_prep.simulate.judge_server import Fault, Service, serving
from tests.data_prep.simulate.test_traits import answers

PRICES = Prices(1000.0, 2000.0)
QUICK = Pace(at_once=4, retries=5, first_pause=0.001)
TABLE = answers(questions=12, models=4)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def simulation(
    service: Service, path: Path, budget: float | None = None, table: ResponseTable = TABLE, users: int = 3,
    settings: JudgeSettings | None = None, prices: Prices = PRICES,
) -> Simulation:  # fmt: skip
    """Return 3 personas × 5 questions unless told otherwise."""
    return Simulation(
        table, personas(users), settings or JudgeSettings(per_user=5), Endpoint(service.url, "judge", "secret"),
        Ledger(path, budget), prices,
    )  # fmt: skip


def longest_won(outcome: Outcome) -> np.ndarray:
    """Return (C,) whether the longest answer of each rated round is the one rated 1."""
    table = outcome.table
    lengths = np.array([len(table.texts[code]) for code in table.response])[table.padded_rows]
    return table.ratings.argmax(axis=1) == lengths.argmax(axis=1)


def test_verdicts_become_ratings_of_the_right_models_whatever_their_place(tmp_path: Path) -> None:
    with serving() as service:
        sim = simulation(service, tmp_path / "l.jsonl", settings=JudgeSettings(per_user=12, candidates=3), users=9)
        outcome = sim.run(QUICK)
        assert longest_won(outcome).all()
        assert outcome.unparseable == outcome.unasked == 0
        assert sum(outcome.first_places) == len(outcome.table) == 9 * 12
        assert min(outcome.first_places) > 20  # the best answer stood in every place
        assert service.keys == {"Bearer secret"}
        sim.write(outcome, tmp_path / "people.jsonl")
    data = read(tmp_path / "people.jsonl", SourceOptions())
    assert data.comparisons == outcome.table.to_comparisons()
    for path in tmp_path.iterdir():
        assert "secret" not in path.read_text()
    truth = json.loads((tmp_path / "people.truth.json").read_text())
    assert truth["users"] == personas(9) and truth["outcome"]["verdicts"] == 108
    assert "You" not in (tmp_path / "people.jsonl").read_text()  # no persona among the rows


def test_models_are_not_named_and_orders_are_drawn() -> None:
    verdicts = plan(TABLE, personas(3), JudgeSettings(per_user=12))
    assert not any(f"m{m}" in message["content"] for v in verdicts for message in v.messages for m in range(4))
    first = Counter(verdict.shown[0] for verdict in verdicts)
    assert len(first) == 4
    alone = plan(TABLE, dict(list(personas(3).items())[:1]), JudgeSettings(per_user=12))
    assert alone == verdicts[:12]


@pytest.mark.parametrize("fault", ["busy", "down", "broken", "empty"])
def test_faults_that_pass_are_retried(tmp_path: Path, fault: str) -> None:
    with serving(lambda number, before: fault if before < number % 3 else None) as service:
        outcome = simulation(service, tmp_path / "l.jsonl").run(QUICK)
        assert longest_won(outcome).all() and len(outcome.table) == 15
        assert service.requests > 15 and set(service.prompts.values()) == {1}


def test_a_judge_that_stays_busy_stops_the_run_and_the_next_one_goes_on(tmp_path: Path) -> None:
    with serving(lambda number, before: "busy" if number >= 7 else None) as service:
        with pytest.raises(JudgeError, match=r"answered 429 Too Many Requests, 3 times; \d+ replies are kept"):
            simulation(service, tmp_path / "l.jsonl").run(Pace(1, 2, 0.001))
        assert len(service.prompts) == 7
        service.fault = lambda number, before: None
        again = simulation(service, tmp_path / "l.jsonl")
        assert (again.estimate().known, again.estimate().verdicts) == (7, 8)
        assert longest_won(again.run(QUICK)).all()
        assert len(service.prompts) == 15 and set(service.prompts.values()) == {1}
        before = service.requests
        once_more = simulation(service, tmp_path / "l.jsonl")
        assert once_more.run(QUICK).table.to_comparisons() == again.run(QUICK).table.to_comparisons()
        assert service.requests == before
        assert once_more.ledger.spent == pytest.approx(PRICES.of(*service.tokens))


def test_pauses_grow_and_heed_what_the_judge_asks(tmp_path: Path) -> None:
    pauses: list[float] = []
    with serving(lambda number, before: "busy" if number < 4 else None) as service:
        simulation(service, tmp_path / "l.jsonl", users=1, settings=JudgeSettings(per_user=1)).run(
            Pace(1, 5, 1.0), sleep=pauses.append
        )
    assert len(pauses) == 4
    for place, pause in enumerate(pauses):
        assert 0.5 * 2**place <= pause <= 1.5 * 2**place
    with serving(lambda number, before: "busy" if number < 1 else None) as service:
        simulation(service, tmp_path / "m.jsonl", users=1, settings=JudgeSettings(per_user=1)).run(
            Pace(1, 5, 1e-6), sleep=pauses.append
        )
    assert pauses[-1] == 0.01


def test_no_more_requests_are_under_way_than_allowed(tmp_path: Path) -> None:
    with serving(lambda number, before: "slow") as service:
        simulation(service, tmp_path / "l.jsonl").run(Pace(3))
        assert 1 < service.most_under_way <= 3


@pytest.mark.parametrize("fault", [None, "broken", "silent"])
def test_a_budget_is_never_exceeded_and_is_nearly_used(tmp_path: Path, fault: str | None) -> None:
    faults: Fault = lambda number, before: fault if number % 2 and not before else None  # noqa: E731
    with serving(faults) as service:
        whole = simulation(service, tmp_path / "whole.jsonl")
        whole.run(QUICK)
        budget = whole.ledger.spent / 2
    with serving(faults) as service:
        sim = simulation(service, tmp_path / "l.jsonl", budget)
        outcome = sim.run(QUICK)
        assert PRICES.of(*service.tokens) <= sim.ledger.spent + 1e-9 <= budget + 2e-9
        assert 0 < outcome.unasked < 15 and len(outcome.table) + outcome.unasked == 15
        largest = max(PRICES.of(verdict.size, 16) for verdict in sim.verdicts)
        assert sim.ledger.spent > budget - largest
        spent = sim.ledger.spent
        again = simulation(service, tmp_path / "l.jsonl", budget)
        assert again.ledger.spent == pytest.approx(spent)
        again.run(QUICK)
        assert again.ledger.spent <= budget + 1e-9


def test_a_budget_too_small_for_one_verdict_asks_nothing(tmp_path: Path) -> None:
    with serving() as service:
        with pytest.raises(DataError, match="the budget allows no verdict at all"):
            simulation(service, tmp_path / "l.jsonl", 1e-6).run(QUICK)
        assert service.requests == 0
        with pytest.raises(ConfigError, match="a budget needs prices"):
            simulation(service, tmp_path / "l.jsonl", 1.0, prices=Prices())


def test_the_estimate_is_near_what_is_charged(tmp_path: Path) -> None:
    with serving() as service:
        sim = simulation(service, tmp_path / "l.jsonl")
        ahead = sim.estimate()
        assert service.requests == 0 and ahead.verdicts == 15
        sim.run(QUICK)
        assert ahead.read == pytest.approx(service.tokens[0], rel=0.05)
        assert sim.ledger.spent <= ahead.dollars * 1.01


def test_unreadable_verdicts_are_counted_stay_unrated_and_are_not_asked_again(tmp_path: Path) -> None:
    with serving(lambda number, before: "vague" if number < 4 else None) as service:
        sim = simulation(service, tmp_path / "l.jsonl")
        outcome = sim.run(QUICK)
        assert outcome.unparseable == 4 and (~outcome.table.rated).sum() == 4
        made = sim.write(outcome, tmp_path / "people.jsonl")
        assert made["unparseable"] == 4
        sim.run(QUICK)
        assert service.requests == 15


def test_a_refusal_is_final_and_keeps_the_key_to_itself(tmp_path: Path) -> None:
    with serving(lambda number, before: "denied") as service:
        with pytest.raises(ConfigError, match="refused the request .401 Unauthorized.; check the key") as error:
            simulation(service, tmp_path / "l.jsonl").run(Pace(1))
        assert "secret" not in str(error.value) and service.requests == 1
    closed = simulation(service, tmp_path / "l.jsonl")
    with pytest.raises(JudgeError, match="cannot be reached"):
        closed.run(Pace(1, 1, 0.001))


def test_without_a_key_none_is_sent_whatever_the_environment_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "somebody's")
    with serving() as service:
        Endpoint(service.url, "judge").ask([{"role": "user", "content": "### Answer 1\nhalf a \ud83d\n\nWhich answer"}])
    assert service.keys == {None}


def test_a_judge_that_breaks_off_may_have_charged_and_a_missing_client_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving(lambda number, before: "dropped") as service, pytest.raises(Busy, match="broke off") as error:
        Endpoint(service.url, "judge").ask([{"role": "user", "content": "?"}])
    assert error.value.charged
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(ConfigError, match=r'needs the openai package .*pip install "gmt-router\[judge\]"'):
        Endpoint(service.url, "judge")


def test_rounds_of_a_conversation_are_judged_in_turn(tmp_path: Path) -> None:
    table = answers(questions=5, models=3, turns=2)
    with serving() as service:
        outcome = simulation(service, tmp_path / "l.jsonl", table=table).run(QUICK)
    assert longest_won(outcome).all() and sorted(set(outcome.table.turn.tolist())) == [0, 1]
    verdicts = plan(table, personas(1), JudgeSettings(per_user=1))
    assert verdicts[0].shown == verdicts[1].shown
    text = verdicts[1].messages[1]["content"]
    question = verdicts[1].question
    assert table.rounds[question][0].answers[verdicts[1].shown[1]].text in text
    assert table.rounds[question][1].query not in verdicts[0].messages[1]["content"]


def test_a_half_written_line_is_forgotten_and_a_damaged_ledger_refused(tmp_path: Path) -> None:
    path = tmp_path / "l.jsonl"
    Ledger(path).settle(0.0, 0.5, "a", "1")
    with path.open("a") as file:
        file.write('{"key": "b", "re')
    ledger = Ledger(path)
    assert ledger.replies == {"a": "1"} and ledger.spent == 0.5
    ledger.settle(0.0, 0.25, "c", "2")
    assert Ledger(path).replies == {"a": "1", "c": "2"} and Ledger(path).spent == 0.75
    path.write_text("{}\n" + path.read_text())
    with pytest.raises(DataError, match="line 1 is no entry"):
        Ledger(path)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2", 1), (" **3** ", 2), ("Answer 1", 0), ("The best answer is 2, since answer 1 rambles", None),
        ("best: 2", 1), ("I choose number 3.", 2), ("[[2]]", 1), ("7", None), ("", None), ("both", None),
        ("1 or 2", None), ("2.5", None), ("Answer 2 is better by 10 lines", 1), ("#1", 0),
    ],
)  # fmt: skip
def test_verdicts_are_read_only_where_they_are_clear(text: str, found: int | None) -> None:
    assert parse(text, 3) == found


def test_personas_are_different_people(tmp_path: Path) -> None:
    many = personas(200)
    assert len(many) == len(set(many.values())) == 200 and list(many)[:12] == list(WRITTEN)
    assert len(personas(9)) == 9 and personas(200) == many and personas(200, seed=1) != many
    assert all(text.startswith("You ") for text in many.values())
    own = tmp_path / "own.json"
    own.write_text(json.dumps({"kim": "You like cats."}))
    assert read_personas(own) == {"kim": "You like cats."}
    own.write_text("[]")
    with pytest.raises(DataError, match="is not JSON of name -> description"):
        read_personas(own)


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a random GPT-2 of two narrow layers over characters."""
    import torch
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    letters = [chr(code) for code in range(32, 127)] + ["\n", "…", "<unk>"]
    tokenizer = Tokenizer(models.WordLevel({letter: n for n, letter in enumerate(letters)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    home = tmp_path_factory.mktemp("model")
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="<unk>").save_pretrained(home)
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=len(letters), n_positions=2048, n_embd=16, n_layer=2, n_head=2)
    GPT2LMHeadModel(config).save_pretrained(home)
    return home


def test_a_local_model_judges_and_is_remembered(tiny_model: Path, tmp_path: Path) -> None:
    sim = Simulation(
        TABLE, personas(2), JudgeSettings(per_user=2, longest=100), LocalModel(str(tiny_model), 4),
        Ledger(tmp_path / "l.jsonl"), Prices(), 4,
    )  # fmt: skip
    outcome = sim.run(Pace(2))
    assert len(outcome.table) == 4 and len(sim.ledger.replies) == 4
    sim.judge.ask = None  # type: ignore[method-assign, assignment]  # everything is known
    assert sim.run(Pace(2)).table.to_comparisons() == outcome.table.to_comparisons()


def test_a_prompt_beyond_the_local_model_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a prompt has .* tokens and the model reads 2048; lower --max-chars"):
        LocalModel(str(tiny_model)).ask([{"role": "user", "content": "a" * 3000}])
    with pytest.raises(DataError, match="is no model that transformers can load"):
        LocalModel(str(tmp_path / "none"))
