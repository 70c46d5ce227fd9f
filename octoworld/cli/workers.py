"""Workers that a verb's option `--cluster` asks for."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from octoworld.core.cluster import Cluster


def workers(address: str) -> AbstractContextManager[Cluster | None]:
    """Those at `address`; none for ""."""
    from octoworld.core.cluster import cluster

    return cluster(address) if address else nullcontext()
