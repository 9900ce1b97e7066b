"""Stand in for a judge where no language model is at hand: rules that read a persona's words, and nothing else."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence

import numpy as np

from data_prep.simulate.judge_prompt import Message
from data_prep.simulate.judge_protocol import Reply

STAND_IN = "rule-based stand-in, no language model"
"""How results name it, so that nobody takes its people for those of a judge that understands what it reads."""
NOISE = 0.5
"""Scale of what the rules do not decide, beside traits that differ by one between the answers shown."""


def _count(pattern: str, flags: re.RegexFlag = re.NOFLAG) -> Callable[[str], float]:
    found = re.compile(pattern, flags)
    return lambda text: float(np.log1p(len(found.findall(text))))


TRAITS: dict[str, Callable[[str], float]] = {
    "length": lambda text: float(np.log1p(len(text))),
    "lists": _count(r"^\s*(?:\d+[.)]|[-*•])\s", re.M),
    "code": _count(r"```|`[^`]+`|^\s{4}\S", re.M),
    "numbers": _count(r"\d[\d.,]*"),
    "headings": _count(r"^#+ |\*\*|^\|", re.M),
    "examples": _count(r"for example|e\.g\.|for instance|example", re.I),
    "doubt": _count(r"\b(?:may|might|could|however|unless|depends|not sure|uncertain|generally)\b", re.I),
    "warmth": _count(r"[!]|\byou(?:r|'ll)?\b|\bhope\b|\bhappy\b", re.I),
    "formality": _count(r"\b(?:therefore|furthermore|regarding|sincerely|dear|moreover|respectfully)\b", re.I),
    "question": lambda text: float(text.rstrip().endswith("?")),
    "long words": lambda text: float(np.mean([len(word) for word in re.findall(r"[A-Za-z]+", text)] or [0])),
}
"""What an answer is like, as far as it can be counted."""
# Words of a persona -> what its owner likes (positive) or dislikes. Several may hold, and their weights add up.
WISHES: Sequence[tuple[str, dict[str, float]]] = (
    (r"short answers|could be cut|waste your time", {"length": -2.0}),
    (r"thorough answers|step by step|context, history", {"length": 1.5}),
    (r"of a paragraph, no more", {"length": -1.0}),
    (r"numbered lists|numbered steps|one thing at a time", {"lists": 1.5}),
    (r"running text|lists and set phrases bore|complete sentences", {"lists": -1.5}),
    (r"headings|tables?\b", {"headings": 1.5}),
    (r"\bcode\b", {"code": 2.0}),
    (r"numbers,|and numbers|dates and figures|totals", {"numbers": 1.0}),
    (r"an example|surprising comparisons", {"examples": 1.0}),
    (r"is uncertain|honest about doubt|both sides|exceptions", {"doubt": 1.5}),
    (r"caveats annoy|vague wording annoys", {"doubt": -1.5}),
    (r"a friend|friendly voice|\bwit\b|jokes", {"warmth": 1.5}),
    (r"dislike pleasantries|matter-of-fact|flattery annoys|bluntness", {"warmth": -1.5}),
    (r"formal tone|politeness", {"formality": 1.5}),
    (r"end with a question", {"question": 1.5}),
    (r"everyday words|technical terms annoy|easily bored", {"long words": -1.5}),
    (r"exact terms|teach you something", {"long words": 1.0}),
)


class StandInJudge:
    """Pick an answer by rules: no understanding, no quality, and the same verdict every time.

    Its people differ as their personas say they do in length, form and tone, and in nothing else: a router that learns
    them shows that it learns such tastes, and not what a judge made of a language model would have chosen.
    """

    name = STAND_IN

    def ask(self, messages: Sequence[Message]) -> Reply:
        """Return the number of the answer whose traits suit the persona best."""
        persona, asked = messages[0]["content"], messages[-1]["content"]
        answers = _answers(asked)
        traits = np.array([[measured(text) for measured in TRAITS.values()] for text in answers])
        # Within what is shown, for a persona chooses between these and no others.
        spread = traits.std(0)
        traits = (traits - traits.mean(0)) / np.where(spread > 0, spread, 1.0)
        weights = np.zeros(len(TRAITS))
        for pattern, wishes in WISHES:
            if re.search(pattern, persona, re.I):
                weights += [wishes.get(name, 0.0) for name in TRAITS]
        # From the prompt itself, so that a verdict depends on nothing but what is judged.
        seed = int.from_bytes(hashlib.sha256((persona + asked).encode("utf-8", "surrogatepass")).digest()[:8], "big")
        scores = traits @ weights + NOISE * np.random.default_rng(seed).normal(size=len(answers))
        return Reply(str(int(scores.argmax()) + 1), 0, 0)


def _answers(asked: str) -> list[str]:
    """Return the answers of a prompt, in the order shown."""
    # A heading of that form inside an answer is no border: numbers go up by one from border to border.
    found, start, number = [], 0, 1
    while (at := asked.find(f"### Answer {number}\n", start)) >= 0:
        found.append(at)
        start, number = at + 1, number + 1
    end = asked.rfind("\n\nWhich answer do you like best?")
    borders = [*found, end]
    texts = [asked[low:high].partition("\n")[2] for low, high in zip(borders, borders[1:], strict=False)]
    # What stands before the next answer are earlier rounds of its conversation, and no part of this one.
    return [text.partition("\n\n[Earlier, asked: ")[0].strip("\n") for text in texts]
