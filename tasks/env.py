"""TaskEnv: a Task in the true simulator, behind the one environment contract."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import ArrayLike, NDArray

from octoworld.core.errors import ConfigError, UnknownNameError
from octoworld.core.registry import BACKENDS, TASKS
from octoworld.core.rng import WorldRng
from robots.control.modes import ControlConfig
from robots.spec import CameraSpec
from sim.scene import Scene
from sim.vec_env import VecEnv
from sim.world import Mask, World

from .memory import rows_of, width_of, write_rows
from .task import Evaluation, Task
from .team import Team

ObsMode = Literal["state", "vision"]


class TaskEnv(VecEnv):
    """N worlds of one task, driven by one control mode.

    `obs_mode="state"` gives (N, P + D) float32: proprioception, then privileged facts.
    `obs_mode="vision"` gives `observation.images.<camera>` and `observation.state` (N, P).
    """

    def __init__(
        self,
        task: Task,
        world: World,
        *,
        obs_mode: ObsMode = "state",
        cameras: Sequence[str] | None = None,
        control: str | None = None,
        control_config: ControlConfig | None = None,
        terminate_on_success: bool | None = None,
        autoreset_mode: AutoresetMode = AutoresetMode.SAME_STEP,
        output: Literal["numpy", "torch"] = "numpy",
        max_episode_length: int | None = None,
        image_size: tuple[int, int] | None = None,
    ) -> None:
        """Put `task` into `world`, which must hold the task's scene.

        Args:
            task: The job, for as many worlds as `world` has.
            world: N copies of `task.scene()`.
            obs_mode: What is observed.
            cameras: Cameras of `vision` observations, any of the scene's and its robots', such as
                `front` of a drone (`d0_front` among several); None is the task's choice.
            control: Name of the control mode; None is the task's own.
            control_config: Scales of the control mode; its period is set from the task's fps.
            terminate_on_success: False lets episodes run to the clock; None is the task's own.
            autoreset_mode: SAME_STEP or DISABLED.
            output: "numpy" or "torch".
            max_episode_length: Steps until truncation; None is the task's own.
            image_size: (H, W) of the images; None is each camera's own.

        Raises:
            ConfigError: obs_mode or the number of worlds does not fit.
        """
        if obs_mode not in ("state", "vision"):
            raise ConfigError(f"obs_mode {obs_mode!r} is not one of 'state', 'vision'")
        if task.num_worlds != world.num_worlds:
            raise ConfigError(f"task of {task.num_worlds} worlds in {world.num_worlds} worlds")
        self.task, self.world, self.obs_mode = task, world, obs_mode
        if hasattr(world, "host_reads"):
            world.host_reads = True  # type: ignore[attr-defined]
        self.cameras = tuple(task.cameras if cameras is None else cameras)
        self._camera_specs = scene_cameras(world.scene)
        for name in self.cameras:
            if name not in self._camera_specs:
                raise UnknownNameError("camera", name, self._camera_specs)
        self.terminate_on_success = (
            task.ends_on_success if terminate_on_success is None else terminate_on_success
        )
        self.image_size = image_size
        self.substeps = whole_substeps(task.fps, world.scene.timestep)
        self.drive = task.drive(control or task.control_mode, control_config)
        task.bind(self.drive.action_dim)
        self._rng = WorldRng(range(world.num_worlds))
        self.judged: Evaluation = {}
        super().__init__(
            num_envs=world.num_worlds,
            single_observation_space=self._space(),
            single_action_space=gymnasium.spaces.Box(
                -1.0, 1.0, (self.drive.action_dim,), np.float32
            ),
            max_episode_length=max_episode_length or task.max_steps,
            fps=task.fps,
            autoreset_mode=autoreset_mode,
            output=output,
        )

    # -- the contract ----------------------------------------------------------------------------

    def _reset(self, mask: Mask, seeds: NDArray[np.int64]) -> None:
        start = self.reset_options.get("start")
        if start is None:
            self._rng.seed(mask, seeds)
            self.world.reset(mask)
            self.task.reset(self.world, mask, self._rng)
            self.world.refresh(mask)
            self.drive.reset(self.world, mask)
        else:
            self._write_state(np.asarray(start, np.float64), mask)
        self.instructions = self.task.instructions

    def _step(self, actions: NDArray[np.float32]) -> tuple[dict[str, Any], Any, Any]:
        ended = ~self.live
        if not ended.any():
            self.task.note_action(actions)
            self.drive.advance(self.world, actions, self.substeps)
            evaluation = self.task.evaluate(self.world)
        else:
            self._step_live(actions, ended)
            kept = rows_of(self.task.memory, self.num_envs)[ended]
            evaluation = self.task.evaluate(self.world)
            # judging may move a task's clock; worlds that had ended keep theirs
            write_rows(self.task.memory, kept, ended)
        # A world whose physics left the finite range was put back to the scene's default state:
        # its episode is over, and failed.
        lost = np.array(self.world.diverged, bool)
        success = evaluation["success"] = evaluation["success"] & ~lost
        evaluation["diverged"] = lost
        self.judged = evaluation
        reward, terms = self.task.reward(evaluation)
        terminated = lost | evaluation["failure"] if "failure" in evaluation else lost
        if self.terminate_on_success:
            terminated = terminated | success
        named = evaluation | {f"reward/{name}": value for name, value in terms.items()}
        return named, np.where(lost, 0.0, reward), terminated

    def _step_live(self, actions: NDArray[np.float32], ended: Mask) -> None:
        """Step all worlds, then put those that had ended back: they stand still."""
        kept = self.sim_state()[ended]
        self.task.note_action(actions)
        self.drive.advance(self.world, actions, self.substeps)
        self._write_state(kept, ended)

    def _observe(self) -> Any:
        return self._observation(None)

    def _observe_rows(self, mask: Mask) -> Any:
        return self._observation(np.flatnonzero(mask))

    def _observation(self, rows: NDArray | None) -> Any:
        parts = self.task.observe(self.world)
        if rows is not None:
            parts = {k: v[rows] for k, v in parts.items()}
        if self.obs_mode == "state":
            return np.concatenate([parts["observation.state"], parts["privileged"]], axis=1)
        images = {
            f"observation.images.{camera}": self.world.render(camera, rows, self.image_size)
            for camera in self.cameras
        }
        return images | {"observation.state": parts["observation.state"]}

    def render_frames(
        self,
        camera: str | None = None,
        worlds: ArrayLike | None = None,
        size: tuple[int, int] | None = None,
    ) -> NDArray[np.uint8]:
        """Images (n, H, W, 3) of the listed worlds; default: the task's first camera, 256 px."""
        return self.world.render(camera or self.cameras[0], worlds, size or (256, 256))

    def _space(self) -> gymnasium.Space:
        parts = self.task.observe(self.world)
        proprio, privileged = (parts[k].shape[1] for k in ("observation.state", "privileged"))
        box, unbounded = gymnasium.spaces.Box, (-np.inf, np.inf)
        if self.obs_mode == "state":
            return box(*unbounded, (proprio + privileged,), np.float32)
        specs = {name: self._camera_specs[name] for name in self.cameras}
        sizes = {name: self.image_size or (c.height, c.width) for name, c in specs.items()}
        spaces: dict[str, gymnasium.Space] = {
            f"observation.images.{name}": box(0, 255, (*size, 3), np.uint8)
            for name, size in sizes.items()
        }
        spaces["observation.state"] = box(*unbounded, (proprio,), np.float32)
        return gymnasium.spaces.Dict(spaces)

    @property
    def team(self) -> Team:
        """The agents of each world one by one; ConfigError where they cannot be told apart."""
        return Team(self)

    # -- recorded states -------------------------------------------------------------------------

    def sim_state(self) -> NDArray[np.float64]:
        """(N, S): the worlds' state, the task's and the drive's memory; for `restore_worlds`."""
        return np.concatenate([self.world.get_state(), self.memory_rows()], axis=1)

    def memory_rows(self) -> NDArray[np.float64]:
        """(N, E): what task and drive remember."""
        parts = [rows_of(m, self.num_envs) for m in (self.task.memory, self.drive.memory)]
        return np.concatenate(parts, axis=1)

    def restore_worlds(self, mask: Mask, sim_state: ArrayLike) -> Any:
        """Start new episodes of the masked worlds in recorded states (n, S): the observation.

        Same as `reset(options={"reset_mask": mask, "start": sim_state})`.
        """
        return self.reset(options={"reset_mask": mask, "start": sim_state})[0]

    def _write_state(self, rows: NDArray[np.float64], mask: Mask) -> None:
        task, drive = (width_of(m) for m in (self.task.memory, self.drive.memory))
        if rows.ndim != 2 or rows.shape[0] != int(mask.sum()):
            raise ConfigError(
                f"start states of shape {rows.shape}: expected {int(mask.sum())} rows of sim_state"
            )
        split = rows.shape[1] - task - drive
        self.world.set_state(rows[:, :split], mask)
        write_rows(self.task.memory, rows[:, split : split + task], mask)
        write_rows(self.drive.memory, rows[:, split + task :], mask)

    def close_extras(self, **kwargs: Any) -> None:
        """Free the renderers."""
        self.world.close()


