"""Stages that learn from recordings: grounding, imitation, autoencoder, world model, reflector."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from octoworld.core.errors import CheckpointError
from octoworld.core.io import atomic_folder
from octoworld.core.log import read_metrics
from octoworld.core.registry import TASKS
from octoworld.core.rng import torch_generator
from octoworld.data.episode import Episode
from sim.cameras import image_matrix
from tasks.env import scene_cameras
from tasks.manipulation.objects import OBJECTS, OBJECTS_DIM
from vla.checkpoint import load_policy
from vla.pretrain import pretrain_grounding
from vla.sft import train_sft
from vla.tiny import TinyPolicy
from worldmodels.autoencoder import FrameAutoencoder, encode_dataset, train_autoencoder
from worldmodels.checkpoint import load_part
from worldmodels.dataset import EpisodeDataset
from worldmodels.flow import FlowWorldModel, Sight, train_flow
from worldmodels.metrics import rollout_report
from worldmodels.reflector import Reflector, evaluate_reflector, train_reflector
from worldmodels.reflector.train import Asked

from ..questions import imagined, real_questions, recorded_objects
from ..stages import Run
from .config import WorldEnvConfig
from .recordings import load

PARTS = ("grounding", "autoencoder", "worldmodel", "reflector")
"""What may be taken from `pretrained` instead of being trained."""
MEASURED = ("block", "drawer")
"""Objects whose places the world model's report gives [m]."""


SEEN = {
    "tool": (True, None),
    "block": (False, OBJECTS["block"]),
    "handle": (True, OBJECTS["handle_from_tool"]),
}
"""Points in sight: from the tool or from the base, and the columns of `OBJECTS` added to that."""
SPREAD = {"tool": 0.3, "block": 0.12, "handle": 0.2}
"""How far around its point a thing reaches, half images."""


def learn_grounding(run: Run) -> dict[str, Any]:
    """Eyes and words from still pictures."""
    config: WorldEnvConfig = run.config
    if taken := _take(run, "grounding"):
        return taken
    folder = run.path("training", "grounding")
    pretrain_grounding(load(run, "grounding"), config.grounding, folder, config.seed)
    return _keep(run, "grounding", folder / "policy") | _last(folder)


def learn_sft(run: Run) -> dict[str, Any]:
    """The policy, from five demonstrations a task."""
    config: WorldEnvConfig = run.config
    folder = run.path("training", "sft")
    grounded = policy(run, "grounding")
    train_sft(load(run, "demonstrations"), config.sft, folder, config.seed, initial=grounded)
    return _keep(run, "sft", folder / "policy") | _last(folder)


def learn_autoencoder(run: Run) -> dict[str, Any]:
    """Frames to 16 tokens and back, from everything recorded but the held-out episodes."""
    config: WorldEnvConfig = run.config
    if taken := _take(run, "autoencoder"):
        return taken
    folder = run.path("training", "autoencoder")
    episodes = [*load(run, "grounding"), *_training_episodes(run)]
    data = EpisodeDataset.from_episodes(episodes, config.cameras)
    model, metrics = train_autoencoder(
        data, config.autoencoder, config.autoencoder_fit, folder, seed=config.seed
    )
    _save(run, "autoencoder", model)
    return metrics


def learn_worldmodel(run: Run) -> dict[str, Any]:
    """The video model, and its errors on held-out exploration, in pixels and in metres."""
    config: WorldEnvConfig = run.config
    training, heldout = datasets(run)
    facts = _take(run, "worldmodel")
    if not facts or config.continue_worldmodel:
        # stills show the block at thousands of places, exploration at hundreds
        model, metrics = train_flow(
            training,
            autoencoder(run),
            config.worldmodel,
            run.path("training", "worldmodel"),
            seed=config.seed,
            initial=worldmodel(run) if facts else None,
            stills=_encoded(run, load(run, "grounding")),
            sight=_sight(run, training.state.shape[1]),
            motion=_motion(run),
        )
        _save(run, "worldmodel", model)
        facts = facts | metrics
    report = rollout_report(
        worldmodel(run),
        heldout,
        torch_generator(config.seed, "worldmodel", "report"),
        num_starts=config.report_starts,
        chunks=5,
        objects={name: OBJECTS[name] for name in MEASURED},
    )
    return facts | {"report": report.as_dict(), "psnr_20_steps": report.psnr[-1]}


def learn_reflector(run: Run) -> dict[str, Any]:
    """Reward and stop signal; measured on held-out episodes, real and imagined."""
    config: WorldEnvConfig = run.config
    training, heldout = datasets(run)
    model = worldmodel(run)

    def made(data: EpisodeDataset, label: str) -> Asked:
        generator = torch_generator(config.seed, "replay", label)
        return imagined(model, data, config.replay, generator, config.tasks)

    real, dreamt = real_questions(heldout, config.tasks), made(heldout, "heldout")
    facts = _take(run, "reflector")
    if not facts:
        folder = run.path("training", "reflector")
        _, metrics = train_reflector(
            training,
            autoencoder(run),
            config.reflector,
            folder,
            seed=config.seed,
            questions=real_questions(training, config.tasks)[1],
            generated=[made(training, "train")],
            validation=[real, dreamt],
            lender=model,
        )
        _save(run, "reflector", folder)
        facts = dict(metrics)
    judge = reflector(run)
    cards = {
        "real": evaluate_reflector(judge, *real), "imagined": evaluate_reflector(judge, *dreamt)
    }  # fmt: skip
    for name, card in cards.items():
        facts |= {name: card.as_dict(), f"f1_{name}": card.f1}
        facts |= {f"false_success_{name}": card.false_success}
    return facts | {"threshold": float(judge.threshold)}


