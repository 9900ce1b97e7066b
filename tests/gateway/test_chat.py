"""Check the gateway with the official client: routing, plain names, streams as they come, tools, and every fault."""

import asyncio
import json

import httpx
import openai
import pytest

from gmt.gateway.forwarding import _passed_on
from gmt.serving.pretrained import Router
from tests.gateway.conftest import A, B, C
from tests.gateway.upstreams import http

QUESTION = "How do I plan a garden?"
ASK = [{"role": "user", "content": QUESTION}]


def client(url, key="none", **options):
    return openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, **options)


def best_of(run, user, models=(A, B, C)):
    return Router.from_pretrained(run).rank(user, QUESTION, list(models)).model


def text_of(stream):
    return "".join(part.choices[0].delta.content or "" for part in stream)


@pytest.mark.parametrize("user", ["bela", "dalia", None])
def test_a_routed_request_goes_to_the_best_model_of_its_user(started, upstream, good_run, user):
    asked = client(started()).chat.completions.with_raw_response.create(
        model="gmt/auto", messages=ASK, **({"user": user} if user else {})
    )
    best = best_of(good_run, user)
    served = "c-inside" if best == C else best
    assert asked.headers["x-gmt-model"] == best and asked.headers["x-gmt-decision"].startswith("dec_")
    assert ("unknown user" in asked.headers["x-gmt-reason"]) == (user is None)
    assert asked.parse().choices[0].message.content == f"{served} says hello"
    assert upstream.last == {"model": served, "messages": ASK}  # nothing of whom it is about goes out
    assert "server-secret" not in asked.headers


def test_variants_weigh_cost_and_narrow_the_choice(started, upstream):
    talk = client(started()).chat.completions
    assert talk.create(model="gmt/auto:cheap", messages=ASK, user="bela").model == B  # the cheapest
    found = talk.with_raw_response.create(model="gmt/auto:two", messages=ASK, user="bela")
    assert found.headers["x-gmt-model"] in (A, B)
    with pytest.raises(openai.NotFoundError, match="there is no variant 'dear'"):
        talk.create(model="gmt/auto:dear", messages=ASK)


def test_a_plain_name_goes_through_byte_for_byte(started, upstream):
    url = started()
    body = b'{"user":"ana",  "model":"%s","messages":[{"role":"user","content":"hi \\u00e9"}],"odd":[1e0]}' % A.encode()
    got = http.post(f"{url}/v1/chat/completions", content=body)
    assert got.status_code == 200 and upstream.seen[-1]["raw"] == body
    assert got.headers["x-gmt-model"] == A and "x-gmt-decision" not in got.headers
    assert client(url).chat.completions.create(model=C, messages=ASK).model == "c-inside"
    with pytest.raises(openai.NotFoundError, match="there is no model 'gpt'"):
        client(url).chat.completions.create(model="gpt", messages=ASK)


def test_streams_pass_unchanged(started, upstream):
    url = started()
    for model in ("gmt/auto", A):
        assert text_of(client(url).chat.completions.create(model=model, messages=ASK, stream=True)) == "Hello ⚑ world"
        with http.stream(
            "POST", f"{url}/v1/chat/completions", json={"model": model, "messages": ASK, "stream": True}
        ) as got:
            assert b"".join(got.iter_raw()) == upstream.sent
            assert got.headers["content-type"].startswith("text/event-stream")


def test_a_stream_passes_while_it_comes(started, upstream):
    upstream.faults = dict.fromkeys((A, B, "c-inside"), "hold")
    stream = client(started(answer_seconds=30.0)).chat.completions.create(model="gmt/auto", messages=ASK, stream=True)
    assert next(stream).choices[0].delta.content == "Hel"  # the upstream waits for the test to see this
    upstream.go_on.set()
    assert text_of(stream) == "lo ⚑ world"


def test_the_async_client_asks_many_at_once(started, upstream):
    url = started()

    async def work():
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as asking:

            async def one(number):
                stream = await asking.chat.completions.create(
                    model="gmt/auto", messages=ASK, stream=True, user=f"u{number}"
                )
                return "".join([part.choices[0].delta.content or "" async for part in stream])

            return await asyncio.gather(*(one(number) for number in range(30)))

    assert set(asyncio.run(work())) == {"Hello ⚑ world"}


def test_tools_and_several_answers_pass(started, upstream):
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    talk = client(started()).chat.completions
    found = talk.create(model="gmt/auto", messages=ASK, tools=[tool], n=2, temperature=0.5)
    assert upstream.last["tools"] == [tool] and upstream.last["n"] == 2 and upstream.last["temperature"] == 0.5
    assert [choice.message.tool_calls[0].function.name for choice in found.choices] == ["weather"] * 2


KINDS = (429, 500, 503, 401, 204, "nothing", "unreadable", "slow", "redirect")
FAULTS = [(fault, stream) for fault in KINDS for stream in (False, True)]


