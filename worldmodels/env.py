"""WorldModelEnv: a VecEnv whose physics is imagined and whose reward is a reflector's verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import gymnasium
import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from numpy.typing import ArrayLike, NDArray

from octoworld.core.errors import ConfigError
from octoworld.core.rng import derive_seed
from octoworld.data.episode import Episode
from sim.vec_env import ChunkResult, VecEnv

from .dataset import IMAGE, STATE, EpisodeDataset
from .model import WorldModel
from .record import EpisodeRecorder, Track
from .reflector import Reflector, debounce
from .starts import StartConfig, StartSampler


@dataclass(frozen=True)
class ImaginationConfig:
    """Horizon, starts and reward of imagined episodes."""

    horizon: int = 40
    """Steps after which an imagined episode is truncated; errors grow with it."""
    starts: StartConfig = field(default_factory=StartConfig)
    """Which recorded rows episodes start from."""
    reward: Literal["stop", "dense"] = "stop"
    """`stop`: the success probability at the step that ends the episode (stop or clock), 0 before;
    `dense`: the probability at every step."""
    progress_weight: float = 0.0
    """Reward for each unit of progress gained, on top."""
    record: bool = False
    """Keep imagined steps, so that `to_episodes` can export them."""
    sampling_steps: int = 0
    """Euler steps in which a flow model draws; 0: as many as its own config says."""


@dataclass
class _Seen:
    """K imagined and judged steps of n worlds."""

    latents: torch.Tensor
    proprio: torch.Tensor
    probability: torch.Tensor
    progress: torch.Tensor
    runs: torch.Tensor
    stop: torch.Tensor


class WorldModelEnv(VecEnv):
    """N imagined worlds that start at recorded frames.

    A start is a function of the world's seed alone, so equal seeds give a group. `terminated` is
    the reflector's debounced stop; `infos["success"]` says the same. `true_steps` stays 0.
    `reset(options={"start": (N, 2) episode and time, "instructions": N strings})` overrides both.
    The noise of imagination is seeded by `reset(seed=...)`.
    """

    is_physics = False

    def __init__(
        self,
        world_model: WorldModel,
        reflector: Reflector,
        dataset: EpisodeDataset,
        num_envs: int,
        config: ImaginationConfig | None = None,
        *,
        fps: float | None = None,
        autoreset_mode: AutoresetMode = AutoresetMode.SAME_STEP,
        output: Literal["numpy", "torch"] = "numpy",
    ) -> None:
        """Wrap trained models around recorded episodes.

        Args:
            world_model: imagines.
            reflector: judges; must hold the same autoencoder as the world model.
            dataset: where episodes start, with images and latents.
            num_envs: N.
            config: horizon, starts, reward.
            fps: control rate; None takes the first episode's.
            autoreset_mode: DISABLED for `step_chunk`.
            output: "numpy" or "torch".

        Raises:
            ConfigError: the models do not fit each other or the data.
        """
        check_same_latents(world_model, reflector)
        self.config = config or ImaginationConfig()
        self.world_model, self.reflector, self.dataset = world_model, reflector, dataset
        missing = [c for c in world_model.cameras if c not in dataset.frames]
        if missing:
            raise ConfigError(f"the dataset has no images of {missing}; has {list(dataset.frames)}")
        steps = self.config.sampling_steps
        if steps and not hasattr(getattr(world_model, "settings", None), "sampling_steps"):
            raise ConfigError(
                f"sampling_steps {steps}: a {type(world_model).__name__} draws in no such steps"
            )
        self._how: dict[str, Any] = {"sampling_steps": steps} if steps else {}
        cameras, box = world_model.cameras, gymnasium.spaces.Box
        spaces: dict[str, gymnasium.Space] = {
            IMAGE + c: box(0, 255, tuple(dataset.frames[c].shape[1:]), np.uint8) for c in cameras
        }
        spaces[STATE] = box(-np.inf, np.inf, (dataset.proprio.shape[1],), np.float32)
        super().__init__(
            num_envs=num_envs,
            single_observation_space=gymnasium.spaces.Dict(spaces),
            single_action_space=box(-1.0, 1.0, (dataset.actions.shape[1],), np.float32),
            max_episode_length=self.config.horizon,
            fps=float(fps or dataset.episodes[0].fps),
            autoreset_mode=autoreset_mode,
            output=output,
            device=str(reflector.device),
        )
        self._sampler = StartSampler(dataset, self.config.starts)
        self._generator = torch.Generator().manual_seed(0)
        self._recorder = EpisodeRecorder(num_envs, self.fps) if self.config.record else None
        self._history: Any = None
        self._window: Any = None
        self._first = torch.empty(0)
        self._frames = {
            c: np.zeros((num_envs, *dataset.frames[c].shape[1:]), np.uint8) for c in cameras
        }
        self._proprio = np.zeros((num_envs, dataset.proprio.shape[1]), np.float32)
        self._runs = torch.zeros(num_envs, dtype=torch.long)
        self._progress = np.zeros(num_envs, np.float32)
        self.start_rows = np.zeros((num_envs, 2), np.int64)
        """(N, 2) episode and time that each world started from."""

    # -- resets ----------------------------------------------------------------------------------

    def reset(
        self,
        *,
        seed: int | Sequence[int] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Start episodes at recorded rows; `seed` also seeds the noise of imagination."""
        if seed is not None:
            path = [int(s) for s in np.atleast_1d(seed)[:8]]
            self._generator.manual_seed(derive_seed(path[0], "imagination", *path[1:]))
        return super().reset(seed=seed, options=options)

    def _reset(self, mask: NDArray[np.bool_], seeds: NDArray[np.int64]) -> None:
        worlds = np.flatnonzero(mask)
        chosen = self.reset_options.get("start")
        if chosen is None:
            starts = np.array([self._sampler.draw(int(seeds[i])) for i in worlds], np.int64)
        else:
            starts = self._sampler.check(np.asarray(chosen)[mask])
        self.start_rows[mask] = starts
        given = self.reset_options.get("instructions")
        self.instructions = list(self.instructions)
        for i, (episode, _) in zip(worlds, starts, strict=True):
            self.instructions[i] = given[i] if given else self.dataset.instruction(int(episode))
        context, window = self.world_model.context_length, self.reflector.settings.window
        episode, time = starts[:, 0], starts[:, 1]
        anchor = torch.from_numpy(self.dataset.starts[episode])[:, None]
        rows = torch.cat([anchor, self.dataset.windows(episode, time, context - 1, 0)], 1)
        clip = self.dataset.clip(rows)
        clip.frames = {c: clip.frames[c].to(self.device) for c in self.world_model.cameras}
        clip.proprio = clip.proprio.to(self.device)
        history = self.world_model.start(clip)
        judged = self.dataset.windows(episode, time, window - 2, 0)
        latents = self.dataset.need_latents()[judged].to(self.device)
        proprio = self.dataset.proprio[judged].to(self.device)
        index = torch.from_numpy(worlds)
        first = self.dataset.first_latents(episode).to(self.device)
        if self._history is None:
            if len(worlds) != self.num_envs:
                raise ConfigError("the first reset must start every world; leave out reset_mask")
            self._history, self._window, self._first = history, [latents, proprio], first
        else:
            _write(self._history.tensors(), history.tensors(), index)
            _write([*self._window, self._first], [latents, proprio, first], index)
        now = rows[:, -1]
        for camera, frames in self._frames.items():
            frames[mask] = self.dataset.frames[camera][now].numpy()
        self._proprio[mask] = self.dataset.proprio[now].numpy()
        self._runs[index] = 0
        self._progress[mask] = 0.0
        if self._recorder is not None:
            for i, start, z, p in zip(worlds, starts, latents[:, -1], proprio[:, -1], strict=True):
                facts = {"start_episode": int(start[0]), "start_time": int(start[1])}
                self._recorder.begin(int(i), self.instructions[i], facts, z, p)

    # -- steps -----------------------------------------------------------------------------------

    def _step(self, actions: NDArray[np.float32]) -> tuple[dict[str, Any], Any, Any]:
        worlds = np.flatnonzero(self.live)
        seen = self._imagine(worlds, actions[worlds][:, None])
        self._show(worlds, seen, np.zeros(len(worlds), np.int64))
        clock = self.progress_buf[worlds] + 1 >= self.max_episode_length
        evaluation, rewards, terminated = self._judge(worlds, seen, 0, clock)
        self._note(worlds, seen, 0, actions[worlds], rewards[worlds], terminated[worlds], clock)
        return evaluation, rewards, terminated

    def step_chunk(self, actions: Any, every_observation: bool = False) -> ChunkResult:
        """One imagination of K steps; images are drawn for the last step, others when looked at.

        `every_observation` changes nothing here: all K can be looked at.

        Raises:
            ActionError: wrong shape, or not finite.
            ConfigError: the environment resets by itself, or was never reset.
        """
        if self.autoreset_mode != AutoresetMode.DISABLED:
            raise ConfigError("step_chunk needs autoreset_mode=AutoresetMode.DISABLED")
        if self.obs_buf is None:
            raise ConfigError("step before reset: call reset(seed=...) first")
        chunk = torch.as_tensor(actions).detach().cpu().numpy()
        if chunk.ndim != 3:
            return super().step_chunk(actions)  # it raises, naming the shapes
        checked = np.stack([self._check_actions(a) for a in chunk.swapaxes(0, 1)], 1)
        worlds, num_steps = np.flatnonzero(self.live), chunk.shape[1]
        if not len(worlds):
            return super().step_chunk(actions)
        seen = self._imagine(worlds, checked[worlds])
        columns: list[tuple[Any, ...]] = []
        slots, shown = np.zeros(len(worlds), np.int64), []
        infos: list[dict[str, Any]] = []
        for k in range(num_steps):
            alive = self.live.copy()
            clock = self.progress_buf[worlds] + 1 >= self.max_episode_length
            evaluation, rewards, terminated = self._judge(worlds, seen, k, clock)
            here = alive[worlds]
            acting = worlds[here]
            self._note(
                acting, _pick(seen, here), k, checked[acting, k], rewards[acting],
                terminated[acting], clock[here],
            )  # fmt: skip
            self.progress_buf = self.progress_buf + alive
            rewards = np.where(alive, rewards, np.float32(0))
            terminated = np.where(alive, terminated, self._terminated)
            truncated = (self.progress_buf >= self.max_episode_length) & ~terminated
            held = {
                name: np.where(alive, value, self.extras.get(name, value))
                for name, value in evaluation.items()
            }
            self.extras = held | {f"_{name}": self._all for name in held}
            self._terminated, self.live = terminated, ~(terminated | truncated)
            self.rew_buf, self.reset_buf, self.timeout_buf = rewards, ~self.live, truncated
            slots = np.where(here, k, slots)
            shown.append(slots.copy())
            columns.append((rewards, terminated, truncated, alive))
            infos.append(self.extras)
        self._show(worlds, seen, slots)
        before, self.obs_buf = self.obs_buf, self._out(self._observe())
        views: list[Any] = [
            _Lazy(lambda s=s: self._look(worlds, seen, s, before)) for s in shown[:-1]
        ]
        stacked = [self._out(np.stack(c, 1)) for c in zip(*columns, strict=True)]
        return ChunkResult(
            obs=self.obs_buf, observations=LazyList([*views, self.obs_buf]), rewards=stacked[0],
            terminated=stacked[1], truncated=stacked[2], alive=stacked[3], infos=infos,
        )  # fmt: skip

    def _imagine(self, worlds: NDArray[np.int64], actions: NDArray[np.float32]) -> _Seen:
        """Imagine and judge `actions` (n, K, A) in the worlds listed; their histories grow."""
        index = torch.from_numpy(worlds)
        history = self._history.select(index)
        latents, proprio = [], []
        given = torch.from_numpy(np.ascontiguousarray(actions)).to(self.device)
        for part in given.split(self.world_model.max_chunk, dim=1):
            history, imagined = self.world_model.imagine(
                history, part, self._generator, "none", **self._how
            )
            latents.append(imagined.latents)
            proprio.append(imagined.proprio)
        z, p = torch.cat(latents, 1), torch.cat(proprio, 1)
        _write(self._history.tensors(), history.tensors(), index)
        past = [x[index] for x in self._window]
        z_window, p_window = torch.cat([past[0], z], 1), torch.cat([past[1], p], 1)
        verdict = self.reflector.score_latents(
            z_window, p_window, [self.instructions[i] for i in worlds], self._first[index]
        )
        keep = past[0].shape[1]
        if keep:
            _write(self._window, [z_window[:, -keep:], p_window[:, -keep:]], index)
        num_steps = z.shape[1]
        probability = verdict.success[:, -num_steps:].cpu()
        above = probability > float(self.reflector.threshold)
        runs = debounce(above, self._runs[index])
        self._runs[index] = runs[:, -1]
        stop = runs >= self.reflector.settings.patience
        return _Seen(z, p, probability, verdict.progress[:, -num_steps:].cpu(), runs, stop)

    def _judge(
        self, worlds: NDArray[np.int64], seen: _Seen, k: int, clock: NDArray[np.bool_]
    ) -> tuple[dict[str, Any], NDArray[np.float32], NDArray[np.bool_]]:
        """Evaluation, reward and termination (N,) of step k; rows of other worlds are 0."""
        probability, progress = seen.probability[:, k].numpy(), seen.progress[:, k].numpy()
        stop = seen.stop[:, k].numpy()
        value = probability if self.config.reward == "dense" else probability * (stop | clock)
        gained = progress - self._progress[worlds]
        self._progress[worlds] = progress
        terminated = self._spread(worlds, stop)
        evaluation = {
            "success": terminated,
            "success_probability": self._spread(worlds, probability),
            "progress": self._spread(worlds, progress),
        }
        reward = value + self.config.progress_weight * gained
        return evaluation, self._spread(worlds, reward.astype(np.float32)), terminated

    def _spread(self, worlds: NDArray[np.int64], values: NDArray) -> NDArray:
        out = np.zeros(self.num_envs, values.dtype)
        out[worlds] = values
        return out

    # -- what is seen ----------------------------------------------------------------------------

    def _show(self, worlds: NDArray[np.int64], seen: _Seen, slots: NDArray[np.int64]) -> None:
        """Draw step `slots` (n,) of the worlds listed as what they show now."""
        rows, index = torch.arange(len(worlds)), torch.from_numpy(slots)
        images = self.world_model.decode(seen.latents[rows, index])
        for camera, frames in self._frames.items():
            frames[worlds] = images[camera].cpu().numpy()
        self._proprio[worlds] = seen.proprio[rows, index].cpu().numpy()

    def _look(
        self, worlds: NDArray[np.int64], seen: _Seen, slots: NDArray[np.int64], before: Any
    ) -> Any:
        """The observation of an inner step of a chunk."""
        rows, index = torch.arange(len(worlds)), torch.from_numpy(slots)
        images = self.world_model.decode(seen.latents[rows, index])
        obs = {IMAGE + c: x.cpu().numpy() for c, x in images.items()}
        obs[STATE] = seen.proprio[rows, index].cpu().numpy()
        mask = np.zeros(self.num_envs, bool)
        mask[worlds] = True
        return self._merge(before, obs, mask)

    def _observe(self) -> dict[str, NDArray]:
        obs: dict[str, NDArray] = {IMAGE + c: x.copy() for c, x in self._frames.items()}
        obs[STATE] = self._proprio.copy()
        return obs

    def render_frames(
        self,
        camera: str | None = None,
        worlds: ArrayLike | None = None,
        size: tuple[int, int] | None = None,
    ) -> NDArray[np.uint8]:
        """What the listed worlds show; `size` must be a whole multiple of the model's images."""
        camera = camera or self.world_model.cameras[0]
        if camera not in self._frames:
            raise ConfigError(f"no camera {camera!r}; known: {', '.join(self._frames)}")
        frames = self._frames[camera]
        frames = frames.copy() if worlds is None else frames[np.asarray(worlds)]
        if size is not None:
            height, width = frames.shape[1:3]
            if size[0] % height or size[1] % width:
                raise ConfigError(f"size {size} is not a multiple of {(height, width)}")
            frames = frames.repeat(size[0] // height, 1).repeat(size[1] // width, 2)
        return frames

    # -- export ----------------------------------------------------------------------------------

    def _note(
        self,
        worlds: NDArray[np.int64],
        seen: _Seen,
        k: int,
        actions: NDArray[np.float32],
        rewards: NDArray[np.float32],
        terminated: NDArray[np.bool_],
        clock: NDArray[np.bool_],
    ) -> None:
        if self._recorder is not None:
            for j, i in enumerate(worlds):
                done, success = bool(terminated[j] | clock[j]), bool(terminated[j])
                after = (seen.latents[j, k], seen.proprio[j, k])
                self._recorder.step(int(i), actions[j], float(rewards[j]), success, done, *after)

    def to_episodes(self) -> list[Episode]:
        """Imagined episodes since the last call, ended ones first, with frames drawn.

        Raises:
            ConfigError: `ImaginationConfig.record` is off.
        """
        return self._recording().export(self.world_model.decode)

    def take_tracks(self) -> list[Track]:
        """The same as latents, not drawn, with the frame after the last action."""
        return self._recording().take()

    def _recording(self) -> EpisodeRecorder:
        if self._recorder is None:
            raise ConfigError("nothing was recorded: set ImaginationConfig(record=True)")
        return self._recorder


class _Lazy:
    """An observation that is drawn when it is looked at."""

    def __init__(self, draw: Callable[[], Any]) -> None:
        self.draw = draw


class LazyList(list):
    """A list whose members are drawn on first access."""

    def __getitem__(self, index: Any) -> Any:
        value = super().__getitem__(index)
        if isinstance(value, _Lazy):
            value = value.draw()
            self[index] = value
        return value

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))


def _pick(seen: _Seen, mask: NDArray[np.bool_]) -> _Seen:
    if mask.all():
        return seen
    keep = torch.from_numpy(mask)
    return _Seen(*(getattr(seen, f)[keep] for f in _Seen.__dataclass_fields__))


def _write(into: Sequence[torch.Tensor], rows: Sequence[torch.Tensor], index: torch.Tensor) -> None:
    for target, source in zip(into, rows, strict=True):
        target[index] = source


def check_same_latents(world_model: Any, reflector: Reflector) -> None:
    """Raise ConfigError unless a world model and a reflector hold the same autoencoder."""
    mine, theirs = world_model.autoencoder.state_dict(), reflector.autoencoder.state_dict()
    same = mine.keys() == theirs.keys() and all(
        mine[k].shape == theirs[k].shape and torch.equal(mine[k].cpu(), theirs[k].cpu())
        for k in mine
    )
    if not same:
        raise ConfigError(
            "world model and reflector were trained on different autoencoders, so they do not "
            "speak the same latents; train the reflector with `world_model.autoencoder`"
        )
