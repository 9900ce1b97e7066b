"""Do a piece of work in two processes that share a training; they are forks, which have torch loaded already."""

import multiprocessing
import os
import socket

from tests.crashes import LEARNS_IN_FORKS

SECONDS = 600  # a guard against a process that waits for ever, not a measure of speed
__all__ = ["LEARNS_IN_FORKS", "in_two_processes"]


def in_two_processes(work, *arguments):
    """Call `work` with arguments in two processes that know of each other as those that torchrun starts.

    tests/test_documented_commands.py starts torchrun itself.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    fork = multiprocessing.get_context("fork")
    running = [fork.Process(target=_one_of_two, args=(rank, port, work, arguments)) for rank in (0, 1)]
    for process in running:
        process.start()
    for process in running:
        process.join(SECONDS)
    codes = [process.exitcode for process in running]
    for process in running:
        process.kill()
    assert codes == [0, 0], "what went wrong stands in the captured output"


def _one_of_two(rank, port, work, arguments):
    from accelerate.state import AcceleratorState
    from torch import distributed

    # What torchrun would say; a training of the process that was forked is forgotten.
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "ACCELERATE_USE_CPU": "true"}
    AcceleratorState._reset_state(reset_partial_state=True)
    work(*arguments)
    assert distributed.get_world_size() == 2
    # Neither may leave while the other still speaks to it.
    distributed.barrier()
    distributed.destroy_process_group()