@pytest.mark.parametrize(("fault", "stream"), [*FAULTS, ("half", False)])  # half a stream cannot be taken back
def test_the_next_best_answers_where_the_best_does_not(started, upstream, good_run, fault, stream):
    best = best_of(good_run, "bela")
    upstream.faults[{C: "c-inside"}.get(best, best)] = fault
    got = client(started()).chat.completions.with_raw_response.create(
        model="gmt/auto", messages=ASK, user="bela", stream=stream
    )
    assert got.headers["x-gmt-model"] != best and "did not answer" in got.headers["x-gmt-reason"]
    assert text_of(got.parse()) == "Hello ⚑ world" if stream else got.parse().choices[0].message.content


def test_without_fallback_faults_pass_on(started, upstream):
    talk = client(started(fallback=False)).chat.completions
    expected = {429: openai.RateLimitError, 500: openai.InternalServerError, 503: openai.InternalServerError}
    for fault, error in expected.items():
        upstream.faults[A] = fault
        with pytest.raises(error) as raised:
            talk.create(model=A, messages=ASK)
        assert raised.value.status_code == fault and raised.value.response.headers["retry-after"] == "7"
    for fault, status in {"slow": 504, "half": 502, 401: 502, "redirect": 502}.items():
        upstream.faults[A] = fault
        with pytest.raises(openai.InternalServerError) as raised:
            talk.create(model=A, messages=ASK)
        assert raised.value.status_code == status


def test_a_request_that_any_model_refuses_is_asked_once(started, upstream):
    upstream.faults = dict.fromkeys((A, B, "c-inside"), 400)
    with pytest.raises(openai.BadRequestError):
        client(started()).chat.completions.create(model="gmt/auto", messages=ASK)
    assert len(upstream.seen) == 1


@pytest.mark.parametrize(("fault", "said"), [("half", "broke off"), ("stuck", "stopped in the middle")])
def test_a_stream_that_breaks_says_so(started, upstream, fault, said):
    upstream.faults = dict.fromkeys((A, B, "c-inside"), fault)
    stream = client(started()).chat.completions.create(model="gmt/auto", messages=ASK, stream=True)
    assert next(stream).choices[0].delta.content == "Hel"
    with pytest.raises(openai.APIError, match=said):
        list(stream)


@pytest.mark.parametrize("model", [A, "gmt/auto"])
def test_answers_that_come_compressed_are_read(started, upstream, model):
    upstream.faults = dict.fromkeys((A, B, "c-inside"), "gzip")
    talk = client(started()).chat.completions
    assert "says hello" in (talk.create(model=model, messages=ASK).choices[0].message.content or "")
    assert text_of(talk.create(model=model, messages=ASK, stream=True)) == "zipped"


def test_a_line_in_many_pieces_passes_once_and_is_not_copied_for_each():
    async def pieces():
        yield b"two\nda"
        for _ in range(40_000):  # with a copy for each it would be 800 GB
            yield b"x" * 1000
        yield b"\nlast"

    async def passed():
        response = httpx.Response(200, stream=httpx.ByteStream(b""))
        return [part async for part in _passed_on(response, b"one\n", pieces(), A)]

    found = asyncio.run(passed())
    assert found == [b"one\n", b"two\n", b"da" + b"x" * 40_000_000 + b"\n", b"last"]


@pytest.mark.parametrize("text", [r'"half \ud800 of one"', "[1, -0.5e3]", r'{"a\ud800": "\u0000"}', '"日本"'])
def test_what_an_upstream_is_sent_is_json_that_everybody_reads(started, upstream, text):
    raw = f'{{"model": "gmt/auto", "messages": [{{"role": "user", "content": "x"}}], "extra": {text}}}'
    assert http.post(f"{started()}/v1/chat/completions", content=raw.encode()).status_code == 200
    upstream.seen[-1]["raw"].decode("utf-8")
    assert upstream.last["extra"] == json.loads(text)


def test_a_name_in_a_header_is_the_one_in_a_body(started, upstream):
    url = started()
    for name in ("José", "青木", "ana"):
        got = http.post(f"{url}/v1/chat/completions", json={"model": "gmt/auto", "messages": ASK},
                        headers=[(b"x-gmt-user", name.encode())])  # fmt: skip
        assert got.status_code == 200
        same = http.post(f"{url}/v1/route", json={"user": name, "messages": ASK}).json()["decision"]
        rows = http.get(f"{url}/v1/users/{name}").json()["decisions"]
        assert {row["id"] for row in rows} == {got.headers["x-gmt-decision"], same}


@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS", "HEAD"])
def test_a_method_that_a_path_lacks_is_the_clients_mistake(started, method):
    got = http.request(method, f"{started()}/v1/chat/completions")
    assert got.status_code == 405
    assert method == "HEAD" or got.json()["error"]["type"] == "invalid_request_error"


