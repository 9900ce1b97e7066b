"""Run a study from the command line: a user's mistake is one line, as it is for gmt itself."""

from __future__ import annotations

import sys
from collections.abc import Callable

from gmt.errors import UserError


def run_study(main: Callable[[], object]) -> None:
    """Call a study; a mistake of its user ends it with one line and exit code 2."""
    try:
        main()
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
