"""Ask a judge behind an OpenAI-compatible endpoint."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from data_prep.simulate.judge_prompt import Message
from data_prep.simulate.judge_protocol import Busy, Reply
from gmt.errors import ConfigError

AGAIN = (408, 409, 425, 429)
NEVER_SENT = ("ConnectError", "ConnectTimeout", "ProxyError")  # what the HTTP client says of a request nobody has read


class Endpoint:
    """Talk to `URL/chat/completions`, as OpenAI's service and most servers of open models offer it.

    Retries are left to whoever asks, for they cost money that must be set aside first.

    Args:
        url: Base address, e.g. `https://api.openai.com/v1` or `http://localhost:8000/v1`.
        model: Name of the model there.
        key: Secret sent as bearer token; it is kept in memory only.
        most: Tokens of a reply.
        timeout: Seconds until a request is given up.

    Raises:
        ConfigError: The address is none, or the `openai` package is missing.
    """

    def __init__(self, url: str, model: str, key: str | None = None, most: int = 16, timeout: float = 60.0) -> None:
        if not url.startswith(("http://", "https://")):
            raise ConfigError(f"the endpoint is {url!r}; expected an address such as http://localhost:8000/v1")
        try:
            import openai
        except ImportError as error:
            raise ConfigError(
                f'a judge at an endpoint needs the openai package ({error}); run pip install "gmt-router[judge]"'
            ) from error
        self.url, self.model, self.most = url.rstrip("/"), model, most
        self.name = f"{model}@{self.url}/{most}"
        # Without a key of ours the client would send the one in OPENAI_API_KEY to whatever address this is.
        self._headers: Any = {} if key else {"Authorization": openai.Omit()}
        self._client = openai.OpenAI(base_url=self.url, api_key=key or "none", max_retries=0, timeout=timeout)

    def ask(self, messages: Sequence[Message]) -> Reply:
        """Send one request."""
        from openai import APIConnectionError, APIStatusError, APITimeoutError

        said: Any = [
            {name: text.encode("utf-8", "replace").decode() for name, text in message.items()} for message in messages
        ]
        try:
            # The raw reply, for a server may charge for one that is no chat completion.
            response = self._client.chat.completions.with_raw_response.create(
                model=self.model, messages=said, temperature=0, max_tokens=self.most, extra_headers=self._headers
            )
        except APIStatusError as error:
            raise self._refused(error) from None
        except APIConnectionError as error:
            cause = error.__cause__ or error
            if type(cause).__name__ in NEVER_SENT:
                raise Busy(f"{self.url} cannot be reached ({cause})") from error
            name = "timeout" if isinstance(error, APITimeoutError) else type(cause).__name__
            raise Busy(f"{self.url} broke off ({name})", charged=True) from error
        return _reply(response.content)

    def _refused(self, error: Any) -> Exception:
        """Say whether a status is worth another attempt; `error` is an `openai.APIStatusError`."""
        code, reason = error.status_code, error.response.reason_phrase
        if code in AGAIN or code >= 500:
            return Busy(f"{self.url} answered {code} {reason}", _seconds(error.response.headers.get("Retry-After")))
        hint = {401: "check the key", 403: "check the key", 404: "check the address and --model"}
        repair = hint.get(code, "check --model and --max-tokens")
        return ConfigError(f"{self.url} refused the request ({code} {reason}); {repair}")


def _seconds(value: str | None) -> float | None:
    try:
        return None if value is None else max(0.0, float(value))
    except ValueError:
        return None  # a date; waiting as long as usual will do


def _reply(raw: bytes) -> Reply:
    """Read a chat completion.

    Raises:
        Busy: It is none; whoever sent it may charge for it.
    """
    try:
        found: Any = json.loads(raw)
        text = found["choices"][0]["message"]["content"]
        usage = found.get("usage") or {}
        counts = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise Busy(f"the reply is no chat completion ({type(error).__name__})", charged=True) from error
    read, written = (count if isinstance(count, int) and count >= 0 else None for count in counts)
    return Reply(text if isinstance(text, str) else "", read, written)
