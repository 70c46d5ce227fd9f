"""How the arms of the headline bench learn: by imitation, in true physics, in imagination."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from gymnasium.vector import AutoresetMode

from octoworld.core.io import read_json, write_json
from octoworld.core.paths import asset
from octoworld.core.registry import TASKS
from octoworld.data.episode import Episode
from octoworld.data.reader import Dataset
from octoworld.rl import Evaluate
from sim.joined import JoinedEnv
from tasks.env import task_env
from tasks.language import COLOR_NAMES
from vla.checkpoint import load_policy, policy_folder
from vla.posttrain import posttrain
from vla.sft import train_sft
from vla.tiny import TinyPolicy
from worldmodels.alarm import Alarm
from worldmodels.autoencoder import FrameAutoencoder, encode_dataset
from worldmodels.checkpoint import load_latent_model, load_part
from worldmodels.dataset import EpisodeDataset
from worldmodels.env import WorldModelEnv
from worldmodels.likeness import Likeness
from worldmodels.reflector import Reflector

from ..rollouts import made_for
from ..worldenv.outcome import promised
from ..worldenv.readers import shipped_reward
from .arms import SFT, Arm, arms_of
from .config import CAMERAS, FEW, HeadlineConfig
from .recorded import demonstrations, explored, place_of

SPENT = ("true_episodes", "true_episodes_in_posttraining")
"""What every arm reports: episodes of true physics, demonstrations aside."""


def world_folder(config: HeadlineConfig) -> Path:
    """Where grounding, autoencoder, world model and reflector are."""
    return Path(config.world) if config.world else asset("checkpoints", "tabletop")


def learn(config: HeadlineConfig, name: str, seed: int, folder: Path) -> None:
    """An arm's policy, and what it spent."""
    place = place_of(folder, seed, "learned", name)
    if (place / "spent.json").exists():
        return
    arm = arms_of(config)[name]
    if arm.how == "imagine":
        facts = _in_imagination(config, arm, seed, folder, place)
    elif arm.how == "physics":
        facts = _in_physics(config, arm, seed, folder, place)
    else:
        facts = _by_imitation(config, arm, seed, folder, place)
    write_json(place / "spent.json", facts)


def learned(folder: Path, seed: int, name: str) -> TinyPolicy:
    """An arm's policy."""
    policy = load_policy(policy_folder(place_of(folder, seed, "learned", name)))
    assert isinstance(policy, TinyPolicy)  # the bench trains no other kind
    return policy.eval()


def _by_imitation(
    config: HeadlineConfig, arm: Arm, seed: int, folder: Path, place: Path
) -> dict[str, Any]:
    shown = demonstrations(config, seed, folder, arm.demonstrations)
    initial: Any = load_policy(policy_folder(world_folder(config) / "grounding"))
    steps, spent = config.steps_of(arm.demonstrations), 0
    if arm.how == "filter":
        tried = explored(config, seed, folder, arm.budget)
        spent, good = len(tried), [e for e in tried if e.success]
        steps = config.steps_of((len(shown) + len(good)) / len(config.tasks))
        shown = [*shown, *good]
    if arm.is_longer:
        initial, steps = learned(folder, seed, SFT), config.longer
    train_sft(shown, config.imitation(steps), place, seed, initial=initial)
    return dict.fromkeys(SPENT, spent) | {"gradient_steps": steps, "episodes_shown": len(shown)}


