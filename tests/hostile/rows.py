"""Give every reader rows and files that no honest source writes."""

import copy
import csv
import io
import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.hostile.attempt import Case

NESTED = "<nested>"
VALUES: list[Any] = [
    None,
    True,
    0,
    -1,
    2**31,
    10**18,
    10**308,
    10**400,
    1e308,
    float("nan"),
    float("inf"),
    -0.0,
    "",
    " ",
    "x" * 10_000,
    "\x1b[31m",
    "a\nb",
    "\ud800",
    "\u202e",
    "[/INST]",
    ":rocket:",
    "left",
    "A",
    "model_b",
    "²",
    "9" * 5000,
    "NaN",
    "20240501",
    "9999-12-31",
    [],
    {},
    [1, [2, [3]]],
    {"type": "text"},
    [{"type": "text", "text": "hi"}],
    NESTED,
    "\x00",
    "ana/../../x",
    "😀" * 100,
    ["m1", "m2"],
    b"u0".hex(),
]
"""What is put in the place of a value."""


def _chat(*contents: str) -> list[dict[str, Any]]:
    return [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(contents)]


GOOD_ROWS = [
    {
        "user": f"u{n % 3}",
        "query": f"question {n}",
        "conversation": f"c{n // 2}",
        "turn": n % 2,
        "model_a": "m1",
        "model_b": "m2",
        "winner": ("model_a", "model_b", "tie")[n % 3],
        "response_a": f"a{n}",
        "response_b": f"b{n}",
        "timestamp": 1.7e9 + n,
    }
    for n in range(16)
]
VOTES = [
    {"who": f"u{n % 3}", "q": f"question {n}", "w": ("left", "right", "tie")[n % 3], "l": "m1", "r": "m2"}
    for n in range(12)
]
RATED = [
    {"user": f"u{n % 3}", "query": f"q{n}", "model": f"m{n % 2}", "rating": n % 5 / 4, "comparison": n // 2}
    for n in range(12)
]
BATTLES = [
    {
        "question_id": f"x{n}",
        "model_a": "m1",
        "model_b": "m2",
        "winner": "model_b",
        "judge": f"arena_{n % 3}",
        "conversation_a": _chat("q1", "a1"),
        "conversation_b": _chat("q1", "b1"),
        "turn": 1,
        "language": "English",
        "tstamp": 1.68e9 + n,
    }
    for n in range(12)
]
JUDGED = [
    {
        "judge": f"j{n % 3}",
        "model_a": "m1",
        "model_b": "m2",
        "question_id": 81,
        "turn": n % 2 + 1,
        "winner": "model_a",
        "conversation_a": _chat("q1", "a1", "q2", "a2"),
        "conversation_b": _chat("q1", "b1", "q2", "b2"),
    }
    for n in range(12)
]
RELEASED = [
    {
        "judge": f"j{n % 3}",
        "model": f"m{n % 2}",
        "question_id": n // 2,
        "turn": 1,
        "model_emb": [0.5, 0.5 + n % 2],
        "conversation": [{"query": f"q{n // 2}", "query_emb": [1.0, n // 2], "response": f"r{n}", "rating": n % 5}],
    }
    for n in range(12)
]
POOL = {
    "m1": {"description": "one", "input_price": 0.1, "output_price": 0.2},
    "m2": {"description": "two", "input_price": 1, "output_price": 2},
}
CHAT = _chat("hello", "good day")
MADE = ["--encoder", "hash:8", "--out", "made", "--json"]


def text_of(value: Any) -> str:
    """Return JSON, with what cannot be written otherwise: nesting a thousand deep, and halves of pairs."""
    return json.dumps(value).replace(json.dumps(NESTED), "[" * 5000 + "]" * 5000)


def write_rows(path: Path, rows: list[Any]) -> Path:
    """Write JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(text_of(row) + "\n" for row in rows), "utf-8")
    return path


def write_csv(path: Path, rows: list[Any]) -> Path:
    """Write a table with the columns of its first row."""
    file = io.StringIO()
    writer = csv.DictWriter(file, list(VOTES[0]), extrasaction="ignore")
    writer.writeheader()
    writer.writerows([row for row in rows if isinstance(row, dict)])
    path.write_bytes(file.getvalue().encode("utf-8", "surrogatepass"))
    return path


def score_folder(home: Path, scores: Any = None) -> Path:
    """Write a score matrix of 24 questions."""
    queries = [f"question {n}" for n in range(24)]
    write_rows(home / "default_query_train.jsonl", [{"query": q, "task_name": "t"} for q in queries])
    prices = {
        "m1": {"feature": "a", "input_price": 0.1, "output_price": 0.1},
        "m2": {"feature": "b", "input_price": 1, "output_price": 2},
    }
    (home / "default_llm.json").write_text(json.dumps(prices))
    rows = (
        [{"question": q, "scores": {"m1": 0.25, "m2": 1}, "cluster_id": 0} for q in queries]
        if scores is None
        else scores
    )
    (home / "dcrouter_train.json").write_text(text_of(rows))
    return home


def _votes(home: Path, rows: Any) -> list[str]:
    write_csv(home / "v.csv", rows)
    return [
        "prep",
        "votes",
        "v.csv",
        "--user",
        "who",
        "--query",
        "q",
        "--winner",
        "w",
        "--model-a",
        "l",
        "--model-b",
        "r",
        "--labels",
        "left,right,tie",
        *MADE,
    ]


def _jsonl(home: Path, rows: Any) -> list[str]:
    return ["prep", "jsonl", str(write_rows(home / "rows.jsonl", rows).name), *MADE]


def _source(source: str) -> Callable[[Path, Any], list[str]]:
    def make(home: Path, rows: Any) -> list[str]:
        more = ["--rating-scale", "0,4"] if source == "gmtrouter" else []
        return ["prep", source, write_rows(home / "rows.jsonl", rows).name, *more, *MADE]

    return make


def _scores(home: Path, rows: Any) -> list[str]:
    score_folder(home / "scores", rows)
    return ["prep", "scores", "scores", *MADE]


def _pool(home: Path, pool: Any) -> list[str]:
    write_rows(home / "rows.jsonl", GOOD_ROWS)
    (home / "pool.json").write_text(text_of(pool[0]))
    return ["prep", "jsonl", "rows.jsonl", "--models", "pool.json", *MADE]


def _config(home: Path, values: Any) -> list[str]:
    (home / "c.yaml").write_text(text_of(values[0]))
    return ["train", "none", "--config", "c.yaml"]


READERS: dict[str, tuple[Callable[[Path, Any], list[str]], list[Any]]] = {
    "jsonl": (_jsonl, GOOD_ROWS),
    "rated": (_jsonl, RATED),
    "votes": (_votes, VOTES),
    "arena": (_source("arena"), BATTLES),
    "mt-bench": (_source("mt-bench"), JUDGED),
    "gmtrouter": (_source("gmtrouter"), RELEASED),
    "scores": (_scores, [{"question": f"q{n}", "scores": {"m1": 0.25, "m2": 1}, "cluster_id": 0} for n in range(24)]),
    "pool": (_pool, [POOL]),
    "config": (
        _config,
        [{"seed": 1, "model": {"width": 16, "heads": 2, "dropout": 0.1}, "train": {"steps": 3, "lr": 0.1}}],
    ),
}


def row_cases(run: Path) -> Iterator[Case]:
    """Yield, without end, cases in which one value of one row, or the file as such, is hostile."""
    number = 0
    while True:
        for reader, (make, good) in READERS.items():
            yield _row_case(reader, make, good, number)
        yield _asked_case(run, number)
        yield _raw_case(number)
        number += 1


def _row_case(reader: str, make: Callable[[Path, Any], list[str]], good: list[Any], number: int) -> Case:
    rng = random.Random(f"{reader} {number}")
    rows = copy.deepcopy(good)
    what = damage_value(rows, rng)
    drop = ["--drop-bad-rows"] if reader not in ("config",) and rng.random() < 0.5 else []
    return Case(f"rows {reader} {number} {what} {' '.join(drop)}".strip(), lambda home: [*make(home, rows), *drop])


def damage_value(rows: list[Any], rng: random.Random) -> str:
    """Change one value somewhere inside the rows, or several; return what was done."""
    told = []
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        at: Any = rows
        path: list[Any] = []
        # Down to a random depth: the row, a key of it, what lies inside.
        while isinstance(at, (list, dict)) and at and (not path or rng.random() < 0.8 or len(path) < 2):
            key = rng.choice(list(at)) if isinstance(at, dict) else rng.randrange(len(at))
            path.append(key)
            at = at[key]
        if not path:
            break
        holder: Any = rows
        for key in path[:-1]:
            holder = holder[key]
        deed = rng.choice(["set", "set", "set", "drop", "rename", "all"])
        value = rng.choice(VALUES)
        if deed == "drop":
            del holder[path[-1]]
        elif deed == "rename" and isinstance(holder, dict):
            holder[rng.choice([word for word in VALUES if isinstance(word, str)])] = holder.pop(path[-1])
        elif deed == "all" and len(path) == 2:
            for row in rows:
                if isinstance(row, dict):
                    row[path[-1]] = value
        else:
            holder[path[-1]] = value
        told.append(
            f"{deed} {path} {str(value)[:20] if not (isinstance(value, int) and abs(value) > 10**30) else 'huge'!r}"
        )
    return "; ".join(told)


def _asked_case(run: Path, number: int) -> Case:
    """Return a case of a conversation or a history that a trained run is given."""
    rng = random.Random(f"asked {number}")
    history = number % 2 == 1
    rows = copy.deepcopy(
        [{**row, "user": "ana", "model_a": "atlas-90b", "model_b": "telegram-8b"} for row in GOOD_ROWS]
        if history
        else CHAT
    )
    what = damage_value(rows, rng)

    def make(home: Path) -> list[str]:
        shutil.copytree(run, home / "run")
        if history:
            write_rows(home / "h.jsonl", rows)
            return ["adapt", "--user", "ana", "--history", "h.jsonl", "--run", "run", "--json"]
        (home / "c.json").write_text(text_of(rows))
        return ["route", "--user", "ana", "--query", "hi", "--conversation", "c.json", "--run", "run", "--json"]

    return Case(f"rows {'history' if history else 'conversation'} {number} {what}", make)


RAW: dict[str, bytes] = {
    "empty": b"",
    "bom": b"\xef\xbb\xbf",
    "binary": bytes(range(256)) * 20,
    "utf16": '{"user": "a"}'.encode("utf-16"),
    "null": b"null",
    "nested": b"[" * 100_000,
    "objects": b'{"a":' * 5000,
    "twice": b'{"user": "a", "user": "b", "query": "q", "model": "m", "rating": 1}\n',
    "columns": b",".join(b"c%d" % n for n in range(20_000)) + b"\n" + b"," * 19_999 + b"\n",
    "header": b"user,query\n",
    "quote": b'a,b\n"' + b"x" * 10**6,
    "surrogate": b'{"user": "\\ud800", "query": "q", "model_a": "x", "model_b": "y", "winner": "model_a"}\n',
    "nul": b"\x00" * 1000,
    "cr": b"a,b\r1,2\r",
    "parquet": b"PAR1" + b"\x00" * 100 + b"PAR1",
    "long": b'{"user": "' + b"x" * 10**6 + b'"}\n',
    "esc": b"\x1b[2J\x1b[31m\n",
    "bomb": b"a: &a [x,x,x,x,x,x,x,x,x]\n"
    + b"".join(
        b"%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n" % tuple([98 + n] * 2 + [97 + n] * 9) for n in range(9)
    ),
    "keys": b"seed: 1\nseed: 2\n",
    "tag": b"!!python/object/apply:os.system ['touch ../outside']\n",
    "yamldeep": b"[" * 3000,
}
"""Whole files."""
TAKERS: dict[str, list[str]] = {
    "jsonl": ["prep", "jsonl", "f.jsonl", *MADE],
    "votes": [
        "prep",
        "votes",
        "f.csv",
        "--user",
        "a",
        "--query",
        "b",
        "--winner",
        "c",
        "--model-a",
        "d",
        "--model-b",
        "e",
        *MADE,
    ],
    "parquet": [
        "prep",
        "votes",
        "f.parquet",
        "--user",
        "a",
        "--query",
        "b",
        "--winner",
        "c",
        "--model-a",
        "d",
        "--model-b",
        "e",
        *MADE,
    ],
    "arena": ["prep", "arena", "f.jsonl", *MADE],
    "mt-bench": ["prep", "mt-bench", "f.jsonl", *MADE],
    "gmtrouter": ["prep", "gmtrouter", "f.jsonl", *MADE],
    "scores": ["prep", "scores", "f.csv", *MADE],
    "pool": ["prep", "jsonl", "rows.jsonl", "--models", "f.json", *MADE],
    "pool yaml": ["prep", "jsonl", "rows.jsonl", "--models", "f.yaml", *MADE],
    "config": ["train", "none", "--config", "f.yaml"],
    "traits": ["simulate", "traits", "f.jsonl", "--out", "made.jsonl"],
    "personas": [
        "simulate",
        "judge",
        "rows.jsonl",
        "--personas",
        "f.json",
        "--endpoint",
        "http://127.0.0.1:9",
        "--model",
        "m",
        "--dry-run",
        "--out",
        "made.jsonl",
    ],
}


def _raw_case(number: int) -> Case:
    taker = list(TAKERS)[number % len(TAKERS)]
    kind = list(RAW)[number // len(TAKERS) % len(RAW)]

    def make(home: Path) -> list[str]:
        write_rows(home / "rows.jsonl", GOOD_ROWS)
        name = next(word for word in TAKERS[taker] if word.startswith("f."))
        (home / name).write_bytes(RAW[kind])
        return TAKERS[taker]

    return Case(f"rows raw {kind} {taker} {number // len(TAKERS) // len(RAW)}", make)
