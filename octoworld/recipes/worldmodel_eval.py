"""How well a world model foresees recordings it has not seen: figures by horizon, and pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from octoworld.bench.provenance import code_version, hardware
from octoworld.core.config import from_dict, to_dict
from octoworld.core.errors import CheckpointError, ConfigError, DatasetError
from octoworld.core.io import read_json, write_json, write_text
from octoworld.core.rng import torch_generator
from octoworld.data.marks import overlap
from octoworld.data.reader import Dataset
from octoworld.data.video import write_mp4
from octoworld.viewer.frames import contact_sheet, side_by_side, write_png
from worldmodels.autoencoder import encode_dataset
from worldmodels.checkpoint import load_latent_model, load_part
from worldmodels.dataset import EpisodeDataset
from worldmodels.frechet import rows_needed
from worldmodels.latent_model import LatentWorldModel
from worldmodels.metrics import CLIP_FRAMES, RolloutReport, psnr, rollout_report, ssim
from worldmodels.perceptual import PerceptualNetwork

from .foreseen import imagined_frames
from .worldmodel_data import RobotFacts, load_episodes
from .worldmodel_train import check_model

COLUMNS = 7
"""Moments on a film strip."""


@dataclass(frozen=True)
class EvalConfig:
    """What is asked of a world model."""

    steps: int = 48
    """Longest horizon [control steps]; rounded up to whole chunks of the model."""
    starts: int = 256
    """Moments of the recordings from which actions are replayed."""
    seed: int = 0
    """Moments and the model's noise are a function of it."""
    films: int = 3
    """Episodes on the film strip, from their first frames on."""
    film_start: int = 0
    """Step of those episodes at which imagination starts."""

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("starts", 1), ("films", 0), ("film_start", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} must be at least {least}, got {getattr(self, name)}")


def evaluate_worldmodel(
    folder: Path,
    dataset: Path,
    config: EvalConfig,
    out: Path,
    *,
    perceptual: Path | None = None,
    device: str = "cpu",
) -> dict[str, Any]:
    """Figures, also in `out`/eval.json and eval.md; `out`/film.png and film.mp4 are to be seen.

    Args:
        folder: run folder of `train_worldmodel`.
        dataset: recordings of the same robot that were held out.
        config: horizon, starts, seed.
        out: where the files go.
        perceptual: an own network of `train_perceptual`, for distances of pictures.
        device: where to imagine.

    Raises:
        CheckpointError: a model is missing or damaged.
        ConfigError: the model does not fit its run, or the perceptual network has seen these
            recordings or asks for more starts.
        DatasetError: recordings of another robot or frame size, or too short.
    """
    facts, trained_on = run_facts(folder)
    model = load_latent_model(folder / "worldmodel")
    check_model(model, facts)
    model.to(device)  # type: ignore[arg-type]
    opened = Dataset(dataset)
    data = load_episodes([opened], facts)
    chunks = math.ceil(config.steps / model.max_chunk)
    check_length(data, chunks * model.max_chunk, str(dataset))
    network = None
    if perceptual is not None:
        network = _network(perceptual, data, config.starts * len(facts.cameras), device)
    encode_dataset(model.autoencoder, data)
    reports = {
        how: rollout_report(
            model, data, torch_generator(config.seed, "eval", "starts"),
            num_starts=config.starts, chunks=chunks, teacher_forced=how == "teacher_forced",
            perceptual=network,
        )
        for how in ("teacher_forced", "free_running")
    }  # fmt: skip
    seen = overlap(trained_on, data.episodes)
    scale = data.proprio.std(0).clamp(min=1e-4)
    facts_told = {
        "world_model": type(model).__name__,
        "robot": facts.robot,
        "cameras": list(facts.cameras),
        "episodes": len(data),
        "episodes_seen_in_training": seen,
        "config": to_dict(config),
        "perceptual": _told(network),
        **{how: report.as_dict() for how, report in reports.items()},
        "state_error": {how: _state_errors(report, scale) for how, report in reports.items()},
        "autoencoder": autoencoder_quality(model, data, config.seed),
        "commit": code_version(),
        "hardware": hardware(),
    }
    write_json(out / "eval.json", facts_told)
    write_text(out / "eval.md", table(facts_told))
    if config.films:
        write_films(model, data, config, out, chunks * model.max_chunk)
    return facts_told


