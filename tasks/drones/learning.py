"""What suits the training of controllers in drone tasks; see `octoworld.recipes.fly`."""

from __future__ import annotations

from typing import Any

from octoworld.core.registry import register_training


def flight_training(algo: str) -> dict[str, Any]:
    """Fields of TrainConfig for tasks flown by rotor speeds.

    Observations are of unit size as they are; running statistics would follow the hover. Noise of
    deviation 1 on four rotors tumbles the drone, so that most steps teach nothing: with 0.4, Hover
    was learnt by ten seeds of ten; with 1, the one that was tried lost it again. SAC learnt Hover
    in 0.1 million steps with small networks and fast steps, and nothing with running statistics.
    Its critic ran away in one seed of two with relu, which large rates of a tumbling drone pass.
    """
    if algo in ("sac", "td3"):
        small = {"hidden": (64, 64), "activation": "tanh"}
        return {"normalize_obs": False, "learning_rate": 1e-3} | small
    if algo != "ppo":
        return {}
    return {
        "total_steps": 1_000_000, "final_learning_rate": 0.02, "normalize_obs": False,
        "initial_scale": 0.4, "options": {"n_steps": 64, "target_kl": 0.02},
    }  # fmt: skip


@register_training("Hover1D")
def _hover_1d(algo: str) -> dict[str, Any]:
    """Small batches: one action of one meaning needs few steps."""
    if algo != "ppo":
        return {}
    small = {"num_envs": 32, "eval_every": 24_000, "total_steps": 400_000}
    return flight_training(algo) | small | {"options": {"n_steps": 64, "batch_size": 512}}


@register_training("MultiHover")
def _multi_hover(algo: str) -> dict[str, Any]:
    """One policy for all drones: what one learns in its place, all know."""
    shared = {"shared_policy": True}
    if algo != "ppo":
        return shared
    return flight_training(algo) | shared | {"num_envs": 64, "total_steps": 2_000_000}


@register_training("TakeOff")
@register_training("FlyThroughGate")
def _rare(algo: str) -> dict[str, Any]:
    """Where most first flights end at once: fast steps, means that cannot run away, scaled rewards.

    Without, TakeOff had learnt nothing after 0.7 million steps; with them it had after 0.9 million.
    """
    if algo != "ppo":
        return {}
    options = {"n_steps": 32, "n_epochs": 4, "target_kl": 0.02}
    fast = {"num_envs": 256, "learning_rate": 1.5e-3, "total_steps": 1_500_000, "options": options}
    return flight_training(algo) | fast | {"bounded_mean": True, "normalize_reward": True}


for _task in ("Hover", "Land", "TrackVelocity"):
    register_training(_task)(flight_training)
