import csv
import json

import pytest

from data_prep.prepare import prepare
from gmt.data.dataset import Dataset
from gmt.errors import DataError
from gmt.studies import real_votes


def test_llmfao_is_read_with_its_answers_and_tasks(tmp_path):
    home = tmp_path / "llmfao"
    home.mkdir()
    with (home / "crowd-comparisons.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["worker", "prompt", "left", "right", "winner"])
        rows.writerows([[f"w{n % 4}", n % 5, "a", "b", ("left", "right", "tie")[n % 3]] for n in range(40)])
    prompts = [{"id": n, "text": f"question {n}", "type": "math" if n % 2 else "talk"} for n in range(5)]
    results = [{"prompt": n, "name": name, "result": f"{name} says {n}"} for n in range(5) for name in "ab"]
    for name, lines in (("prompts", prompts), ("results", results)):
        (home / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    prepare(real_votes.prep_options("llmfao", tmp_path, tmp_path / "out", "seen", 0, "hash:32"))
    table = Dataset.load(tmp_path / "out").table
    assert (len(table), len(table.users), set(table.models)) == (40, 4, {"a", "b"})
    assert set(table.tasks) == {"math", "talk"} and "a says 3" in table.texts and "question 3" in table.texts
    first = {table.ratings[at].tolist()[0] for at in range(40)}
    assert first == {0.0, 0.5, 1.0}


def test_the_folder_of_votes_must_be_named(monkeypatch):
    monkeypatch.delenv("GMT_REAL_DATA", raising=False)
    with pytest.raises(DataError, match="GMT_REAL_DATA is not set"):
        real_votes.main([])
