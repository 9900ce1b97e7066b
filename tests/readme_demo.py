"""Compare the demo's output in README.md with what `gmt demo` prints, or put that in its place.

Run from the root of a checkout: `python -m tests.readme_demo [--write] [--from FILE]`.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.shown import differences, renewed

README = Path(__file__).resolve().parent.parent / "README.md"
BLOCK = re.compile(r"(<!-- demo:.*?-->\n```\n)(.*?)(^```)", re.M | re.S)


def shown() -> list[str]:
    """Return the lines of the demo in the README, those above the first command of gmt left out."""
    found = BLOCK.search(README.read_text("utf-8"))
    if found is None:
        raise SystemExit("README.md has no block behind <!-- demo: … -->")
    lines = found[2].splitlines()
    first = next(at for at, line in enumerate(lines) if line.startswith("$ gmt"))
    return lines[first:]


def demo(folder: Path) -> list[str]:
    """Run the demo in an empty folder and return what it prints."""
    done = subprocess.run(
        [sys.executable, str(README.parent / "cli.py"), "demo"], cwd=folder, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"the demo ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.stdout.splitlines()


def main() -> None:
    """Print how the README differs from the demo; with `--write`, mend its numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the numbers that are printed into README.md")
    parser.add_argument("--from", dest="printed", type=Path, help="a file of what the demo printed, in place of a run")
    options = parser.parse_args()
    if options.printed is None:
        with tempfile.TemporaryDirectory() as folder:
            printed = demo(Path(folder))
    else:
        printed = options.printed.read_text("utf-8").splitlines()
    if options.write:
        lines, lost = renewed(shown(), printed)
        text = README.read_text("utf-8")
        README.write_text(text.replace("\n".join(shown()), "\n".join(lines)), "utf-8")
        found = [f"not printed: {line}" for line in lost]
    else:
        found = differences(shown(), printed)
    print("\n".join(found) or "README.md shows what the demo prints")
    raise SystemExit(bool(found))


if __name__ == "__main__":
    main()
