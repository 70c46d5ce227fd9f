"""What the RLIR bench makes once: recordings, codecs, readers, base world models."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from octoworld.core.errors import CheckpointError, DatasetError
from octoworld.core.io import atomic_folder, load_tensors, save_tensors, write_json
from octoworld.core.paths import asset
from octoworld.core.rng import torch_generator
from octoworld.data.episode import Episode
from octoworld.data.reader import Dataset
from tasks.manipulation.objects import OBJECTS
from worldmodels.autoencoder import FrameAutoencoder, encode_dataset, redraw_dataset
from worldmodels.autoregressive import (
    AutoregressiveTrainConfig,
    AutoregressiveWorldModel,
    FrameTokenizer,
    train_autoregressive,
    train_tokenizer,
)
from worldmodels.checkpoint import load_part
from worldmodels.dataset import EpisodeDataset
from worldmodels.flow import FlowTrainConfig, FlowWorldModel, train_flow
from worldmodels.inverse_dynamics import (
    GateReport,
    InverseDynamics,
    InverseDynamicsTrainConfig,
    InverseReward,
    check_independent,
    gate,
    split_for_roles,
    train_inverse_dynamics,
)
from worldmodels.inverse_dynamics.reward import GATE_FILE
from worldmodels.latent_model import LatentWorldModel
from worldmodels.probe import StateProbe, train_probe
from worldmodels.rlir.measure import Witnesses

from ..play import PlayActor
from ..questions import recorded_objects
from ..recording import write_dataset
from ..rollouts import RolloutConfig, collect
from ..wander import WanderActor
from .config import READ_FROM, RlirBenchConfig

CAMERAS = ("front",)
AUTOENCODER = ("checkpoints", "tabletop", "autoencoder")
"""Ours, of the same scene and camera; `assets/checkpoints/tabletop/card.json` says how made."""
PLACES = {"tool": 3, "block": 3, "drawer": 1}
"""What probes read [m], and how many numbers each has."""
AT_ONCE = 25
SEEDS = {"reward": 11, "judge": 12, "base": 0}
"""Seeds of training, all different."""


# -- recordings --------------------------------------------------------------------------------


def record(config: RlirBenchConfig, source: str, folder: Path) -> None:
    """One source's episodes of all tasks, a data set."""
    kind = source.split()[0]
    actor = {"wander": WanderActor, "play": PlayActor}.get(kind)
    rollouts = RolloutConfig(
        AT_ONCE, 10**6 if actor else 6, cameras=CAMERAS, noise=0.3 if kind == "noisy" else 0.0
    )

    def episodes() -> Iterator[Episode]:
        for task in config.tasks:
            seeds = config.start_seeds(source, task)
            yield from collect(task, seeds, rollouts, policy=None, source=kind, make_actor=actor)

    place = recorded(folder, source)
    if not (place / "meta" / "info.json").exists():
        write_dataset(place, episodes(), video=False)


def recorded(folder: Path, source: str) -> Path:
    """Where a source's episodes are."""
    return folder / "recorded" / source.replace(" ", "-")


def load(folder: Path, sources: Sequence[str], device: str = "cpu") -> EpisodeDataset:
    """Episodes of some sources, encoded, with where their things are."""
    episodes = [e for source in sources for e in Dataset(recorded(folder, source)).load_all()]
    data = EpisodeDataset.from_episodes(episodes, CAMERAS)
    data.objects = recorded_objects(episodes)
    place = folder / "latents" / ("+".join(sources).replace(" ", "-") + ".safetensors")
    if place.exists():
        data.latents = load_tensors(place)["latents"]
    else:
        encode_dataset(autoencoder().to(device), data)  # type: ignore[arg-type]
        save_tensors(place, {"latents": data.need_latents()})
    return data


def parts_of(folder: Path, seed: int = 0) -> tuple[EpisodeDataset, EpisodeDataset, EpisodeDataset]:
    """Recordings for the reward's readers, for the judges, and those that neither has seen."""
    return split_for_roles(load(folder, READ_FROM), seed=seed)


def autoencoder() -> FrameAutoencoder:
    """The codec of both paradigms."""
    return load_part(FrameAutoencoder, asset(*AUTOENCODER))


# -- readers -----------------------------------------------------------------------------------


def learn_reader(config: RlirBenchConfig, role: str, folder: Path) -> None:
    """The reward's network or the judge's, and what its gate found."""
    place = folder / role
    if (place / GATE_FILE).exists() or _taken(config, role, folder):
        return
    settings: InverseDynamicsTrainConfig = getattr(config, role)
    for_reward, for_judge, rest = parts_of(folder)
    data = for_reward if role == "reward" else for_judge
    codec = autoencoder().to(config.device)  # type: ignore[arg-type]
    drawn = redraw_dataset(codec, data)
    model, _ = train_inverse_dynamics(
        data, settings, place, seed=SEEDS[role], device=config.device, held_out=rest, redrawn=drawn
    )
    tested = load(folder, ("wander test", "expert test"))
    generator = torch_generator(SEEDS[role], "gate")
    report = gate(model, tested, generator, config.gate)
    through = gate(model, tested, generator, config.gate, redraw=lambda x: redrawn(codec, x))
    write_json(place / "reconstructions.json", {"joint": through.joint, "passed": through.passed})
    report.save(place / GATE_FILE)


