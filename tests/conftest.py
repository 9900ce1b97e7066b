"""Keep tests off the user's own folders, on one thread, quiet and repeatable."""

import logging
import os
from contextlib import suppress
from importlib import import_module

import pytest
from hypothesis import settings

from tests.postgres import postgres_database, postgres_server, postgres_shared
from tests.trained import (
    demo_data,
    gmt,
    good_copy,
    good_run,
    network_copy,
    network_run,
    run_copy,
    short_demo,
    tiny_run,
    unchecked_data,
    whole_demo,
)

# Fixtures for all tests.
__all__ = [
    "demo_data",
    "gmt",
    "good_copy",
    "good_run",
    "network_copy",
    "network_run",
    "run_copy",
    "short_demo",
    "tiny_run",
    "unchecked_data",
    "whole_demo",
]
__all__ += ["postgres_database", "postgres_server", "postgres_shared"]

settings.register_profile("gmt", deadline=None, derandomize=True, database=None, max_examples=40)
settings.load_profile("gmt")


def pytest_configure():
    for name, value in {
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "TRANSFORMERS_VERBOSITY": "error",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_OFFLINE": "1",
    }.items():
        os.environ.setdefault(name, value)
    # Readline tells whatever is started how wide it takes the terminal to be, and that would fold what it says.
    with suppress(ImportError):
        import_module("readline")
    os.environ.pop("COLUMNS", None)
    os.unsetenv("COLUMNS")
    for name in ("accelerate", "transformers", "torch.distributed"):
        logging.getLogger(name).setLevel(logging.ERROR)


def pytest_collection_modifyitems(items):
    # Modules with slow tests first, whole, so that no process is left alone with them at the end.
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_session(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GMT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    import torch

    torch.set_num_threads(1)
