"""Choose who parses the pieces of an input: this process, several, or Ray."""

from __future__ import annotations

from data_prep.read.parallel import InProcesses, InThisProcess, Mapper


def mapper_of(engine: str, workers: int) -> Mapper:
    """Return who parses.

    Args:
        engine: `local` or `ray`.
        workers: Processes.

    Raises:
        DataError: Ray is not installed or does not answer.
    """
    if engine == "ray":
        from data_prep.read.on_ray import OnRay  # the package is an extra, and takes a second to load

        return OnRay(workers)
    return InThisProcess() if workers == 1 else InProcesses(workers)
