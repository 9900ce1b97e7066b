"""Check that chat messages are read in every usual shape, and refused in one line otherwise."""

import json

import pytest

from gmt.errors import UserError
from gmt.serving.messages import ASSISTANT, chat_rounds, read_messages

TALK = [
    {"role": "system", "content": "be kind"},
    {"role": "user", "content": "hello"},
    {"role": "assistant", "content": "hi", "model": "atlas-90b"},
    {"role": "user", "content": "a line\u2028that is one"},
    {"role": "assistant", "content": "fine"},
]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(TALK),
        json.dumps(TALK, indent=2, ensure_ascii=False),
        json.dumps({"messages": TALK}),
        "\n".join(json.dumps(item, ensure_ascii=False) for item in TALK) + "\n\n",
        "\r\n".join(json.dumps(item) for item in TALK),
    ],
    ids=["list", "indented", "object", "lines", "windows-lines"],
)
def test_every_usual_shape_is_read(tmp_path, text):
    path = tmp_path / "talk.json"
    path.write_bytes(text.encode())
    assert read_messages(path) == TALK


def test_one_message_is_a_conversation(tmp_path):
    path = tmp_path / "talk.jsonl"
    path.write_text(json.dumps(TALK[1]))
    assert read_messages(path) == [TALK[1]]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"hello there", "neither JSON nor JSON lines"),
        (b"3", "no list of messages"),
        (b'{"text": "hello"}', "no list of messages"),
        (b'["hello"]', "no list of messages"),
        (b'[{"role": "user", "content": "caf\xe9"}]', "not UTF-8"),
    ],
)
def test_anything_else_is_refused_with_the_repair(tmp_path, content, said):
    path = tmp_path / "talk.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=said) as error:
        read_messages(path)
    assert "\n" not in str(error.value) and "talk.json" in str(error.value)


def test_an_empty_file_is_an_empty_conversation(tmp_path):
    (tmp_path / "talk.jsonl").touch()
    assert read_messages(tmp_path / "talk.jsonl") == []


def test_a_missing_file_or_a_folder_is_named(tmp_path):
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(UserError, match="does not exist; pass a JSON file"):
            read_messages(path)


def test_messages_become_unrated_rounds():
    rounds = chat_rounds(TALK, "ana")
    assert [(item.user, item.turn, item.query) for item in rounds] == [
        ("ana", 0, "hello"),
        ("ana", 1, "a line\u2028that is one"),
    ]
    answers = [item.candidates[0] for item in rounds]
    assert [(answer.model, answer.response, answer.rating) for answer in answers] == [
        ("atlas-90b", "hi", None),
        (ASSISTANT, "fine", None),
    ]


def test_messages_sent_one_after_the_other_are_one_query_and_a_last_question_waits():
    said = [{"role": "user", "content": text} for text in ("one", "two")]
    assert chat_rounds([*said, TALK[2]], "ana")[0].query == "one\ntwo"
    assert chat_rounds(said, "ana") == chat_rounds([], "ana") == []


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([{"role": "robot", "content": "x"}], "message 1 .*'robot'; expected user or assistant"),
        ([TALK[1], {"role": "assistant", "content": [{"type": "text"}]}], "message 2 .*expected parts of type text"),
        ([{"content": "x"}], "message 1 .*None"),
        ([TALK[1], TALK[2], {**TALK[2], "model": "other"}], "message 3 .*one model a question"),
        ([TALK[1], {"role": "assistant", "content": 3 * [["x"]]}], "message 2 .*is a list"),
        ([{"role": "user", "content": " "}, TALK[2]], "a question in the conversation is empty"),
        ([{"role": "user", "content": "half \ud800"}, TALK[2]], r"message 1 .*half a character \(\\ud800"),
    ],
)
def test_a_message_that_fits_nowhere_is_named_by_number(messages, said):
    with pytest.raises(UserError, match=said):
        chat_rounds(messages, "ana")


def test_files_with_a_byte_order_mark_are_read(tmp_path):
    path = tmp_path / "talk.json"
    path.write_text(json.dumps(TALK), "utf-8-sig")
    assert read_messages(path) == TALK


@pytest.mark.parametrize("text", ["[" * 1000 + "]" * 1000, "[" * 90_000, '[{"role": "user", "role": "tool"}]'])
def test_json_that_nobody_means_is_refused_in_one_line(tmp_path, text):
    path = tmp_path / "talk.json"
    path.write_text(text)
    with pytest.raises(UserError, match="nested|twice|Expecting") as error:
        read_messages(path)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400
