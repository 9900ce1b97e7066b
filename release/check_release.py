"""Build wheel and sdist, and try them as somebody else would meet them: `make release`.

The wheel is installed twice into environments of its own, with the lowest versions of everything that the project names
(constraints-lowest.txt) and with the newest that an index has, and the whole job is run in each. Licences of what is
installed and its known faults are listed beside the wheel.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

from clean_environment import CleanEnvironment, ReleaseError, called
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"
OURS = ("gmt", "data_prep")
EXPLAINED: dict[str, str] = {}
"""Known fault of a package, by its id -> why the release is made all the same."""


def version() -> str:
    """Return the version, which stands in gmt/__init__.py alone.

    Raises:
        ReleaseError: CITATION.cff or CHANGELOG.md speak of another, or the change log is not cut.
    """
    text = (ROOT / "gmt/__init__.py").read_text("utf-8")
    found = text.split('__version__ = "')[1].split('"')[0]
    if f"\nversion: {found}\n" not in (ROOT / "CITATION.cff").read_text("utf-8"):
        raise ReleaseError(f"gmt/__init__.py says {found} and CITATION.cff another version; change it there")
    heading = next(line for line in (ROOT / "CHANGELOG.md").read_text("utf-8").splitlines() if line.startswith("## "))
    if not heading.startswith(f"## {found} — 2"):
        raise ReleaseError(f"CHANGELOG.md begins with {heading!r}; expected '## {found} — DATE'")
    return found


def build() -> tuple[Path, Path]:
    """Build into dist/, which is emptied before; return wheel and sdist."""
    shutil.rmtree(DIST, ignore_errors=True)
    called([sys.executable, "-m", "build", "--outdir", DIST, ROOT])
    called([sys.executable, "-m", "twine", "check", "--strict", *DIST.iterdir()])
    (wheel,), (sdist,) = DIST.glob("*.whl"), DIST.glob("*.tar.gz")
    return wheel, sdist


def check_contents(wheel: Path, sdist: Path) -> None:
    """See that every file of the packages that is under version control is in both archives.

    Raises:
        ReleaseError: One is missing, or something else came along.
    """
    tracked = called(["git", "-C", ROOT, "ls-files", *OURS, "configs"]).split()
    # The wheel has the settings inside the package, where the installed one looks for them.
    wanted = {f"gmt/{name}" if name.startswith("configs/") else name for name in tracked}
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    if packed != wanted:
        raise ReleaseError(
            f"the wheel lacks {sorted(wanted - packed)[:5]} and has {sorted(packed - wanted)[:5]} beside"
        )
    with tarfile.open(sdist) as archive:
        source = {name.partition("/")[2] for name in archive.getnames()}
    if lacking := sorted(set(tracked) - source):
        raise ReleaseError(f"the sdist lacks {lacking[:5]}")


def torch_of(choice: str, lowest: bool) -> list[str]:
    """Return what constrains torch: its pin, whatever is allowed, or a version that is named."""
    if choice == "allowed":
        return []
    pins = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    return [next(pin for pin in pins if pin.startswith("torch==")) if choice == "pinned" else f"torch=={choice}"]


def lowest_constraints(folder: Path, choice: str) -> list[Path | str]:
    """Return the lowest versions, with torch as it was chosen."""
    lines = (ROOT / "constraints-lowest.txt").read_text("utf-8").splitlines()
    torch = torch_of(choice, lowest=True)
    file = folder / "lowest.txt"
    file.write_text("\n".join(line for line in lines if not (torch and line.startswith("torch=="))) + "\n", "utf-8")
    return [file, *torch]


def licences(environment: CleanEnvironment) -> Counter[str]:
    """Write the licence of every installed package to dist/licences.json; return how many have which."""
    words = ["pip-licenses", "--python", environment.program("python"), "--from", "mixed", "--format", "json"]
    found = json.loads(called([Path(sys.executable).parent / words[0], *words[1:]]))
    (DIST / "licences.json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    return Counter(one["License"].splitlines()[0][:60] for one in found)


def audit(environment: CleanEnvironment) -> str:
    """Return what pip-audit has to say, on one line; it is written to dist/audit.json.

    Raises:
        ReleaseError: A fault is known that is not explained.
    """
    site = called([environment.program("python"), "-c", "import site; print(site.getsitepackages()[0])"]).strip()
    words = [sys.executable, "-m", "pip_audit", "--path", site, "--format", "json", "--progress-spinner", "off"]
    done = subprocess.run(words, capture_output=True, text=True)
    if not done.stdout.strip():
        reason = (done.stderr.strip() or f"pip-audit ended with {done.returncode}").splitlines()[-1]
        return f"known faults could not be asked for: {reason}"
    (DIST / "audit.json").write_text(done.stdout, "utf-8")
    return judged(json.loads(done.stdout)["dependencies"])


def judged(packages: list[dict[str, Any]]) -> str:
    """Return what an audit found; a package that could not be asked for is no package without faults.

    Raises:
        ReleaseError: A fault is known that is not explained.
    """
    found = [(one, fault) for one in packages for fault in one.get("vulns", ())]
    if new := [(one, fault) for one, fault in found if fault["id"] not in EXPLAINED]:
        lines = (
            f"{one['name']} {one['version']}: {fault['id']}, mended in {fault['fix_versions']}" for one, fault in new
        )
        raise ReleaseError("known faults:\n" + "\n".join(lines))
    # The package that is released itself is on no index yet.
    left = [one["name"] for one in packages if "skip_reason" in one and one["name"] != "gmt-router"]
    if left:
        asked = len(packages) - len(left)
        return f"no known fault among {asked} packages; {len(left)} could not be asked for: {', '.join(left[:5])} …"
    return f"no known fault among {len(packages)} packages" + "".join(f"; {one}" for one in EXPLAINED.values())


def main() -> None:
    """Build, try and list; say what was found, a line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--torch", default="pinned", help="pinned (as constraints.txt), allowed (lowest, newest), or a version"
    )
    parser.add_argument("--only", choices=("lowest", "newest"), help="try one environment alone")
    options = parser.parse_args()
    named = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    names = [one.partition(">")[0].strip() for one in named]
    try:
        number = version()
        wheel, sdist = build()
        check_contents(wheel, sdist)
        print(f"{wheel.name}, {sdist.name}: twine finds no fault, all files of the packages are in them", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            for kind in ("lowest", "newest"):
                if options.only not in (None, kind):
                    continue
                environment = CleanEnvironment(home / kind)
                lowest = kind == "lowest"
                constraints = lowest_constraints(home, options.torch) if lowest else torch_of(options.torch, False)
                installed = environment.install(wheel, list(constraints))
                (home / f"{kind}-job").mkdir()
                auc = environment.try_job(home / f"{kind}-job", number)
                print(
                    f"{kind}: " + ", ".join(f"{name} {installed.get(canonicalize_name(name), '–')}" for name in names)
                )
                print(f"{kind}: prep, train, eval, adapt, route and figures run; test AUC {auc:.3f}", flush=True)
            if options.only != "lowest":
                counts = licences(environment)
                print("licences (dist/licences.json): " + "; ".join(f"{n} {name}" for name, n in counts.most_common()))
                print(f"audit (dist/audit.json): {audit(environment)}")
    except ReleaseError as error:
        print(f"release: {error}", file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
