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
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from gmt.cli.main import main
from gmt.gateway.served_run import mark_of
from gmt.serving.pretrained import Router
from tests.gateway.conftest import A, B
from tests.gateway.upstreams import SECRET, http
from tests.postgres import new_database

ROOT = Path(__file__).resolve().parents[2]
ASK = {"model": "gmt/auto", "messages": [{"role": "user", "content": "How do I plan a garden?"}]}

# Every request has a connection of its own, so that whichever process is free takes it.
apart = httpx.Client(timeout=120, verify=False, limits=httpx.Limits(max_keepalive_connections=0))


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@dataclass
class Served:
    """Hold a gateway that other tests of this module ask too, each for users of its own."""

    url: str
    process: subprocess.Popen
    home: Path

    @property
    def link(self):
        return self.home / "current"


@pytest.fixture(scope="module")
def served(good_run, request, tmp_path_factory, upstream_server):
    """Return a starter of `gmt serve` on a link to a copy of the good run; it starts one of a kind."""
    running = {}

    def start(workers, database="sqlite"):
        if (workers, database) in running:
            return running[workers, database]
        home, port = tmp_path_factory.mktemp("served"), free_port()
        shutil.copytree(good_run, home / "run")
        (home / "current").symlink_to(home / "run")
        models = "".join(f"  {name}: {{url: '{upstream_server[1]}/v1', key_env: UPSTREAM_KEY}}\n" for name in (A, B))
        (home / "pool.yaml").write_text(f"models:\n{models}")
        words = ["serve", "--run", home / "current", "--pool", home / "pool.yaml", "--port", port]
        words += ["--workers", workers, "--log", home / "log.jsonl"]
        if database == "postgresql":
            words += ["--state", new_database(request.getfixturevalue("postgres_server"))]
        env = {**os.environ, "UPSTREAM_KEY": SECRET, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        with (home / "serve.log").open("wb") as log:
            command = [sys.executable, str(ROOT / "cli.py"), *map(str, words)]
            process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
        found = running[workers, database] = Served(f"http://127.0.0.1:{port}", process, home)
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline:
            assert process.poll() is None, (home / "serve.log").read_text()
            try:
                if apart.get(f"{found.url}/ready").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.2)
        return found

    yield start
    for one in running.values():
        one.process.send_signal(signal.SIGTERM)
    for one in running.values():
        try:
            one.process.wait(60)
        except subprocess.TimeoutExpired:
            one.process.kill()


def votes_of(url, user):
    got = apart.post(f"{url}/v1/route", json={**ASK, "user": user})
    assert got.status_code == 200, got.text
    return got.json()["votes"]


