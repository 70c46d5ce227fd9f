"""Provenance: which code ran, on which machine."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from octoworld.core.cpus import usable_cpus

ROOT = Path(__file__).resolve().parents[2]


@cache
def code_version() -> str:
    """The git commit, `-dirty` when code differs from it; outside a checkout the release.

    Stored results do not count as code: a bench must not make its own next row dirty.
    """
    commit = _git("rev-parse", "--short=12", "HEAD")
    if not commit:
        try:
            return f"octoworld-{version('octoworld')}"
        except PackageNotFoundError:
            return "unknown"
    changed = _git("status", "--porcelain", "--", ".", ":!results", ":!runs", ":!docs", ":!*.md")
    return f"{commit}-dirty" if changed else commit


@cache
def hardware() -> dict[str, Any]:
    """Processor, cores, memory, accelerator, and the versions that move numbers."""
    import numpy
    import torch

    facts: dict[str, Any] = {
        "processor": _processor(),
        "cores": usable_cpus(),
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "platform": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
    }
    for name in ("mujoco", "pybullet"):
        try:
            facts[name] = version(name)
        except PackageNotFoundError:
            facts[name] = None
    # the off-screen renderer changes pixels, and so success
    facts["renderer"] = os.environ.get("MUJOCO_GL", "default")
    return facts


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
