"""Check every row of the threat table in docs/serving.md."""

import logging
import re
import time
from pathlib import Path

import pytest

from gmt.errors import ConfigError, UserError
from gmt.gateway.api_errors import ApiError
from gmt.gateway.api_keys import ApiKeys, Caller, hash_of, new_key
from gmt.gateway.pool_settings import ApiKeyEntry, Pool
from gmt.gateway.rate_limit import RateLimit
from gmt.gateway.worker import ServeOptions, refuse_open_doors, serve_until_stopped
from tests.gateway.conftest import A, B
from tests.gateway.upstreams import SECRET, http

QUESTION = "How do I plan a garden?"
ASK = {"model": "gmt/auto", "user": "ana", "messages": [{"role": "user", "content": QUESTION}]}
ONE, TWO, ROOT = "gmt-one", "gmt-two", "gmt-root"
KEYS = (ApiKeyEntry(hash_of(ONE), "one"), ApiKeyEntry(hash_of(TWO), "two"), ApiKeyEntry(hash_of(ROOT), "ops", True))


def head(key, **more):
    return {"authorization": f"Bearer {key}", **more}


def chat(url, key=None, **body):
    return http.post(f"{url}/v1/chat/completions", json={**ASK, **body}, headers=head(key) if key else None)


CLOSED = [
    ("POST", "/v1/chat/completions"), ("POST", "/v1/route"), ("POST", "/v1/feedback"), ("DELETE", "/v1/feedback/1"),
    ("GET", "/v1/users/ana"), ("DELETE", "/v1/users/ana"), ("GET", "/v1/models"), ("GET", "/metrics"),
    ("POST", "/api/public/scores"), ("POST", "/api/v1/feedback"), ("POST", "/v2/report/metrics/feedback"),
]  # fmt: skip


def test_nothing_is_done_without_a_known_key(started, upstream):
    url = started(keys=KEYS)
    for method, path in CLOSED:
        for headers in (
            None,
            head("gmt-wrong"),
            {"authorization": "Bearer"},
            {"authorization": f"Basic {ONE}"},
            head(hash_of(ONE)),
        ):
            assert http.request(method, url + path, headers=headers).status_code == 401, (method, path)
    assert not upstream.seen
    assert {http.get(url + path).status_code for path in ("/health", "/ready")} == {200}


def test_every_route_but_the_open_ones_is_in_that_list(started):
    start = started
    start(keys=KEYS)
    from gmt.gateway.gateway_app import create_app

    open_ones = {("GET", "/health"), ("GET", "/ready"), ("GET", "/"), ("GET", "/page.js"), ("GET", "/page.css")}
    names = {re.sub("1$|ana$", "{id}", path) if "users" in path or "feedback/" in path else path for _, path in CLOSED}
    routes = [(m, r.path) for r in flat(create_app(start.gateway).routes) for m in r.methods - {"HEAD"}]
    assert {path for method, path in routes if (method, path) not in open_ones} == names


def flat(routes):
    """Yield the routes, also those that newer frameworks keep behind an included router."""
    for route in routes:
        if getattr(route, "methods", None):
            yield route
        else:
            inner = getattr(route, "routes", None) or getattr(getattr(route, "original_router", None), "routes", [])
            yield from flat(inner)


def test_tenants_do_not_see_each_other_and_an_admin_sees_all(started, good_copy):
    url = started(keys=KEYS)
    for key in (ONE, TWO):
        assert chat(url, key).status_code == 200
    users = {key: http.get(f"{url}/v1/users/ana", headers=head(key)).json() for key in (ONE, TWO)}
    ids = {key: {row["id"] for row in found["decisions"]} for key, found in users.items()}
    assert not ids[ONE] & ids[TWO] and all(len(found) == 1 for found in ids.values())
    assert http.get(f"{url}/v1/users/bela", headers=head(ONE)).status_code == 404  # one of the training's
    assert http.get(f"{url}/v1/users/bela", headers=head(ROOT)).json()["votes"] > 0
    acting = http.get(f"{url}/v1/users/ana", headers=head(ROOT, **{"x-gmt-tenant": "one"})).json()
    assert {row["id"] for row in acting["decisions"]} == ids[ONE]
    stolen = http.get(f"{url}/v1/users/ana", headers=head(TWO, **{"x-gmt-tenant": "one"}))
    assert stolen.status_code == 403
    for odd in ("one:", "one::ana", "a b", "x" * 61):
        assert http.get(f"{url}/v1/users/ana", headers=head(ROOT, **{"x-gmt-tenant": odd})).status_code == 400
    for name in ("one::ana", "two::ana"):
        assert http.get(f"{url}/v1/users/{name}", headers=head(TWO)).status_code == 400
        assert chat(url, ROOT, user=name).status_code == 400


