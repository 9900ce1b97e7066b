"""Check that the container's files name what is there, and run its entry point's command where no docker is needed."""

import json
import re
from pathlib import Path

import typer
import yaml

from gmt.cli.main import app

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
