"""Install a built wheel into an environment of its own, and see that the whole job runs there."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name

TINY = ("traits.steps=10", "traits.networks=1", "train.steps=10", "model.width=16", "model.hidden=16", "model.heads=2")
"""Settings under which every part is trained, and none for long."""


class ReleaseError(Exception):
    """Report what keeps the release from being made."""


def called(words: Sequence[str | Path], **how: object) -> str:
    """Run a program; return what it wrote to stdout.

    Raises:
        ReleaseError: It failed.
    """
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **how)  # pyright: ignore
    if done.returncode:
        said = (done.stderr or done.stdout)[-1500:]
        raise ReleaseError(f"{' '.join(map(str, words))} ended with {done.returncode}:\n{said}")
    return done.stdout


@dataclass(frozen=True)
class CleanEnvironment:
    """Hold a virtual environment that knows nothing but the wheel and what it needs.

    Args:
        folder: Where it is made.
        python: The interpreter that makes it.
    """

    folder: Path
    python: Path = Path(sys.executable)

    def program(self, name: str) -> Path:
        """Return the path of an installed program."""
        return self.folder / "bin" / name

    def install(self, wheel: Path, constraints: Sequence[Path | str]) -> dict[str, str]:
        """Install the wheel with the offline encoder; return package -> version of all that is then there.

        Args:
            wheel: The file.
            constraints: Files of constraints, or single ones such as `torch==2.13.0`.
        """
        called([self.python, "-m", "venv", self.folder])
        files = [one for one in constraints if isinstance(one, Path)]
        if single := [one for one in constraints if isinstance(one, str)]:
            (self.folder / "more-constraints.txt").write_text("\n".join(single) + "\n", "utf-8")
            files.append(self.folder / "more-constraints.txt")
        words: list[str | Path] = [self.program("python"), "-m", "pip", "install", "--quiet", "--no-input"]
        for file in files:
            words += ["--constraint", file]
        called([*words, f"{wheel}[offline]"])
        called([self.program("python"), "-m", "pip", "check"])
        listed = called([self.program("python"), "-m", "pip", "list", "--format", "json"])
        return {canonicalize_name(one["name"]): one["version"] for one in json.loads(listed)}

    def try_job(self, folder: Path, version: str) -> float:
        """Run prep, train, eval, adapt, route and figures on the demo's data with small networks; return the test AUC.

        Args:
            folder: An empty folder.
            version: What `gmt --version` must say.

        Raises:
            ReleaseError: A command fails, or what it leaves is not whole.
        """
        # Nothing of the checkout, of the user's cache or of the hub may help.
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        how = {
            "cwd": folder,
            "env": kept | {"GMT_CACHE": str(folder / "cache"), "HF_HUB_OFFLINE": "1", "PYTHONSAFEPATH": "1"},
        }
        gmt = self.program("gmt")
        if f"gmt {version}" not in (said := called([gmt, "--version"], **how)):
            raise ReleaseError(f"gmt --version says {said.strip()}; expected {version}")
        for words in ([], ["prep"], ["route"], ["users"]):
            called([gmt, *words, "--help"], **how)
        settings = [word for setting in TINY for word in ("--set", setting)]
        called([gmt, "prep", "demo", "--quiet"], **how)
        called([gmt, "train", "--quiet", "--set", "posterior.network=true", *settings], **how)
        called([gmt, "eval", "--quiet", "--baselines", "bradley_terry,ridge,boosted_trees,oracle"], **how)
        called([gmt, "adapt", "--user", "ana", "--quiet"], **how)
        decision = json.loads(
            called([gmt, "route", "--user", "ana", "--query", "Sort a list", "--explain", "--json"], **how)
        )
        called([gmt, "figures", "runs/demo", "--out", "figures", "--quiet"], **how)
        results = json.loads((folder / "runs/demo/results/seen.json").read_text("utf-8"))
        auc = results["shots"]["all"]["routers"]["gmt"]["auc"]["value"]
        if not (math.isfinite(auc) and auc > 0.6 and decision["model"] and list((folder / "figures").glob("*.png"))):
            raise ReleaseError(
                f"the job left AUC {auc}, model {decision['model']!r} and the figures in {folder / 'figures'}"
            )
        return auc
