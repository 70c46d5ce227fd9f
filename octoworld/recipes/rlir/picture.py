"""The picture of the RLIR bench: one test clip of each kind, recorded and as every arm shows it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from octoworld.core.io import atomic_file
from octoworld.core.rng import torch_generator
from worldmodels.rlir import sampler_of
from worldmodels.rlir.measure import draw_clips

from .arms import arm_folder
from .config import PARADIGMS, TRAINED, RlirBenchConfig
from .parts import base_model, load, load_model
from .witness import KINDS, read_found, shown

SCALE = 2
"""Times that frames are enlarged."""
SHOWN = ("recorded", "base", *TRAINED)
MARGIN = 150
"""Room for the names of rows [pixel]."""


def draw_arms(config: RlirBenchConfig, folder: Path, path: Path) -> None:
    """Every fourth frame of the clip that moves most, kind by kind, an arm a row; a PNG."""
    blocks = []
    for paradigm in PARADIGMS:
        for kind in KINDS:
            rows = [
                _row(f"{paradigm}, {arm}" if arm != "recorded" else f"recorded, {kind}", frames)
                for arm, frames in _clip(config, paradigm, kind, folder).items()
            ]
            blocks.append(np.concatenate(rows))
    picture = np.concatenate(blocks)
    with atomic_file(path) as temporary:
        done, coded = cv2.imencode(".png", picture[..., ::-1])
        assert done
        temporary.write_bytes(coded.tobytes())


def _clip(
    config: RlirBenchConfig, paradigm: str, kind: str, folder: Path
) -> dict[str, NDArray[np.uint8]]:
    """Arm -> frames (1 + K, H, W, 3) of one clip, of the first seed, at its own temperature."""
    data, seed = load(folder, (f"{kind} test",)), config.seeds[0]
    base = base_model(config, paradigm, folder)
    clips = draw_clips(
        data, config.clips, config.steps, base.context_length, torch_generator(0, kind, "test")
    )
    camera = base.cameras[0]
    images = data.frames[camera][clips.rows].float()
    one = clips.part((images[:, -1] - images[:, 0]).abs().mean((1, 2, 3)).argmax()[None])
    found = {}
    for arm in SHOWN:
        model, temperature = base, 1.0
        if arm in TRAINED:
            place = arm_folder(folder, paradigm, arm, seed) / "model"
            model = load_model(place, paradigm, config.device)
        if arm != "recorded":
            temperature = read_found(folder, paradigm, arm, seed)["temperature"]
        sampler = sampler_of(model, config.chain)
        frames = shown(config, sampler, arm, data, one, seed, temperature, folder)
        found[arm] = frames[camera][0].numpy()
    return found


def _row(name: str, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Frames side by side, their name before them."""
    strip = np.concatenate(list(frames[::4]), 1).repeat(SCALE, 0).repeat(SCALE, 1)
    label = np.full((len(strip), MARGIN, 3), 255, np.uint8)
    first, _, second = name.partition(", ")
    for line, text in enumerate((first, second)):
        cv2.putText(
            label, text, (6, 50 + 24 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1,
            cv2.LINE_AA,
        )  # fmt: skip
    return np.concatenate([label, strip], 1)
