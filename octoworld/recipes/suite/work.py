"""Work of the suite bench, in pieces that are done once each: record, see, imitate, test."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from octoworld.bench.provenance import code_version, hardware
from octoworld.core.cpus import limit_cpus
from octoworld.core.errors import DatasetError
from octoworld.core.io import atomic_folder, read_json, write_json
from octoworld.data.episode import Episode
from octoworld.data.reader import Dataset
from tasks.manipulation.validate import validate
from vla.checkpoint import load_policy, policy_folder
from vla.pretrain import pretrain_grounding
from vla.sft import train_sft
from vla.vision_policy import VisionPolicy

from ..eval_job import refusal
from ..evaluate import evaluate, to_rows
from ..recording import write_dataset
from ..rollouts import RolloutConfig, collect
from ..scenes import still_scenes
from .config import SEEDS_A_SEED, SuiteConfig

TRAIN = "train"
"""Split of all that is learned from, and of the learning curves' test starts."""
AT_ONCE = 50
"""Worlds, of recordings and tests."""
Job = tuple[Callable[..., None], tuple[Any, ...]]
"""A module's function and its arguments; it leaves files, and does nothing where they are."""


def do(rounds: Sequence[Sequence[Job]], workers: int) -> None:
    """All jobs, round after round, `workers` at a time in processes of their own.

    The first failure is raised, after the jobs that were running. Processes end with this one,
    however that ends: who goes on after a kill would find another at work in the same folders.
    """
    if workers <= 1:
        for function, arguments in (job for jobs in rounds for job in jobs):
            function(*arguments)
        return
    context = multiprocessing.get_context("spawn")  # CUDA and OpenGL do not survive a fork
    with ProcessPoolExecutor(workers, context, initializer=_begin) as pool:
        for jobs in rounds:
            futures = [pool.submit(function, *arguments) for function, arguments in jobs]
            done, rest = wait(futures, return_when=FIRST_EXCEPTION)
            for future in rest:
                future.cancel()
            for future in done:
                future.result()


def made_on() -> dict[str, Any]:
    """Code and machine: pieces are kept, and a row may be put together by later code elsewhere."""
    return {"commit": code_version(), **hardware()}


