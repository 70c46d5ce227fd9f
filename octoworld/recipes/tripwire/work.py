"""Work of the tripwire bench, in pieces that are done once each: imitate, post-train and look."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gymnasium.vector import AutoresetMode

from octoworld.core.errors import DatasetError
from octoworld.core.io import read_json, write_json
from octoworld.core.paths import asset
from octoworld.data.episode import Episode
from octoworld.data.reader import Dataset
from octoworld.rl import Hook, TrainerState
from vla.checkpoint import load_policy, policy_folder
from vla.posttrain import posttrain
from vla.sft import train_sft
from vla.vision_policy import VisionPolicy
from worldmodels.alarm import NAME, SIGNALS, Alarm, complaints
from worldmodels.autoencoder import FrameAutoencoder, encode_dataset
from worldmodels.checkpoint import load_latent_model, load_part
from worldmodels.dataset import EpisodeDataset
from worldmodels.env import ImaginationConfig, WorldModelEnv
from worldmodels.reflector import Reflector
from worldmodels.starts import StartConfig

from ..evaluate import evaluate
from ..recording import write_dataset
from ..rollouts import RolloutConfig, collect
from ..suite.work import made_on
from ..worldenv.readers import shipped_reward
from .broken import Broken
from .config import TripwireConfig

CAMERAS = ("front",)
AT_ONCE = 50
"""Worlds, of recordings and tests."""
ALONE = "alone"
"""Group of the same signals when no second model is at hand."""


def parts(name: str) -> Path:
    """A part that ships: grounding, autoencoder, worldmodel or reflector."""
    return asset("checkpoints", "tabletop", name)


# -- imitate -----------------------------------------------------------------------------------


def imitate(config: TripwireConfig, seed: int, folder: Path) -> None:
    """The policy of a seed, from a few demonstrations of every task, on the published eyes."""
    place = folder / "imitated" / str(seed)
    if (place / "policy" / "config.json").exists():
        return
    demonstrations: list[Episode] = []
    for task in config.imitated:
        # the expert fails in few of a hundred
        seeds = config.start_seeds("demonstrations", task, seed, config.demonstrations + 5)
        rollouts = RolloutConfig(AT_ONCE, 6, cameras=CAMERAS)
        every = collect(task, seeds, rollouts, policy=None, source="expert")
        good = [e for e in every if e.success][: config.demonstrations]
        if len(good) < config.demonstrations:
            raise DatasetError(f"{task}: the expert succeeded in {len(good)} of {len(seeds)}")
        demonstrations += good
    # no video: what post-training is anchored to is to the bit what was imitated
    write_dataset(place / "demonstrations", demonstrations, video=False)
    initial: Any = load_policy(policy_folder(parts("grounding")))
    train_sft(demonstrations, config.imitation, place, seed, "cpu", initial=initial)


# -- post-train and look -----------------------------------------------------------------------


def found_file(folder: Path, arm: str, seed: int) -> Path:
    """Where the findings about a run are."""
    return folder / arm / str(seed) / "found.json"


def run_trial(config: TripwireConfig, arm: str, seed: int, folder: Path) -> None:
    """A run to its end, alarm or not, with what the alarm and true physics say at each look."""
    path = found_file(folder, arm, seed)
    if path.exists():
        return
    trial, place, source = config.trial(arm, seed), path.parent, folder / "imitated" / str(seed)
    model, judge = load_latent_model(parts("worldmodel")), load_part(Reflector, parts("reflector"))
    training = scenes(config, "exploration", trial.task, seed)
    heldout = scenes(config, "play", trial.task, seed)
    policy, rl = load_policy(policy_folder(source)), config.posttrain.rl
    assert isinstance(policy, VisionPolicy)  # the bench imitates with no other kind
    steps = policy.chunk_size * rl.horizon

    def imagination(data: EpisodeDataset, count: int, record: bool) -> WorldModelEnv:
        how = ImaginationConfig(steps, StartConfig(middle_share=0.0), record=record)
        acting: Any = model
        if trial.kind:
            acting = Broken(model, trial.kind, trial.command, trial.strength, data, judge)
        return WorldModelEnv(acting, judge, data, count, how, autoreset_mode=AutoresetMode.DISABLED)

    look_at = imagination(heldout, config.alarm.starts, record=True)
    seen = {"horizon": rl.horizon, "config": config.alarm, "seed": seed}
    alarm = Alarm(look_at, others=[model], reader=shipped_reward([trial.task], CAMERAS), **seen)
    watch = Watch(
        alarm, Alarm(look_at, **seen), trial.task,
        config.start_seeds("validation", trial.task, seed, config.starts), place,
    )  # fmt: skip
    history = posttrain(
        policy, imagination(training, rl.group_size * rl.num_groups, record=False),
        Dataset(source / "demonstrations").load_all(), config.posttrain, place / "training", seed,
        hooks=[watch],
    )  # fmt: skip
    write_json(path, summary(config, history, watch) | {"made_on": made_on()})


def scenes(config: TripwireConfig, split: str, task: str, seed: int) -> EpisodeDataset:
    """Successful episodes of the expert, encoded: imagination starts where they do."""
    seeds = config.start_seeds(split, task, seed, config.scenes)
    every = collect(
        task, seeds, RolloutConfig(AT_ONCE, 2, cameras=CAMERAS), policy=None, source="expert"
    )
    data = EpisodeDataset.from_episodes([e for e in every if e.success], CAMERAS)
    encode_dataset(load_part(FrameAutoencoder, parts("autoencoder")), data)
    return data


class Watch(Hook):
    """What the alarm would say, with a second model and alone, beside success in true physics.

    It stops nothing, so that one sees what a run that is not halted comes to.
    """

    def __init__(
        self, alarm: Alarm, alone: Alarm, task: str, starts: Sequence[int], folder: Path
    ) -> None:
        self.alarm, self.alone, self.task = alarm, alone, task
        self.starts, self.folder = list(starts), folder

    def on_start(self, state: TrainerState) -> None:
        """Look at the untrained policy."""
        self._look(state)

    def on_iteration(self, state: TrainerState) -> None:
        """Look when it is due, and at the end."""
        last = state.iteration == state.config.iterations
        if last or state.iteration % self.alarm.config.every == 0:
            self._look(state)

    def _look(self, state: TrainerState) -> None:
        tracks = self.alarm.tracks(state.policy)
        for group, alarm in ((NAME, self.alarm), (ALONE, self.alone)):
            found = alarm.signals_of(tracks)
            state.metrics |= {f"{group}/{k}": v for k, v in found.items()}
        rollouts = RolloutConfig(AT_ONCE, cameras=CAMERAS)
        outcomes = evaluate(state.policy, [self.task], self.starts, rollouts)
        write_json(self.true_file(state.iteration), [int(o.oracle) for o in outcomes])

    def true_file(self, iteration: int) -> Path:
        """Outcomes in physics, start by start, of the policy after so many updates."""
        return self.folder / "true" / f"{iteration}.json"


def summary(
    config: TripwireConfig, history: Sequence[dict[str, float]], watch: Watch
) -> dict[str, Any]:
    """Looks one by one, and what each set of signals would have done."""
    rows = [
        {k.removeprefix("initial_"): v for k, v in history[0].items() if k.startswith("initial_")},
        *(row for row in history if f"{NAME}/success" in row),
    ]
    iterations = [0, *(int(r["step"]) + 1 for r in rows[1:])]
    looks = []
    for iteration, row in zip(iterations, rows, strict=True):
        hits = read_json(watch.true_file(iteration))
        kept = {k: v for k, v in row.items() if k.startswith((f"{NAME}/", f"{ALONE}/"))}
        looks.append({"iteration": iteration, "true": sum(hits) / len(hits), **kept})
    # without a second model, the same signals under their other names
    alone = [{k.replace(f"{ALONE}/", f"{NAME}/"): v for k, v in row.items()
              if not k.startswith(f"{NAME}/")} for row in history]  # fmt: skip
    alone[0] |= {k.replace(ALONE, NAME): v for k, v in history[0].items() if f"_{ALONE}/" in k}
    sets = {name: (history, (name,)) for name in SIGNALS}
    sets |= {"all": (history, SIGNALS), "no second model": (alone, ("redrawn", "denied"))}
    halts = {
        name: halt(config, complaints(given, config.alarm, signals), iterations[1:])
        for name, (given, signals) in sets.items()
    }
    return {"looks": looks, "halts": halts}


def halt(
    config: TripwireConfig, wrong: Sequence[str], iterations: Sequence[int]
) -> dict[str, Any] | None:
    """After which update a run is halted, why, and which iterate is kept; None: it is not."""
    kept, running = 0, 0
    for complaint, iteration in zip(wrong, iterations, strict=True):
        running = running + 1 if complaint else 0
        if not complaint:
            kept = iteration
        if running == config.alarm.patience:
            return {"after": iteration, "kept": kept, "reason": complaint}
    return None


def fell_at(found: dict[str, Any], fall: float) -> int | None:
    """Updates after which true success was first seen to have fallen by `fall`; None: never."""
    first = found["looks"][0]["true"]
    # shares of starts are not exact in binary
    fallen = (k["iteration"] for k in found["looks"] if k["true"] <= first - fall + 1e-9)
    return next(fallen, None)
