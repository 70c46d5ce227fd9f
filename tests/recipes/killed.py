"""A live session in a process of its own that is killed in mid-episode."""

import signal
import subprocess
import sys

FATAL = """
import os, signal, sys
from pathlib import Path
from octoworld.viewer.controls import Order

class Fatal:
    def __init__(self, most):
        self.left = most

    def restart(self):
        pass

    def tick(self):
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)

out = Path(sys.argv[1])
"""
"""`Fatal(N)` is a clock whose N-th tick kills; `out` is where to record."""


def run_killed(script: str, out) -> None:
    """Run `FATAL` and `script`, which must not get to its end."""
    ended = subprocess.run(
        [sys.executable, "-c", FATAL + script, str(out)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == -signal.SIGKILL, ended.stderr
