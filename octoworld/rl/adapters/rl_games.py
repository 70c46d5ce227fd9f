"""rl_games (1.6): it finds environments by name; `register` puts one there."""

from __future__ import annotations

from typing import Any

from rl_games.common import env_configurations, vecenv


def register(face: Any, name: str = "octoworld") -> str:
    """Let rl_games' `env_name: <name>` mean `face`, from `octoworld.make_isaac`; returns the name.

    An `IsaacGymEnv` has all that rl_games' `IVecEnv` asks for.
    """
    kind = f"{name.upper()}-ISAAC"
    vecenv.register(kind, lambda config_name, num_actors, **options: face)
    env_configurations.register(name, {"vecenv_type": kind, "env_creator": lambda **options: face})
    return name
