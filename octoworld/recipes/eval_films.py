"""Films of failed episodes: what the policy's cameras show, what it was told, how far it came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from octoworld.data.captions import Word, caption, words_of
from octoworld.data.video import write_mp4
from tasks.env import TaskEnv, scene_cameras, task_env
from vla.policy import Policy

from .eval_job import EvalConfig, main_protocol, rollout_config
from .evaluate import Outcome
from .rollouts import PolicyActor, RolloutConfig, made_for

HEIGHT = 256
"""Of each camera's picture in a film [px]."""
PAPER, INK, DONE, OPEN, WRONG = (
    (24, 26, 30), (214, 218, 226), (96, 211, 118), (134, 140, 150), (255, 120, 108),
)  # fmt: skip
"""Colours of the caption: behind it, the instruction, stages reached and not, the wrong object."""


@dataclass
class Film:
    """One episode as it was seen, before the first action and after each."""

    instruction: str
    stage_names: tuple[str, ...]
    frames: list[NDArray[np.uint8]]
    """(T + 1) pictures (H, W, 3), the cameras side by side."""
    reached: NDArray[np.bool_]
    """(T + 1, S) stages reached by then."""
    wrong_object: NDArray[np.bool_]
    """(T + 1,) something was handled by then that the instruction does not speak of."""
    success: NDArray[np.bool_]
    """(T + 1,) in success then."""
    fps: int
    """[Hz]."""

    @property
    def stages(self) -> list[str]:
        """Those that were reached."""
        return [n for n, was in zip(self.stage_names, self.reached[-1], strict=True) if was]


def film_failures(
    policy: Policy,
    config: EvalConfig,
    outcomes: Sequence[Outcome],
    count: int,
    folder: Path,
) -> list[dict[str, Any]]:
    """Films of the first `count` failures of one task and split, FOLDER/TASK-SPLIT-SEED.mp4.

    The failed seeds are rolled out again, each in the batch that it was in, so that a policy sees
    and does what it did.

    Args:
        policy: that failed.
        config: of the evaluation.
        outcomes: of one task and split.
        count: how many films at most.
        folder: for the films.

    Returns:
        Facts of each film: task, split, seed, file (its name), instruction, stages, wrong_object,
        and whether it was a failure again (`repeated`; on a GPU sums may differ).
    """
    if not outcomes:
        return []
    task, split = outcomes[0].task, outcomes[0].split
    protocol = main_protocol(task)
    failed = [o.seed - config.first_seed for o in outcomes if not getattr(o, protocol)][:count]
    rollout, seeds = rollout_config(policy, config), list(config.seeds)
    size = min(rollout.num_envs, len(seeds))
    facts = []
    for first in sorted({i - i % size for i in failed}):
        batch = seeds[first : first + size]
        batch += [batch[-1]] * (size - len(batch))
        rows = [i - first for i in failed if first <= i < first + size]
        films = film(policy, task, batch, rows, rollout, split, config.task_options)
        for row, made in zip(rows, films, strict=True):
            name = f"{task}-{split or 'everything'}-{batch[row]}.mp4"
            write_mp4(folder / name, captioned(made), made.fps)
            won = bool(made.success.any() if protocol == "oracle" else made.success[-1])
            facts.append(
                {
                    "task": task, "split": split, "seed": batch[row], "file": name,
                    "instruction": made.instruction, "stages": made.stages,
                    "wrong_object": bool(made.wrong_object[-1]), "repeated": not won,
                }
            )  # fmt: skip
    return facts


def film(
    policy: Policy,
    task: str,
    seeds: Sequence[int],
    rows: Sequence[int],
    config: RolloutConfig,
    split: str = "",
    task_options: Mapping[str, Any] | None = None,
) -> list[Film]:
    """Roll one batch out as `evaluate.watch` does, and film the worlds number `rows` of it."""
    # observed as states: only what the policy or the film looks at is rendered
    state = {"obs_mode": "state", "autoreset_mode": AutoresetMode.DISABLED}
    env = task_env(
        task, len(seeds), terminate_on_success=False,
        **made_for(policy, split, task_options) | state,
    )  # fmt: skip
    try:
        return _films(env, policy, seeds, list(rows), config)
    finally:
        env.close()