def test_numbers_are_for_admins(started):
    url = started(keys=KEYS)
    assert http.get(f"{url}/metrics", headers=head(ONE)).status_code == 403
    assert http.get(f"{url}/metrics", headers=head(ROOT)).status_code == 200


def test_keys_are_kept_as_hashes():
    key, digest = new_key()
    assert digest == hash_of(key) and key not in digest and len(key) > 40 and new_key()[0] != key
    keys = ApiKeys([ApiKeyEntry(digest, "t")])
    assert keys.caller(f"Bearer {key}") == Caller("t", False, digest)
    assert key not in repr(vars(keys))
    with pytest.raises(ConfigError, match="64 hex digits"):
        ApiKeyEntry(key, "t")


def test_an_address_that_others_reach_needs_keys(pool):
    for host in ("127.0.0.1", "::1", "localhost"):
        refuse_open_doors(host, pool)
    for host in ("0.0.0.0", "::", "192.168.0.4", "example.org"):
        with pytest.raises(UserError, match="the pool has no keys"):
            refuse_open_doors(host, pool)
        refuse_open_doors(host, Pool(pool.models, keys=KEYS))


def test_large_requests_are_refused_whether_they_say_their_size_or_not(started, upstream):
    url = started(body_bytes=5000)
    large = '{"model": "gmt/auto", "messages": [{"role": "user", "content": "%s"}]}' % ("x" * 6000)
    assert http.post(f"{url}/v1/chat/completions", content=large).status_code == 413
    parts = (large[at : at + 500].encode() for at in range(0, len(large), 500))
    assert http.post(f"{url}/v1/chat/completions", content=parts).status_code == 413
    assert not upstream.seen and chat(url).status_code == 200


def test_requests_beyond_the_rate_wait(started):
    url = started(keys=KEYS, requests_per_minute=3)
    found = [http.get(f"{url}/v1/models", headers=head(ONE)) for _ in range(4)]
    assert [one.status_code for one in found] == [200, 200, 200, 429]
    assert 1 <= int(found[3].headers["retry-after"]) <= 20
    assert http.get(f"{url}/v1/models", headers=head(TWO)).status_code == 200  # each key has its own
    guesses = [http.get(f"{url}/v1/models", headers=head(f"guess {n}")).status_code for n in range(5)]
    assert guesses == [401, 401, 401, 429, 429]


def test_the_rate_fills_steadily_and_holds_few_callers():
    now = [0.0]
    limit = RateLimit(60, lambda: now[0])
    for _ in range(60):
        limit.take("a")
    with pytest.raises(ApiError):
        limit.take("a")
    now[0] += 1.0
    limit.take("a")
    with pytest.raises(ApiError):
        limit.take("a")
    for number in range(30_000):
        limit.take(f"caller {number}")
    assert len(limit._buckets) <= 10_001


def test_logs_hold_no_text_no_user_and_no_key(started, upstream, caplog):
    caplog.set_level(logging.DEBUG)
    url = started(keys=KEYS)
    upstream.faults[B] = 500
    rare = "xylophone maintenance"
    found = chat(url, ONE, user="secret-person", messages=[{"role": "user", "content": rare}])
    http.post(
        f"{url}/v1/feedback", json={"decision": found.headers["x-gmt-decision"], "words": rare}, headers=head(ONE)
    )
    http.delete(f"{url}/v1/users/secret-person", headers=head(ONE))
    own = "\n".join(r.getMessage() for r in caplog.records if r.name.startswith(("gmt", "uvicorn")))
    assert "/v1/chat/completions" in own
    for text in (rare, "xylophone", "secret-person", ONE, SECRET):
        assert text not in own


