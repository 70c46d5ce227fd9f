"""Work of the reflector bench, in pieces that are done once each: record, imagine, learn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from octoworld.core.fit import FitConfig
from octoworld.core.io import load_tensors, read_json, save_tensors, write_json
from octoworld.core.paths import asset
from octoworld.core.rng import torch_generator
from octoworld.data.episode import Episode
from octoworld.data.reader import Dataset
from tasks.manipulation.hindsight import VECTOR
from vla.augment import AugmentConfig
from vla.checkpoint import load_policy, policy_folder
from vla.freeze import PERCEPTION
from vla.policy import Policy
from vla.sft import SftConfig, train_sft
from worldmodels.autoencoder import FrameAutoencoder, encode_dataset, redraw_dataset
from worldmodels.checkpoint import load_latent_model, load_part
from worldmodels.dataset import EpisodeDataset
from worldmodels.latent_model import LatentWorldModel
from worldmodels.probe import StateProbe, train_probe
from worldmodels.reflector import Questions, Reflector, train_reflector
from worldmodels.replay import Replayed, objects_seen, replay

from ..play import PlayActor
from ..questions import (
    imagined_questions,
    recorded_objects,
    recorded_places,
    tabletop_questions,
)
from ..recording import write_dataset
from ..rollouts import RolloutConfig, collect
from ..stubborn import StubbornActor
from .config import FIRST_SEED, KINDS, ReflectorBenchConfig

CAMERAS = ("front",)
AT_ONCE = 25
HOLD = 6
"""Steps recorded after success."""
EVERY_FRAME = 10**6
WITNESS_SEED = 7
ACTORS = {"play": PlayActor, "stubborn": StubbornActor}


def world_folder(config: ReflectorBenchConfig) -> Path:
    """Where the parts are that the bench takes as they are."""
    return Path(config.world) if config.world else asset("checkpoints", "tabletop")


def world_model(config: ReflectorBenchConfig) -> LatentWorldModel:
    """Whose frames are judged."""
    model = load_latent_model(world_folder(config) / "worldmodel")
    return model.to(config.device)  # type: ignore[arg-type]


def codec(config: ReflectorBenchConfig) -> FrameAutoencoder:
    """Frames to latents and back."""
    return load_part(FrameAutoencoder, world_folder(config) / "autoencoder").to(config.device)


# -- record ------------------------------------------------------------------------------------


def imitate(config: ReflectorBenchConfig, folder: Path) -> None:
    """A policy from a few demonstrations, on the published eyes."""
    place = folder / "policy"
    if (place / "policy" / "config.json").exists():
        return
    episodes: list[Episode] = []
    for number, task in enumerate(config.tasks):
        first = FIRST_SEED["demonstrations"] + 1000 * number
        seeds = range(first, first + 2 * config.demonstrations)
        rollouts = RolloutConfig(AT_ONCE, HOLD, cameras=CAMERAS)
        found = [e for e in collect(task, list(seeds), rollouts, policy=None, source="expert")]
        episodes += [e for e in found if e.success][: config.demonstrations]
    fit = FitConfig(steps=config.imitation_steps, batch_size=64, learning_rate=5e-4, ema_decay=0.99)
    settings = SftConfig(
        fit=fit, augment=AugmentConfig(shift_pixels=0), frozen=PERCEPTION, privileged_weight=0.0
    )
    initial: Any = load_policy(policy_folder(world_folder(config) / "grounding"))
    train_sft(episodes, settings, place, 0, config.device, initial=initial)


def record(config: ReflectorBenchConfig, split: str, kind: str, folder: Path) -> None:
    """One kind of episodes of all tasks, a data set."""
    place = recorded(folder, split, kind)
    if (place / "meta" / "info.json").exists():
        return

    def episodes() -> Iterator[Episode]:
        policy = load_policy(folder / "policy" / "policy") if kind == "policy" else None
        for task in config.tasks:
            seeds = config.start_seeds(split, kind, task)
            yield from _acted(config, kind, task, seeds, policy)

    write_dataset(place, episodes(), video=False)


def _acted(
    config: ReflectorBenchConfig, kind: str, task: str, seeds: list[int], policy: Policy | None
) -> Iterator[Episode]:
    if kind in ACTORS:
        rollouts = RolloutConfig(AT_ONCE, EVERY_FRAME, cameras=CAMERAS)
        yield from collect(
            task, seeds, rollouts, policy=None, source=kind, make_actor=ACTORS[kind]
        )  # fmt: skip
    elif kind == "noisy":
        rollouts = RolloutConfig(AT_ONCE, HOLD, cameras=CAMERAS, noise=config.noise)
        yield from collect(task, seeds, rollouts, policy=None, source=kind)
    else:
        for index, temperature in enumerate(config.temperatures):
            share = seeds[index :: len(config.temperatures)]
            rollouts = RolloutConfig(AT_ONCE, HOLD, temperature, CAMERAS)
            if share:
                yield from collect(task, share, rollouts, policy=policy, source=kind)


def recorded(folder: Path, split: str, kind: str) -> Path:
    """Where episodes are."""
    return folder / "recorded" / split / kind


def load(config: ReflectorBenchConfig, split: str, folder: Path) -> EpisodeDataset:
    """All episodes of a split, encoded, with where their things are."""
    episodes = [e for kind in KINDS for e in Dataset(recorded(folder, split, kind)).load_all()]
    data = EpisodeDataset.from_episodes(episodes, CAMERAS)
    data.objects = recorded_objects(episodes)
    place = folder / "latents" / f"{split}.safetensors"
    if place.exists():
        data.latents = load_tensors(place)["latents"]
    else:
        save_tensors(place, {"latents": encode_dataset(codec(config), data)})
    return data


# -- imagine -----------------------------------------------------------------------------------


def imagine(config: ReflectorBenchConfig, split: str, folder: Path) -> None:
    """What the world model makes of a split's actions; of the test every episode from its start."""
    place = folder / "imagined" / f"{split}.safetensors"
    if place.exists():
        return
    model, data = world_model(config), load(config, split, folder)
    settings, starts = config.replay, None
    if split != "train":
        starts = (np.arange(len(data)), np.zeros(len(data), np.int64))
        settings = replace(settings, clips=len(data))
    generator = torch_generator(0, "reflector bench", split)
    made = replay(model, data, settings, generator, starts=starts)
    save_tensors(
        place,
        {
            "latents": made.dataset.need_latents(),
            "proprio": made.dataset.proprio,
            "believed": made.dataset.state[:, made.dataset.proprio.shape[1] :].contiguous(),
            "seen": objects_seen(model, made.dataset),
            "trust": made.trust,
            "rows": torch.from_numpy(np.concatenate(made.rows)),
            "lengths": torch.from_numpy(made.dataset.lengths),
            "episode": torch.from_numpy(made.episode),
        },
    )


