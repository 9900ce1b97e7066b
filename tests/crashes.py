"""Kill a piece of work before each of its writes: trace what Python changes on the disk, die at the n-th."""

import os
import random
import sys

import pytest
import torch

CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
DIED, DONE, FAILED = 77, 0, 78
LEARNS_IN_FORKS = pytest.mark.skipif(
    torch.cuda.is_available(), reason="a fork cannot use the GPU of its parent; run this with CUDA_VISIBLE_DEVICES="
)


def share():
    """Return the share of a soak that `GMT_SOAK_SHARE` names, all by default."""
    return min(float(os.environ.get("GMT_SOAK_SHARE", "1")), 1.0)


def count_of(most):
    """Return the share of a count."""
    return max(round(share() * most), 1)


def share_of(points, seed="share"):
    """Return the share of points, drawn with a fixed seed, in order."""
    points = list(points)
    if share() == 1:
        return points
    return [points[at] for at in sorted(random.Random(seed).sample(range(len(points)), count_of(len(points))))]


def is_change(event, args):
    """Tell whether an audit event changes the disk; opening for writing counts."""
    return event in CHANGES or (event == "open" and isinstance(args[2], int) and bool(args[2] & WRITING))


def die_before(change, work):
    """Do some work in a process of its own that dies, as by kill -9, before its n-th change; say how it ended.

    Args:
        change: n, from 0; where the work makes fewer changes, it finishes.
        work: Called without arguments.

    Returns:
        DIED, DONE, or FAILED where the work raised.
    """
    return _apart(change, work, lambda: os._exit(DIED))


def fail_at(change, work, error):
    """Do some work in a process of its own in which only the n-th change raises an error; say how it ended."""

    def fail():
        raise error

    return _apart(change, work, fail)


def count_changes(work):
    """Do some work in a process of its own and count its changes of the disk."""
    reader, writer = os.pipe()
    assert _apart(None, work, None, lambda seen: os.write(writer, str(seen).encode())) == DONE
    os.close(writer)
    with os.fdopen(reader) as pipe:
        return int(pipe.read())


def _apart(change, work, act, tell=None):
    child = os.fork()
    if child == 0:
        seen = 0

        def watch(event, args):
            nonlocal seen
            if is_change(event, args):
                seen += 1
                if change is not None and seen == change + 1:
                    act()

        try:
            sys.addaudithook(watch)
            work()
            if tell is not None:
                tell(seen)
        except BaseException:
            os._exit(FAILED)
        os._exit(DONE)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
