"""How many processors this process may use."""

from __future__ import annotations

import os


def usable_cpus() -> int:
    """Processors of the process's affinity mask; off Linux, of the machine."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        return os.cpu_count() or 1
