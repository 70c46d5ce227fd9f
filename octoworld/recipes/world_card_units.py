"""A unit of a world model's card: one policy on one task, imagined and in truth, start by start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from octoworld.data.episode import Episode
from tasks.env import TaskEnv, task_env
from vla.policy import Policy
from worldmodels.autoencoder import encode_dataset
from worldmodels.calibration import Unit
from worldmodels.dataset import EpisodeDataset
from worldmodels.env import ImaginationConfig, WorldModelEnv
from worldmodels.reflector import Reflector
from worldmodels.starts import StartConfig

from .actors import decide
from .evaluate import evaluate
from .rollouts import RolloutConfig, made_for, recording_env
from .worldenv.outcome import reflector_stop

READINGS = {"oracle": "ended by the simulator", "self_stopped": "ended by the reflector"}
"""What true success can mean, a field of `UnitRecord` -> how the card calls it."""


@dataclass(frozen=True)
class UnitRecord:
    """What happened from each start seed; columns are in the order of the seeds."""

    policy: str
    """Name of the policy, and its temperature where it is not the only one."""
    task: str
    """Registered name."""
    temperature: float
    """Factor on the policy's noise scale; 0 is its mean action."""
    first_seed: int
    """Start seeds are first_seed, first_seed + 1, ..."""
    imagined: tuple[bool, ...]
    """The reflector ended the imagined episode before the clock did."""
    oracle: tuple[bool, ...]
    """The policy in true physics came to success, where the simulator ends the episode."""
    self_stopped: tuple[bool, ...]
    """It was in success where the reflector, watching true frames, ended the episode (or the clock
    did)."""
    replayed: tuple[bool, ...]
    """True physics was in success after the very actions of the imagined episode."""
    imagined_steps: tuple[int, ...]
    """Length of the imagined episode."""

    def unit(self, reading: str) -> Unit:
        """As `worldmodels.calibration` takes it; `reading` is one of `READINGS`."""
        return Unit(self.policy, self.task, self.imagined, getattr(self, reading), self.replayed)

    def to_json(self) -> dict[str, Any]:
        """Plain values; outcomes as a string of 0 and 1, a digit a start."""
        values = asdict(self)
        for name in OUTCOMES:
            values[name] = "".join("01"[x] for x in values[name])
        return values | {"imagined_steps": " ".join(map(str, self.imagined_steps))}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> UnitRecord:
        """From what `to_json` gave."""
        read: dict[str, Any] = {f.name: values[f.name] for f in fields(cls)}
        for name in OUTCOMES:
            read[name] = tuple(x == "1" for x in values[name])
        read["imagined_steps"] = tuple(int(x) for x in values["imagined_steps"].split())
        return cls(**read)


OUTCOMES = ("imagined", "oracle", "self_stopped", "replayed")
"""Fields of `UnitRecord` that hold an outcome of each start."""


@dataclass(frozen=True)
class Imaginary:
    """Imagined episodes of S starts."""

    success: NDArray[np.bool_]
    """(S,) the reflector said 'done'."""
    lengths: NDArray[np.int64]
    """(S,) steps."""
    actions: NDArray[np.float32]
    """(S, T, A) what was done; rows from `lengths` on were not."""


def measure_unit(
    name: str,
    policy: Policy,
    temperature: float,
    task: str,
    seeds: range,
    model: Any,
    judge: Reflector,
    num_envs: int,
    horizon: int = 0,
) -> UnitRecord:
    """Imagine, act in truth, and replay what was imagined, from the same starts.

    Both sides draw the policy's noise alike, so that they part only where frames do. `horizon` 0 is
    the task's own clock; true episodes always run to that.
    """
    cameras = tuple(model.cameras)
    rollouts = RolloutConfig(num_envs, temperature=temperature, cameras=cameras)
    starts, clock = record_starts(task, seeds, policy, rollouts, model)
    seen = imagine(
        policy, temperature, model, judge, starts, seeds, num_envs, horizon or clock
    )  # fmt: skip
    truth = evaluate(policy, [task], seeds, rollouts, stop=reflector_stop(judge))
    return UnitRecord(
        policy=name,
        task=task,
        temperature=temperature,
        first_seed=seeds.start,
        imagined=tuple(map(bool, seen.success)),
        oracle=tuple(o.oracle for o in truth),
        self_stopped=tuple(o.self_stopped for o in truth),
        replayed=tuple(map(bool, replay_actions(task, policy, seeds, seen, num_envs))),
        imagined_steps=tuple(map(int, seen.lengths)),
    )


