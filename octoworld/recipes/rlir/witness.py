"""What the RLIR bench measures: every arm at its best temperature, beside the ceilings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from octoworld.core.io import read_json, write_json
from octoworld.core.rng import torch_generator
from worldmodels.dataset import EpisodeDataset
from worldmodels.rlir import FollowingReward, Sampler, ThingsStay, sampler_of
from worldmodels.rlir.measure import (
    Clips,
    Following,
    Frames,
    Witnesses,
    draw_clips,
    imagine_clips,
    measure_following,
    recorded_clips,
    redrawn_clips,
)

from .arms import arm_folder
from .config import RlirBenchConfig
from .parts import base_model, load, load_model, reward_of, witnesses_of

KINDS = ("expert", "wander")
"""Actions of the tests: those of the expert, and such as it never gives."""
CEILINGS = ("recorded", "redrawn")
"""True frames, and these through the codec."""


def test_arm(config: RlirBenchConfig, paradigm: str, arm: str, seed: int, folder: Path) -> None:
    """Sweep the temperature on validation clips, then look at the test clips once."""
    path = found_file(folder, paradigm, arm, seed)
    if path.exists():
        return
    witnesses = witnesses_of(config, folder)
    if arm in ("base", "best of", *CEILINGS):
        model = base_model(config, paradigm, folder)
    else:
        model = load_model(
            arm_folder(folder, paradigm, arm, seed) / "model", paradigm, config.device
        )
    sampler = sampler_of(model, config.chain)
    chosen, swept = 1.0, {}
    if arm not in CEILINGS:
        for temperature in config.temperatures[paradigm]:
            scores = [
                follow(config, sampler, "base", kind, "validation", seed, temperature, folder,
                       witnesses)[0].card().mean_f1
                for kind in KINDS
            ]  # fmt: skip
            swept[str(temperature)] = sum(scores) / len(scores)
        chosen = max(config.temperatures[paradigm], key=lambda t: swept[str(t)])
    kinds = {
        kind: summary(*follow(config, sampler, arm, kind, "test", seed, chosen, folder, witnesses))
        for kind in KINDS
    }
    write_json(path, {"temperature": chosen, "swept": swept, "kinds": kinds})


def found_file(folder: Path, paradigm: str, arm: str, seed: int) -> Path:
    """Where the findings about an arm are."""
    return folder / paradigm / "found" / f"{arm.replace(' ', '-')}-{seed}.json"


def follow(
    config: RlirBenchConfig,
    sampler: Sampler,
    arm: str,
    kind: str,
    split: str,
    seed: int,
    temperature: float,
    folder: Path,
    witnesses: Witnesses,
) -> tuple[Following, Clips]:
    """Show an arm's clips of one kind of actions to the witnesses; and which clips they are."""
    data = load(folder, (f"{kind} {split}",))
    count = config.clips if split == "test" else config.validation_clips
    clips = draw_clips(
        data, count, config.steps, sampler.model.context_length, torch_generator(0, kind, split)
    )
    frames = shown(config, sampler, arm, data, clips, seed, temperature, folder)
    return measure_following(frames, data, clips, witnesses), clips


def shown(
    config: RlirBenchConfig,
    sampler: Sampler,
    arm: str,
    data: EpisodeDataset,
    clips: Clips,
    seed: int,
    temperature: float,
    folder: Path,
) -> Frames:
    """The frames of an arm."""
    if arm == "recorded":
        return recorded_clips(data, clips, sampler.model.cameras)
    if arm == "redrawn":
        return redrawn_clips(sampler, data, clips)
    more: dict[str, Any] = {}
    if arm == "best of":
        reward = FollowingReward(reward_of(config, folder), vetoes=[ThingsStay()])
        more = {"best_of": config.best_of, "reward": reward}
    generator = torch_generator(seed, "imagined", arm)
    return imagine_clips(sampler, data, clips, generator, temperature, **more)


def summary(found: Following, clips: Clips) -> dict[str, Any]:
    """Small enough to be stored, and enough to draw intervals from: numbers by clip."""

    def by_clip(x: torch.Tensor) -> list[float]:
        return [round(float(v), 5) for v in x.float().flatten(1).mean(1)]

    card = found.card()
    return {
        "rows": clips.rows[:, 0].tolist(),
        "macro_f1": card.mean_f1,
        "joint": card.joint,
        "refused": card.refused,
        "match": by_clip(found.match),
        "psnr": by_clip(found.psnr),
        "ssim": by_clip(found.ssim),
        "gone": by_clip(found.gone),
        "error": {name: by_clip(x) for name, x in found.errors.items()},
        "bins": found.bins.flatten().tolist(),
        "wanted": found.wanted_bins.flatten().tolist(),
        "shape": list(found.bins.shape),
        "num_bins": found.num_bins,
    }


def read_found(folder: Path, paradigm: str, arm: str, seed: int) -> dict[str, Any]:
    """Findings about an arm."""
    return read_json(found_file(folder, paradigm, arm, seed))