def _taken(config: RlirBenchConfig, role: str, folder: Path) -> bool:
    """Whether a reader was copied from `config.readers`, with what its gate found.

    Raises:
        CheckpointError: that folder holds none of this role.
    """
    if not config.readers:
        return False
    source = Path(config.readers) / role
    if not (source / "config.json").exists():
        raise CheckpointError(f"{source} holds no reader (no config.json)")
    with atomic_folder(folder / role) as temporary:
        shutil.copytree(source, temporary, dirs_exist_ok=True)
    return True


def learn_probe(config: RlirBenchConfig, role: str, folder: Path) -> None:
    """Who reads places: `veto` on the reward's episodes, `witness` on the judge's."""
    place = folder / role
    if (place / "config.json").exists() or _taken(config, role, folder):
        return
    for_reward, for_judge, _ = parts_of(folder)
    data = for_reward if role == "veto" else for_judge
    state = data.state
    columns = state_columns(data.proprio.shape[1])
    targets = {name: state[:, columns[name]] for name in PLACES}
    train_probe(data, targets, config.probe, place, seed=len(role), device=config.device)


def state_columns(proprio_dim: int) -> dict[str, slice]:
    """Columns of `EpisodeDataset.state` that probes read."""
    found = {"tool": slice(0, 3)}
    for name in ("block", "drawer"):
        columns = OBJECTS[name]
        found[name] = slice(proprio_dim + columns.start, proprio_dim + columns.stop)
    return found


def reward_of(config: RlirBenchConfig, folder: Path) -> InverseReward:
    """The reward; GateError where it has not passed."""
    return InverseReward.from_pretrained(folder / "reward", device=config.device)


def witnesses_of(config: RlirBenchConfig, folder: Path) -> Witnesses:
    """Judge and witness; raises where they are not fit, or not independent of the reward."""
    judge = load_part(InverseDynamics, folder / "judge").to(config.device)
    GateReport.load(folder / "judge" / GATE_FILE).require("a judge")
    check_independent(reward_of(config, folder).model, judge)
    probe = load_part(StateProbe, folder / "witness").to(config.device)
    columns, seen = state_columns(_proprio_dim(folder)), probe.columns
    return Witnesses(judge, probe, {name: (seen[name], columns[name]) for name in PLACES})


def redrawn(codec: FrameAutoencoder, frames: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Clips after the way through an autoencoder, camera -> (B, T, H, W, 3) uint8."""
    parts = []
    with torch.no_grad():
        for first in range(0, len(next(iter(frames.values()))), 32):
            given = {c: x[first : first + 32].to(codec.device) for c, x in frames.items()}
            parts.append({c: x.cpu() for c, x in codec.decode(codec.encode(given)).items()})
    return {c: torch.cat([p[c] for p in parts]) for c in frames}


def _proprio_dim(folder: Path) -> int:
    episode = Dataset(recorded(folder, "expert test")).episode(0)
    return episode["observation.state"].shape[1]


# -- world models ------------------------------------------------------------------------------


def learn_tokenizer(config: RlirBenchConfig, folder: Path) -> None:
    """Codes of the autoregressive model."""
    place = folder / "tokenizer"
    if (place / "config.json").exists():
        return
    train_tokenizer(
        load(folder, READ_FROM), autoencoder(), config.tokenizer, config.tokenizer_fit, place,
        seed=SEEDS["base"], device=config.device,
    )  # fmt: skip


def learn_base(config: RlirBenchConfig, paradigm: str, folder: Path) -> None:
    """A paradigm's base, and the same trained a fifth longer, to see whether it had converged."""
    for name, share in (("base", 0.0), ("longer", config.convergence)):
        place = folder / paradigm / name
        if (place / "config.json").exists():
            continue
        data = load(folder, READ_FROM, config.device)
        data.objects = None  # frames and actions are all that these models are told
        settings = config.base(paradigm)
        initial = None
        if share:
            initial = base_model(config, paradigm, folder)
            steps = round(share * settings.fit.steps)
            again = replace(settings.fit, steps=steps, learning_rate=settings.fit.learning_rate / 3)
            none = replace(settings.state, steps=0)
            settings = replace(settings, fit=again, state=none)
        train_base(settings, data, folder, place, config.device, initial)


def train_base(
    settings: FlowTrainConfig | AutoregressiveTrainConfig,
    data: EpisodeDataset,
    folder: Path,
    place: Path,
    device: str,
    initial: Any = None,
) -> LatentWorldModel:
    """A world model of the settings' paradigm on all recordings."""
    how: dict[str, Any] = {"seed": SEEDS["base"], "device": device, "initial": initial}
    if isinstance(settings, FlowTrainConfig):
        return train_flow(data, autoencoder(), settings, place, **how)[0]
    codes = load_part(FrameTokenizer, folder / "tokenizer")
    return train_autoregressive(data, codes, settings, place, **how)[0]


def base_model(config: RlirBenchConfig, paradigm: str, folder: Path) -> Any:
    """The base of a paradigm, a fresh copy."""
    return load_model(folder / paradigm / "base", paradigm, config.device)


def load_model(place: Path, paradigm: str, device: str) -> Any:
    """A saved world model."""
    if paradigm not in ("flow", "autoregressive"):
        raise DatasetError(f"paradigm {paradigm!r}: expected flow or autoregressive")
    kind = FlowWorldModel if paradigm == "flow" else AutoregressiveWorldModel
    return load_part(kind, place).to(device)
