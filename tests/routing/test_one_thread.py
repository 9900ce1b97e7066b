"""Check that linear algebra has one thread inside a block, whenever its library was loaded."""

import subprocess
import sys

from threadpoolctl import threadpool_info, threadpool_limits

from gmt.routing.one_thread import one_thread


def threads():
    return [library["num_threads"] for library in threadpool_info()]


def test_every_library_has_one_thread_inside_and_as_many_as_before_after():
    import sklearn.ensemble  # noqa: F401, brings OpenMP along

    with threadpool_limits(2):
        before = threads()
        for _ in range(2):
            with one_thread():
                assert threads() and set(threads()) == {1}
            assert threads() == before and 2 in before


def test_a_library_that_was_loaded_since_has_one_too():
    code = """
from gmt.routing.one_thread import one_thread
import numpy
from threadpoolctl import threadpool_info, threadpool_limits
with one_thread():
    few = len(threadpool_info())
import sklearn.ensemble
threadpool_limits(2)
with one_thread():
    assert len(threadpool_info()) > few
    assert {library["num_threads"] for library in threadpool_info()} == {1}
"""
    subprocess.run([sys.executable, "-c", code], check=True)
