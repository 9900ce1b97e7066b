"""Check that what people tell is kept once, whole and in order, the same in both databases."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmt.data.comparisons import LAST_TURN, Candidate, Comparison
from gmt.data.dataset import ModelInfo
from gmt.data.text_keys import key_of, stand_in
from gmt.errors import DataError, RunError, UserError
from gmt.manifest import seal
from gmt.state.events import stored_key
from gmt.state.state_store import StateStore
from tests.state.plain import PlainState, content, vote


def contents(store, user="ana"):
    return [content(event.comparison) for event in store.events_of(user)]


def test_rounds_come_back_as_they_were(store):
    told = [vote(n) for n in range(3)]
    found = store.add("ana", told, source="cli")
    assert (found.added, found.repeats, len(set(found.ids))) == (3, 0, 3) and list(found.ids) == sorted(found.ids)
    events = store.events_of("ana")
    assert [event.comparison for event in events] == [replace(item, conversation="ana: c") for item in told]
    assert [(event.id, event.source, event.key, event.revoked) for event in events] == [
        (number, "cli", None, False) for number in found.ids
    ]
    assert store.users() == {"ana": 3} and store.events_of("bo") == []


words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(str.strip)
names = words.map(str.strip).filter(lambda text: "\0" not in text)
candidates = st.builds(
    Candidate,
    names,
    st.none() | words,
    st.none() | st.floats(0, 1),
    st.none() | words,
    st.none() | st.floats(-1e6, 1e6),
)
rounds = st.builds(
    Comparison,
    names,
    names,
    st.integers(0, LAST_TURN),
    words,
    st.lists(candidates, min_size=1, max_size=3, unique_by=lambda item: item.model).map(tuple),
    st.none() | words,
    st.none() | words,
    st.none() | st.floats(-1e10, 1e10),
)


def test_any_round_survives(store):
    @given(rounds)
    def check(item):
        store.forget(item.user) if item.user in store.users() else None
        store.add(item.user, [item])
        (event,) = store.events_of(item.user)
        assert replace(event.comparison, conversation=item.conversation) == item

    check()


def test_the_same_request_sent_again_changes_nothing(store):
    told = [vote(1), vote(2)]
    first = store.add("ana", told, keys=["k1", "k2"])
    version = store.version()
    again = store.add("ana", told, keys=["k1", "k2"])
    assert again.ids == first.ids and (again.added, again.repeats) == (0, 2) and store.version() == version
    assert store.add("bo", told, keys=["k1", "k2"]).added == 2  # keys are a person's own
    assert store.add("ana", [vote(3), vote(3)], keys=["k3", "k3"]).ids[0] is not None and len(contents(store)) == 3


def test_a_key_that_stands_for_another_vote_is_refused_and_nothing_is_written(store):
    store.add("ana", [vote(1)], keys=["k1"])
    for told, keys in (([vote(2), vote(3)], ["k2", "k1"]), ([vote(4), vote(5)], ["k4", "k4"])):
        with pytest.raises(UserError, match="idempotency key 'k[14]' stands for another vote; send a new key"):
            store.add("ana", told, keys=keys)
    with pytest.raises(DataError, match="has 201 characters; expected 1 to 200"):
        store.add("ana", [vote(6)], keys=["k" * 201])
    assert contents(store) == [content(vote(1))]


def test_exact_repeats_are_left_out_and_name_the_event_they_repeat(store):
    first = store.add("ana", [vote(1), vote(1)])
    assert (first.added, first.repeats) == (1, 1) and first.ids[0] == first.ids[1]
    assert store.add("ana", [vote(1, conversation="else")]).ids == first.ids[:1]
    others = [replace(vote(1), turn=2), replace(vote(1), query="else"), replace(vote(1), candidates=vote(2).candidates)]
    assert store.add("ana", others).added == 3 and store.add("bo", [vote(1)]).added == 1


def test_rounds_the_run_was_trained_on_are_repeats_too(store):
    trained = [replace(vote(1), conversation="ana: c")]
    found = store.add("ana", [vote(1), vote(2)], known=trained)
    assert found.ids[0] is None and (found.added, found.repeats) == (1, 1)
    assert store.events_of("ana")[0].comparison.conversation == "ana: c (2)"


def test_conversations_of_one_name_are_kept_apart(store):
    for number in (0, 7, 14, 21):  # the first two turns each time
        store.add("ana", [vote(number), vote(number + 1)])
    found = [event.comparison.conversation for event in store.events_of("ana")]
    assert found == [name for name in ("ana: c", "ana: c (2)", "ana: c (3)", "ana: c (4)") for _ in range(2)]
    store.add("ana", [vote(10, conversation="c (5)")])
    store.add("ana", [vote(28)])
    assert [event.comparison.conversation for event in store.events_of("ana")][-2:] == ["ana: c (5)", "ana: c (6)"]
    # Two people's names must not run together into one conversation.
    store.add("a", [vote(1, conversation="b: c")])
    store.add("a: b", [vote(1, conversation="c")])
    talks = {user: store.events_of(user)[0].comparison.conversation for user in ("a", "a: b")}
    assert talks == {"a": "a: b: c", "a: b": "a: b: c (2)"}


def test_rounds_added_one_by_one_join_their_conversation(store):
    def names(user="ana"):
        return [event.comparison.conversation for event in store.events_of(user) if not event.revoked]

    for turn in (0, 1):
        store.add("ana", [vote(turn)])
    # 1. All that was said so far sent again with one round more, and a gap, change nothing.
    store.add("ana", [vote(0), vote(1), vote(2)])
    store.add("ana", [vote(4)])
    assert names() == ["ana: c"] * 4
    # 2. Another conversation of the name begins anew, and is the one that is then gone on with.
    store.add("ana", [vote(7)])
    store.add("ana", [vote(8), vote(9, conversation="C")])
    assert names()[4:] == ["ana: c (2)", "ana: c (2)", "ana: C"]
    # 3. A round that no longer counts stands in nobody's way.
    (last,) = store.add("ana", [vote(10)]).ids
    store.revoke(last)
    store.add("ana", [vote(17)])
    assert names()[-1] == "ana: c (2)"
    # 4. Two names of one call are two conversations, and nobody joins another user's.
    store.add("ana", [vote(4, conversation="c (2)", words="else"), vote(5)])
    assert names()[-2:] == ["ana: c (2)", "ana: c (3)"]
    store.add("a", [vote(0, conversation="b: c")])
    store.add("a: b", [vote(1, conversation="c")])
    assert names("a: b") == ["a: b: c (2)"]


def test_a_revoked_round_counts_no_more_and_may_be_told_again(store):
    first, second = store.add("ana", [vote(1), vote(2)], keys=["k1", None]).ids
    version = store.version()
    assert store.revoke(first) and not store.revoke(first) and store.version() == version + 1
    assert contents(store) == [content(vote(2))] and store.users() == {"ana": 1}
    assert [event.revoked for event in store.events_of("ana", revoked=True)] == [True, False]
    assert store.add("ana", [vote(1)], keys=["k1"]).ids == (first,)  # the old request again: still revoked
    assert store.add("ana", [vote(1)], keys=["k9"]).added == 1 and len(contents(store)) == 2
    with pytest.raises(UserError, match="there is no event 999999999"):
        store.revoke(999_999_999)
    with pytest.raises(UserError, match=f"there is no event {second} of 'bo'"):
        store.revoke(second, user="bo")


def test_replacing_leaves_only_the_new_rounds(store):
    store.add("ana", [vote(1), vote(2)])
    store.add("bo", [vote(1)])
    store.add("ana", [vote(2), vote(3)], replace=True, keys=["k2", "k3"])
    assert contents(store) == [content(vote(2)), content(vote(3))] and store.users() == {"ana": 2, "bo": 1}
    assert store.events_of("ana")[0].comparison.conversation == "ana: c"
    assert store.forgotten() == {store.hash_of("ana")}  # the trained rounds go too
    ids = [event.id for event in store.events_of("ana")]
    again = store.add("ana", [vote(2), vote(3)], replace=True, keys=["k2", "k3"])
    assert list(again.ids) == ids and len(contents(store)) == 2  # the same request, sent twice, loses nothing


def test_forgetting_takes_one_person_and_what_nobody_else_uses(store):
    vectors = {"question 1": np.ones(3), "question 2": np.zeros(3)}
    store.add("ana", [vote(1), vote(2)], vectors=vectors)
    store.add("bo", [vote(2)])
    store.set_offset("ana", np.arange(3.0))
    found = store.forget("ana")
    assert (found.events, found.texts) == (2, 2) and store.users() == {"bo": 1} and store.offsets() == {}
    assert contents(store, "bo") == [content(vote(2))]
    assert set(store.vectors([key_of(text) for text in vectors])) == {key_of("question 2")}
    assert store.forgotten() == {store.hash_of("ana")}
    store.add("ana", [vote(1)])
    assert contents(store) == [content(vote(1))] and store.forgotten() == {store.hash_of("ana")}
    assert store.forget("nobody").events == 0


def test_a_failing_transaction_leaves_nothing(store):
    store.add("ana", [vote(1)])
    before = store.counts(), store.version()
    with pytest.raises(ZeroDivisionError), store.change() as change:
        change.add("bo", [vote(2)])
        change.add_model("m", ModelInfo("d"))
        change.forget("ana")
        raise ZeroDivisionError
    assert (store.counts(), store.version()) == before and contents(store) == [content(vote(1))]


def test_several_changes_in_one_transaction_are_one_version(store):
    with store.change() as change:
        change.add_model("new", ModelInfo("a model", 1.0, 2.0), np.ones(2))
        for user in ("ana", "bo"):
            change.add(user, [vote(1)])
    assert store.version() == 1 and store.users() == {"ana": 1, "bo": 1}


def test_models_are_offered_once(store):
    info = ModelInfo("a model", 1.0, None)
    assert store.add_model("m", info, np.array([1.0, 2.0])) and not store.add_model("m", replace(info, input_price=2.0))
    store.add_model("n", ModelInfo("another"))
    assert store.models() == {"m": replace(info, input_price=2.0), "n": ModelInfo("another")}
    assert list(store.models()) == ["m", "n"] and store.news().models == ("m", "n")
    assert store.vectors([key_of("a model")])[key_of("a model")].tolist() == [1.0, 2.0]
    with pytest.raises(UserError, match="model m is already on offer with another description"):
        store.add_model("m", ModelInfo("other"))
    store.add("ana", [replace(vote(1), query="a model")])
    store.forget("ana")
    assert store.vectors([key_of("a model")])  # the model still uses it


def test_readers_follow_by_version(store):
    first = store.add("ana", [vote(n) for n in range(3)]).ids
    seen = store.news()
    assert seen.version == store.version() == 1 and seen.users == ("ana",)
    assert [event.id for event in store.events_since()] == list(first)
    assert list(store.events_since(seen.version)) == [] and store.news(seen.version).users == ()
    store.revoke(first[1])
    (new,) = store.add("bo", [vote(9)]).ids
    assert [(event.id, event.revoked) for event in store.events_since(seen.version)] == [(first[1], True), (new, False)]
    store.forget("ana")
    assert store.news(seen.version).forgotten == {store.hash_of("ana")}
    assert [event.comparison.user for event in store.events_since()] == ["bo"]


def test_more_events_than_a_page_are_read_once_each(store, monkeypatch):
    monkeypatch.setattr("gmt.state.state_reader.PAGE", 7)
    for low in (0, 20, 40):
        store.add("ana", [vote(n) for n in range(low, low + 20)])
    assert contents(store) == [content(vote(n)) for n in range(60)]
    assert [content(event.comparison) for event in store.events_since()] == contents(store)
    assert len(list(store.events_since(1))) == 40


def test_vectors_are_of_one_encoder_and_outlive_another(place):
    vectors = {"question 1": np.array([1.0, 2.0]), "x": np.array([3.0, 4.0]), "never used": np.ones(2)}
    with place.open(encoder="a") as store:
        store.add("ana", [vote(1)], vectors=vectors)
        found = store.vectors([key_of(text) for text in vectors])
        assert set(found) == {key_of("question 1"), key_of("x")} and found[key_of("x")].tolist() == [3.0, 4.0]
    with place.open(encoder="b") as store:
        assert store.vectors([key_of("question 1")]) == {}
        assert contents(store) == [content(vote(1))]  # the texts are there to be encoded anew
    with place.open(encoder="a") as store:
        assert len(store.vectors([key_of("question 1")])) == 1
        with pytest.raises(DataError, match="not finite"):
            store.add("ana", [vote(2)], vectors={"question 2": np.array([np.nan])})
        assert len(contents(store)) == 1


def test_offsets_are_kept_and_dropped_when_rebuilt(store):
    store.add("ana", [vote(1)])
    store.set_offset("ana", np.array([0.5, -1.0], np.float32))
    assert store.offsets()["ana"].tolist() == [0.5, -1.0]
    assert [content(event.comparison) for event in store.rebuild("ana")] == [content(vote(1))]
    assert store.offsets() == {}


def test_without_texts_only_keys_and_vectors_are_kept(place):
    with place.open(keep_texts=False) as store:
        store.add("ana", [vote(1)], vectors={"question 1": np.ones(2)})
        (event,) = store.events_of("ana")
        assert event.comparison.query == stand_in("question 1")
        assert stored_key(event.comparison.query) == key_of("question 1") == stored_key("question 1")
        assert set(store.vectors([stored_key(event.comparison.query)])) == {key_of("question 1")}
        assert store.add("ana", [vote(1)]).repeats == 1


def test_runs_of_one_database_do_not_see_each_other(place):
    with place.open() as one, place.another().open() as other:
        one.add("ana", [vote(1)], keys=["k"])
        one.add_model("m", ModelInfo("d"))
        other.add("ana", [vote(1)], keys=["k"])
        (event,) = one.events_of("ana")
        if place.url:
            with pytest.raises(UserError, match="there is no event"):
                other.revoke(event.id)
        one.forget("ana")
        assert one.users() == {} and other.users() == {"ana": 1} and other.models() == {}


def test_names_that_no_database_holds_are_refused_in_one_line(store):
    for user, kind in (("", UserError), (" ana", UserError), ("a\0b", DataError), ("a\ud800", DataError)):
        with pytest.raises(kind, match="user"):
            store.add(user, [vote(1)])
    for change in ({"conversation": "a\0"}, {"query": "\ud800"}, {"turn": LAST_TURN + 1}):
        with pytest.raises(DataError, match=r"^[^\n]*(zero character|half a character|above 2,147,483,647)[^\n]*$"):
            store.add("ana", [vote(1), replace(vote(1), **change)])
    assert store.users() == {}


def test_a_run_is_known_by_its_manifest(tmp_path):
    with pytest.raises(RunError, match="holds no manifest.json; write it with gmt runs upgrade"):
        StateStore.open(tmp_path)
    (tmp_path / "card.json").write_text(json.dumps({}))
    manifest = seal(tmp_path)
    with StateStore.open(tmp_path) as store:
        assert store.run == manifest.run and (tmp_path / "state.db").is_file()


steps = st.one_of(
    st.tuples(
        st.just("add"),
        st.sampled_from(["ana", "bo"]),
        st.lists(st.integers(0, 5), min_size=1, max_size=3),
        st.booleans(),
        st.booleans(),
    ),
    st.tuples(st.just("forget"), st.sampled_from(["ana", "bo"])),
    st.tuples(st.just("revoke"), st.integers(0, 20)),
)


def test_any_sequence_of_changes_does_what_a_plain_list_does(place):
    @given(st.lists(steps, max_size=12))
    def check(sequence):
        with place.another().open() as store:
            plain, ids = PlainState(), []
            for name, *values in sequence:
                if name == "add":
                    user, numbers, keyed, replacing = values
                    told, keys = [vote(n) for n in numbers], [f"k{n}" for n in numbers] if keyed else None
                    before = {kept_id for kept_id, _ in ids}
                    found = store.add(user, told, keys=keys, replace=replacing)
                    plain.add(user, told, keys, replacing)
                    ids += [(event, user) for event in dict.fromkeys(found.ids) if event not in before]
                elif name == "forget":
                    store.forget(values[0])
                    plain.forget(values[0])
                    ids = [(event, user) for event, user in ids if user != values[0]]
                elif ids:
                    place_in_log = values[0] % len(ids)
                    store.revoke(ids[place_in_log][0])
                    plain.revoke(place_in_log)
                assert [user for _, user in ids] == [kept.user for kept in plain.log]
                assert store.users() == plain.users() and store.version() == plain.version
            for user in ("ana", "bo"):
                assert contents(store, user) == plain.of(user)
                talks = [event.comparison.conversation for event in store.events_of(user)]
                assert all(talk.startswith(f"{user}: c") for talk in talks)
            live = [event for event in store.events_since() if not event.revoked]
            assert sorted(event.id for event in live) == [
                n for (n, _), kept in zip(ids, plain.log, strict=True) if kept.live
            ]

    check()


def test_a_state_that_is_to_keep_no_texts_drops_those_it_kept(place):
    every = ("question 1", "question 1: yes", "question 2", "question 2: yes", "too long")
    with place.open() as store:
        (event, _) = store.add("ana", [vote(3), vote(1)], vectors=dict.fromkeys(every, np.ones(2))).ids
        store.add("ana", [vote(2)], vectors=dict.fromkeys(every, np.ones(2)))
        store.revoke(event)  # what no longer counts needs no vector
    with place.open(keep_texts=False) as store:
        found = [event.comparison for event in store.events_of("ana", revoked=True)]
        assert {item.query for item in found} == {stand_in(f"question {n}") for n in (1, 2, 3)}
        assert {one.feedback for item in found for one in item.candidates} == {None, stand_in("too long")}
        assert set(store.vectors([key_of("question 1")])) == {key_of("question 1")}
        version = store.version()
    with place.open(keep_texts=False) as store:  # once is enough
        assert store.version() == version
        assert store.add("ana", [vote(1)]).repeats == 1


def test_a_text_whose_vector_nothing_holds_waits_for_it(place):
    with place.open(encoder="old@1") as store:
        store.add("ana", [vote(1), vote(2)], vectors={"question 1": np.ones(2)})
    waiting = {"question 1", "question 1: yes", "question 2", "question 2: yes", "too long"}
    with place.open(encoder="new@1", keep_texts=False) as store:
        left = store.without_vector()
        assert set(left.values()) == waiting
        store.keep_vectors({key: np.full(3, 0.5) for key, text in left.items() if text != "question 2"})
        assert set(store.without_vector().values()) == {"question 2"}
        assert {event.comparison.query for event in store.events_of("ana")} == {stand_in("question 1"), "question 2"}
        store.keep_vectors({key_of("question 2"): np.full(3, 0.5)})
        assert {event.comparison.query for event in store.events_of("ana")} == {
            stand_in("question 1"),
            stand_in("question 2"),
        }
        assert store.without_vector() == {} and store.vectors([key_of("question 1")])[key_of("question 1")][0] == 0.5
