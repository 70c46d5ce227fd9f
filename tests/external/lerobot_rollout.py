"""LeRobot's own evaluator rolls out a policy in octoworld's worlds; see README.md.

The policy is a shipped octoworld controller behind LeRobot's `select_action`, so that its success
is known: LeRobot must count what octoworld counts.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from lerobot_import import load

import octoworld
from octoworld.core.paths import asset
from octoworld.rl.adapters.lerobot import LeRobotVecEnv
from octoworld.rl.evaluate import evaluate


class Select(torch.nn.Module):
    """An octoworld controller as a LeRobot policy."""

    def __init__(self, controller) -> None:
        super().__init__()
        self.controller = controller

    def reset(self) -> None:
        self.controller.reset()

    def select_action(self, batch):
        obs = {"observation.state": batch["observation.state"]}
        return self.controller.act(obs, list(batch["task"])).actions[:, 0]


def same(value):
    """A processor that does nothing."""
    return value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", default="Hover")
    parser.add_argument("--checkpoint", default="hover-ppo")
    parser.add_argument("--worlds", type=int, default=16)
    options = parser.parse_args()
    seeds = list(range(8_000_000, 8_000_000 + options.worlds))
    controller = octoworld.load_policy(asset("checkpoints", options.checkpoint))
    env = LeRobotVecEnv(octoworld.make_vec(options.task, options.worlds))
    rollout = load("lerobot.scripts.lerobot_eval").rollout
    told = rollout(env, Select(controller), same, same, same, same, seeds=seeds)
    first = told["done"].int().argmax(1)
    theirs = [bool(told["success"][i, : int(k) + 1].any()) for i, k in enumerate(first)]
    env.close()
    worlds = octoworld.make_vec(options.task, options.worlds, autoreset_mode=AutoresetMode.DISABLED)
    ours = evaluate(worlds, controller, seeds, horizon=worlds.max_episode_length).success
    worlds.close()
    print(f"LeRobot counts {np.mean(theirs):.0%}, octoworld {ours.mean():.0%}")
    if theirs != ours.tolist():
        raise SystemExit(f"they differ: {theirs} and {ours.tolist()}")


if __name__ == "__main__":
    main()
