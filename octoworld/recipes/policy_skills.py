"""PolicyExecutor: a VLA policy carries out skills of a household, not the built-in controller.

    policy = load_policy("runs/pick")
    house = Household(instance, fidelity="physical", executors={"pick": PolicyExecutor(policy)})

The policy sees what every policy of ours sees: `observation.images.<camera>`, `observation.state`
and the skill in words; its actions are those of `tasks.household.executors.ACTIONS`.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from tasks.household.executors import SkillView
from tasks.household.result import SkillCall
from vla.policy import Policy


class PolicyExecutor:
    """A `SkillExecutor` made of a `Policy` of ten actions."""

    def __init__(
        self,
        policy: Policy,
        image_size: tuple[int, int] | None = (64, 64),
        max_seconds: float = 20.0,
    ) -> None:
        """`image_size` (H, W) of the pictures that the policy was trained on; None: it is blind."""
        self.policy, self.image_size, self.max_seconds = policy, image_size, max_seconds
        self._instruction = ""
        self._left: list[NDArray] = []

    def begin(self, call: SkillCall, instruction: str) -> None:
        """See `SkillExecutor`."""
        self.policy.reset()
        self._instruction, self._left = instruction, []

    def act(self, view: SkillView) -> NDArray | None:
        """The next action of the chunk; a new chunk when it is used up."""
        if not self._left:
            obs = {
                f"observation.images.{camera}": torch.from_numpy(np.array(image[None]))
                for camera, image in view.images.items()
            }
            obs["observation.state"] = torch.from_numpy(view.state[None])
            with torch.no_grad():
                chunk = self.policy.act(obs, [self._instruction])
            self._left = list(chunk.actions[0].cpu().numpy())
        return self._left.pop(0)
