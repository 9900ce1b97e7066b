"""Do by hand what docker would: build the image of Dockerfile in a Debian root, start compose.yaml's pair, use it.

    debootstrap --variant=minbase bookworm /var/tmp/gmt-root && python release/container_by_hand.py /var/tmp/gmt-root

It needs root, a Python with the project's tests installed, PostgreSQL's programs, and the ports 8080 and 5432.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from clean_environment import ReleaseError, called
from dockerfile import Instruction, health_command, read_dockerfile

PROJECT = Path(__file__).resolve().parents[1]
GRACE = 10.0
"""Seconds between `docker stop`'s SIGTERM and its SIGKILL."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
URL = "http://127.0.0.1:8080"


class HandMadeImage:
    """Hold a Debian root in which the instructions of a Dockerfile were carried out.

    Args:
        root: The root.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.cwd, self.user = root, "/", "root"
        self.environment = {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8"}
        self.entry: list[str] = []
        self.command: list[str] = []
        self.health: list[str] = []

    def build(self, instructions: Sequence[Instruction], say: Any = print) -> None:
        """Carry out instructions in order."""
        for one in instructions:
            say(f"{one.keyword} {one.text[:100]}", flush=True)
            if one.keyword == "WORKDIR":
                self.cwd = one.text
                self.inside(self.cwd).mkdir(parents=True, exist_ok=True)
            elif one.keyword == "COPY":
                *sources, target = one.words
                for name in sources:
                    _copied(PROJECT / name, self.inside(self.cwd) / target)
            elif one.keyword == "RUN":
                # pip's own variables are handed in, as a proxy or mirror would be to a build.
                given = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
                called(self.words(["sh", "-ec", one.text], given))
            elif one.keyword == "USER":
                self.user = one.text
                self.environment["HOME"] = f"/home/{one.text}"
            elif one.keyword == "ENV":
                self.environment |= dict(word.split("=", 1) for word in one.words)
            elif one.keyword == "HEALTHCHECK":
                self.health = health_command(one)
            elif one.keyword == "ENTRYPOINT":
                self.entry = one.words
            elif one.keyword == "CMD":
                self.command = one.words

    def inside(self, path: str) -> Path:
        """Return where a path of the image lies."""
        return self.root / path.lstrip("/")

    def words(self, command: Sequence[str], more: dict[str, str] | None = None) -> list[str]:
        """Return the words that run a command in the image, as its user and with its variables alone."""
        variables = [f"{name}={value}" for name, value in {**self.environment, **(more or {})}.items()]
        # `env -C` goes to the working folder, for chroot leaves every process at its root.
        return ["chroot", f"--userspec={self.user}", str(self.root), "env", "-i", "-C", self.cwd, *variables, *command]


def _copied(source: Path, target: Path) -> None:
    """Copy as COPY does: a folder's contents, or a file into a folder."""
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


def prepare_root(root: Path, python: Path, carried: Sequence[Path]) -> None:
    """Put a Python where the official image has its own, and what reaches package registries from here.

    Args:
        root: The Debian root.
        python: Prefix of an interpreter, which is copied to /usr/local.
        carried: Files and folders that are copied to the same place, such as a mirror's certificate.
    """
    left_out = shutil.ignore_patterns("__pycache__", "test", "share", "site-packages")
    shutil.copytree(python, root / "usr/local", dirs_exist_ok=True, symlinks=True, ignore=left_out)
    # Its shared library is found where the image's loader looks; programs name their interpreter by its old path.
    called(["chroot", root, "ldconfig"])
    called(["chroot", root, "/usr/local/bin/python3", "-m", "ensurepip"])
    for name, made in (("python", "python3"), ("pip", "pip3")):
        link = root / "usr/local/bin" / name
        link.unlink(missing_ok=True)
        link.symlink_to(made)
    for path in (Path("/etc/resolv.conf"), *carried):
        target = root / str(path).lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.copytree(path, target, dirs_exist_ok=True)
        else:
            shutil.copy(path, target)
    # The network of a compose file has its services' names.
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n127.0.0.1 database\n")