@pytest.mark.slow
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_every_process_knows_at_the_next_request(served, database):
    gateway = served(2, database)
    url = gateway.url
    for number in range(1, 6):
        asked = apart.post(f"{url}/v1/route", json={**ASK, "user": "ana"}).json()
        said = {"decision": asked["decision"], "thumb": "up" if number % 2 else "down", "key": f"k{number}", "model": A}
        body = apart.post(f"{url}/v1/feedback", json={**said, "words": f"remark {number}"}).json()
        assert body.get("added"), body
        assert [votes_of(url, "ana") for _ in range(8)] == [number] * 8

    # Votes from many at once, to whichever process takes them: none is lost, and none counts twice.
    def vote(number):
        with httpx.Client(timeout=120, verify=False) as own:
            asked = own.post(f"{url}/v1/route", json={**ASK, "user": f"u{number % 4}"}).json()
            said = {"decision": asked["decision"], "winner": A, "loser": B, "key": f"k{number}"}
            said["words"] = f"remark {number}"
            return [own.post(f"{url}/v1/feedback", json=said).status_code for _ in range(2)]

    with ThreadPoolExecutor(8) as many:
        assert {status for found in many.map(vote, range(80)) for status in found} == {200}
    assert [votes_of(url, f"u{number}") for number in range(4)] == [20] * 4
    numbers = apart.get(f"{url}/metrics").text
    assert 'gmt_feedback_total{kind="comparison"} 160.0' in numbers  # of both processes together
    lines = [json.loads(line) for line in (gateway.home / "log.jsonl").read_text().splitlines()]
    assert len([one for one in lines if "feedback" in one]) == 85


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "how"), [(1, "signal"), (1, "pointer"), (2, "signal")])
def test_a_run_is_swapped_without_a_dropped_request(served, good_run, tmp_path, workers, how):
    shutil.copytree(good_run, tmp_path / "new")
    fresh, user = Router.from_pretrained(tmp_path / "new"), f"told in the run swapped by {how}"
    fresh.add(user, [{"query": f"q{n}", "model_a": A, "model_b": B, "winner": "model_a"} for n in range(7)])
    fresh.close()
    gateway = served(workers)
    url = gateway.url
    assert votes_of(url, user) == 0
    ended, failed, done = threading.Event(), [], []

    def load():
        while not ended.is_set():
            try:
                got = apart.post(f"{url}/v1/chat/completions", json={**ASK, "stream": True})
                (done if got.status_code == 200 and got.content.endswith(b"[DONE]\n\n") else failed).append(got.text)
            except httpx.HTTPError as error:
                failed.append(repr(error))

    threads = [threading.Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    (tmp_path / "next").symlink_to(tmp_path / "new")
    os.replace(tmp_path / "next", gateway.link)
    if how == "signal":
        gateway.process.send_signal(signal.SIGHUP)
    deadline = time.monotonic() + 120
    while [votes_of(url, user) for _ in range(4)] != [7] * 4 and time.monotonic() < deadline:
        time.sleep(0.2)
    ended.set()
    for thread in threads:
        thread.join()
    assert votes_of(url, user) == 7 and not failed and len(done) > 5


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


def test_an_answer_that_outlasts_two_swaps_keeps_its_decision(started, upstream):
    url = started(answer_seconds=60.0)
    upstream.faults = dict.fromkeys((A, B, "c-inside"), "wait")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(http.post, f"{url}/v1/chat/completions", json={**ASK, "user": "patient"})
        while not upstream.seen:
            time.sleep(0.01)
        assert all(started.gateway.served.swap_if_newer(always=True) for _ in range(2))
        upstream.go_on.set()
        got = waiting.result()
    assert got.status_code == 200
    said = http.post(f"{url}/v1/feedback", json={"decision": got.headers["x-gmt-decision"], "thumb": "up"})
    assert said.status_code == 200 and said.json()["votes"] == 1, said.text


def test_what_cannot_be_served_is_one_line(good_copy, tmp_path, capsys):
    pool = tmp_path / "pool.yaml"
    words = ["serve", "--run", str(good_copy), "--pool", str(pool)]  # a state is begun there

    def refused(*options):
        with pytest.raises(SystemExit) as stop:
            main([*words, *options])
        assert stop.value.code == 2
        return capsys.readouterr().err

    assert "does not exist" in refused()
    pool.write_text(f"models:\n  {A}: {{url: 'http://127.0.0.1:1/v1', key_env: NOT_SET_HERE}}\n")
    assert "NOT_SET_HERE is not set" in refused()
    assert "the pool has no keys" in refused("--host", "0.0.0.0")
    # This one is found by the process that serves, which sets things for itself alone.
    pool.write_text("models:\n  other: {url: 'http://127.0.0.1:1/v1'}\n")
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, str(ROOT / "cli.py"), *words], env=env, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert "offers none of the pool's models" in done.stderr.splitlines()[-1]


def test_a_new_key_is_printed_with_its_line(gmt):
    found = gmt("serve", "--new-key", "shop")
    assert found["tenant"] == "shop" and found["key"].startswith("gmt-") and len(found["sha256"]) == 64
