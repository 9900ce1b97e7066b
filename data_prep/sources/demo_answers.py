"""Write the demo's questions and every model's answer to each, in the manner of that model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from data_prep.sources.demo_characters import CHARACTERS
from data_prep.sources.demo_texts import ROUNDS, TASKS, Task


@dataclass(frozen=True)
class Ask:
    """Hold one round of the question pool: its wording and every model's answer."""

    question: str
    task: str
    query: str
    answers: dict[str, str]


@lru_cache(maxsize=1)
def question_pool() -> tuple[tuple[Ask, ...], ...]:
    """Return the questions, each with its opening and the rounds that may follow, and every model's answers."""
    pool = []
    for name, task in TASKS.items():
        for number, slots in enumerate(task.slots):
            rounds = []
            for turn in range(ROUNDS[number]):
                asks = task.rounds[turn].asks
                answers = {model: _answer(model, name, task, number, turn) for model in CHARACTERS}
                query = asks[number % len(asks)].format(**slots)
                rounds.append(Ask(f"{name}-{number + 1}", name, query, answers))
            pool.append(tuple(rounds))
    return tuple(pool)


def _answer(model: str, name: str, task: Task, number: int, turn: int) -> str:
    """Write one answer in the manner of a model: its traits decide how much it says, and in which shape."""
    character, slots, content = CHARACTERS[model], task.slots[number], task.rounds[turn]
    length, lists, _, humour, code = character.traits
    # How talkative a model is decides how many of the points it makes, and whether it gives reasons.
    count = 4 if length > 0.3 else 3 if length > -0.3 else 2 if length > -0.6 else 1
    points = [point.format(**slots) for point in content.points[:count]]
    points = [point[0].upper() + point[1:] if turn or name != "coding" else point for point in points]
    if length > 0.3:
        points = [f"{point} {reason}" for point, reason in zip(points, content.reasons, strict=False)]
    # The weakest model fails on a third of the questions, so that its quality shows in its texts.
    if model == "pocket-1b" and number % 3 == 2:
        points = ["I am not sure about this one."]
    if humour > 0.5:
        points[-1] += " Easy peasy!" if number % 2 else " Who knew it could be this much fun?"
    if lists > 0.9:
        body = "\n".join(f"- {point}" for point in points)
    elif lists > 0.5:
        body = "\n".join(f"{i}. {point}" for i, point in enumerate(points, start=1))
    else:
        body = " ".join(points)
    shown = code > 0.05 and task.snippets and turn == 0
    snippet = f"```python\n{task.snippets[number]}\n```" if shown else ""
    # Who puts code first does so even before the greeting.
    parts = [snippet, character.opening, body, character.closing] if code > 0.9 else []
    parts = parts or [character.opening, body, snippet, character.closing]
    return "\n\n".join(part for part in parts if part)
