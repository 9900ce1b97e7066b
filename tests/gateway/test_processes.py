"""Check several processes on one run: feedback is seen everywhere, no vote is lost, runs are swapped under load."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from gmt.gateway.served_run import mark_of
from gmt.serving.pretrained import Router
from tests.gateway.conftest import A, B
from tests.gateway.upstreams import SECRET, http

ROOT = Path(__file__).resolve().parents[2]
ASK = {"model": "gmt/auto", "messages": [{"role": "user", "content": "How do I plan a garden?"}]}


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@pytest.fixture
def served(tmp_path, upstream_server):
    """Return a starter of `gmt serve`; keywords are options."""
    pool, running = tmp_path / "pool.yaml", []
    models = "".join(f"  {name}: {{url: '{upstream_server[1]}/v1', key_env: UPSTREAM_KEY}}\n" for name in (A, B))
    pool.write_text(f"models:\n{models}")

    def start(run, *options):
        port = free_port()
        words = ["serve", "--run", str(run), "--pool", str(pool), "--port", str(port), *options]
        env = {**os.environ, "UPSTREAM_KEY": SECRET, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        log = (tmp_path / "serve.log").open("wb")
        process = subprocess.Popen([sys.executable, str(ROOT / "cli.py"), *words], env=env, stdout=log, stderr=log)
        running.append(process)
        url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 180
        while time.monotonic() < deadline:
            assert process.poll() is None, (tmp_path / "serve.log").read_text()
            try:
                if httpx.get(f"{url}/ready", timeout=60).status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.2)
        start.process = process
        return url

    yield start
    for process in running:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()


def votes_of(url, user):
    got = httpx.post(f"{url}/v1/route", json={**ASK, "user": user}, timeout=60)  # a connection of its own
    assert got.status_code == 200, got.text
    return got.json()["votes"]


@pytest.mark.slow
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_every_process_knows_at_the_next_request(served, good_copy, tmp_path, request, database):
    state = ["--state", request.getfixturevalue("postgres_database")] if database == "postgresql" else []
    log = tmp_path / "log.jsonl"
    url = served(good_copy, "--workers", "2", "--log", str(log), *state)
    for number in range(1, 6):
        asked = httpx.post(f"{url}/v1/route", json={**ASK, "user": "ana"}, timeout=60).json()
        said = {"decision": asked["decision"], "thumb": "up" if number % 2 else "down", "key": f"k{number}", "model": A}
        body = httpx.post(f"{url}/v1/feedback", json={**said, "words": f"remark {number}"}, timeout=60).json()
        assert body.get("added"), body
        assert [votes_of(url, "ana") for _ in range(8)] == [number] * 8

    # Votes from many at once, to whichever process takes them: none is lost, and none counts twice.
    def vote(number):
        with httpx.Client(timeout=120) as own:
            asked = own.post(f"{url}/v1/route", json={**ASK, "user": f"u{number % 4}"}).json()
            said = {"decision": asked["decision"], "winner": A, "loser": B, "key": f"k{number}"}
            said["words"] = f"remark {number}"
            return [own.post(f"{url}/v1/feedback", json=said).status_code for _ in range(2)]

    with ThreadPoolExecutor(8) as many:
        assert {status for found in many.map(vote, range(80)) for status in found} == {200}
    assert [votes_of(url, f"u{number}") for number in range(4)] == [20] * 4
    numbers = httpx.get(f"{url}/metrics", timeout=60).text
    assert 'gmt_feedback_total{kind="comparison"} 160.0' in numbers  # of both processes together
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert len([one for one in lines if "feedback" in one]) == 85


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "how"), [("1", "signal"), ("1", "pointer"), ("2", "signal")])
def test_a_run_is_swapped_without_a_dropped_request(served, good_run, tmp_path, workers, how):
    for name in ("old", "new"):
        shutil.copytree(good_run, tmp_path / name)
    fresh = Router.from_pretrained(tmp_path / "new")
    fresh.add("ana", [{"query": f"q{n}", "model_a": A, "model_b": B, "winner": "model_a"} for n in range(7)])
    fresh.close()
    link = tmp_path / "current"
    link.symlink_to(tmp_path / "old")
    url = served(link, "--workers", workers)
    assert votes_of(url, "ana") == 0
    ended, failed, done = threading.Event(), [], []

    def load():
        while not ended.is_set():
            try:
                got = httpx.post(f"{url}/v1/chat/completions", json={**ASK, "stream": True}, timeout=120)
                (done if got.status_code == 200 and got.content.endswith(b"[DONE]\n\n") else failed).append(got.text)
            except httpx.HTTPError as error:
                failed.append(repr(error))

    threads = [threading.Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    (tmp_path / "next").symlink_to(tmp_path / "new")
    os.replace(tmp_path / "next", link)
    if how == "signal":
        served.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 120
    while [votes_of(url, "ana") for _ in range(4)] != [7] * 4 and time.monotonic() < deadline:
        time.sleep(0.2)
    ended.set()
    for thread in threads:
        thread.join()
    assert votes_of(url, "ana") == 7 and not failed and len(done) > 5


def test_a_run_that_cannot_be_loaded_leaves_the_old_one(started, good_copy, tmp_path, caplog):
    link = tmp_path / "current"
    link.symlink_to(good_copy)
    url = started(run=link)
    (tmp_path / "broken").mkdir()
    link.unlink()
    link.symlink_to(tmp_path / "broken")
    assert started.gateway.served.swap_if_newer() is False and "the old one stays" in caplog.text
    assert http.post(f"{url}/v1/chat/completions", json=ASK).status_code == 200
    link.unlink()
    link.symlink_to(good_copy)
    assert started.gateway.served.swap_if_newer() is True
    assert http.post(f"{url}/v1/chat/completions", json=ASK).status_code == 200
    assert mark_of(link) == mark_of(good_copy)


def refused(run, pool, *options):
    words = ["serve", "--run", str(run), "--pool", str(pool), *options]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, str(ROOT / "cli.py"), *words], env=env, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    return done.stderr


def test_what_cannot_be_served_is_one_line(good_run, tmp_path):
    pool = tmp_path / "pool.yaml"
    assert "does not exist" in refused(good_run, pool)
    pool.write_text(f"models:\n  {A}: {{url: 'http://127.0.0.1:1/v1', key_env: NOT_SET_HERE}}\n")
    assert "NOT_SET_HERE is not set" in refused(good_run, pool)
    assert "the pool has no keys" in refused(good_run, pool, "--host", "0.0.0.0")
    pool.write_text("models:\n  other: {url: 'http://127.0.0.1:1/v1'}\n")
    assert "offers none of the pool's models" in refused(good_run, pool)


def test_a_new_key_is_printed_with_its_line(gmt):
    found = gmt("serve", "--new-key", "shop")
    assert found["tenant"] == "shop" and found["key"].startswith("gmt-") and len(found["sha256"]) == 64
