"""Ask a judge: an OpenAI-compatible endpoint, or a transformers model on this machine."""

from __future__ import annotations

import http.client
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from data_prep.simulate.judge_prompt import Message
from gmt.errors import ConfigError, DataError

AGAIN = (408, 409, 425, 429)


@dataclass(frozen=True)
class Reply:
    """Hold what a judge said, and the tokens it charges for where it tells."""

    text: str
    read: int | None = None
    written: int | None = None


class Busy(Exception):
    """Report a request that may succeed later.

    Args:
        reason: What happened.
        wait: Seconds the judge asked to wait, where it did.
        charged: Whether the request may have been charged for.
    """

    def __init__(self, reason: str, wait: float | None = None, charged: bool = False) -> None:
        super().__init__(reason)
        self.wait, self.charged = wait, charged


class Judge(Protocol):
    """Answer chat messages; `name` tells judges apart in the memory of replies."""

    @property
    def name(self) -> str: ...

    def ask(self, messages: Sequence[Message]) -> Reply:
        """Return the reply.

        Raises:
            Busy: It may succeed later.
            UserError: It never will.
        """
        ...


class Endpoint:
    """Talk to `URL/chat/completions`, as OpenAI's service and most servers of open models offer it.

    Args:
        url: Base address, e.g. `https://api.openai.com/v1` or `http://localhost:8000/v1`.
        model: Name of the model there.
        key: Secret sent as bearer token; it is kept nowhere.
        most: Tokens of a reply.
        timeout: Seconds until a request is given up.
    """

    def __init__(self, url: str, model: str, key: str | None = None, most: int = 16, timeout: float = 60.0) -> None:
        if not url.startswith(("http://", "https://")):
            raise ConfigError(f"the endpoint is {url!r}; expected an address such as http://localhost:8000/v1")
        self.url, self.model, self.most, self.timeout = url.rstrip("/"), model, most, timeout
        self._key = key
        self.name = f"{model}@{self.url}/{most}"

    def ask(self, messages: Sequence[Message]) -> Reply:
        """Send one request."""
        body = {"model": self.model, "messages": list(messages), "temperature": 0, "max_tokens": self.most}
        headers = {"Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        request = urllib.request.Request(
            f"{self.url}/chat/completions", json.dumps(body).encode("ascii"), headers, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as response:
                raw = response.read()
        except urllib.error.HTTPError as error:
            raise self._refused(error) from None
        except urllib.error.URLError as error:
            raise Busy(f"{self.url} cannot be reached ({error.reason})") from error
        except (TimeoutError, http.client.HTTPException, OSError) as error:
            raise Busy(f"{self.url} broke off ({type(error).__name__})", charged=True) from error
        return _reply(raw)

    def _refused(self, error: urllib.error.HTTPError) -> Exception:
        if error.code in AGAIN or error.code >= 500:
            return Busy(f"{self.url} answered {error.code} {error.reason}", _seconds(error.headers.get("Retry-After")))
        hint = {401: "check the key", 403: "check the key", 404: "check the address and --model"}
        repair = hint.get(error.code, "check --model and --max-tokens")
        return ConfigError(f"{self.url} refused the request ({error.code} {error.reason}); {repair}")


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


class LocalModel:
    """Run a causal language model with transformers, one prompt at a time.

    Args:
        path: Folder or hub id.
        most: Tokens of a reply.
        device: `cpu`, `cuda` …

    Raises:
        DataError: There is no such model.
    """

    def __init__(self, path: str, most: int = 16, device: str = "cpu") -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        try:
            self.tokenizer: Any = AutoTokenizer.from_pretrained(path)
            loaded: Any = AutoModelForCausalLM.from_pretrained(path)
            self.model: Any = loaded.to(device).eval()
        except (OSError, ValueError) as error:
            found = " ".join(str(error).split())[:160]
            raise DataError(
                f"{path} is no model that transformers can load ({found}); name a folder or a hub id"
            ) from error
        self.most, self.device = most, device
        self.name = f"{path}/{most}"
        self.lock = threading.Lock()

    def ask(self, messages: Sequence[Message]) -> Reply:
        """Generate greedily.

        Raises:
            DataError: The prompt is longer than what the model can read.
        """
        import torch

        if self.tokenizer.chat_template:
            text = self.tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)
        else:
            text = "\n\n".join(message["content"] for message in messages) + "\n\nThe best answer is number"
        inputs = self.tokenizer(text, return_tensors="pt", add_special_tokens=not self.tokenizer.chat_template)
        ids = inputs["input_ids"].to(self.device)
        room = getattr(self.model.config, "max_position_embeddings", None)
        if room is not None and ids.shape[1] + self.most > room:
            raise DataError(
                f"a prompt has {ids.shape[1]} tokens and the model reads {room}; lower --max-chars or --candidates"
            )
        with self.lock, torch.inference_mode():
            out = self.model.generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=self.most, do_sample=False,
                pad_token_id=self.tokenizer.pad_token_id or self.tokenizer.eos_token_id or 0,
            )  # fmt: skip
        new = out[0, ids.shape[1] :]
        return Reply(self.tokenizer.decode(new, skip_special_tokens=True), int(ids.shape[1]), int(len(new)))