@contextlib.contextmanager
def database(password: str) -> Iterator[None]:
    """Run the compose file's PostgreSQL: user, database and password as it states them, on PostgreSQL's own port."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    if not found:
        raise ReleaseError("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    programs, owner = found[-1].parent, {"user": "postgres", "group": "postgres", "extra_groups": []}
    with tempfile.TemporaryDirectory(prefix="gmt-pg-") as folder:
        Path(folder, "word").write_text(password)
        for path in (Path(folder), Path(folder, "word")):
            shutil.chown(path, "postgres", "postgres")
        made = ["-A", "scram-sha-256", "-U", "gmt", "--pwfile", f"{folder}/word", "-E", "UTF8", "--locale=C"]
        called([programs / "initdb", "-D", f"{folder}/data", *made], cwd=folder, **owner)
        settings = ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}"]
        server = subprocess.Popen([programs / "postgres", "-D", f"{folder}/data", *settings], cwd=folder,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **owner)  # fmt: skip
        try:
            until(lambda: subprocess.run([programs / "pg_isready", "-h", "127.0.0.1", "-U", "gmt"], check=False,
                                         capture_output=True).returncode == 0, 60, "PostgreSQL")  # fmt: skip
            called([programs / "createdb", "-h", "127.0.0.1", "-U", "gmt", "gmt"], cwd=folder,
                   env={**os.environ, "PGPASSWORD": password})  # fmt: skip
            yield
        finally:
            server.send_signal(signal.SIGINT)
            server.wait()


def until(holds: Any, seconds: float, what: str) -> float:
    """Wait until something holds; return how long it took.

    Raises:
        ReleaseError: It does not within some seconds.
    """
    began = time.monotonic()
    while not holds():
        if time.monotonic() > began + seconds:
            raise ReleaseError(f"{what} was not ready within {seconds:.0f} s")
        time.sleep(0.5)
    return time.monotonic() - began


@contextlib.contextmanager
def container(image: HandMadeImage, command: Sequence[str], environment: dict[str, str]) -> Iterator[None]:
    """Start a container's process, wait until its health check passes, and stop it as `docker stop` does.

    Raises:
        ReleaseError: It is not healthy within the time of the check, or outlives the grace time.
    """
    log = image.root / "tmp/gateway.log"
    with log.open("wb") as written:
        process = subprocess.Popen(image.words([*image.entry, *command], environment), stdout=written, stderr=written)
    try:
        check = image.words(image.health)

        def healthy() -> bool:
            if process.poll() is not None:
                raise ReleaseError(f"the gateway ended with {process.returncode}:\n{log.read_text()[-1500:]}")
            return subprocess.run(check, check=False, capture_output=True, timeout=30).returncode == 0

        print(f"healthy after {until(healthy, 240, 'the gateway'):.1f} s", flush=True)
        yield
    finally:
        began = time.monotonic()
        process.terminate()
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            raise ReleaseError(f"the gateway did not end within {GRACE:.0f} s of SIGTERM") from None
        print(f"ended {time.monotonic() - began:.1f} s after SIGTERM", flush=True)


def asked(path: str, body: dict[str, Any] | None, key: str) -> dict[str, Any]:
    """Return the JSON that the gateway answers."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(URL + path, data, headers), timeout=60) as answer:
        return json.load(answer)


def use(key: str) -> None:
    """Ask by the official client, vote, and see that the vote is known.

    Raises:
        ReleaseError: It is not, or nobody answers.
    """
    import openai

    client = openai.OpenAI(base_url=f"{URL}/v1", api_key=key)
    said = {"role": "user", "content": "query 1"}
    answer = client.chat.completions.with_raw_response.create(model="gmt/auto", user="ana", messages=[said])  # pyright: ignore
    words = answer.parse().choices[0].message.content
    found = asked("/v1/route", {"user": "ana", "query": "query 1"}, key)
    if not words or found["votes"]:
        raise ReleaseError(f"a chat was answered with {words!r}, and ana has {found['votes']} votes before the first")
    asked("/v1/feedback", {"decision": answer.headers["x-gmt-decision"], "thumb": "up"}, key)


