"""Write planted users' rounds as JSON lines, some thousand users at a time, with their truth beside them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from data_prep.simulate.planted import PlantedSettings, Rounds, draw_rounds, draw_world
from data_prep.simulate.planted_table import answer_costs, conversation_name, follow_up_id
from data_prep.simulate.planted_texts import FOLLOW_UPS, compose_answer, remarks
from data_prep.simulate.rows_out import SIBLINGS
from data_prep.simulate.truth_files import truth_paths
from data_prep.simulate.world import World, user_name
from gmt.files import replace_file, write_json
from gmt.files_together import together


def write_planted(
    settings: PlantedSettings, out: Path, progress: Callable[[int], object] | None = None
) -> dict[str, Any]:
    """Write the rows, `<stem>.models.json`, `<stem>.truth.json` and `<stem>.truth.npz`.

    Args:
        settings: Who the users are.
        out: The JSON-lines file.
        progress: Called with how many users were just written.

    Returns:
        Counts and the paths written.
    """
    writer = _RowWriter(draw_world(settings), settings, progress)
    models = out.with_name(f"{out.stem}.models.json")
    with together(out, [f"{out.stem}.{name}" for name in SIBLINGS]) as part:
        replace_file(part, writer.write)
        writer.world.save(part)
        write_json(part.with_name(models.name), {name: info.to_json() for name, info in writer.world.models.items()})
    return {
        "out": str(out),
        "models": str(models),
        "truth": [str(path) for path in truth_paths(out)],
        "users": settings.users,
        "comparisons": writer.count,
    }


class _RowWriter:
    """Turn rounds into lines, with everything that repeats made JSON once."""

    def __init__(
        self, world: World, settings: PlantedSettings, progress: Callable[[int], object] | None = None
    ) -> None:
        self.world, self.settings, self.progress = world, settings, progress
        self.count = 0
        # Millions of rows repeat some hundred texts; escaping these row by row would take most of the time.
        self.queries = [json.dumps(text, ensure_ascii=False) for text in world.questions]
        self.questions = [
            f'"question": "{name}", "task": "{world.topics[topic]}", "query": {query}'
            for name, topic, query in zip(world.question_ids, world.question_topic, self.queries, strict=True)
        ]
        self.models = list(world.models)
        self.remarks = [json.dumps(text, ensure_ascii=False) for text in remarks(settings.rank)]
        self.costs = answer_costs(world)
        self.answers: dict[tuple[int, int], str] = {}

    def write(self, path: Path) -> None:
        """Write all rows and count their comparisons."""
        with path.open("w", encoding="utf-8") as file:
            for rounds in draw_rounds(self.world, self.settings):
                file.writelines(self.lines(rounds, self.count))
                self.count += len(rounds.user)
                if self.progress is not None:
                    self.progress(len(rounds.user) // self.settings.votes)

    def lines(self, rounds: Rounds, first: int) -> Iterator[str]:
        """Yield the lines of rounds: one for a vote, one a candidate otherwise."""
        columns = (rounds.user, rounds.conversation, rounds.turn, rounds.question, rounds.time, rounds.is_vote)
        columns = (*columns, rounds.follow_up)
        # Lists, for reading single cells of arrays costs many times more than reading Python numbers.
        lists = [column.tolist() for column in (*columns, rounds.shown, rounds.rating, rounds.remark)]
        for place, (user, talk, turn, question, time, is_vote, follow_up, shown, rating, remark) in enumerate(
            zip(*lists, strict=True)
        ):
            # Names are our own letters and digits, so they stand between quotes as they are; `repr` of a float is the
            # shortest text that reads back as the same float.
            name, asked = conversation_name(user, talk), self.questions[question]
            if follow_up >= 0:
                known = follow_up_id(self.world.question_ids[question], name, turn)
                asked = f'"question": "{known}", "query": {json.dumps(FOLLOW_UPS[follow_up])}'
            head = (
                f'{{"user": "{user_name(user)}", "conversation": "{name}", "turn": {turn}, {asked}, '
                f'"timestamp": {time!r}'
            )
            if is_vote:
                yield head + self._vote(question, shown, rating)
                continue
            for model, value, note in zip(shown, rating, remark, strict=True):
                if model >= 0:
                    yield f'{head}, "comparison": {first + place}' + self._answer(question, model, value, note)

    def _vote(self, question: int, shown: list[int], rating: list[float]) -> str:
        a, b = shown[:2]
        # A vote's ratings are exactly 0, ½ or 1, so comparing floats is safe.
        winner = "tie" if rating[0] == rating[1] else "model_a" if rating[0] > rating[1] else "model_b"
        more = ""
        if self.settings.mix_cost:
            more += f', "cost_a": {float(self.costs[question, a])!r}, "cost_b": {float(self.costs[question, b])!r}'
        if self.settings.responses:
            more += f', "response_a": {self._text(question, a)}, "response_b": {self._text(question, b)}'
        return f', "model_a": "{self.models[a]}", "model_b": "{self.models[b]}", "winner": "{winner}"{more}}}\n'

    def _answer(self, question: int, model: int, rating: float, remark: int) -> str:
        more = f', "rating": {"null" if np.isnan(rating) else repr(rating)}'
        if remark >= 0:
            more += f', "feedback": {self.remarks[remark]}'
        if self.settings.mix_cost:
            more += f', "cost": {float(self.costs[question, model])!r}'
        if self.settings.responses:
            more += f', "response": {self._text(question, model)}'
        return f', "model": "{self.models[model]}"{more}}}\n'

    def _text(self, question: int, model: int) -> str:
        # Users meet the same answers again and again; composing one costs more than the rest of its row.
        found = self.answers.get((question, model))
        if found is None:
            text = compose_answer(self.world.questions[question], self.world.traits[model])
            found = self.answers[question, model] = json.dumps(text, ensure_ascii=False)
        return found
