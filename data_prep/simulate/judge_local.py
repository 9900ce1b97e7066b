"""Ask a judge that runs on this machine."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from data_prep.simulate.judge_prompt import Message
from data_prep.simulate.judge_protocol import Reply
from gmt.errors import DataError


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
            # The library explains itself over many lines; an error of ours has one.
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
            # A base model continues text and takes no instruction: the last words leave only a number to follow.
            text = "\n\n".join(message["content"] for message in messages) + "\n\nThe best answer is number"
        # A chat template writes the special tokens itself; a second beginning would be read as part of the text.
        inputs = self.tokenizer(text, return_tensors="pt", add_special_tokens=not self.tokenizer.chat_template)
        ids = inputs["input_ids"].to(self.device)
        room = getattr(self.model.config, "max_position_embeddings", None)
        if room is not None and ids.shape[1] + self.most > room:
            raise DataError(
                f"a prompt has {ids.shape[1]} tokens and the model reads {room}; lower --max-chars or --candidates"
            )
        # One prompt at a time: several threads ask, and the model already uses all cores or the whole device.
        with self.lock, torch.inference_mode():
            out = self.model.generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=self.most, do_sample=False,
                pad_token_id=self.tokenizer.pad_token_id or self.tokenizer.eos_token_id or 0,
            )  # fmt: skip
        new = out[0, ids.shape[1] :]
        return Reply(self.tokenizer.decode(new, skip_special_tokens=True), int(ids.shape[1]), int(len(new)))
