"""Check that finished steps are kept, that a kill costs one step, and that a part that fails stops no other."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gmt.errors import RunError
from gmt.files import locked
from gmt.reproduce.part_steps import Plan
from gmt.reproduce.run_parts import finished_result
from tests.reproduce.parts import STEPS, Commands, run, write_part

ROOT = Path(__file__).resolve().parents[2]


def test_a_finished_part_is_not_run_again(tmp_path):
    part, commands = write_part(tmp_path / "parts", "small"), Commands()
    first = run([part], tmp_path / "out", commands)["small"]
    assert commands.names() == ["draw", "draw", "join"] and first.status == "done"
    assert first.numbers["AUC"]["ours"] == {"value": 0.4, "low": 0.1, "high": 0.9}
    again = run([part], tmp_path / "out", commands)["small"]
    assert commands.names() == [] and again.status == "kept" and again.numbers == first.numbers


def test_a_seed_more_runs_that_seed_and_what_joins_them(tmp_path):
    part, commands = write_part(tmp_path / "parts", "small"), Commands()
    run([part], tmp_path / "out", commands)
    commands.calls = []
    run([part], tmp_path / "out", commands, seeds=(0, 1, 2))
    assert [words[words.index("--seed") + 1] for words in commands.calls if "--seed" in words] == ["2"]
    assert commands.names() == ["draw", "join"]
    assert finished_result(part, Plan(tmp_path / "out"))["seeds"] == [0, 1, 2]


@pytest.mark.parametrize("change", ["size", "later step", "file gone"])
def test_what_changed_is_run_again(change, tmp_path):
    folder, commands = tmp_path / "parts", Commands()
    part = write_part(folder, "small")
    run([part], tmp_path / "out", commands)
    commands.calls = []
    if change == "size":
        part, wanted = write_part(folder, "small", STEPS.replace('"20"', '"30"')), ["draw", "draw", "join"]
    elif change == "later step":
        part, wanted = write_part(folder, "small", STEPS.replace("{work}/joined", "{work}/./joined")), ["join"]
    else:
        (tmp_path / "out/full/small/rows-1.json").unlink()
        wanted = ["draw"]
    run([part], tmp_path / "out", commands)
    # A row that was lost is drawn again as it was, so what was made of it still holds.
    assert commands.names() == wanted


STUDY = """
import sys
from pathlib import Path

def main(arguments):
    out, style, seeds = Path(arguments[1]), arguments[3], arguments[5:]
    for seed in seeds:
        path = out / "runs" / f"{seed}.txt"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(style)
            print("made", seed)
        if seed == "13":
            sys.exit(3)
    texts = [(out / "runs" / f"{seed}.txt").read_text() for seed in seeds]
    (out / "joined.json").write_text('{"all": %d}' % len([text for text in texts if text == style]))
"""


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Put a study beside the others that keeps what it finds in its folder."""
    import types

    module = types.ModuleType("gmt.studies.keeping")
    exec(STUDY, module.__dict__)
    monkeypatch.setitem(sys.modules, "gmt.studies.keeping", module)
    step = "  - python -m gmt.studies.keeping --out {work} --style STYLE --seeds {seeds}\n"
    text = STEPS[: STEPS.index("  - gmt draw")] + step + "numbers: [{name: n, file: joined.json, ours: all}]\n"
    return lambda style: write_part(tmp_path / "parts", "study", text.replace("STYLE", style))


def made(out, style, study, **more):
    """Run the study; return which seeds it made, and how many of its texts are of this style."""
    log = out / "full/study/logs/step-1.log"
    before = log.read_text().count("made") if log.is_file() else 0
    found = run([study(style)], out, Commands(), **more)["study"]
    texts = [line.split()[1] for line in log.read_text().splitlines() if line.startswith("made")][before:]
    return texts, found.numbers["n"]["ours"]["value"] if found.numbers else found.status


def test_a_study_goes_on_from_its_own_work_and_never_from_that_of_other_settings(study, tmp_path):
    out = tmp_path / "out"
    assert made(out, "plain", study) == (["0", "1"], 2)
    assert made(out, "plain", study) == ([], 2)
    assert made(out, "plain", study, seeds=(0, 1, 2)) == (["2"], 3)
    assert made(out, "fancy", study) == (["0", "1"], 2)
    # Also where the attempt before was cut short, with these settings or with others.
    assert made(out, "fancy", study, seeds=(0, 1, 5, 13)) == (["5", "13"], "failed")
    assert made(out, "fancy", study, seeds=(0, 1, 5)) == ([], 3)
    assert made(out, "fancy", study, seeds=(7, 13)) == (["7"], "failed")
    assert made(out, "plain", study, seeds=(0, 7)) == (["0", "7"], 2)


def test_what_a_judge_was_paid_for_outlives_a_change_of_settings(study, tmp_path):
    made(tmp_path / "out", "plain", study)
    work = tmp_path / "out/full/study/runs"
    (work / "0.ledger.jsonl").write_text("paid")
    part = study("plain")
    (work / "0.txt").unlink()
    run([part], tmp_path / "out", Commands())
    assert made(tmp_path / "out", "fancy", study) == (["0", "1"], 2)
    assert (work / "0.ledger.jsonl").read_text() == "paid"


