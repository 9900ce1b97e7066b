"""Check that every fault kept for `make mutants` still stands where it says, and names tests that exist."""

import pytest

from tests.mutants.__main__ import ROOT, mutants, mutated

FAULTS = mutants()


@pytest.mark.parametrize("mutant", [pytest.param(one, id=one.name) for one in FAULTS])
def test_a_fault_can_be_applied_and_its_tests_exist(mutant):
    assert mutated(mutant) != (ROOT / mutant.file).read_text("utf-8")
    for test in mutant.killed_by:
        path, _, name = test.partition("::")
        text = (ROOT / path).read_text("utf-8")
        assert not name or f"def {name.partition('[')[0].rpartition('::')[2]}(" in text, f"there is no test {test}"


def test_there_are_enough_faults_and_a_third_is_fast():
    assert len(FAULTS) >= 25 and len({one.name for one in FAULTS}) == len(FAULTS)
    assert sum(one.fast for one in FAULTS) >= len(FAULTS) / 3