def test_logs_hold_texts_where_that_is_asked_for(started, caplog):
    caplog.set_level(logging.INFO, "gmt.gateway")
    chat(started(log_texts=True))
    assert QUESTION in caplog.text


@pytest.mark.parametrize("fault", ["long error", "gzip of an error"])
@pytest.mark.parametrize("stream", [False, True])
def test_an_upstreams_key_is_cut_out_of_long_and_compressed_errors(started, upstream, fault, stream):
    upstream.faults[A] = fault
    got = chat(started(fallback=False), model=A, stream=stream)
    assert got.status_code == 400 and "[key hidden]" in got.text
    assert SECRET[:12] not in got.text and len(got.content) <= 64_000


@pytest.mark.parametrize("stream", [False, True])
def test_an_upstreams_key_is_in_no_answer_and_in_no_file(started, upstream, good_copy, tmp_path, stream):
    url = started(fallback=False, journal=tmp_path / "log.jsonl")
    for fault in (None, 400, 401, 403, 429, 500):
        upstream.faults[A] = fault
        for model in (A, "gmt/auto"):
            got = chat(url, model=model, stream=stream)
            assert SECRET not in got.text + repr(got.headers), fault
    assert upstream.seen[0]["headers"]["authorization"] == f"Bearer {SECRET}"
    time.sleep(0.2)
    for path in [*good_copy.rglob("*"), tmp_path / "log.jsonl"]:
        assert not path.is_file() or SECRET.encode() not in path.read_bytes()


def test_a_clients_key_does_not_reach_an_upstream(started, upstream):
    url = started(keys=KEYS)
    for model in ("gmt/auto", A, "codewright-20b"):
        assert chat(url, ONE, model=model).status_code == 200
        assert ONE not in repr(upstream.seen[-1]["headers"])


@pytest.mark.parametrize(
    "field", ["api_base", "base_url", "api_key", "api_version", "custom_llm_provider", "extra_headers"]
)
def test_no_request_names_a_place_or_key_of_its_own(started, upstream, field):
    url = started()
    for model in (A, "gmt/auto"):
        got = chat(url, model=model, **{field: "http://169.254.169.254/"})
        assert got.status_code == 400 and field in got.json()["error"]["message"]
    for model in ("../../etc/passwd", "http://127.0.0.1:1/v1", "gmt/../x", "file:///etc/passwd"):
        assert chat(url, model=model).status_code == 404
    assert not upstream.seen


def test_paths_lead_nowhere(started):
    url = started()
    for path in (
        "/../etc/passwd",
        "/..%2f..%2fetc/passwd",
        "/page/../pool.yaml",
        "/pool.yaml",
        "/docs",
        "/openapi.json",
    ):
        assert http.get(url + path).status_code in (404, 405)


def test_nobody_is_sent_to_a_host_that_a_request_names(started):
    url = started(keys=KEYS)
    for path in ("/v1/chat/completions/", "/v1/route/", "/v1/users/ana/", "/health/"):
        got = http.post(url + path, content=b"{}", headers={"host": "evil.example"})
        assert got.status_code in (404, 405) and "evil" not in got.text + repr(got.headers)


