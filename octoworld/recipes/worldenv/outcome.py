"""Stages at the end: post-training in imagination, the test in true physics, pictures of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from gymnasium.vector import AutoresetMode

from octoworld.core.io import read_json, write_json, write_text
from octoworld.core.rng import torch_generator
from octoworld.data.episode import Episode
from octoworld.data.video import write_mp4
from octoworld.rl import Evaluate
from octoworld.viewer.frames import side_by_side
from vla.posttrain import posttrain
from worldmodels.env import WorldModelEnv
from worldmodels.flow import FlowWorldModel
from worldmodels.model import Clip
from worldmodels.reflector import Reflector, first_stop

from ..evaluate import evaluate, format_table, from_rows, summarise, to_rows
from ..rollouts import RolloutConfig, collect
from ..stages import Run
from .config import WorldEnvConfig, split_seeds
from .learning import datasets, policy, reflector, worldmodel
from .readers import shipped_judge
from .recordings import load, write
from .recovered import add_recovered
from .tripwire import tripwire

POSTTRAINING = ("halted", "iterations", "kept_iteration", "alarm")
"""What results say of post-training: why it was halted ("" if it was not), after how many updates,
which iterate went to the test, and what the alarm looked at."""
PICTURE_EPISODES = 2
"""Episodes of each task whose actions are replayed in imagination for people to look at."""


def posttrain_policy(run: Run) -> dict[str, Any]:
    """LOOP inside the world model; not one step of true physics is taken.

    A policy that lives off the world model's errors halts it; `halted` says why then, and
    `kept_iteration` which iterate goes to the test: the last that the alarm trusted.
    """
    config: WorldEnvConfig = run.config
    training, heldout = datasets(run)
    model, judge = worldmodel(run), reflector(run)
    learner = policy(run, "sft")
    trainer = config.trainer()
    env = WorldModelEnv(
        model, judge, training, trainer.group_size * trainer.num_groups, config.imagination,
        autoreset_mode=AutoresetMode.DISABLED,
    )  # fmt: skip
    selection = WorldModelEnv(
        model, judge, heldout, config.validation_starts, config.imagination,
        autoreset_mode=AutoresetMode.DISABLED,
    )  # fmt: skip
    check = Evaluate(
        selection,
        range(config.validation_starts),
        horizon=trainer.horizon,
        name="imagined",
        select=True,
    )
    alarm = tripwire(config, model, judge, heldout)
    folder = run.path("training", "posttrain")
    history = posttrain(
        learner, env, load(run, "demonstrations"), config.posttrain, folder, config.seed,
        hooks=[check, *([alarm] if alarm is not None else [])],
    )  # fmt: skip
    learner.save_pretrained(run.path("checkpoints", "posttrained"))
    outcome = read_json(folder / "outcome.json")
    kept = outcome["best_iteration"]
    return {
        "true_steps": env.true_steps,
        "imagined_before": promised(history, 0),
        "imagined_kept": promised(history, kept),
        "kept_iteration": kept,
        "iterations": outcome["iterations"],
        "halted": outcome["stopped"],
        "alarm": ", ".join(alarm.signals) if alarm is not None else "off",
        "live_share": float(np.mean([row["rl/live_share"] for row in history])),
    }


def promised(history: Sequence[Mapping[str, float]], kept: int) -> float:
    """Imagined success of the iterate `kept` (0: the untrained policy), when it was looked at last.

    The alarm may keep one at which nobody looked.
    """
    seen = [row["imagined/success"] for row in history[:kept] if "imagined/success" in row]
    return seen[-1] if seen else history[0]["initial_imagined/success"]


def test_policies(run: Run) -> dict[str, Any]:
    """Both policies from the same unseen starts, in true physics; writes `results.json`."""
    config: WorldEnvConfig = run.config
    judge = reflector(run)
    rollouts = RolloutConfig(config.evaluation.num_envs, cameras=config.cameras)
    arms = {}
    for arm in ("sft", "posttrained"):
        # each arm is stored as soon as it is done: a killed evaluation repeats one arm at most
        path = run.path("evaluation", f"{arm}.json")
        if not path.exists():
            outcomes = []
            for task in config.tasks:
                seeds = split_seeds(config, "test", task, config.evaluation.episodes_per_task)
                outcomes += evaluate(
                    policy(run, arm), [task], seeds, rollouts, stop=reflector_stop(judge)
                )
            write_json(path, to_rows(outcomes))
        arms[arm] = from_rows(read_json(path))
    rows = summarise(arms, "sft")
    facts = {
        f"{row['arm']}/{row['protocol']}": row["success"] for row in rows if row["task"] == "all"
    }
    all_rows = [r for r in rows if r["arm"] == "posttrained"]
    before = {(r["protocol"], r["task"]): r["success"] for r in rows if r["arm"] == "sft"}
    shown = [
        {
            "name": f"{r['task']}, {r['protocol'].replace('_', '-')}",
            "before": before[r["protocol"], r["task"]],
            "after": r["success"],
            "ci": r["difference_ci"],
            "episodes": r["episodes"],
        }
        for r in all_rows
    ]
    learnt = run.record("posttrain")
    results = {
        "title": "Success in true physics before and after post-training in imagination",
        "unit": "share",
        "rows": shown,
        "table": rows,
        "true_episodes": {
            "demonstrations": run.record("demonstrations")["episodes"],
            "exploration": run.record("exploration")["episodes"],
            "play": run.record("play")["episodes"],
            "motion": run.record("motion")["episodes"],
            "post-training": 0,
        },
        "posttraining": {name: learnt.get(name) for name in POSTTRAINING},
    }
    write_json(run.path("results.json"), results)
    write_text(run.path("results.md"), f"{format_table(rows)}\n\n{told(learnt)}\n")
    return facts


def told(learnt: Mapping[str, Any]) -> str:
    """What became of post-training, in a sentence."""
    if "halted" not in learnt:  # a record of before there was an alarm
        return "Post-training had no alarm."
    kept = f"iterate {learnt['kept_iteration']} is kept"
    if learnt["halted"]:
        updates = f"after {learnt['iterations']} updates"
        return f"Post-training was halted {updates}, {kept}: {learnt['halted']}"
    return f"Post-training ran its {learnt['iterations']} updates, {kept}."


def make_pictures(run: Run) -> dict[str, Any]:
    """Test episodes of both policies, with what the world model imagines for the same actions."""
    config: WorldEnvConfig = run.config
    model, judge = worldmodel(run), reflector(run)
    reader = shipped_judge(config.tasks, config.cameras)
    rollouts = RolloutConfig(PICTURE_EPISODES, 10**6, cameras=config.cameras)
    facts: dict[str, Any] = {}
    for arm in ("sft", "posttrained"):
        episodes = []
        for task in config.tasks:
            seeds = split_seeds(config, "test", task, PICTURE_EPISODES)
            for episode in collect(task, seeds, rollouts, policy=policy(run, arm), source=arm):
                add_imagination(episode, model, config.seed)
                if reader is not None:
                    add_recovered(episode, reader)
                add_verdict(episode, judge)
                episodes.append(episode)
        facts |= {f"{arm}_episodes": write(run, arm, episodes)["episodes"]}
        for episode in episodes:
            name = f"{arm}-{episode.info['task']}-{episode.info['seed']}.mp4"
            camera = config.cameras[0]
            frames = side_by_side(
                episode[f"observation.images.{camera}"],
                episode[f"observation.images.imagined.{camera}"],
                4,
            )
            write_mp4(run.path("videos", name), frames, episode.fps)
    return facts


def add_imagination(episode: Episode, model: FlowWorldModel, seed: int) -> None:
    """Add `observation.images.imagined.<camera>`: the model's free run from the first frame on.

    It is given the episode's actions and nothing else of what truly happened.
    """
    cameras = model.cameras
    steps = len(episode)
    frames = {c: torch.from_numpy(episode[f"observation.images.{c}"][None]) for c in cameras}
    proprio = torch.from_numpy(episode["observation.state"][None])
    actions = torch.from_numpy(episode["action"][None])
    first = Clip({c: x[:, :1] for c, x in frames.items()}, proprio[:, :1], actions[:, :1])
    history = model.start(first)
    generator = torch_generator(seed, "pictures", int(episode.info["seed"]))
    drawn = {c: [frames[c][0, :1].numpy()] for c in cameras}
    for begin in range(0, steps - 1, model.max_chunk):
        chunk = actions[:, begin : min(begin + model.max_chunk, steps - 1)]
        history, imagined = model.imagine(history, chunk, generator)
        for camera in cameras:
            drawn[camera].append(imagined.frames[camera][0].numpy())
    for camera in cameras:
        episode.columns[f"observation.images.imagined.{camera}"] = np.concatenate(drawn[camera])


def add_verdict(episode: Episode, judge: Reflector) -> None:
    """Columns `reflector.*`: what the reflector says of the true frames."""
    probability, progress = verdict(episode, judge)
    stop = first_stop(probability[None], float(judge.threshold), judge.settings.patience)
    episode.columns["reflector.probability"] = probability.numpy()
    episode.columns["reflector.progress"] = progress.numpy()
    episode.columns["reflector.stop"] = np.arange(len(episode)) == int(stop[0])
    episode.info["reflector_threshold"] = float(judge.threshold)


def verdict(episode: Episode, judge: Reflector) -> tuple[torch.Tensor, torch.Tensor]:
    """Success probability and progress (T,) of an episode's true frames."""
    frames = {
        c: torch.from_numpy(episode[f"observation.images.{c}"][None])
        for c in judge.autoencoder.settings.cameras
    }
    proprio = torch.from_numpy(episode["observation.state"][None])
    seen = judge.score(frames, proprio, [episode.instruction])
    return seen.success[0], seen.progress[0]


def reflector_stop(judge: Reflector):
    """The reflector as a stop rule for evaluation."""

    def stop(episode: Episode) -> int | None:
        probability, _ = verdict(episode, judge)
        stops = first_stop(probability[None], float(judge.threshold), judge.settings.patience)
        return None if int(stops[0]) < 0 else int(stops[0])

    return stop
