"""Serve chat completions on this machine, with the faults a real service has."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# Number of the request, and of earlier requests with the same prompt, both from 0 -> name of a fault.
Fault = Callable[[int, int], str | None]


class Service:
    """Pick the longest answer of every prompt, and count.

    Args:
        fault: Chooses what goes wrong: `busy` (429), `down` (503), `broken` (no JSON), `empty` (JSON
            without choices), `silent` (usage left out), `vague` (no number), `denied` (401), `slow`,
            `dropped` (the connection is closed without an answer).
    """

    def __init__(self, fault: Fault = lambda number, before: None) -> None:
        self.fault = fault
        self.requests = self.under_way = self.most_under_way = 0
        self.prompts: Counter[str] = Counter()
        self.attempts: Counter[str] = Counter()
        self.tokens = [0, 0]
        self.keys: set[str | None] = set()
        self.lock = threading.Lock()
        self.url = ""

    def reply(self, prompt: str) -> str:
        """Name the longest answer in words a model may use."""
        answers = re.findall(r"### Answer (\d+)\n(.*?)(?=\n\n### Answer|\n\n\[Earlier|\n\nWhich answer)", prompt, re.S)
        return f"Answer {max(answers, key=lambda found: len(found[1]))[0]}."

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        prompt = "\n".join(message["content"] for message in body["messages"])
        with self.lock:
            number, self.requests = self.requests, self.requests + 1
            before = self.attempts[prompt]
            self.attempts[prompt] += 1
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
            self.keys.add(handler.headers.get("Authorization"))
        fault = self.fault(number, before)
        if fault == "dropped":
            handler.close_connection = True
            return
        time.sleep(0.05 if fault == "slow" else 0.002)
        code, sent = self._answer(fault, prompt)
        with self.lock:
            self.under_way -= 1
        handler.send_response(code)
        if fault == "busy":
            handler.send_header("Retry-After", "0.01")
        handler.send_header("Content-Length", str(len(sent)))
        handler.end_headers()
        handler.wfile.write(sent)

    def _answer(self, fault: str | None, prompt: str) -> tuple[int, bytes]:
        code = {"busy": 429, "down": 503, "denied": 401}.get(fault or "")
        if code is not None:
            return code, b"{}"
        usage = {"prompt_tokens": len(prompt) // 4, "completion_tokens": 3}
        with self.lock:
            self.tokens = [self.tokens[0] + usage["prompt_tokens"], self.tokens[1] + usage["completion_tokens"]]
        if fault in ("broken", "empty"):
            return 200, b'{"choices": [{"mess' if fault == "broken" else b'{"choices": []}'
        with self.lock:
            self.prompts[prompt] += 1
        text = "I like both of them." if fault == "vague" else self.reply(prompt)
        found: dict[str, Any] = {"choices": [{"message": {"role": "assistant", "content": text}}]}
        return 200, json.dumps(found if fault == "silent" else found | {"usage": usage}).encode()


@contextmanager
def serving(fault: Fault = lambda number, before: None) -> Iterator[Service]:
    """Run a service on a free port of this machine."""
    service = Service(fault)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            service.handle(self)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    service.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