def record_starts(
    task: str, seeds: Sequence[int], policy: Policy, rollouts: RolloutConfig, model: Any
) -> tuple[EpisodeDataset, int]:
    """True first frames of each seed, encoded, one row an episode; and the task's clock [steps]."""
    episodes: list[Episode] = []
    for env, batch, filled in _batches(
        recording_env(task, min(rollouts.num_envs, len(seeds)), rollouts, policy=policy), seeds
    ):
        obs, _ = env.reset(seed=filled)
        clock = env.max_episode_length
        for i in range(len(batch)):
            columns = {k: np.asarray(v[i : i + 1]) for k, v in obs.items()}
            columns["action"] = np.zeros((1, env.num_acts), np.float32)
            columns["next.success"] = np.zeros(1, bool)
            episodes.append(Episode(columns, env.instructions[i], round(env.fps), {"task": task}))
    data = EpisodeDataset.from_episodes(episodes, rollouts.cameras)
    encode_dataset(model.autoencoder, data)
    return data, clock


def imagine(
    policy: Policy,
    temperature: float,
    model: Any,
    judge: Reflector,
    starts: EpisodeDataset,
    seeds: Sequence[int],
    num_envs: int,
    horizon: int,
) -> Imaginary:
    """One imagined episode from the first row of each of S episodes; the reflector ends it."""
    size = min(num_envs, len(seeds))
    env = WorldModelEnv(
        model, judge, starts, size,
        ImaginationConfig(horizon=horizon, starts=StartConfig(middle_share=0.0)),
        autoreset_mode=AutoresetMode.DISABLED,
    )  # fmt: skip
    parts = []
    for begin in range(0, len(seeds), size):
        chosen = np.minimum(np.arange(begin, begin + size), len(seeds) - 1)
        wave = [int(seeds[i]) for i in chosen]
        rows = np.stack([chosen, np.zeros_like(chosen)], 1)
        obs, _ = env.reset(seed=wave, options={"start": rows})
        policy.reset()
        done: list[NDArray] = []
        lengths = np.zeros(size, np.int64)
        while env.live.any():
            step = sum(c.shape[1] for c in done)
            chunk = decide(policy, obs, env.instructions, temperature, wave[0], step)
            chunk = chunk[:, : horizon - step]
            result = env.step_chunk(chunk)
            lengths += np.asarray(result.alive).sum(1)
            obs = result.obs
            done.append(chunk)
        actions = np.concatenate(done, 1)
        padded = np.pad(actions, ((0, 0), (0, horizon - actions.shape[1]), (0, 0)))
        kept = len(seeds) - begin
        success = np.asarray(env.extras["success"], bool)
        parts.append((success[:kept], lengths[:kept], padded[:kept]))
    success, lengths, actions = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Imaginary(success, lengths, actions.astype(np.float32))


def replay_actions(
    task: str, policy: Policy, seeds: Sequence[int], seen: Imaginary, num_envs: int
) -> NDArray[np.bool_]:
    """(S,) whether true physics is in success after the actions of each imagined episode."""
    size = min(num_envs, len(seeds))
    options = made_for(policy) | {
        "autoreset_mode": AutoresetMode.DISABLED,
        "terminate_on_success": False,
        "max_episode_length": seen.actions.shape[1] + 1,  # the imagined clock ends it, not this one
    }
    env = task_env(task, size, **options)
    held = np.zeros(len(seeds), bool)
    for number, (_, batch, filled) in enumerate(_batches(env, seeds)):
        rows = np.minimum(number * size + np.arange(size), len(seeds) - 1)
        lengths, mine = seen.lengths[rows], rows[: len(batch)]
        env.reset(seed=filled)
        for step in range(int(lengths.max())):
            *_, infos = env.step(seen.actions[rows, step])
            ended = (lengths == step + 1)[: len(batch)]
            held[mine[ended]] = np.asarray(infos["success"], bool)[: len(batch)][ended]
    return held


def _batches(env: TaskEnv, seeds: Sequence[int]) -> Any:
    """(env, seeds of a batch, the same filled up to the env's worlds), as `collect` batches."""
    try:
        for begin in range(0, len(seeds), env.num_envs):
            batch = [int(s) for s in seeds[begin : begin + env.num_envs]]
            yield env, batch, batch + [batch[-1]] * (env.num_envs - len(batch))
    finally:
        env.close()