def load_imagined(folder: Path, split: str, data: EpisodeDataset) -> tuple[Replayed, torch.Tensor]:
    """What was imagined from a split's episodes, and what the world model's eyes see in it."""
    kept = load_tensors(folder / "imagined" / f"{split}.safetensors")
    lengths, rows = kept["lengths"].numpy(), kept["rows"]
    starts = np.cumsum(lengths) - lengths
    episode = kept["episode"].numpy()
    made = EpisodeDataset(
        frames={},
        proprio=kept["proprio"],
        actions=data.actions[rows],
        success=data.success[rows.numpy()],
        starts=starts,
        lengths=lengths,
        episodes=[data.episodes[e] for e in episode],
        latents=kept["latents"],
        objects=kept["believed"],
        anchors=data.first_latents(episode),
    )
    parts = np.split(rows.numpy(), starts[1:])
    return Replayed(made, kept["trust"], parts, episode), kept["seen"]


# -- learn -------------------------------------------------------------------------------------


def learn_witness(config: ReflectorBenchConfig, folder: Path) -> None:
    """A reader of pixels, trained on recorded frames and on the same as the codec draws them.

    Stores what it errs by on recorded test frames, as they are and as they are redrawn.
    """
    place = folder / "witness"
    if (place / "errors.json").exists():
        return
    data = load(config, "witness", folder)
    drawn = redraw_dataset(codec(config), data)
    both = replace(
        data,
        frames={c: torch.cat([x, drawn[c]]) for c, x in data.frames.items()},
        proprio=torch.cat([data.proprio] * 2),
        actions=torch.cat([data.actions] * 2),
        success=np.concatenate([data.success] * 2),
        starts=np.concatenate([data.starts, data.starts + data.num_rows]),
        lengths=np.concatenate([data.lengths] * 2),
        episodes=data.episodes * 2,
        latents=None,
        objects=None,
    )
    told = _vectors(data)
    targets = {name: torch.cat([told[:, c]] * 2) for name, c in VECTOR.items()}
    probe = train_probe(
        both, targets, config.witness, place, seed=WITNESS_SEED, device=config.device
    )
    test = load(config, "test", folder)
    true, errors = _vectors(test), {}
    for name, frames in (
        ("recorded", test.frames), ("redrawn", redraw_dataset(codec(config), test))
    ):  # fmt: skip
        found = probe.errors(probe.read(frames).cpu(), true)
        errors[name] = {
            n: {str(q): float(np.percentile(e, q)) for q in (50, 90, 99)} for n, e in found.items()
        }
    write_json(place / "errors.json", errors)


def witness(folder: Path) -> StateProbe:
    """Who says what imagined test pictures show."""
    return load_part(StateProbe, folder / "witness")


def _vectors(data: EpisodeDataset) -> torch.Tensor:
    return torch.from_numpy(np.concatenate([recorded_places(e).vector() for e in data.episodes]))


def learn(config: ReflectorBenchConfig, seed: int, folder: Path) -> None:
    """A reflector, from recorded and imagined episodes, ended and calibrated on validation."""
    place = folder / "reflectors" / str(seed)
    if (place / "done.json").exists():
        return
    asked: dict[str, tuple[Any, Any]] = {}
    for split in ("train", "validation"):
        data = load(config, split, folder)
        made, seen = load_imagined(folder, split, data)
        questions: Questions = tabletop_questions(data.episodes, config.tasks)
        asked[split] = (data, questions)
        asked[f"imagined {split}"] = (
            made.dataset, imagined_questions(made, data, config.tasks, seen)
        )  # fmt: skip
    data, questions = asked["train"]
    _, metrics = train_reflector(
        data, codec(config), config.reflector, place, seed=seed, questions=questions,
        generated=[asked["imagined train"]],
        validation=[asked["validation"], asked["imagined validation"]],
        lender=world_model(config), device=config.device,
    )  # fmt: skip
    write_json(place / "done.json", metrics | {"looks": read_json(place / "looks.json")})


def reflector(config: ReflectorBenchConfig, seed: int, folder: Path) -> Reflector:
    """A trained one."""
    return load_part(Reflector, folder / "reflectors" / str(seed)).to(config.device)
