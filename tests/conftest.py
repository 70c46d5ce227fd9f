"""Fixtures for every test: small thread pools, run folders out of the way."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

# before torch or MuJoCo is imported: small arrays lose more to threads than they win
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # a test never downloads

# a busy machine is no failure
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the checkout."""
    return Path(__file__).resolve().parents[1]


TOGETHER = ("tests/worldmodels", "tests/viewer", "tests/tasks/household")
"""Folders whose tests share fixtures that are slow to make."""


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Where several processes test (`-n`), tests of one folder or file stay in one of them."""
    return _Together(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Folders come first: as the last ones they would leave the other processes idle."""
    items.sort(key=lambda item: _group(item.nodeid) not in TOGETHER)


class _Together(LoadScopeScheduling):
    # groups by mark (`--dist loadgroup`) have no effect with pytest 9.2 and xdist 3.8
    def _split_scope(self, nodeid: str) -> str:
        return _group(nodeid)


def _group(nodeid: str) -> str:
    file = nodeid.split("::")[0]
    return next((folder for folder in TOGETHER if file.startswith(f"{folder}/")), file)
