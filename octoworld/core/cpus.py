"""How many processors this process may use."""

from __future__ import annotations

import os

_most: int | None = None


def usable_cpus() -> int:
    """Processors of the process's affinity mask (off Linux, of the machine), or the limit set."""
    try:
        found = len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        found = os.cpu_count() or 1
    return found if _most is None else min(found, _most)


def limit_cpus(most: int) -> None:
    """Let engines take no more than `most` threads by themselves: for one of many processes."""
    global _most
    _most = most
