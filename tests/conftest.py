"""Fixtures for every test: small thread pools, run folders out of the way."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# before torch or MuJoCo is imported: small arrays lose more to threads than they win
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # a test never downloads


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the checkout."""
    return Path(__file__).resolve().parents[1]


TOGETHER = ("tests/worldmodels", "tests/viewer", "tests/tasks/household")
"""Folders whose tests share fixtures that are slow to make."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where several processes test (`-n`), those of one folder or file stay in one of them."""
    root = Path(__file__).resolve().parents[1]
    for item in items:
        place = item.path.relative_to(root).as_posix()
        folders = [folder for folder in TOGETHER if place.startswith(f"{folder}/")]
        item.add_marker(pytest.mark.xdist_group(folders[0] if folders else place))
