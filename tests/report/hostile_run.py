"""Make a small run whose texts and names try to break out of a page."""

import json

from tests.trained import TINY, must, settings

BREAKS = "</script></style></svg></title><script>window.boom = 1</script><img src=x onerror='window.boom = 2'>"
TEMPLATE = "{{ 7 * 7 }} {% raw %} ${7*7} &lt;b&gt; ]]> <!-- -->"
MIRROR = "שלום \u202egpj.exe\u202c مرحبا"
EMOJI = "👩🏽\u200d🚀 café 東京 ﷽"
LONG = "w" * 500
NAMES = (
    BREAKS[:90],
    '" onmouseover="window.boom = 3" x="',
    MIRROR,
    EMOJI,
    LONG[:200],
    "a\nb\x07c",
    "plain",
    "two  blanks",
)
QUERIES = (BREAKS, TEMPLATE, MIRROR, EMOJI, LONG, "plain question", "line one\nline two\x1b[31m", "What next?")
MODELS = ("<b>bold</b>", "m&m", "модель", "plain-1b")


def hostile_rows():
    """Return rows in the jsonl form: every user judges every query, two models each time."""
    for at, user in enumerate(NAMES):
        for n in range(24):
            left, right = MODELS[n % 4], MODELS[(n + 1 + at % 3) % 4]
            if left == right:
                continue
            query = QUERIES[n % len(QUERIES)] + f" ({n})"
            for model in (left, right):
                yield {
                    "user": user.replace("\n", " ").replace("\x07", " ").strip(),
                    "conversation": f"{at}-{n}",
                    "comparison": f"{at}-{n}",
                    "query": query,
                    "model": model,
                    "response": f"{BREAKS} said {model}",
                    "rating": float((MODELS.index(model) + at) % 4 > 1) if n % 5 else 1.0 * (model == left),
                    "feedback": TEMPLATE if n % 3 == 0 else None,
                }


def make_hostile_run(folder, *, train=(), measure=True):
    """Prepare, train and measure; return the run."""
    rows = folder / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in hostile_rows()), "utf-8")
    data, run = folder / "data", folder / "runs" / "<i>run & co"
    must(["prep", "jsonl", str(rows), "--encoder", "hash:16", "--out", str(data), "--quiet"])
    return train_hostile_run(data, run, train=train, measure=measure)


def train_hostile_run(data, run, *, train=(), measure=True, seed=0):
    """Train and measure; return the run."""
    given = settings([*TINY, "posterior.network=false", *train])
    must(["train", str(data), "--run", str(run), "--seed", str(seed), "--quiet", *given])
    if measure:
        must(["eval", "--run", str(run), "--baselines", "bradley_terry", "--seed", str(seed), "--quiet"])
    return run
