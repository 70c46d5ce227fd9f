"""A policy carries out a skill: a random one fails, and the household says so."""

from __future__ import annotations

from typing import Any

import torch

from octoworld.recipes.policy_skills import PolicyExecutor
from tasks.household import Household, Instance, SkillCall, solve
from tasks.household.executors import ACTIONS, CAMERAS, STATE_SIZE
from vla.policy import ActionChunk

PUT = Instance("put_on:milk:stove", 20, 11)


class RandomPolicy:
    """Three random actions a chunk; keeps what it saw."""

    chunk_size = 3

    def __init__(self):
        self.seen = []
        self.generator = torch.Generator().manual_seed(0)

    def reset(self, mask=None):
        self.seen.clear()

    def act(self, obs, instructions, *, temperature=0.0, generator=None):
        self.seen.append((obs, instructions))
        size = (1, self.chunk_size, len(ACTIONS))
        return ActionChunk(2 * torch.rand(size, generator=self.generator) - 1)


def test_a_random_policy_picks_nothing_up():
    calls = solve(Household(PUT)).calls
    policy: Any = RandomPolicy()
    executor = PolicyExecutor(policy, image_size=(32, 48), max_seconds=0.6)
    house = Household(PUT, fidelity="physical", executors={"pick": executor})
    motion: Any = house.motion
    place, pick = calls[0], calls[1]
    assert house.execute(place).ok and pick.name == "pick"
    before = motion.machine.arm
    result = house.execute(pick)
    assert not result.ok and result.code == "SLIPPED" and not house.state.held
    assert result.seconds >= 0.6
    assert abs(motion.machine.arm - before).max() > 0.01  # it did move
    assert len(policy.seen) == 2  # chunks of three for six actions
    obs, instructions = policy.seen[0]
    assert instructions == ["pick milk 1"]
    assert obs["observation.state"].shape == (1, STATE_SIZE)
    for camera in CAMERAS:
        image = obs[f"observation.images.{camera}"]
        assert image.shape == (1, 32, 48, 3) and image.dtype == torch.uint8
    assert house.execute(SkillCall("look")).ok  # the episode goes on
