import json

import numpy as np

from gmt.studies import follow_ups

CLOSED = ["posterior.network=false", "traits.enabled=false"]


def test_the_study_writes_what_reading_pays_and_what_staying_costs(tmp_path):
    follow_ups.main(["--out", str(tmp_path), "--seeds", "0", "--users", "8", "--set", *CLOSED])
    found = json.loads((tmp_path / "follow-ups.json").read_text())
    names = {name + more for name in follow_ups.VARIANTS for more in ("", follow_ups.REVEALED)}
    for part in ("all", "later", "follow-ups"):
        assert set(found[part]["routers"]) == names
    assert all(-1 <= value <= 1 for several in found["agreement"].values() for value in several)
    kept = {float(weight): one[0] for weight, one in found["staying"].items()}
    changes = [kept[weight][0] for weight in follow_ups.WEIGHTS]
    # The dearer a switch, the fewer there are; whoever pays much for one makes none.
    assert changes[0] >= changes[-1] == 0 and kept[1.0][1] == 1
    assert all(0 < one[2] < 1 for one in kept.values()) and np.isfinite(changes).all()
    text = (tmp_path / "follow-ups.md").read_text()
    assert "conversation read, ratings shown" in text and "changes in 20 rounds" in text


def test_what_staying_costs_may_be_left_out(tmp_path):
    follow_ups.main(["--out", str(tmp_path), "--seeds", "0", "--users", "6", "--no-staying", "--set", *CLOSED])
    assert json.loads((tmp_path / "follow-ups.json").read_text())["staying"] == {}
    assert "changes in 20 rounds" not in (tmp_path / "follow-ups.md").read_text()
