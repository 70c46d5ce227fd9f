"""The functions behind `import octoworld`: make environments, load what was trained, list names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .core import registry
from .core.errors import ConfigError

if TYPE_CHECKING:
    import gymnasium

    from sim.isaacgym import IsaacGymEnv
    from sim.vec_env import VecEnv
    from vla.policy import Policy
    from worldmodels.model import WorldModel


def make_vec(
    task: str,
    num_envs: int = 1,
    *,
    stochastic: str = "",
    seed: int | None = None,
    **options: Any,
) -> VecEnv:
    """`num_envs` worlds of a task in physics, stepped together.

    Args:
        task: a name of `list_tasks()`.
        num_envs: N, the first axis of every array.
        stochastic: effects laid over it, such as "1:hold,p=0.2+2.2:wear,sudden@300"; see
            `sim.stochastic.parse`.
        seed: when given, the environment is reset with it.
        options: `obs_mode` ("state" or "vision"), `control_mode`, `backend`, ... as
            `tasks.env.task_env` describes them.

    Raises:
        UnknownNameError: no such task, backend or effect.
        ConfigError: a value is out of range, or an effect has no meaning in the task.
    """
    from tasks.make import make_worlds

    return make_worlds(task, num_envs, stochastic=stochastic, seed=seed, **options)


def make(
    task: str, *, render_mode: str | None = None, camera: str | None = None, **options: Any
) -> gymnasium.Env:
    """One world of a task as a `gymnasium.Env`, in numpy; it is reset by its user only.

    Args:
        task: a name of `list_tasks()`.
        render_mode: "rgb_array" or None.
        camera: what `render` looks through; None is the task's choice.
        options: as for `make_vec`.
    """
    from gymnasium.vector import AutoresetMode

    from sim.gym_env import SingleWorldEnv

    worlds = make_vec(task, 1, autoreset_mode=AutoresetMode.DISABLED, **options)
    return SingleWorldEnv(worlds, render_mode=render_mode, camera=camera)


def make_isaac(
    task: str,
    num_envs: int | None = None,
    sim_device: str = "cpu",
    rl_device: str = "cpu",
    *,
    graphics_device_id: int = -1,
    headless: bool = True,
    seed: int = 0,
    cfg: Mapping[str, Any] | None = None,
    lazy_reset: bool = False,
    **options: Any,
) -> IsaacGymEnv:
    """A task behind the face of IsaacGymEnvs' `VecTask`.

    Args:
        task: a name of `list_tasks()`.
        num_envs: N; None takes `env.numEnvs` of `cfg`, or 1.
        sim_device: where physics runs; our engines run on the "cpu".
        rl_device: where tensors are given and taken, e.g. "cuda:0".
        graphics_device_id: not used; images are drawn off screen.
        headless: False is refused: watch with `octoworld play`.
        seed: world i starts from seed + i.
        cfg: nested dict of IsaacGymEnvs' shape; see `sim.isaacgym_config.read_cfg`.
        lazy_reset: reset a world in the step after its last one, as VecTask does, instead of
            within it.
        options: as for `make_vec`; they win over `cfg`.

    Raises:
        ConfigError: a value is not supported, or `cfg` contradicts the task.
        UnknownNameError: no such task or backend.
    """
    from gymnasium.vector import AutoresetMode

    from sim.isaacgym import IsaacGymEnv
    from sim.isaacgym_config import check, read_cfg

    if sim_device != "cpu":
        raise ConfigError(f"sim_device {sim_device!r}: physics of tasks runs on 'cpu'")
    if not headless:
        raise ConfigError("headless=False: there is no window; watch with `octoworld play`")
    del graphics_device_id
    settings = read_cfg(cfg)
    mode = AutoresetMode.DISABLED if lazy_reset else AutoresetMode.SAME_STEP
    said: dict[str, Any] = {
        "max_episode_length": settings.max_episode_length,
        "backend": settings.backend,
        "obs_mode": "vision" if settings.images else None,
    }
    said = {k: v for k, v in said.items() if v is not None} | options
    count = num_envs or settings.num_envs or 1
    if settings.randomization:
        said = _randomized(task, count, settings.randomization, said)
    env = make_vec(task, count, autoreset_mode=mode, **said)
    face = IsaacGymEnv(env, settings, rl_device=rl_device, seed=seed)
    check(
        settings.expected,
        {
            "env.numObservations": face.num_obs,
            "env.numActions": face.num_acts,
            "env.controlFrequencyInv": face.control_freq_inv,
            "sim.dt": face.dt,
            "sim.gravity": face.root_world.scene.gravity,
        },
    )
    return face


def _randomized(
    task: str, num_envs: int, params: Mapping[str, Any], options: dict[str, Any]
) -> dict[str, Any]:
    """Options of `make_vec` with what `randomization_params` ask for; given ones win."""
    from sim.isaacgym_random import translate
    from tasks.drones.flying import PHYSICS, FlyingTask

    probe: Any = make_vec(task, 1, **options)
    robot, flying = probe.task.robot, isinstance(probe.task, FlyingTask)
    parameters = PHYSICS if flying else getattr(probe.world, "parameters", ())
    found = translate(params, parameters, ("robot", robot), flying)
    episodes = -(-found.ramp_steps // probe.max_episode_length) * num_envs
    probe.close()
    extra = dict(options)
    if found.spreads:
        asked = {"randomize": found.spreads, "randomize_ramp": episodes}
        extra["task_options"] = asked | dict(options.get("task_options", {}))
    if found.noise:
        extra.setdefault("stochastic", found.stochastic)
    return extra


def load_policy(
    folder: Path | str, *, robot: str | None = None, control_mode: str | None = None
) -> Policy:
    """The policy that `save_pretrained` wrote into `folder`.

    Args:
        folder: holds `config.json` and `model.safetensors`.
        robot: the robot it shall drive; None does not ask.
        control_mode: what the environment takes its actions for; None does not ask.

    Raises:
        CheckpointError: missing, damaged, of an unknown type, for another robot or control mode.
    """
    from vla.checkpoint import load_policy

    return load_policy(folder, robot=robot, control_mode=control_mode)


def load_world_model(folder: Path | str) -> WorldModel:
    """The world model that `save_pretrained` wrote into `folder`.

    Raises:
        CheckpointError: missing, damaged, or of a class that no registered world model has.
    """
    from worldmodels.checkpoint import world_model_class

    return world_model_class(folder).from_pretrained(folder)


def list_tasks() -> list[str]:
    """Names for `make` and `make_vec`."""
    return registry.TASKS.names()


def list_robots() -> list[str]:
    """Names of the robots."""
    return registry.ROBOTS.names()


def list_policies() -> list[str]:
    """Names of the kinds of policy."""
    return registry.POLICIES.names()


def list_world_models() -> list[str]:
    """Names of the kinds of world model."""
    return registry.WORLD_MODELS.names()


def list_backends() -> list[str]:
    """Names of the physics engines."""
    return registry.BACKENDS.names()


def list_benches() -> list[str]:
    """Names of the experiments that `octoworld bench` runs."""
    return registry.BENCHES.names()
