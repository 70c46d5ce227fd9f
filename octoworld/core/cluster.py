"""Cluster: pieces of work on the processes of a Ray cluster; what a lost worker had is done again.

A piece is a function of its arguments alone, so it does not matter where it is done, nor how often:
results are those of one process, in the order of the pieces.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from .errors import ConfigError, DependencyError, OctoworldError

LOCAL = "local:"
"""Beginning of an address that starts a cluster of so many workers on this machine."""
TRIES_AGAIN = 3
"""How often a piece is given to another worker after the one that had it is gone."""
AHEAD = 2
"""Pieces under way for each processor: more would only fill memory with results that wait."""


class Cluster:
    """Workers of Ray, each with one processor."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray

    @property
    def num_workers(self) -> int:
        """Processors of the cluster."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def share(self, value: Any) -> Any:
        """`value` sent once; given among the arguments of pieces, it arrives as itself."""
        return self._ray.put(value)

    def map(self, function: Callable[..., Any], pieces: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        """`function(*piece)` of each piece, in their order, few at a time ahead of the reader.

        Raises:
            OctoworldError: workers that had a piece were lost again and again.
            Exception: what the function raised; that is not tried again.
        """
        remote = self._ray.remote(num_cpus=1, max_retries=TRIES_AGAIN)(function)
        most, under_way = AHEAD * self.num_workers, deque()
        for piece in pieces:
            under_way.append(remote.remote(*piece))
            if len(under_way) >= most:
                yield self._result(under_way.popleft())
        while under_way:
            yield self._result(under_way.popleft())

    def _result(self, reference: Any) -> Any:
        errors = self._ray.exceptions
        try:
            return self._ray.get(reference)
        except errors.RayTaskError as error:
            raise error.cause from None
        except (errors.WorkerCrashedError, errors.NodeDiedError, errors.OutOfMemoryError) as error:
            raise OctoworldError(
                f"a piece of work lost its worker {1 + TRIES_AGAIN} times "
                f"({type(error).__name__}): is there too little memory for it?"
            ) from None


@contextmanager
def cluster(address: str) -> Iterator[Cluster]:
    """Workers at `address`: `local:4` starts four here; else that of a running cluster, or `auto`.

    Every machine of a cluster needs octoworld installed. Workers compute with one thread.

    Raises:
        DependencyError: Ray is not installed.
        ConfigError: the number of local workers is none, or nothing answers at the address.
    """
    try:
        import ray
    except ImportError:
        raise DependencyError("--cluster needs Ray: pip install 'octoworld[cluster]'") from None
    options: dict[str, Any] = {"address": address}
    if address.startswith(LOCAL):
        count = address.removeprefix(LOCAL)
        if not count.isdigit() or int(count) < 1:
            raise ConfigError(f"cluster {address!r}: expected local:N with N >= 1, as in local:4")
        options = {"address": "local", "num_cpus": int(count), "include_dashboard": False}
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anyone
    try:
        ray.init(**options, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError, RuntimeError) as error:
        told = str(error).splitlines()[0]
        raise ConfigError(
            f"cluster {address!r}: {told}; expected local:N, auto or HOST:PORT of a running one"
        ) from None
    try:
        yield Cluster(ray)
    finally:
        ray.shutdown()