def policy(run: Run, name: str) -> TinyPolicy:
    """A policy of the run: grounding, sft or posttrained."""
    loaded = load_policy(run.path("checkpoints", name))
    assert isinstance(loaded, TinyPolicy)  # the recipe trains no other kind
    return loaded


def autoencoder(run: Run) -> FrameAutoencoder:
    """The run's autoencoder."""
    return load_part(FrameAutoencoder, run.path("checkpoints", "autoencoder"))


def worldmodel(run: Run) -> FlowWorldModel:
    """The run's world model."""
    return load_part(FlowWorldModel, run.path("checkpoints", "worldmodel"))


def reflector(run: Run) -> Reflector:
    """The run's reflector."""
    return load_reflector(run.path("checkpoints", "reflector"))


def load_reflector(folder: Path) -> Reflector:
    """A saved reflector; raises CheckpointError when it is missing or damaged."""
    return load_part(Reflector, folder)


def datasets(run: Run) -> tuple[EpisodeDataset, EpisodeDataset]:
    """Demonstrations and exploration to learn from, and the exploration held out, both encoded."""
    return _encoded(run, _training_episodes(run)), _encoded(run, heldout_episodes(run))


def _encoded(run: Run, episodes: list[Episode]) -> EpisodeDataset:
    """Episodes with latents, and with where their objects are."""
    data = EpisodeDataset.from_episodes(episodes, run.config.cameras)
    encode_dataset(autoencoder(run), data)
    data.objects = recorded_objects(episodes)
    return data


def _motion(run: Run) -> EpisodeDataset | None:
    """What was recorded without pictures."""
    if not run.config.data.motion_per_task:
        return None
    episodes = load(run, "motion")
    data = EpisodeDataset.from_episodes(episodes, ())
    data.objects = recorded_objects(episodes)
    return data


def _sight(run: Run, state_dim: int) -> Sight:
    """Where the cameras see hand, block and handle, all linear in the state."""
    specs = scene_cameras(TASKS.get(run.config.tasks[0])(1).scene())
    objects = state_dim - OBJECTS_DIM
    places = torch.zeros(len(SEEN), 4, state_dim + 1)
    places[:, 3, -1] = 1.0
    for point, (tool, columns) in enumerate(SEEN.values()):
        for axis in range(3):
            places[point, axis, axis] = float(tool)
            if columns is not None:
                places[point, axis, objects + columns.start + axis] += 1.0
    looks = torch.stack([torch.from_numpy(image_matrix(specs[c])) for c in run.config.cameras])
    maps = torch.einsum("cij,pjk->cpik", looks.float(), places)
    return Sight(maps, torch.tensor([SPREAD[name] for name in SEEN]))


def heldout_episodes(run: Run) -> list[Episode]:
    """Exploration and play that nothing is trained on, spread over tasks and temperatures."""
    return _split(run)[1]


def _training_episodes(run: Run) -> list[Episode]:
    return [*load(run, "demonstrations"), *_split(run)[0]]


def _split(run: Run) -> tuple[list[Episode], list[Episode]]:
    training, heldout = [], []
    for name in ("exploration", "play"):
        episodes = load(run, name)
        wanted = max(1, round(len(episodes) * run.config.data.heldout_share))
        kept = {int(i) for i in np.linspace(0, len(episodes) - 1, wanted)}
        training += [e for i, e in enumerate(episodes) if i not in kept]
        # each task's episodes stand together, in the order of their seeds
        seen = run.config.data.judged_from if name == "play" else 0
        each = len(episodes) // len(run.config.tasks)
        heldout += [episodes[i] for i in sorted(kept) if i % each >= seen]
    return training, heldout


def _take(run: Run, name: str) -> dict[str, Any]:
    """Copy a checkpoint from `pretrained`, if it holds this part; {} if it is to be trained."""
    if not run.config.pretrained:
        return {}
    folder = Path(run.config.pretrained)
    if not any((folder / part).is_dir() for part in PARTS):
        raise CheckpointError(f"pretrained: {folder} holds none of {', '.join(PARTS)}")
    if not (folder / name).is_dir():
        return {}
    _keep(run, name, folder / name)
    return {"pretrained": 1}


def _keep(run: Run, name: str, source: Path) -> dict[str, Any]:
    with atomic_folder(run.path("checkpoints", name)) as temporary:
        shutil.copytree(source, temporary, dirs_exist_ok=True)
    return {}


def _save(run: Run, name: str, model: Any) -> None:
    with atomic_folder(run.path("checkpoints", name)) as temporary:
        if isinstance(model, Path):
            for file in ("config.json", "diffusion_pytorch_model.safetensors"):
                shutil.copy(model / file, temporary / file)
        else:
            model.save_pretrained(str(temporary))


def _last(folder: Path) -> dict[str, float]:
    rows = read_metrics(folder / "metrics.jsonl")
    return {k: v for k, v in rows[-1].items() if k != "step"} if rows else {}