def known_votes(key: str) -> int:
    """Return how many votes of the user the next decision knows."""
    return asked("/v1/route", {"user": "ana", "query": "query 2"}, key)["votes"]


def compose_up(image: HandMadeImage) -> None:
    """Start the pair of compose.yaml, use it, restart the gateway, and see that the vote is still known."""
    sys.path.insert(0, str(PROJECT))
    from gmt.bench.made_data import made_dataset, made_run
    from gmt.bench.server_process import server_process
    from gmt.runs import RunFolder

    service = yaml.safe_load((PROJECT / "compose.yaml").read_text())["services"]["gateway"]
    password = secrets.token_hex(12)
    environment = {name: re.sub(r"\$\{.*?\}", password, value) for name, value in service["environment"].items()}
    # 1. The volumes: a run under the name that is served, and a pool whose upstream answers on this machine.
    shutil.rmtree(image.inside("/runs"), ignore_errors=True)
    made_run(RunFolder(image.inside("/runs/demo")), made_dataset(50, 5, width=64))
    image.inside("/runs/current").symlink_to("demo")
    called(["chroot", image.root, "chown", "-R", "gmt", "/runs"])
    made = called(image.words(["gmt", "serve", "--new-key", "main", "--json"]))
    key = json.loads(made)
    upstream = [sys.executable, "-m", "gmt.bench.instant_upstream"]
    with server_process(upstream, "/") as answering, database(password):
        entry = {"tenant": "main", "sha256": key["sha256"]}
        pool = {"models": {f"m{at}": {"url": f"{answering.url}/v1"} for at in range(3)}, "keys": [entry]}
        image.inside("/pool.yaml").write_text(json.dumps(pool))
        began = time.time()
        # 2. Up, used, stopped; and up again, with all that was told in the database.
        with container(image, service["command"], environment):
            use(key["key"])
            if known_votes(key["key"]) != 1:
                raise ReleaseError("the decision after a vote did not know it")
        with container(image, service["command"], environment):
            if known_votes(key["key"]) != 1:
                raise ReleaseError("the vote was lost with a restart")
        print("the vote is known after a restart", flush=True)
        # 3. compose.yaml makes the root read-only but for /tmp and the volumes, so nothing else may be written.
        written = [path for path in image.root.rglob("*") if path.is_file() and not path.is_symlink()]
        strange = [path for path in written if path.stat().st_mtime > began and _is_read_only(image, path)]
        if strange:
            raise ReleaseError(f"the gateway wrote {strange[0]}, where compose.yaml lets it write nothing")


def _is_read_only(image: HandMadeImage, path: Path) -> bool:
    return path.relative_to(image.root).parts[0] not in ("tmp", "runs", "proc")


def main() -> None:
    """Read the options and do it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="Debian root, made by debootstrap; the image is built into it")
    parser.add_argument("--python", type=Path, default=Path(sys.base_prefix), help="prefix of its interpreter")
    parser.add_argument("--carry", type=Path, action="append", default=[], help="file or folder to copy into it")
    parser.add_argument("--built", action="store_true", help="the image is built already; only start it")
    options = parser.parse_args()
    instructions, image = read_dockerfile(PROJECT / "Dockerfile"), HandMadeImage(options.root.resolve())
    try:
        if not options.built:
            prepare_root(image.root, options.python, options.carry)
        passed = ("RUN", "COPY") if options.built else ()
        image.build([one for one in instructions if one.keyword not in passed])
        compose_up(image)
    except ReleaseError as error:
        sys.exit(f"container_by_hand: {error}")
    print("done: built, started, used, restarted and stopped")


if __name__ == "__main__":
    main()
