"""Our readers of actions, where they know a job's scene and camera."""

from __future__ import annotations

from collections.abc import Sequence

from octoworld.core.paths import asset
from tasks.suites import SCENES
from worldmodels.checkpoint import load_part
from worldmodels.inverse_dynamics import InverseDynamics, InverseReward


def shipped_judge(tasks: Sequence[str], cameras: Sequence[str]) -> InverseDynamics | None:
    """The judge, which nothing is optimised against; None where it does not fit."""
    if not set(tasks) <= set(SCENES["table"]):
        return None
    judge = load_part(InverseDynamics, asset("checkpoints", "readers", "judge"))
    return judge if set(judge.cameras) <= set(cameras) else None


def shipped_reward(
    tasks: Sequence[str], cameras: Sequence[str], device: str = "cpu"
) -> InverseReward | None:
    """The reward; None where it does not fit."""
    if not set(tasks) <= set(SCENES["table"]):
        return None
    reader = InverseReward.from_pretrained(asset("checkpoints", "readers", "reward"), device=device)
    return reader if set(reader.model.cameras) <= set(cameras) else None