def run_facts(folder: Path) -> tuple[RobotFacts, list[str]]:
    """What a run's model is made for, and the marks of the episodes it was trained on."""
    if not (folder / "data.json").exists():
        raise CheckpointError(
            f"{folder} holds no run of `octoworld worldmodel train` (no data.json there)"
        )
    told = read_json(folder / "data.json")
    try:
        names = set(RobotFacts.__dataclass_fields__)
        return from_dict(RobotFacts, {k: v for k, v in told.items() if k in names}), list(
            told["episodes"]
        )
    except (ConfigError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{folder / 'data.json'} is damaged ({error}); restore it") from None


def check_length(data: EpisodeDataset, steps: int, name: str) -> None:
    """DatasetError where no episode lasts for `steps` imagined ones."""
    longest = int(data.lengths.max())
    if longest <= steps:
        raise DatasetError(
            f"{name}: the longest episode has {longest} steps, imagining {steps} needs "
            f"{steps + 1}; ask for fewer with --steps"
        )


def _network(folder: Path, data: EpisodeDataset, frames: int, device: str) -> PerceptualNetwork:
    network = load_part(PerceptualNetwork, folder).to(device)
    if shared := overlap(network.config["trained_on"], data.episodes):
        raise ConfigError(
            f"the perceptual network in {folder} was trained on {shared} of these "
            f"{len(data)} episodes; give one of other recordings"
        )
    if frames < (needed := rows_needed(network.settings.features)):
        raise ConfigError(
            f"Fréchet distances of {network.settings.features} features need {needed} frames, "
            f"--starts gives {frames}"
        )
    return network


def _told(network: PerceptualNetwork | None) -> dict[str, Any] | None:
    """Which network measured, by which names."""
    if network is None:
        return None
    return {
        "name": "perceptual distance, own network",
        "features": network.settings.features,
        "clip_frames": CLIP_FRAMES,
        "trained_on_episodes": len(network.config["trained_on"]),
    }


def _state_errors(report: RolloutReport, scale: torch.Tensor) -> dict[str, list[float]]:
    """Mean error of proprioception in standard deviations of the recordings, and if all stood."""

    def mean(rows: list[list[float]]) -> list[float]:
        return [float((torch.tensor(row) / scale).mean()) for row in rows]

    return {"imagined": mean(report.proprio_error), "still": mean(report.still_proprio_error)}


@torch.no_grad()
def autoencoder_quality(
    model: LatentWorldModel, data: EpisodeDataset, seed: int, count: int = 256
) -> dict[str, float]:
    """What true frames lose through the autoencoder, the most that the model can reach."""
    rows = torch.randperm(data.num_rows, generator=torch_generator(seed, "eval", "still"))[:count]
    drawn = model.decode(data.need_latents()[rows].to(model.device))
    pairs = [(drawn[c].cpu(), data.frames[c][rows]) for c in model.cameras]
    return {
        "psnr": float(torch.stack([psnr(a, b) for a, b in pairs]).mean()),
        "ssim": float(torch.stack([ssim(a, b) for a, b in pairs]).mean()),
    }


def table(facts: dict[str, Any]) -> str:
    """The figures as Markdown, a row a horizon."""
    lines = [
        f"# {facts['world_model']} of {facts['robot']}, {facts['episodes']} episodes",
        "",
    ]
    if facts["episodes_seen_in_training"]:
        lines += [
            f"**{facts['episodes_seen_in_training']} of these episodes were trained on.**", "",
        ]  # fmt: skip
    quality = facts["autoencoder"]
    lines += [
        f"Autoencoder on true frames: {quality['psnr']:.1f} dB PSNR, {quality['ssim']:.3f} SSIM. "
        "In brackets: if nothing had moved since the start.",
    ]
    for how in ("teacher_forced", "free_running"):
        report, state = facts[how], facts["state_error"][how]
        heads = ["steps", "PSNR [dB]", "SSIM", "latent error", "state error [std]"]
        columns = [
            [str(s) for s in report["steps"]],
            _beside(report["psnr"], report["still_psnr"], 1),
            [f"{x:.3f}" for x in report["ssim"]],
            _beside(report["latent_error"], report["still_latent_error"], 2),
            _beside(state["imagined"], state["still"], 2),
        ]
        if report["perceptual_distance"]:
            heads += ["perceptual distance, own network", "Fréchet distance, own network"]
            columns += [
                _beside(report["perceptual_distance"], report["still_perceptual_distance"], 4),
                _beside(report["frechet_distance"], report["still_frechet_distance"], 2),
            ]
        lines += ["", f"## {how.replace('_', '-').capitalize()}", ""]
        lines += [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
        lines += [f"| {' | '.join(row)} |" for row in zip(*columns, strict=True)]
        clips = report["clip_frechet_distance"]
        if clips is not None:
            lines += ["", f"Fréchet distance of clips, own network: {clips:.2f}"]
    return "\n".join(lines) + "\n"


def _beside(values: list[float], still: list[float], digits: int) -> list[str]:
    return [f"{a:.{digits}f} ({b:.{digits}f})" for a, b in zip(values, still, strict=True)]


def write_films(
    model: LatentWorldModel, data: EpisodeDataset, config: EvalConfig, out: Path, steps: int
) -> None:
    """`film.png`: true, imagined, difference, an episode and a camera a sheet; `film.mp4` moves."""
    start = config.film_start
    long = [i for i in range(len(data)) if data.lengths[i] > start + steps]
    if not long:
        raise DatasetError(
            f"no episode has {steps} steps after step {start} (longest: {int(data.lengths.max())})"
        )
    sheets: list[NDArray[np.uint8]] = []
    films: list[NDArray[np.uint8]] = []
    for index in long[: config.films]:
        episode = data.episodes[index]
        generator = torch_generator(config.seed, "eval", "film", index)
        drawn = imagined_frames(model, episode, start, steps, generator)
        for camera in model.cameras:
            true = episode[f"observation.images.{camera}"][start : start + steps + 1]
            sheets.append(contact_sheet(true, drawn[camera], fps=episode.fps, columns=COLUMNS))
            films.append(side_by_side(true, drawn[camera], 3, with_difference=True))
    write_png(out / "film.png", np.concatenate(sheets))
    write_mp4(out / "film.mp4", np.concatenate(films, 1), max(1, data.episodes[0].fps // 4))