@contextmanager
def _named(what: str, maker: Callable[..., Any], given: Mapping[str, Any]) -> Iterator[None]:
    """Options given to `what` that it does not take are the user's mistake, told as one."""
    try:
        yield
    except TypeError as error:
        unknown = [option for option in given if f"argument '{option}'" in str(error)]
        if "unexpected keyword" not in str(error) or not unknown:
            raise
        parameters = inspect.signature(maker).parameters.values()
        takes = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
        raise ConfigError(
            f"{what} has no option {unknown[0]!r}; it takes: {', '.join(takes) or 'none'}"
        ) from None


def scene_cameras(scene: Scene) -> dict[str, CameraSpec]:
    """Cameras by name: the scene's own, and each robot's with the robot's prefix."""
    cameras = {c.name: c for c in scene.cameras}
    for placed in scene.robots:
        cameras |= {placed.prefix + c.name: c for c in placed.spec.cameras}
    return cameras


def whole_substeps(fps: float, timestep: float) -> int:
    """Physics steps in a control step; ConfigError when they do not divide."""
    steps = 1 / (fps * timestep)
    if steps < 1 - 1e-6 or abs(steps - round(steps)) > 1e-6:
        raise ConfigError(
            f"control rate {fps:g} Hz does not divide the physics rate {1 / timestep:g} Hz"
        )
    return round(steps)