def _in_physics(
    config: HeadlineConfig, arm: Arm, seed: int, folder: Path, place: Path
) -> dict[str, Any]:
    """The same trainer where true physics judges, for as many episodes as the budget has.

    Nothing is left for a choice among iterates: the last one goes to the test.
    """
    policy, rl = learned(folder, seed, SFT), config.posttrain.rl
    each = -(-config.physics_groups // len(config.tasks)) * rl.group_size
    parts = [
        task_env(
            task, each, obs_mode="vision", cameras=CAMERAS,
            autoreset_mode=AutoresetMode.DISABLED, **made_for(policy),
        )
        for task in config.tasks
    ]  # fmt: skip
    env = JoinedEnv(parts)
    groups = env.num_envs // rl.group_size
    first = config.start_seeds("physics", config.tasks[0], seed, 1)[0]
    settings = replace(
        config.posttrain,
        rl=replace(
            rl, iterations=max(1, arm.budget // env.num_envs), num_groups=groups,
            max_groups=groups, learning_rate=config.physics_rate, warmup_iterations=0,
            start_range=(first, first + 1000),
            horizon=-(-env.max_episode_length // policy.chunk_size),
        ),
    )  # fmt: skip
    try:
        history = posttrain(
            policy, env, demonstrations(config, seed, folder, FEW), settings, place, seed
        )
    finally:
        env.close()
    return _spent(place, history) | dict.fromkeys(
        SPENT, read_json(place / "outcome.json")["true_episodes"]
    )


def _in_imagination(
    config: HeadlineConfig, arm: Arm, seed: int, folder: Path, place: Path
) -> dict[str, Any]:
    """Post-training in the world model: not one episode of true physics beyond the budget."""
    world = world_folder(config)
    model = load_latent_model(world / "worldmodel")
    shown = demonstrations(config, seed, folder, FEW)
    tried = explored(config, seed, folder, arm.budget)
    stills = Dataset(place_of(folder, seed, "starts")).load_all()
    choice = _encoded(Dataset(place_of(folder, seed, "choice")).load_all(), model.autoencoder)
    starts = _encoded([*stills, *shown, *tried], model.autoencoder)
    judge: Any = load_part(Reflector, world / "reflector")
    if not arm.is_judged:
        judge = Likeness(judge.autoencoder, goals_of(shown, judge.autoencoder))
    policy, rl = learned(folder, seed, SFT), config.posttrain.rl

    def dream(data: EpisodeDataset, count: int, record: bool = False) -> WorldModelEnv:
        settings = replace(config.imagination, record=record)
        return WorldModelEnv(
            model, judge, data, count, settings, autoreset_mode=AutoresetMode.DISABLED
        )

    count = len(choice)
    hooks: list[Any] = [
        Evaluate(
            dream(choice, count), range(count), horizon=rl.horizon, every=config.choose_every,
            name="imagined", select=True,
        )
    ]  # fmt: skip
    if arm.is_judged:
        hooks.append(
            Alarm(
                dream(choice, config.alarm.starts, record=True), horizon=rl.horizon,
                reader=shipped_reward(config.tasks, CAMERAS), config=config.alarm, seed=seed,
            )
        )  # fmt: skip
    env = dream(starts, rl.group_size * rl.num_groups)
    history = posttrain(policy, env, shown, config.posttrain, place, seed, hooks=hooks)
    outcome = read_json(place / "outcome.json")
    kept = outcome["best_iteration"]
    told = {
        "true_episodes": len(tried),
        "true_episodes_in_posttraining": env.true_episodes,
        "imagined_before": promised(history, 0),
        "imagined_kept": promised(history, kept),
        "kept_iteration": kept,
    }
    return _spent(place, history) | told | {"halted": outcome["stopped"]}


def _encoded(episodes: list[Episode], autoencoder: FrameAutoencoder) -> EpisodeDataset:
    data = EpisodeDataset.from_episodes(episodes, CAMERAS)
    encode_dataset(autoencoder, data)
    return data


def _spent(place: Path, history: list[dict[str, float]]) -> dict[str, Any]:
    return {
        "gradient_steps": sum(row.get("rl/num_updates", 0) for row in history),
        "iterations": read_json(place / "outcome.json")["iterations"],
    }


def goals_of(shown: list[Episode], autoencoder: FrameAutoencoder) -> Callable[[str], torch.Tensor]:
    """Instruction -> latents of the last frames of its task's demonstrations."""
    sentences = {
        sentence: task
        for task in {str(e.info["task"]) for e in shown}
        for sentence in TASKS.get(task).templates.all(
            {"block": COLOR_NAMES, "zone": COLOR_NAMES}
        )
    }  # fmt: skip
    ends: dict[str, list[torch.Tensor]] = {}
    for episode in shown:
        last = {c: torch.from_numpy(episode[f"observation.images.{c}"][-1:]) for c in CAMERAS}
        ends.setdefault(str(episode.info["task"]), []).append(autoencoder.encode(last))
    goals = {task: torch.cat(found) for task, found in ends.items()}
    return lambda text: goals[sentences[text]]
