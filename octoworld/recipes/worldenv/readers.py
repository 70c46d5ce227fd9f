"""Our readers of actions, where they know a job's scene and camera."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from octoworld.core.io import read_json
from octoworld.core.paths import asset
from tasks.suites import SCENES
from worldmodels.checkpoint import load_part
from worldmodels.inverse_dynamics import InverseDynamics, InverseReward


def shipped_judge(tasks: Sequence[str], cameras: Sequence[str]) -> InverseDynamics | None:
    """The judge, which nothing is optimised against; None where it does not fit."""
    folder = _fitting("judge", tasks, cameras)
    return None if folder is None else load_part(InverseDynamics, folder)


def shipped_reward(
    tasks: Sequence[str], cameras: Sequence[str], device: str = "cpu"
) -> InverseReward | None:
    """The reward; None where it does not fit."""
    folder = _fitting("reward", tasks, cameras)
    return None if folder is None else InverseReward.from_pretrained(folder, device=device)


def _fitting(
    role: Literal["judge", "reward"], tasks: Sequence[str], cameras: Sequence[str]
) -> Path | None:
    """Where the reader is, if it was taught in the scene of these tasks by some of the cameras."""
    folder = asset("checkpoints", "readers", role)
    knows = read_json(folder / "config.json")["inverse_config"]["cameras"]
    return folder if set(tasks) <= set(SCENES["table"]) and set(knows) <= set(cameras) else None
