"""Write the prompt of a judge, and read its verdict."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass

from data_prep.simulate.response_table import Round

Message = dict[str, str]

# Every word of a prompt is part of the key its reply is remembered by: a changed word is paid for again.
SYSTEM = (
    "{persona}\n\nYou compare answers of several assistants as this person and nobody else. The order in which they "
    "stand means nothing. Reply with the number of the answer you like best and nothing else."
)


@dataclass(frozen=True)
class Verdict:
    """Hold one question to the judge: who is played, what is judged, and the prompt.

    Args:
        user: Name of the persona.
        talk: Number of the persona's conversation.
        question, turn: The round judged.
        shown: Models in the order shown.
        messages: Chat messages of the prompt.
    """

    user: str
    talk: int
    question: str
    turn: int
    shown: tuple[str, ...]
    messages: tuple[Message, ...]

    def key(self, judge: str) -> str:
        """Return what this prompt to this judge is remembered by."""
        # The judge's name is part of the key, for another model or length of reply gives another verdict.
        text = json.dumps([judge, self.messages], ensure_ascii=False, sort_keys=True)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def characters(self) -> int:
        """Characters of the prompt."""
        return sum(len(message["content"]) for message in self.messages)

    @property
    def size(self) -> int:
        """UTF-8 bytes of the prompt, which no tokenizer exceeds, and some for the frame around messages."""
        return sum(len(message["content"].encode("utf-8", "surrogatepass")) + 16 for message in self.messages)


def prompt(persona: str, rounds: list[Round], shown: tuple[str, ...], longest: int) -> tuple[Message, ...]:
    """Ask which answer to the last of some rounds a user likes best.

    Args:
        persona: Description, addressed as `you`.
        rounds: The rounds of the conversation up to the one judged.
        shown: Models in the order shown; their names are not.
        longest: Characters after which a text is cut.
    """
    parts = []
    for number, model in enumerate(shown, start=1):
        # Earlier rounds stand with each answer and not once before all, for every assistant had a conversation of its
        # own.
        for item in rounds[:-1]:
            parts.append(f"[Earlier, asked: {_cut(item.query, longest)}]")
            parts.append(f"[Earlier, assistant {number}: {_cut(item.answers[model].text, longest)}]")
        parts.append(f"### Answer {number}\n{_cut(rounds[-1].answers[model].text, longest)}")
    opening = f"You asked: {_cut(rounds[-1].query, longest)}"
    closing = f"Which answer do you like best? Reply with one number from 1 to {len(shown)}."
    return (
        {"role": "system", "content": SYSTEM.format(persona=persona)},
        {"role": "user", "content": "\n\n".join([opening, *parts, closing])},
    )


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[:longest] + " […]"


def parse(text: str, count: int) -> int | None:
    """Return the place, from 0, of the answer a verdict names; None where it names none or several.

    A verdict is a lone number, a number after a word such as "answer" or "best", or a text in which
    exactly one number from 1 to `count` occurs.
    """
    # From the surest sign to the weakest; a reading that finds two numbers is passed over and never resolved by order,
    # which would favour the answer that is named first.
    named = re.findall(r"(?:answer|assistant|best|choice|verdict|option)\W{0,12}(?:is\W{0,4})?(?<!\d)(\d+)", text, re.I)
    for found in (re.findall(r"^\W*(\d+)\W*$", text), named, re.findall(r"(?<![\d.])\d+(?!\.?\d)", text)):
        numbers = {int(number) for number in found}
        if len(numbers) == 1 and 1 <= min(numbers) <= count:
            return min(numbers) - 1
    return None
