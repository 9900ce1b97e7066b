"""Check that the container's files name what is there, and run its entry point's command where no docker is needed."""

import importlib
import json
import re
from pathlib import Path

import pytest
import typer
import yaml

from gmt.cli.main import app
from gmt.gateway.worker import one_thread_each
from gmt.threads import COUNTS, THREADS

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")


def arguments_of(keyword):
    return json.loads(re.search(rf"^{keyword} (\[.*\])$", DOCKERFILE, re.M)[1])


def test_the_image_copies_what_is_there_and_starts_what_exists():
    for line in re.findall(r"^COPY (.+)$", DOCKERFILE, re.M):
        for name in line.split()[:-1]:
            assert (ROOT / name).exists(), name
    extras = re.search(r"'\.\[(.+)\]'", DOCKERFILE)[1].split(",")
    assert all(f"\n{extra} = [" in (ROOT / "pyproject.toml").read_text() for extra in extras)
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    entry = arguments_of("ENTRYPOINT")
    serve = typer.main.get_command(app).commands["serve"]
    for words in (arguments_of("CMD"), compose["services"]["gateway"]["command"]):
        context = serve.make_context("serve", [*entry[2:], *words])
        assert context.params["host"] == "0.0.0.0" and str(context.params["run"]) == "/runs/current"


def test_the_database_of_the_container_is_one_that_the_state_takes():
    from gmt.state.engine import database_url

    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    url = re.sub(r"\$\{.*?\}", "pw", compose["services"]["gateway"]["environment"]["GMT_STATE"])
    assert database_url(ROOT, url).host == "database"
    assert not compose["services"]["database"].get("ports")  # nobody but the gateway reaches it


def test_the_dockerfile_is_read_as_docker_reads_it(monkeypatch, tmp_path):
    """`release/container_by_hand.py` carries out every instruction, and refuses what it would pass over."""
    monkeypatch.syspath_prepend(str(ROOT / "release"))
    reader = importlib.import_module("dockerfile")
    found = reader.read_dockerfile(ROOT / "Dockerfile")
    assert [one.keyword for one in found][:2] == ["FROM", "WORKDIR"] and found[-1].words == arguments_of("CMD")
    run = [one for one in found if one.keyword == "RUN"]
    assert len(run) == len(re.findall(r"^RUN ", DOCKERFILE, re.M))
    # A line that goes on is one instruction, without its backslash.
    assert run[-1].text.endswith("&& useradd --create-home --uid 10001 gmt") and "\\" not in run[-1].text
    health = next(one for one in found if one.keyword == "HEALTHCHECK")
    assert reader.health_command(health)[:2] == ["python", "-c"]
    (tmp_path / "Dockerfile").write_text("FROM a\nVOLUME /b\n")
    with pytest.raises(reader.ReleaseError, match="VOLUME is not known"):
        reader.read_dockerfile(tmp_path / "Dockerfile")


def test_processes_start_one_thread_unless_told_otherwise():
    told, default = {THREADS: "4", "OMP_NUM_THREADS": "4"}, {"OMP_NUM_THREADS": "2"}
    for environment in (told, default):
        one_thread_each(environment)
    assert told == {THREADS: "4", "OMP_NUM_THREADS": "4"} and default == dict.fromkeys(COUNTS, "1")
