"""Run, for the tests of the gateway, upstreams that answer as OpenAI's endpoint does, or fail in a given way."""

import asyncio
import contextlib
import gzip
import json
import socket
import threading
import time

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

http = httpx.Client(timeout=60)  # busy machines take their time
SECRET = "sk-upstream-0123456789-secret"


def event(model, **delta):
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    body = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": [choice]}
    return b"data: " + json.dumps(body).encode() + b"\n\n"


class Upstream:
    """Answer chat requests and keep them; `faults` says for each served model how it fails."""

    def __init__(self):
        self.seen, self.faults, self.sent = [], {}, b""
        self.aborted = threading.Event()
        self.go_on = threading.Event()

    def reset(self):
        self.__init__()

    @property
    def last(self):
        return self.seen[-1]["body"]

    async def chat(self, request: Request):
        raw = await request.body()
        body = json.loads(raw)
        self.seen.append({"body": body, "raw": raw, "headers": dict(request.headers)})
        model = body["model"]
        fault = self.faults.get(model)
        if isinstance(fault, int) and fault >= 400:
            said = {"error": {"message": f"no, your key is {SECRET}", "type": "t", "param": None, "code": "c"}}
            return JSONResponse(said, fault, headers={"retry-after": "7"})
        if fault == "redirect":
            return RedirectResponse("http://127.0.0.1:1/elsewhere")
        if fault == "nothing":
            return Response(b"", media_type="application/json")
        if fault == 204:
            return Response(status_code=204)
        if fault == "unreadable":
            return Response(b"\x1b\x03", headers={"content-encoding": "br"})
        if fault in ("gzip", "gzip of an error"):
            return self.compressed(model, fault, body)
        if fault == "long error":  # the key stands across the end of what is passed on
            return Response(SECRET * 20 + "x" * (64_000 - 21 * len(SECRET)) + SECRET * 20, 400)
        if fault == "wait":
            while not self.go_on.is_set():
                await asyncio.sleep(0.01)
        if fault == "slow":
            await asyncio.sleep(20)
        if body.get("stream"):
            return StreamingResponse(self.stream(model, fault, body), media_type="text/event-stream")
        if fault == "half":
            return StreamingResponse(self.half(), media_type="application/json")
        return JSONResponse(self.whole(model, body), headers={"server-secret": "inside"})

    def whole(self, model, body):
        message = {"role": "assistant", "content": f"{model} says hello"}
        if body.get("tools"):
            call = {
                "id": "call_1",
                "type": "function",
                "function": {"name": "weather", "arguments": '{"city": "Oslo"}'},
            }
            message |= {"content": None, "tool_calls": [call]}
        choices = [{"index": i, "message": message, "finish_reason": "stop"} for i in range(body.get("n", 1))]
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        return {
            "id": "c1",
            "object": "chat.completion",
            "created": 1,
            "model": model,
            "choices": choices,
            "usage": usage,
        }

    def compressed(self, model, fault, body):
        """Answer compressed, which nobody asked for."""
        if fault != "gzip":
            said, status, kind = f'{{"error": {{"message": "your key is {SECRET}"}}}}'.encode(), 400, "application/json"
        elif body.get("stream"):
            said, status, kind = event(model, content="zipped") + b"data: [DONE]\n\n", 200, "text/event-stream"
        else:
            said, status, kind = json.dumps(self.whole(model, body)).encode(), 200, "application/json"
        return Response(gzip.compress(said), status, {"content-encoding": "gzip", "content-type": kind})

    async def half(self):
        yield b'{"id": "c1", "object'
        await asyncio.sleep(0.05)
        raise ConnectionAbortedError

    async def stream(self, model, fault, body):
        parts = [event(model, role="assistant", content="Hel"), event(model, content="lo ⚑"), b": a comment\r\n\r\n"]
        parts += [event(model, content=" world"), b"data: [DONE]\n\n"]
        self.sent = b"".join(parts)
        try:
            for number, part in enumerate(parts):
                if fault == "half" and number == 1:
                    yield part[:20]
                    await asyncio.sleep(0.05)
                    raise ConnectionAbortedError
                if fault == "stuck" and number == 1:
                    await asyncio.sleep(20)
                if fault == "hold" and number == 1:
                    while not self.go_on.is_set():
                        await asyncio.sleep(0.01)
                yield part
                await asyncio.sleep(0.002)
        except (asyncio.CancelledError, GeneratorExit):
            self.aborted.set()
            raise

    def app(self):
        return Starlette(routes=[Route("/v1/chat/completions", self.chat, methods=["POST"])])


@contextlib.contextmanager
def serving(app):
    """Serve an application on a free port from a thread; give its base URL."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", access_log=False,
                            timeout_graceful_shutdown=2)  # fmt: skip
    server, sock = uvicorn.Server(config), socket.socket()
    sock.bind(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert thread.is_alive() and time.monotonic() < deadline, "the server did not start"
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)
        sock.close()
