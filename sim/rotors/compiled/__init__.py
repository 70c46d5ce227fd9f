"""The closed-form physics as machine code (numba); the readable reference is one level up."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import Any

from numba.core import config as _config

config: Any = _config  # its members are made at run time

# numba keeps the machine code of a file and looks at no other to see whether it is stale;
# so it lies in a folder named after the contents of all that is compiled into it
_HERE = Path(__file__).parent
_FILES = sorted([*_HERE.glob("*.py"), *(_HERE.parent / n for n in ("constants.py", "layout.py"))])
_DIGEST = hashlib.sha256(b"".join(path.read_bytes() for path in _FILES)).hexdigest()[:16]
_CHOSEN = config.CACHE_DIR
_WRITABLE = _HERE / "__pycache__" if os.access(_HERE, os.W_OK) else Path.home() / ".cache/octoworld"
config.CACHE_DIR = str(Path(_CHOSEN or _WRITABLE) / f"numba-{_DIGEST}")

if sys.stderr.isatty() and not any(Path(config.CACHE_DIR).glob("**/*.nbc")):
    # `make setup` compiles beforehand; what was installed otherwise says why its first step waits
    sys.stderr.write("drones: compiling their physics, about 10 s, once\n")

from .bullet import fill_state, world_wrench  # noqa: E402
from .step import step, touching, wrenches  # noqa: E402

config.CACHE_DIR = _CHOSEN

__all__ = ["fill_state", "step", "touching", "world_wrench", "wrenches"]
