"""Check the one reader of chat messages: lenient where the meaning is plain, one line where it is not."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.read.chat_messages import ChatRound, message_rounds
from gmt.errors import DataError
from gmt.serving.messages import ASSISTANT, chat_rounds


def message(role, content, **more):
    return {"role": role, "content": content, **more}


ASK, SAY = message("user", "why?"), message("assistant", "so")
PARTS = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
CALL = message("assistant", None, tool_calls=[{"id": "1"}])


@pytest.mark.parametrize(
    ("messages", "rounds"),
    [
        ([ASK, SAY], [("why?", "so")]),
        ([message("system", "be kind"), message("developer", "x"), ASK, message("system", "y"), SAY], [("why?", "so")]),
        ([message("assistant", "hello!"), ASK, SAY], [("why?", "so")]),
        ([ASK, CALL, message("tool", None), message("function", "3"), SAY], [("why?", "so")]),
        ([ASK, message("assistant", "", tool_calls=[{}]), message("tool", "3"), SAY], [("why?", "so")]),
        ([ASK, ASK, SAY, SAY], [("why?\nwhy?", "so\nso")]),
        ([message("user", PARTS), message("assistant", PARTS)], [("one\ntwo", "one\ntwo")]),
        ([ASK, message("assistant", None), ASK, SAY], [("why?", None), ("why?", "so")]),
        ([ASK, message("assistant", ""), ASK], [("why?", "")]),
        ([ASK, SAY, ASK], [("why?", "so")]),
        ([message("user", None), ASK, SAY], [("why?", "so")]),
        ([], []),
    ],
)
def test_rounds(messages, rounds):
    wanted = [ChatRound(*one) for one in rounds]
    assert message_rounds(messages, "c") == wanted
    assert message_rounds("\ufeff" + json.dumps(messages), "c") == wanted
    assert message_rounds({"messages": messages}, "c") == wanted
    # `gmt route --conversation` reads by the same rules.
    served = [(item.query, item.candidates[0].response) for item in chat_rounds(messages, "ann")]
    assert served == rounds


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("{", "c is not JSON"),
        ("[" * 1000 + "]" * 1000, "nested deeper than 100"),
        ('[{"role": "user", "role": "user"}]', "the key 'role' stands twice"),
        ({"text": "x"}, "c is dict; expected a list of role and content"),
        (["x"], "expected a list of role and content"),
        ([{"from": "human", "value": "x"}], "message 1 of c is from None"),
        ([message("user", [{"type": "image_url"}])], "part of type 'image_url'; expected parts of type text"),
        ([message("user", {"a": 1})], "message 1 of c is a dict"),
        ([ASK, {**SAY, "model": "x"}, {**SAY, "model": "y"}], "from y and the one before from x"),
    ],
)
def test_what_is_not_plain_is_one_line(value, said):
    with pytest.raises(DataError, match=said) as error:
        message_rounds(value, "c")
    assert "\n" not in str(error.value) and len(str(error.value)) < 300


PART = st.fixed_dictionaries({"type": st.just("text"), "text": st.text()})
CONTENTS = st.none() | st.text(max_size=5) | st.lists(PART)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "system", "tool", "developer"]), "content": CONTENTS}
    ),
    max_size=8,
)


@given(MESSAGES)
def test_any_order_of_known_roles_is_read_or_refused_in_one_line(messages):
    try:
        rounds = message_rounds(messages, "c")
    except DataError as error:
        assert "\n" not in str(error)
        return
    assert all(one.query.strip() for one in rounds)
    assert len(rounds) <= sum(one["role"] == "user" for one in messages)
    assert all(item.candidates[0].model == ASSISTANT for item in chat_rounds(messages, "ann"))
