"""Check that every study can be found, and says what it is without being run."""

import subprocess
import sys
from pathlib import Path

import pytest

from gmt.errors import DataError
from gmt.studies.__main__ import STUDIES
from gmt.studies.entry import run_study

ROOT = Path(__file__).resolve().parents[2]


def test_every_module_that_can_be_run_is_listed():
    folder = ROOT / "gmt" / "studies"
    runnable = {path.stem for path in folder.glob("*.py") if "run_study(main)" in path.read_text("utf-8")}
    assert runnable == set(STUDIES)
    done = subprocess.run(
        [sys.executable, "-m", "gmt.studies"], capture_output=True, text=True, cwd=ROOT, check=True
    ).stdout
    lines = [line for line in done.splitlines() if line.startswith("  ")]
    assert [line.split()[0] for line in lines] == list(STUDIES) and all(line.endswith(".") for line in lines)


def test_a_users_mistake_is_one_line(capsys):
    def study():
        raise DataError("found, wanted, repair")

    with pytest.raises(SystemExit) as stop:
        run_study(study)
    assert stop.value.code == 2 and capsys.readouterr().err == "found, wanted, repair\n"
