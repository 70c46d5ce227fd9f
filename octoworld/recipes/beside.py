"""Original: gym-pybullet-drones in an environment of its own, measured in the same run as ours."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from octoworld.core.errors import ConfigError

SCRIPT = Path(__file__).with_name("original_drones.py")
CITED = {
    "one": 10538.0,
    "ten": 1330.0,
    "fifty": 278.0,
    "fifty-air": 14.3,
    "batched": 70e3,
    "reset": 20.0,
    "reset-fifty": 1053.0,
}
"""Medians of version 2.1.0 (commit 90b178a) on 2 shared cores of an Intel Xeon, for tables of runs
that did not measure it: control steps a CPU-second, drone-physics-steps a CPU-second, ms."""
VERSION = """\
import gym_pybullet_drones, importlib.metadata
print(importlib.metadata.version("gym-pybullet-drones"))"""
INSTALL = """\
git clone https://github.com/learnsyslab/gym-pybullet-drones
python3.11 -m venv original
original/bin/pip install "setuptools<81" pybullet==3.2.7 numpy==2.2.6 scipy transforms3d control \\
    torch gymnasium stable-baselines3 matplotlib
original/bin/pip install --no-deps -e gym-pybullet-drones"""


class Original:
    """Measurements by another interpreter.

    Args:
        python: of an environment with gym-pybullet-drones.

    Raises:
        ConfigError: it is no interpreter, or the package is not there.
    """

    def __init__(self, python: Path | str) -> None:
        # not resolved: the link in bin/ is what makes a virtual environment
        self.python = Path(python).absolute()
        if not self.python.is_file():
            raise ConfigError(f"--beside {python}: no such interpreter; make one so:\n{INSTALL}")
        self.version = self._run(["-c", VERSION], "").strip().splitlines()[-1]
        """Of gym-pybullet-drones."""

    def measure(self, what: str, **request: Any) -> Any:
        """What a function of `original_drones.MEASURES` returns.

        Raises:
            ConfigError: the package fails, with the end of what it said.
        """
        # -I: the script's folder must not be searched for modules
        asked = json.dumps({"what": what, **request})
        return json.loads(self._run(["-I", str(SCRIPT)], asked).strip().splitlines()[-1])

    def _run(self, arguments: list[str], text: str) -> str:
        try:
            done = subprocess.run(
                [str(self.python), *arguments], input=text, capture_output=True, text=True
            )
        except OSError as error:
            raise ConfigError(f"--beside {self.python}: {error}") from None
        if done.returncode != 0:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:]
            raise ConfigError(f"--beside {self.python}: {''.join(last)}; install it so:\n{INSTALL}")
        return done.stdout
