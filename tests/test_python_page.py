"""Check that the Python of the README and of docs/python.md runs, and that public names are what they say."""

import re
import shutil
import subprocess
import sys
import typing
from pathlib import Path

import pytest

import gmt
from gmt.serving import hub_run
from tests.serving.test_hub_run import Hub

ROOT = Path(__file__).resolve().parent.parent
PAGES = ["README.md", "docs/python.md"]


def blocks(page):
    return re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text("utf-8"), re.M | re.S)


@pytest.mark.parametrize("page", PAGES)
def test_its_blocks_run_one_after_the_other(page, good_run, demo_data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(good_run, tmp_path / "runs" / "demo")
    shutil.copytree(demo_data, tmp_path / "data" / "demo")
    hub = Hub(tmp_path / "the hub")
    monkeypatch.setattr("huggingface_hub.hub_mixin.HfApi", hub.api)
    monkeypatch.setattr("huggingface_hub.hub_mixin.hf_hub_download", hub.hf_hub_download)
    monkeypatch.setattr(hub_run, "snapshot_download", hub.snapshot_download)
    names = {}
    for number, code in enumerate(blocks(page), start=1):
        exec(compile(code, f"{page}, block {number}", "exec"), names)
    if page == "docs/python.md":
        assert "guest" not in gmt.Router.from_pretrained("runs/demo").users
        assert names["same"].to_arrow().equals(names["data"].table.to_arrow())
        assert len(names["rounds"]) == 8 and names["loaded"].models == names["router"].models
        assert (tmp_path / "shared" / "README.md").is_file()


def test_public_names_are_there_documented_and_typed():
    assert sorted(gmt.__all__) == gmt.__all__ == dir(gmt)
    page = (ROOT / "docs/python.md").read_text("utf-8")
    for name in gmt.__all__:
        found = getattr(gmt, name)
        assert name == "__version__" or (found.__doc__ and f"`{name}`" in page), name
    assert typing.get_type_hints(gmt.load_dataset)["return"] is gmt.Dataset
    for package in ("gmt", "data_prep"):
        assert (ROOT / package / "py.typed").is_file()
    with pytest.raises(AttributeError, match="module 'gmt' has no attribute 'Rooter'"):
        gmt.Rooter  # noqa: B018


def loaded_by(code, *arguments):
    """Return which modules that a question does without are loaded after some code has run in a process of its own."""
    heavy = ("numpy", "torch", "pyarrow", "pandas", "datasets", "huggingface_hub", "gmt.serving")
    code = f"import sys; {code}; print(*[name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, cwd=ROOT, check=True
    )
    return set(done.stdout.split())


def test_importing_gmt_loads_nothing_heavy():
    assert loaded_by("import gmt") == set()


def test_a_run_is_loaded_and_asked_without_pandas_or_the_hub(good_run):
    # A query of the history, for the hashing encoder of new ones brings pandas along.
    ask = "from gmt import Router; r = Router.from_pretrained(sys.argv[1], autosave=False)"
    ask += "; r.rank('bela', r.history('bela')[0].query)"
    assert not loaded_by(ask, good_run) & {"pandas", "datasets", "huggingface_hub"}