def test_pages_of_other_sites_cannot_use_a_gateway_without_keys(started, upstream):
    url = started()
    here = url.removeprefix("http://")
    refused = [
        {"origin": "https://evil.example"}, {"origin": "null"}, {"origin": "http://127.0.0.1:1"}, {"origin": "["},
        {"host": "evil.example"}, {"host": "127.0.0.1.evil.example"}, {"host": "["},
        {"host": "evil.example", "origin": "http://evil.example"},  # its name came to stand for this machine
    ]  # fmt: skip
    for headers in refused:
        got = http.post(f"{url}/v1/chat/completions", json=ASK, headers={"content-type": "text/plain", **headers})
        assert got.status_code == 403, headers
    assert not upstream.seen
    for headers in ({}, {"origin": url}, {"host": "localhost:1234"}, {"host": "[::1]"}, {"host": here, "origin": url}):
        assert http.post(f"{url}/v1/chat/completions", json=ASK, headers=headers).status_code == 200, headers
    # With keys a page of another site lacks one, and others may name the machine as they like.
    assert http.get(f"{started(keys=KEYS)}/v1/models", headers=head(ONE, host="gmt.example")).status_code == 200


def test_redirects_of_upstreams_are_not_followed(started, upstream):
    upstream.faults[A] = "redirect"
    got = chat(started(fallback=False), model=A)
    assert got.status_code == 502 and "elsewhere" in got.json()["error"]["message"]


def test_a_fault_inside_shows_no_trace(started, monkeypatch, caplog):
    url = started()

    def broken(*_, **__):
        raise ZeroDivisionError("very secret")

    monkeypatch.setattr(type(started.gateway), "answer", broken)
    got = chat(url)
    assert got.status_code == 500 and "secret" not in got.text + caplog.text and "ZeroDivisionError" in caplog.text


def test_decisions_are_kept_for_as_long_as_the_settings_say(started):
    url = started(keep_hours=0.0)
    id = chat(url).headers["x-gmt-decision"]
    time.sleep(1.2)
    started.gateway.served.now().writer.kept.purge(time.time())
    assert http.post(f"{url}/v1/feedback", json={"decision": id, "thumb": "up"}).status_code == 404


def test_browsers_are_told_to_be_careful(started):
    got = http.get(f"{started()}/health")
    assert got.headers["x-content-type-options"] == "nosniff" and got.headers["cache-control"] == "no-store"


GOOD = "models:\n  m: {url: 'http://127.0.0.1:1/v1'}\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1", "expected models"), ("models: {}", "there are no models"), ("models: [m]", "no block"),
        ("models: {m: {url: 'file:///etc/passwd'}}", "a base URL"), ("models: {m: {}}", "models.m"),
        ("models: {m: {url: 'http://me:pw@host/v1'}}", "a base URL"), (GOOD + "gateway: {mode: on}", "gateway.mode"),
        (GOOD + "gateway: {mod: apply}", "no setting gateway.mod"), (GOOD + "gateway: {explore_share: 2}", "0 to 1"),
        (GOOD + "variants: {v: {models: [x]}}", "none of the models"),
        (GOOD + "variants: {v: {models: []}}", "is empty"), (GOOD + "gateway: {default_model: z}", "none of the"),
        (GOOD + "keys: [{sha256: abc}]", "64 hex digits"), (GOOD + "keys: {}\nmodels: {}", "second time"),
        ("models: {gmt/x: {url: 'http://a/v1'}}", "cannot name a model"),
    ],
)  # fmt: skip
def test_a_pool_with_a_mistake_is_refused_on_one_line(tmp_path, text, said):
    path = tmp_path / "pool.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=re.escape(said)) as found:
        Pool.read(path)
    assert "\n" not in str(found.value)
    path.write_text(GOOD)
    assert Pool.read(path).default == "m"


def test_every_threat_has_its_test():
    page = (Path(__file__).resolve().parents[2] / "docs" / "serving.md").read_text("utf-8")
    named = set(re.findall(r"`(test_\w+)`", page))
    here = {name for name in globals() if name.startswith("test_")}
    from tests.gateway import test_feedback

    assert len(named) >= 12 and named <= here | set(dir(test_feedback))


def test_an_unknown_encoder_runtime_is_refused_before_anything_starts(tmp_path, monkeypatch):
    monkeypatch.setenv("GMT_ENCODER_RUNTIME", "default")
    with pytest.raises(UserError, match="the encoder runtime is 'onx'.*expected default or onnx"):
        serve_until_stopped(ServeOptions(str(tmp_path), str(tmp_path / "no pool"), encoder_runtime="onx"))
