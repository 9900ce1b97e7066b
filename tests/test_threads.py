"""Check how many threads a process is told to start, and that what a user set stays."""

import os
import subprocess
import sys

import pytest

from gmt.errors import ConfigError
from gmt.threads import COUNTS, SLEEP, settle_threads, usable_cores


def test_threads_are_as_many_as_usable_cores_and_sleep():
    found = {}
    assert settle_threads(found) == usable_cores()
    assert {found[name] for name in COUNTS} == {str(usable_cores())}
    assert all(found[name] == value for name, value in SLEEP.items())


def test_one_setting_rules_all_libraries():
    found = {"GMT_THREADS": "3", "OMP_NUM_THREADS": "7"}
    assert settle_threads(found) == 3 and {found[name] for name in COUNTS} == {"3"}


def test_what_a_user_set_stays():
    found = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "active"}
    assert settle_threads(found) == 1
    assert found["OMP_NUM_THREADS"] == "1" and found["OMP_WAIT_POLICY"] == "active"


@pytest.mark.parametrize("given", ["0", "-1", "two", "1.5", "²"])
def test_what_is_no_number_of_threads_is_refused(given):
    with pytest.raises(ConfigError, match="GMT_THREADS is .*expected a number of threads"):
        settle_threads({"GMT_THREADS": given})


@pytest.mark.parametrize(
    ("text", "cores"), [("max 100000", None), ("100000 100000", 1), ("10000 100000", 1), ("x", None), ("1 0", None)]
)
def test_a_quota_limits_cores(tmp_path, text, cores):
    (tmp_path / "cpu.max").write_text(text)
    bound = usable_cores(tmp_path / "missing")
    assert usable_cores(tmp_path / "cpu.max") == (bound if cores is None else min(bound, cores))


def test_a_command_settles_them_before_libraries_are_loaded():
    code = (
        "import os, sys\nfrom gmt.cli.main import main\n"
        "try: main(['runs', '--help'])\nexcept SystemExit: pass\n"
        "import torch\nprint(torch.get_num_threads(), os.environ['OMP_WAIT_POLICY'], file=sys.stderr)"
    )
    environment = {name: value for name, value in os.environ.items() if name not in (*COUNTS, *SLEEP)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, check=True, env=environment | {"GMT_THREADS": "1"},
    )  # fmt: skip
    assert done.stderr.split() == ["1", "passive"]