def _films(
    env: TaskEnv, policy: Policy, seeds: Sequence[int], rows: list[int], config: RolloutConfig
) -> list[Film]:
    env.reset(seed=list(seeds))
    told = [env.instructions[row] for row in rows]
    actor = PolicyActor(policy, config.temperature, seeds[0])
    cameras = config.cameras or tuple(env.task.cameras)[:1]
    frames = [_pictures(env, cameras, rows)]
    judged: list[dict[str, NDArray]] = []
    lengths = np.zeros(len(rows), int)
    chunk, used = np.empty((len(seeds), 0, 0), np.float32), 0
    while env.live[rows].any():
        if used == chunk.shape[1]:
            chunk, used = actor.act(env, _seen(env, config.cameras), len(judged)), 0
        lengths += env.live[rows]
        env.step(chunk[:, used])
        used += 1
        judged.append(dict(env.judged))
        frames.append(_pictures(env, cameras, rows))
    names = tuple(env.task.stage_names)
    films = []
    for k, row in enumerate(rows):
        own = judged[: lengths[k]]  # a world that has ended stands still
        reached = [_so_far(own, name, row) for name in names]
        films.append(
            Film(
                instruction=told[k],
                stage_names=names,
                frames=[picture[k] for picture in frames[: lengths[k] + 1]],
                reached=np.array(reached, bool).reshape(len(names), len(own) + 1).T,
                wrong_object=_so_far(own, "wrong_object", row),
                success=np.array([False, *(bool(j["success"][row]) for j in own)]),
                fps=round(env.fps),
            )
        )
    return films


def _seen(env: TaskEnv, cameras: Sequence[str]) -> dict[str, NDArray]:
    """The `vision` observation through these cameras."""
    images = {f"observation.images.{c}": env.world.render(c, None, None) for c in cameras}
    return images | {"observation.state": env.task.observe(env.world)["observation.state"]}


def _pictures(env: TaskEnv, cameras: Sequence[str], rows: list[int]) -> NDArray[np.uint8]:
    """The cameras side by side, (n, HEIGHT, W, 3)."""
    specs = scene_cameras(env.world.scene)
    views = []
    for camera in cameras:
        size = (HEIGHT, round(HEIGHT * specs[camera].width / specs[camera].height))
        views.append(env.world.render(camera, rows, size))
    return np.concatenate(views, axis=2)


def _so_far(judged: Sequence[Mapping[str, NDArray]], name: str, row: int) -> NDArray[np.bool_]:
    """(T + 1,) whether it was judged true by then."""
    found = [False, *(bool(j[name][row]) if name in j else False for j in judged)]
    return np.logical_or.accumulate(found)


def captioned(made: Film) -> NDArray[np.uint8]:
    """Frames (T + 1, H, W, 3) with instruction, stages, clock and verdict under the pictures."""
    width = made.frames[0].shape[1]
    width += width % 2
    pages = []
    for step, picture in enumerate(made.frames):
        told = words_of(f'"{made.instruction}"', INK)
        stages: list[Word] = [
            (f"[{'x' if was else ' '}] {name}", DONE if was else OPEN)
            for name, was in zip(made.stage_names, made.reached[step], strict=True)
        ]
        clock = words_of(f"{step / made.fps:.1f} s", INK)
        if made.success[step]:
            clock += words_of("success", DONE)
        elif step == len(made.frames) - 1:
            clock += words_of("failed", WRONG)
        if made.wrong_object[step]:
            clock += words_of("wrong object", WRONG)
        pages.append(np.concatenate([_even(picture), caption([told, stages, clock], width, PAPER)]))
    # a line may come or go with what it says: all frames get the tallest one's height
    height = max(len(page) for page in pages)
    film = np.empty((len(pages), height, width, 3), np.uint8)
    film[:] = PAPER
    for frame, page in zip(film, pages, strict=True):
        frame[: len(page)] = page
    return film


def _even(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.pad(picture, ((0, 0), (0, picture.shape[1] % 2), (0, 0)), mode="edge")


def film_all(
    policy: Policy, config: EvalConfig, outcomes: Sequence[Outcome], count: int, folder: Path
) -> list[dict[str, Any]]:
    """`film_failures` for every task and split among `outcomes`."""
    cells = dict.fromkeys((o.task, o.split) for o in outcomes)
    facts = []
    for task, split in cells:
        here = [o for o in outcomes if (o.task, o.split) == (task, split)]
        facts += film_failures(policy, config, here, count, folder)
    return facts
