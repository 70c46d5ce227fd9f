"""Reading a cfg of IsaacGymEnvs' shape: what it sets here, what is checked, what is not ours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from octoworld.core.errors import ConfigError

PHYSICS_ENGINES = ("physx", "flex")
"""Values of `physics_engine` that mean Isaac's own engines: the task's backend stands for them."""


@dataclass(frozen=True)
class IsaacSettings:
    """What a cfg says to us."""

    num_envs: int | None = None
    """`env.numEnvs`."""
    max_episode_length: int | None = None
    """`env.maxEpisodeLength` or `env.episodeLength` [control steps]."""
    clip_observations: float = math.inf
    """`env.clipObservations`."""
    clip_actions: float = math.inf
    """`env.clipActions`."""
    images: bool = False
    """`env.enableCameraSensors`: observe the task's cameras."""
    backend: str | None = None
    """`physics_engine`, if it is one of ours."""
    randomization: Mapping[str, Any] = field(default_factory=dict)
    """`task.randomization_params` where `task.randomize` is true."""
    expected: Mapping[str, Any] = field(default_factory=dict)
    """What the cfg believes about the task; see `check`."""
    cfg: Mapping[str, Any] = field(default_factory=dict)
    """As given."""


def read_cfg(cfg: Mapping[str, Any] | None) -> IsaacSettings:
    """Settings from a cfg (nested dicts, or anything with their methods, such as omegaconf's).

    Keys of engines that are not ours (`sim.physx`, `sim.flex`, viewer and graphics) are passed
    over. `env.numObservations`, `env.numActions`, `env.controlFrequencyInv`, `sim.dt` and
    `sim.gravity` are the task's business here: they are kept in `expected`.

    Raises:
        ConfigError: a part or a value is of the wrong kind.
    """
    cfg = _part({"cfg": {} if cfg is None else cfg}, "cfg")
    env, sim, task = (_part(cfg, name) for name in ("env", "sim", "task"))
    length = env.get("maxEpisodeLength", env.get("episodeLength"))
    engine = cfg.get("physics_engine")
    expected = {
        "env.numObservations": env.get("numObservations"),
        "env.numActions": env.get("numActions"),
        "env.controlFrequencyInv": env.get("controlFrequencyInv"),
        "sim.dt": sim.get("dt"),
        "sim.gravity": sim.get("gravity"),
    }
    for name, least in (("numAgents", 1), ("numStates", 0)):
        if env.get(name, least) != least:
            raise ConfigError(f"cfg env.{name} {env[name]}: only {least} is supported")
    return IsaacSettings(
        num_envs=_count(env.get("numEnvs"), "env.numEnvs"),
        max_episode_length=_count(length, "env.maxEpisodeLength"),
        clip_observations=_bound(env, "clipObservations"),
        clip_actions=_bound(env, "clipActions"),
        images=bool(env.get("enableCameraSensors", False)),
        backend=None if engine in (None, *PHYSICS_ENGINES) else str(engine),
        randomization=_part(task, "randomization_params") if task.get("randomize") else {},
        expected={k: v for k, v in expected.items() if v is not None},
        cfg=cfg,
    )


def check(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> None:
    """Compare what a cfg believes about a task with what it is.

    Raises:
        ConfigError: they differ; the message names key and both values.
    """
    for name, wanted in expected.items():
        if name not in actual:
            continue
        if not _same(wanted, actual[name]):
            raise ConfigError(
                f"cfg {name} is {wanted}, but the task has {actual[name]}: it is the task that "
                "decides; leave the key out or give that value"
            )


def _same(wanted: Any, actual: Any) -> bool:
    try:
        pairs = zip(_floats(wanted), _floats(actual), strict=True)
        return all(math.isclose(a, b, rel_tol=1e-3, abs_tol=1e-9) for a, b in pairs)
    except (TypeError, ValueError):
        return False


def _floats(value: Any) -> list[float]:
    return [float(value)] if isinstance(value, int | float) else [float(v) for v in value]


def _part(cfg: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = cfg.get(name) or {}
    if not hasattr(part, "get") or not hasattr(part, "items"):
        raise ConfigError(f"cfg {name}: expected a dict, got {part!r}")
    return part


def _count(value: Any, name: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigError(f"cfg {name}: expected a whole number of at least 1, got {value!r}")
    return value


def _bound(env: Mapping[str, Any], name: str) -> float:
    value = env.get(name, math.inf)
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ConfigError(f"cfg env.{name}: expected a number above 0, got {value!r}")
    return float(value)