def make_task(
    name: str, num_worlds: int = 1, task_options: Mapping[str, Any] | None = None
) -> Task:
    """The task `name` alone, without a world to do it in: whether its options are good.

    Raises:
        UnknownNameError: a name is not registered; the message lists the choices.
        ConfigError: the task has no such option, or a value is out of range.
    """
    maker: Callable[..., Task] = TASKS.get(name)
    with _named(f"task {name}", maker, given=task_options or {}):
        return maker(num_worlds, **(task_options or {}))


def task_env(
    name: str,
    num_envs: int = 1,
    *,
    obs_mode: ObsMode = "state",
    control_mode: str | None = None,
    backend: str | None = None,
    num_threads: int | None = None,
    seed: int | None = None,
    task_options: Mapping[str, Any] | None = None,
    backend_options: Mapping[str, Any] | None = None,
    **options: Any,
) -> TaskEnv:
    """The task `name` in `num_envs` worlds of physics.

    Args:
        name: Registered task.
        num_envs: N.
        obs_mode: "state" or "vision".
        control_mode: Registered control mode; None is the task's own.
        backend: Registered physics backend; None is the task's own.
        num_threads: Threads of the backend; None chooses.
        seed: When given, the environment is reset with it.
        task_options: Further arguments of the task, such as `robot`.
        backend_options: Further arguments of the backend: `gui` of pybullet shows world 0 in a
            window; `dtype`, `device` of rotorcraft.
        options: Further arguments of `TaskEnv`.

    Raises:
        UnknownNameError: a name is not registered; the message lists the choices.
        ConfigError: a value is out of range.
    """
    task = make_task(name, num_envs, task_options)
    engine = backend or task.backend
    make_world: Callable[..., World] = BACKENDS.get(engine)
    with _named(f"backend {engine}", make_world, given=backend_options or {}):
        world = make_world(task.scene(), num_envs, num_threads, **(backend_options or {}))
    with _named(f"environment of task {name}", TaskEnv, given=options):
        env = TaskEnv(task, world, obs_mode=obs_mode, control=control_mode, **options)
    if seed is not None:
        env.reset(seed=seed)
    return env
