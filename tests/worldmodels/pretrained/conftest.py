"""A square that goes where it is told, and tiny models of two families trained on it."""

from typing import Any

import numpy as np
import pytest
import torch

from octoworld.core.fit import FitConfig
from octoworld.core.log import read_metrics
from octoworld.data.episode import Episode
from worldmodels.dataset import EpisodeDataset
from worldmodels.pretrained import PretrainedConfig, PretrainedTrainConfig, train_pretrained

from .tiny import build

SIDE, STEP = 32, 0.5
SMALL: dict[str, Any] = {
    "context_length": 4, "max_chunk": 4, "sampling_steps": 2, "adapter_width": 64,
    "state_hidden": 64, "state_layers": 2, "lora_rank": 16,
}  # fmt: skip


def episode(steps: int, seed: int) -> Episode:
    """A large square, whose speed is the action; it changes its mind every fourth step."""
    rng = np.random.default_rng(seed)
    place, action = np.zeros(2), np.zeros(2)
    rows: dict[str, list] = {"image": [], "state": [], "action": []}
    for step in range(steps):
        if step % 4 == 0:
            action = rng.choice([-1.0, 1.0], 2)
        image = np.full((SIDE, SIDE, 3), 60, np.uint8)
        x, y = (SIDE / 2 + SIDE / 4 * place).astype(int)
        image[y - 8 : y + 8, x - 8 : x + 8] = (240, 200, 40)
        rows["image"].append(image)
        rows["state"].append(place.copy())
        rows["action"].append(action.copy())
        place = np.clip(place + STEP * action, -1, 1)
    done = np.arange(steps) == steps - 1
    return Episode(
        {
            "observation.images.front": np.stack(rows["image"]),
            "observation.state": np.asarray(rows["state"], np.float32),
            "action": np.asarray(rows["action"], np.float32),
            "next.success": done,
            "next.reward": done.astype(np.float32),
            "next.done": done,
        },
        "follow",
        10,
        {"task": "Follow"},
    )


@pytest.fixture(scope="session")
def recordings():
    """Data sets to learn from and to test on."""
    return tuple(
        EpisodeDataset.from_episodes([episode(24, seed) for seed in seeds])
        for seeds in (range(60), range(100, 116))
    )


@pytest.fixture(scope="session")
def base_of(tmp_path_factory, recordings):
    """Function family -> folder of a tiny pipeline."""
    folders = {}

    def folder(family):
        if family not in folders:
            images = recordings[0].frames["front"][:121].numpy()
            folders[family] = build(family, tmp_path_factory.mktemp(family), images)
        return folders[family]

    return folder


def quick(folder, steps, rate=5e-3, **changes):
    """Training of a small model on the pipeline in `folder`."""
    return PretrainedTrainConfig(
        model=PretrainedConfig(model=folder, **(SMALL | changes)),
        fit=FitConfig(
            steps=steps, batch_size=8, learning_rate=rate, warmup_steps=10, log_every=1,
            checkpoint_every=2 if steps < 10 else 1000,
        ),
        state=FitConfig(steps=min(steps, 60), batch_size=64, learning_rate=5e-3, warmup_steps=5),
    )  # fmt: skip


@pytest.fixture(scope="session")
def trained(tmp_path_factory, base_of, recordings):
    """Function family -> (model, its losses): LTX by adapters, Wan with all of its weights."""
    made = {}

    def train(family):
        if family not in made:
            ways = {"ltx": {"steps": 110}, "wan": {"steps": 50, "tune": "full"}}
            folder = tmp_path_factory.mktemp(f"{family}-run")
            config = quick(base_of(family), **ways[family])
            model, _ = train_pretrained(recordings[0], config, folder, seed=0)
            losses = [row["pretrained/loss"] for row in read_metrics(folder / "metrics.jsonl")]
            made[family] = model, losses
        return made[family]

    return train


def start(model, dataset, count=6, time=6, after=4):
    """History at `time` of `count` episodes, and the rows (count, 1 + after) from there on."""
    episodes, times = np.arange(count), np.full(count, time)
    recent = dataset.windows(episodes, times, model.context_length - 1, 0)
    rows = torch.cat([torch.from_numpy(dataset.starts[episodes])[:, None], recent], 1)
    return model.start(dataset.clip(rows)), dataset.windows(episodes, times, 0, after)


def seeded(seed=0):
    """A generator."""
    return torch.Generator().manual_seed(seed)