def test_who_leaves_ends_the_upstream_too(started, upstream):
    upstream.faults = dict.fromkeys((A, B, "c-inside"), "hold")
    stream = client(started(answer_seconds=30.0)).chat.completions.create(model="gmt/auto", messages=ASK, stream=True)
    next(stream)
    stream.close()
    assert upstream.aborted.wait(10)


def test_an_upstream_that_is_not_there(started, upstream, pool):
    from dataclasses import replace

    gone = {name: replace(model, url="http://127.0.0.1:9/v1") for name, model in pool.models.items()}
    with pytest.raises(openai.InternalServerError, match="cannot be reached"):
        client(started(models=gone)).chat.completions.create(model="gmt/auto", messages=ASK)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not JSON"), (b"[1]", "no JSON object"), (b"\xff", "not JSON"), (b"[" * 5000, "not JSON"),
        (b'{"a":1,"a":1}', "every key stands once"), (b'{"messages":[]}', "model is missing"),
        (b'{"model":"gmt/auto"}', "messages is missing"),
        (b'{"model":"gmt/auto","messages":[1]}', "messages is missing"),
        (b'{"model":"gmt/auto","messages":[{"role":"user"}]}', "no question in words"),
        (b'{"model":"gmt/auto","messages":[{"role":"user","content":"\\ud800"}]}', "half a character"),
        (b'{"model":"gmt/auto","temperature":1e999,"messages":[{"role":"user","content":"x"}]}', "too large"),
        (b'{"model":"gmt/auto","user":4,"messages":[{"role":"user","content":"x"}]}', "user is no text"),
        (b'{"model":"gmt/auto","user":" x","messages":[{"role":"user","content":"x"}]}', "user is no name"),
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused_in_the_shape_clients_read(started, upstream, body, said):
    got = http.post(f"{started()}/v1/chat/completions", content=body)
    assert got.status_code == 400 and said in got.json()["error"]["message"]
    assert got.json()["error"]["type"] == "invalid_request_error" and not upstream.seen


def test_status_and_numbers(started, upstream):
    url = started()
    names = [model.id for model in client(url).models.list()]
    assert names == ["gmt/auto", "gmt/auto:cheap", "gmt/auto:two", A, B, C]
    assert http.get(f"{url}/health").json() == {"status": "ok"}
    assert http.get(f"{url}/ready").json() == {"status": "ready", "models": 3}
    client(url).chat.completions.create(model="gmt/auto", messages=ASK)
    numbers = http.get(f"{url}/metrics").text
    assert 'gmt_requests_total{path="/v1/chat/completions",status="200"} 1.0' in numbers
    assert "gmt_decision_seconds_count 1.0" in numbers and "gmt_answers_total{" in numbers
    missing = http.get(f"{url}/nowhere")
    assert missing.status_code == 404 and missing.json()["error"]["message"] == "there is nothing here"


def test_a_conversation_keeps_its_model_where_changing_costs_more(started, upstream, good_run):
    url = started(stay_logits=50.0)
    talk = client(url).chat.completions.with_raw_response
    best = best_of(good_run, "bela")
    first = talk.create(model="gmt/auto", messages=ASK, user="bela")
    assert first.headers["x-gmt-model"] == best
    # The history alone tells the conversation: what the next question would get by itself does not matter.
    answered = [*ASK, {"role": "assistant", "content": first.parse().choices[0].message.content, "model": best}]
    cheap = talk.create(
        model="gmt/auto:cheap", messages=[*answered, {"role": "user", "content": "And then?"}], user="bela"
    )
    if best != B:
        assert cheap.headers["x-gmt-model"] == best and cheap.headers["x-gmt-reason"].startswith("stayed because")
    assert all("model" not in message for message in upstream.last["messages"])
    # By a session's name, whatever the messages are; another user's session of that name is another one.
    for user, stays in (("bela", True), ("dalia", False)):
        named = {"x-session-id": "s1"}
        if stays:
            talk.create(model="gmt/auto", messages=ASK, user=user, extra_headers=named)
        again = talk.create(model="gmt/auto:cheap", messages=ASK, user=user, extra_headers=named)
        assert again.headers["x-gmt-reason"].startswith("stayed because") == (stays and best != B)


def test_the_result_of_a_tool_goes_to_who_called_it(started, upstream):
    url = started()
    talk = client(url).chat.completions.with_raw_response
    first = talk.create(model="gmt/auto", messages=ASK, user="bela")
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    more = [*ASK, {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": "rain"}]  # fmt: skip
    second = talk.create(model="gmt/auto:cheap", messages=more, user="bela")
    assert second.headers["x-gmt-model"] == first.headers["x-gmt-model"]
    assert "tool's result" in second.headers["x-gmt-reason"]
    assert json.loads(upstream.seen[-1]["raw"])["messages"] == more


def test_a_picture_is_routed_by_its_words(started, upstream):
    parts = [
        {"type": "text", "text": QUESTION},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}},
    ]
    talk = client(started()).chat.completions
    talk.create(model="gmt/auto", messages=[{"role": "user", "content": parts}])
    assert upstream.last["messages"][0]["content"] == parts
