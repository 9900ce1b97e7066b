"""Check the study of what answer features add."""

import pytest

from gmt.errors import DataError
from gmt.studies.answer_rivals import PAIRS, tabulated


def test_every_pair_is_measured_and_its_difference_stands_beneath(demo_data):
    lines = tabulated([demo_data]).splitlines()
    for without, reading in PAIRS.items():
        at = next(number for number, line in enumerate(lines) if line.startswith(f"| `{without}` |"))
        assert lines[at + 1].startswith(f"| `{reading}` |") and f"… less `{without}`" in lines[at + 2]
    assert not any("–" in line for line in lines)


def test_no_folder_is_refused():
    with pytest.raises(DataError, match="no data folder"):
        tabulated([])