def _begin() -> None:
    torch.set_num_threads(1)
    limit_cpus(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None  # this is a process of a pool
    parent.join()
    os._exit(1)


# -- record ------------------------------------------------------------------------------------


def record_stills(config: SuiteConfig, task: str, folder: Path) -> None:
    """Still pictures of a task, a data set."""

    def stills() -> Iterable[Episode]:
        seeds = config.start_seeds("stills", task, config.num_stills(task))
        for first in range(0, len(seeds), 100):
            yield from still_scenes(task, seeds[first : first + 100], config.cameras(task), TRAIN)

    write_dataset(folder / "recorded" / task / "stills", stills(), video=False)


def record_demonstrations(config: SuiteConfig, task: str, seed: int, folder: Path) -> None:
    """Demonstrations for a training seed, a data set; seeds share none."""
    wanted = max(config.demonstrations)

    def demonstrations() -> Iterable[Episode]:
        # the expert fails in few of a hundred
        first = SEEDS_A_SEED * config.seeds.index(seed)
        most = wanted + wanted // 5 + 5
        seeds = config.start_seeds("demonstrations", task, first + most)[first:]
        rollouts = RolloutConfig(AT_ONCE, 0, cameras=config.cameras(task))
        found = 0
        for episode in collect(task, seeds, rollouts, policy=None, source="expert", split=TRAIN):
            if episode.success and found < wanted:
                found += 1
                yield episode
        if found < wanted:
            raise DatasetError(f"{task}: the expert succeeded in {found} of {len(seeds)} starts")

    # no video: what policies learn from is to the bit what they will see
    write_dataset(demonstrations_folder(folder, task, seed), demonstrations(), video=False)


def demonstrations_folder(folder: Path, task: str, seed: int) -> Path:
    """Where a training seed's demonstrations of a task are."""
    return folder / "recorded" / task / f"demonstrations-{seed}"


def test_expert(config: SuiteConfig, task: str, folder: Path) -> None:
    """Success of the expert, over all starts and over those of training."""
    path = folder / "experts" / f"{task}.json"
    if path.exists():
        return
    seeds = config.start_seeds("test", task, config.expert_starts)
    found = validate(task, len(seeds), seeds[0])
    success = [float(seed not in set(found.failed_seeds)) for seed in seeds]
    facts = {"mean_steps": found.mean_steps, "made_on": made_on()}
    write_json(path, {"starts": seeds, "success": success} | facts)


# -- learn -------------------------------------------------------------------------------------


def see(config: SuiteConfig, scene: str, folder: Path) -> None:
    """The tiny policy's grounding in a scene, learned from stills or taken from `config.eyes`.

    Raises:
        CheckpointError: the folder that is named there holds none for this scene.
    """
    place = folder / "grounded" / scene
    if (place / "policy" / "config.json").exists():
        return
    if config.eyes:
        with atomic_folder(place / "policy") as temporary:
            shutil.copytree(policy_folder(Path(config.eyes) / scene), temporary, dirs_exist_ok=True)
        return
    stills = [
        episode
        for task in config.scenes[scene]
        for episode in Dataset(folder / "recorded" / task / "stills").load_all()
    ]
    pretrain_grounding(stills, config.grounding(scene), place, 0, config.device)


def run_folder(folder: Path, scene: str, kind: str, demonstrations: int, seed: int) -> Path:
    """Where a policy is trained and tested."""
    return folder / "learned" / scene / f"{kind}-{demonstrations}-{seed}"


def imitate(
    config: SuiteConfig, scene: str, kind: str, demonstrations: int, seed: int, folder: Path
) -> None:
    """A policy for all tasks of a scene, and its outcomes from the test starts of each."""
    place = run_folder(folder, scene, kind, demonstrations, seed)
    outcomes = place / "outcomes.json"
    if outcomes.exists():
        return
    policy = _trained(config, scene, kind, demonstrations, seed, folder)
    found = []
    for task in config.scenes[scene]:
        rollouts = RolloutConfig(AT_ONCE, cameras=config.cameras(task))
        seeds = config.start_seeds("test", task, config.starts)
        found += evaluate(policy, [task], seeds, rollouts, split=TRAIN)
    write_json(outcomes, {"made_on": made_on(), "outcomes": to_rows(found)})


def _trained(
    config: SuiteConfig, scene: str, kind: str, demonstrations: int, seed: int, folder: Path
) -> VisionPolicy:
    place = run_folder(folder, scene, kind, demonstrations, seed)
    if (place / "policy" / "config.json").exists():
        return load_vision_policy(place / "policy", config.device)
    episodes = [
        episode
        for task in config.scenes[scene]
        for episode in chosen_demonstrations(task, demonstrations, seed, folder)
    ]
    initial = None
    if kind == "tiny":
        initial = load_vision_policy(folder / "grounded" / scene / "policy", "cpu")
    settings = config.imitation(scene, kind, demonstrations)
    if kind != "tiny":
        # tasks of a scene know different things of its true state, which these do not learn
        episodes = [_without_truth(episode) for episode in episodes]
    return train_sft(episodes, settings, place, seed, config.device, initial=initial).eval()


def chosen_demonstrations(task: str, count: int, seed: int, folder: Path) -> list[Episode]:
    """The first demonstrations of a training seed: more of them hold fewer."""
    recorded = Dataset(demonstrations_folder(folder, task, seed))
    return [recorded.episode(index) for index in range(count)]


def _without_truth(episode: Episode) -> Episode:
    kept = {k: v for k, v in episode.columns.items() if k != "observation.environment_state"}
    return replace(episode, columns=kept)


def load_vision_policy(folder: Path, device: str) -> VisionPolicy:
    """A policy of the bench, on a device."""
    policy = load_policy(folder)
    assert isinstance(policy, VisionPolicy)  # the bench trains no other kind
    return policy.to(device).eval()


# -- splits ------------------------------------------------------------------------------------


def test_split(config: SuiteConfig, scene: str, split: str, folder: Path) -> None:
    """Outcomes of the tiny policies of most demonstrations, of the first seed, in a split."""
    path = folder / "splits" / scene / f"{split}.json"
    if path.exists():
        return
    source = run_folder(folder, scene, "tiny", max(config.demonstrations), config.seeds[0])
    policy = load_vision_policy(source / "policy", config.device)
    rows = []
    for task in config.scenes[scene]:
        rollouts = RolloutConfig(AT_ONCE, cameras=config.cameras(task))
        starts = config.start_seeds("test", task, config.split_starts)
        if not refusal(task, {"split": split}):
            rows += to_rows(evaluate(policy, [task], starts, rollouts, split=split))
    write_json(path, {"made_on": made_on(), "outcomes": rows})


def is_done(config: SuiteConfig, kind: str, demonstrations: int, seed: int, folder: Path) -> bool:
    """Whether a kind's policies of all scenes have been tested."""
    return all(
        (run_folder(folder, scene, kind, demonstrations, seed) / "outcomes.json").exists()
        for scene in config.scenes
    )


def preparing(config: SuiteConfig, folder: Path) -> list[list[Job]]:
    """Rounds of jobs before any policy is trained; nothing for policies that have been tested."""
    experts: list[Job] = [(test_expert, (config, task, folder)) for task in config.tasks]
    missing = [
        (kind, seed)
        for kind in config.kinds
        for count in config.demonstrations
        for seed in config.seeds
        if not is_done(config, kind, count, seed, folder)
    ]
    recording: list[Job] = [
        (record_demonstrations, (config, task, seed, folder))
        for seed in dict.fromkeys(seed for _, seed in missing)
        for task in config.tasks
    ]
    if not any(kind == "tiny" for kind, _ in missing):
        return [[*experts, *recording]]
    stills: list[Job] = [
        (record_stills, (config, task, folder)) for task in config.tasks if not config.eyes
    ]
    seeing: list[Job] = [(see, (config, scene, folder)) for scene in config.scenes]
    return [[*experts, *recording, *stills], seeing]


def learning(config: SuiteConfig, kind: str, demonstrations: int, folder: Path) -> list[Job]:
    """Jobs of one kind and number of demonstrations; the longest first."""
    return [
        (imitate, (config, scene, kind, demonstrations, seed, folder))
        for scene in sorted(config.scenes, key=lambda name: -len(config.scenes[name]))
        for seed in config.seeds
    ]


def splitting(config: SuiteConfig, folder: Path) -> list[Job]:
    """Jobs of the splits, after the tiny policy of most demonstrations."""
    return [
        (test_split, (config, scene, split, folder))
        for scene in config.scenes
        for split in config.splits
    ]


def outcomes_of(
    config: SuiteConfig, kind: str, demonstrations: int, seed: int, folder: Path
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Outcomes of a kind's policies in all scenes, in the order of the tasks; and where made."""
    places = [run_folder(folder, s, kind, demonstrations, seed) for s in config.scenes]
    found = [read_json(place / "outcomes.json") for place in places]
    return [row for one in found for row in one["outcomes"]], found[0]["made_on"]
