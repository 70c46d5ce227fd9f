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