def test_data_that_changed_are_read_again(tmp_path):
    real, commands = tmp_path / "real", Commands()
    real.mkdir()
    (real / "votes.csv").write_text("a")
    text = STEPS.replace("steps:", "needs: {files: [votes.csv], get: From somewhere.}\nsteps:")
    part = write_part(tmp_path / "parts", "small", text)
    lacking = run([part], tmp_path / "out", commands)["small"]
    assert lacking.status == "missing" and "GMT_REAL_DATA is not set" in lacking.reason
    assert "From somewhere." in lacking.reason
    other = run([part], tmp_path / "out", commands, data=tmp_path)["small"]
    assert other.status == "missing" and "lacks votes.csv. From somewhere." in other.reason
    assert commands.names() == []
    run([part], tmp_path / "out", commands, data=real)
    assert len(commands.names()) == 3
    (real / "votes.csv").write_text("b")
    run([part], tmp_path / "out", commands, data=real)
    assert len(commands.names()) == 3


def test_a_part_that_fails_stops_no_other_and_goes_on_later(tmp_path):
    folder, commands = tmp_path / "parts", Commands()
    bad = write_part(folder, "bad", STEPS.replace("  - gmt join", "  - gmt fail"))
    good = write_part(folder, "good")
    never = write_part(
        folder, "never", "group: g\npaper: B\nplace: p\nanswers: A question.\nimpossible: Nobody has the data.\n"
    )
    found = run([bad, never, good], tmp_path / "out", commands)
    assert found["bad"].status == "failed" and "step 2: found, wanted, repair" in found["bad"].reason
    assert found["good"].status == "done" and found["never"].reason == "Nobody has the data."
    assert finished_result(bad, Plan(tmp_path / "out")) is None
    # Mended, it goes on with the step that failed.
    commands.calls = []
    mended = write_part(folder, "bad")
    assert run([mended], tmp_path / "out", commands)["bad"].status == "done" and commands.names() == ["join"]


def test_a_result_that_no_longer_holds_is_gone(tmp_path):
    part, commands = write_part(tmp_path / "parts", "small"), Commands()
    run([part], tmp_path / "out", commands)
    commands.broken = True
    changed = write_part(tmp_path / "parts", "small", STEPS.replace('"20"', '"30"'))
    assert run([changed], tmp_path / "out", commands)["small"].status == "failed"
    assert finished_result(changed, Plan(tmp_path / "out")) is None


def test_a_fault_of_ours_is_kept_whole_in_the_log(tmp_path):
    part = write_part(tmp_path / "parts", "small")

    def faulty(words):
        print("half way")
        raise ZeroDivisionError("a fault")

    found = run([part], tmp_path / "out", faulty)["small"]
    assert found.status == "failed" and "ZeroDivisionError: a fault; see" in found.reason
    log = (tmp_path / "out/full/small/logs/step-1-seed-0.log").read_text()
    assert "$ gmt draw 20 --seed 0" in log and "half way" in log and "Traceback" in log


def test_a_result_that_lacks_the_number_is_a_failure(tmp_path):
    text = STEPS.replace("ours: routers/gmt/auc", "ours: routers/gmt/nothing")
    part = write_part(tmp_path / "parts", "small", text)
    found = run([part], tmp_path / "out", Commands())["small"]
    assert found.status == "failed" and "the results hold no routers/gmt/nothing" in found.reason


def test_quick_and_full_numbers_never_meet(tmp_path):
    part, commands = write_part(tmp_path / "parts", "small"), Commands()
    quick = run([part], tmp_path / "out", commands, quick=True)["small"]
    assert [words[1] for words in commands.calls if words[0] == "draw"] == ["4"]  # the small size, one seed
    assert quick.numbers["AUC"]["ours"]["value"] == 0.04
    assert finished_result(part, Plan(tmp_path / "out")) is None
    # Not even where somebody moves the folder.
    (tmp_path / "out/quick").rename(tmp_path / "out/full")
    assert finished_result(part, Plan(tmp_path / "out")) is None


def test_two_engines_do_not_share_a_folder(tmp_path):
    part = write_part(tmp_path / "parts", "small")
    with locked(tmp_path / "out/full"), pytest.raises(RunError, match="another gmt reproduce works in"):
        run([part], tmp_path / "out", Commands())


KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.reproduce.parts import Commands, run, write_part
out, parts = Path(sys.argv[1]), Path(sys.argv[2])
class Slow(Commands):
    def __call__(self, words):
        if words[0] == "join":
            (out / "full/small/half.json").write_text("half of it")
            print("joining", file=sys.__stdout__, flush=True)
            time.sleep(60)
        super().__call__(words)
run([write_part(parts, "small")], out, Slow())
"""


def test_a_kill_costs_the_step_that_it_met(tmp_path):
    words = [sys.executable, "-c", KILLED.format(root=str(ROOT)), str(tmp_path / "out"), str(tmp_path / "parts")]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None and process.stdout.readline() == "joining\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    work, commands = tmp_path / "out/full/small", Commands()
    assert (work / "half.json").is_file()
    found = run([write_part(tmp_path / "parts", "small")], tmp_path / "out", commands)["small"]
    assert found.status == "done" and commands.names() == ["join"]
    # What the killed step left is gone, and no receipt claims it.
    assert not (work / "half.json").exists()
    receipt = json.loads((work / "receipts/step-2.json").read_text())
    assert receipt["files"] == ["joined.json"] and receipt["command"].startswith("gmt join")
    assert receipt["seconds"] >= 0 and time.strptime(receipt["finished"], "%Y-%m-%dT%H:%M:%SZ")


def test_a_receipt_cut_short_counts_for_nothing(tmp_path):
    part, commands = write_part(tmp_path / "parts", "small"), Commands()
    run([part], tmp_path / "out", commands)
    commands.calls = []
    (tmp_path / "out/full/small/receipts/step-1-seed-0.json").write_text('{"digest": "')
    run([part], tmp_path / "out", commands)
    assert commands.names() == ["draw"]
