"""Check that freed memory is kept where the C library can, and that nothing fails where it cannot."""

import ctypes

from gmt.training import allocator
from gmt.training.allocator import LARGEST, keep_freed_memory


class Library:
    def __init__(self, answer=1):
        self.asked, self.answer = [], answer

    def mallopt(self, parameter, value):
        self.asked.append((parameter, value))
        return self.answer


def test_all_settings_are_asked_for_and_a_refusal_is_told(monkeypatch):
    monkeypatch.setattr("sys.platform", "linux")
    for answer in (1, 0):
        library = Library(answer)
        monkeypatch.setattr(ctypes, "CDLL", lambda name, library=library: library)
        assert keep_freed_memory() == bool(answer)
        assert [parameter for parameter, _ in library.asked] == [-3, -1, -2]
    assert (allocator.M_MMAP_THRESHOLD, LARGEST) in library.asked


def test_other_systems_and_c_libraries_go_on_as_they_are(monkeypatch):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert not keep_freed_memory()
    monkeypatch.setattr("sys.platform", "darwin")
    monkeypatch.setattr(ctypes, "CDLL", None)
    assert not keep_freed_memory()
