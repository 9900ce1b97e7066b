"""Check what times the gateway beside LiteLLM's proxy, against a stand-in for LiteLLM's command."""

import asyncio
import json
import stat
import sys

import numpy as np
import pytest

from gmt.bench.beside_litellm import KINDS, LITELLM, PLAIN, RATES, ROUTED, UPSTREAM, beside_litellm, rows_beside_litellm
from gmt.bench.instant_upstream import STREAM, WHOLE, WORD, WORDS
from gmt.bench.kept_connections import KeptConnections
from gmt.bench.server_process import server_process
from gmt.cli.main import main
from gmt.errors import RunError, UserError

pytest.importorskip("fastapi", reason="fastapi is not installed: pip install 'gmt-router[serve]'")
PROXY = """#!{python}
# Stands in for LiteLLM: a version, its options, a key, health, and the upstream's answers.
import json, os, sys
if "--version" in sys.argv:
    print("\\nLiteLLM: Current Version = 1.2.3")
    sys.exit()
options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
assert options["--num_workers"] == "1" and "PYTHONPATH" not in os.environ or not os.environ["PYTHONPATH"]
config = json.load(open(options["--config"]))
assert config["model_list"][0]["litellm_params"]["api_base"].endswith("/v1")
WHOLE, STREAM = {whole!r}, {stream!r}
async def app(scope, receive, send):
    if scope["type"] != "http": return
    body = b""
    while True:
        part = await receive()
        body += part.get("body", b"")
        if not part.get("more_body"): break
    known = ("Bearer " + os.environ["LITELLM_MASTER_KEY"]).encode()
    status = 200 if scope["path"].startswith("/health") or (b"authorization", known) in scope["headers"] else 401
    out = STREAM if body and json.loads(body).get("stream") else WHOLE
    await send({{"type": "http.response.start", "status": status, "headers": []}})
    await send({{"type": "http.response.body", "body": out}})
import uvicorn
uvicorn.run(app, host="127.0.0.1", port=int(options["--port"]), log_level="critical")
"""


def stand_in(folder):
    path = folder / "litellm"
    path.write_text(PROXY.format(python=sys.executable, whole=WHOLE, stream=STREAM))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_all_are_asked_the_same_and_every_way_is_in_the_report(tmp_path):
    found = beside_litellm(stand_in(tmp_path), 20, 4, 0.1)
    assert found["LiteLLM"] == "1.2.3"
    for kind in KINDS:
        for part in ("one at a time, added, ms", *(f"{rate} a second, added, ms" for rate in RATES)):
            assert set(found[part][kind]) == {UPSTREAM, PLAIN, LITELLM, ROUTED}
            assert all(one["p50"] <= one["p90"] <= one["p99"] for one in found[part][kind].values())
        # A gateway that chooses a model and forwards cannot be as fast as the upstream itself.
        assert found["one at a time, added, ms"][kind][ROUTED]["p50"] > 0
    assert set(found["answers a second, as many as go"]) == set(found["processor ms an answer"])
    assert all(value > 0 for value in found["answers a second, as many as go"].values())
    for part in ("start, s", "memory before, MiB", "memory after, MiB"):
        assert set(found[part]) == {UPSTREAM, "gmt", LITELLM} and all(np.array(list(found[part].values())) > 0)
    assert found["not answered"] == dict.fromkeys((UPSTREAM, PLAIN, LITELLM, ROUTED), 0)
    rows = rows_beside_litellm(found)
    assert len(rows) == 1 + 2 * 4 * (1 + len(RATES)) + 3 * 4 + 3 * 3 and len({what for what, _ in rows}) == len(rows)


def test_what_is_no_litellm_is_said_in_one_line(tmp_path, capsys):
    with pytest.raises(UserError, match="is no executable"):
        beside_litellm(tmp_path / "litellm", 20, 4)
    (tmp_path / "other").write_text("#!/bin/sh\necho hello\n")
    (tmp_path / "other").chmod(0o755)
    with pytest.raises(UserError, match="names no version"):
        beside_litellm(tmp_path / "other", 20, 4)
    for words in (["--parts", "all"], ["--parts", "serve"]):
        with pytest.raises(SystemExit) as stop:
            main(["bench", *words, "--beside-litellm", str(tmp_path / "litellm"), "--quick"])
        assert stop.value.code == 2 and "is no executable" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        main(["bench", "--parts", "prep", "--beside-litellm", str(tmp_path / "other")])
    assert stop.value.code == 2 and "for the part serve" in capsys.readouterr().err


def test_a_kept_connection_reads_whole_answers_streams_and_refusals():
    message = {"model": "m", "messages": []}

    async def ask(url):
        kept = KeptConnections(url, "k")
        whole = await kept.ask(message)
        for _ in range(3):
            streamed = await kept.ask({**message, "stream": True})
        # One that the server gave up is not used again.
        kept._idle[0][0].feed_eof()
        again = await kept.ask(message)
        kept.close()
        return whole, streamed, again

    with server_process([sys.executable, "-m", "gmt.bench.instant_upstream"], "/") as server:
        whole, streamed, again = asyncio.run(ask(server.url))
        assert server.processor_seconds() > 0 and server.start_seconds > 0
    assert whole.body == again.body == WHOLE and streamed.body == STREAM
    assert 0 < streamed.first <= streamed.last and STREAM.count(WORD.encode()) == WORDS
    assert json.loads(WHOLE)["choices"][0]["message"]["content"].split() == [WORD] * WORDS


def test_another_status_than_200_is_an_error():
    refuse = (
        "import sys, http.server as h\n"
        "class H(h.BaseHTTPRequestHandler):\n"
        "    def do_GET(self): self.send_response(200); self.send_header('content-length', '0'); self.end_headers()\n"
        "    def do_POST(self): self.send_response(403); self.send_header('content-length', '2'); self.end_headers(); "
        "self.wfile.write(b'no')\n"
        "    def log_message(self, *a): pass\n"
        "h.HTTPServer(('127.0.0.1', int(sys.argv[1])), H).serve_forever()\n"
    )
    with server_process([sys.executable, "-c", refuse], "/") as server, pytest.raises(RunError, match="403.*no"):
        asyncio.run(KeptConnections(server.url).ask({}))
