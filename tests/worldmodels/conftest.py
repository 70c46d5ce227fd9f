"""A tiny video world in numpy: a white tool moves by actions and pushes a coloured block right."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from octoworld.core.fit import FitConfig
from octoworld.data.episode import Episode
from worldmodels.autoencoder import AutoencoderConfig, encode_dataset, train_autoencoder
from worldmodels.autoregressive import (
    AutoregressiveConfig,
    AutoregressiveTrainConfig,
    TokenizerConfig,
    train_autoregressive,
    train_tokenizer,
)
from worldmodels.dataset import EpisodeDataset
from worldmodels.flow import FlowConfig, FlowTrainConfig, Sight, train_flow
from worldmodels.reflector import (
    ReflectorConfig,
    ReflectorTrainConfig,
    recorded_questions,
    train_reflector,
)

SIZE, STEP = 32, 0.09
COLOURS = {"red": (210, 40, 40), "blue": (40, 60, 220)}


def _draw(tool: np.ndarray, block: np.ndarray, colour: tuple) -> np.ndarray:
    image = np.full((SIZE, SIZE, 3), 70, np.uint8)
    image[:, 24:] = (50, 90, 50)
    for centre, half, rgb in ((block, 3, colour), (tool, 3, (240, 240, 240))):
        x, y = np.clip((centre * SIZE).round().astype(int), half, SIZE - half)
        image[y - half : y + half, x - half : x + half] = rgb
    return image


def make_episodes(count: int, steps: int, seed: int) -> list[Episode]:
    """Episodes of noisy pushing; success: the block is in the right quarter."""
    rng = np.random.default_rng(seed)
    episodes = []
    for _ in range(count):
        tool, block = rng.uniform(0.15, 0.6, 2), rng.uniform(0.3, 0.6, 2)
        colour = str(rng.choice(list(COLOURS)))
        rows: dict[str, list] = {"image": [], "state": [], "action": [], "success": [], "block": []}
        for _ in range(steps):
            rows["image"].append(_draw(tool, block, COLOURS[colour]))
            rows["state"].append(tool.copy())
            rows["block"].append(block.copy())
            behind = abs(tool[1] - block[1]) < 0.07 and tool[0] < block[0]
            aim = block + ([0.1, 0.0] if behind else [-0.16, 0.0])
            action = np.clip((aim - tool) / STEP + rng.normal(0, 0.5, 2), -1, 1)
            tool = np.clip(tool + STEP * action, 0.1, 0.9)
            offset = block - tool
            distance = np.linalg.norm(offset)
            if distance < 0.14:
                block = np.clip(tool + offset / max(distance, 1e-6) * 0.14, 0.08, 0.92)
            rows["action"].append(action)
            rows["success"].append(block[0] > 0.75)
        episodes.append(
            Episode(
                {
                    "observation.images.front": np.stack(rows["image"]),
                    "observation.state": np.asarray(rows["state"], np.float32),
                    "action": np.asarray(rows["action"], np.float32),
                    "next.success": np.array(rows["success"]),
                    "next.reward": np.asarray(rows["success"], np.float32),
                    "next.done": np.arange(steps) == steps - 1,
                    "privileged": np.asarray(rows["block"], np.float32),
                },
                f"push the {colour} block right",
                10,
                {"task": "Push"},
            )
        )
    return episodes


@pytest.fixture(scope="session")
def episodes() -> list[Episode]:
    return make_episodes(60, 24, seed=0)


@pytest.fixture(scope="session")
def encoded(episodes, tmp_path_factory):
    """A tiny trained autoencoder, and data sets (train, test) with its latents."""
    folder = tmp_path_factory.mktemp("worldmodels")
    dataset = EpisodeDataset.from_episodes(episodes)
    held_out = EpisodeDataset.from_episodes(make_episodes(16, 24, seed=1))
    autoencoder, ae_metrics = train_autoencoder(
        dataset,
        AutoencoderConfig(width=16, latent_channels=16, cell_size=8),
        FitConfig(steps=350, batch_size=32, learning_rate=5e-3, warmup_steps=20),
        folder / "autoencoder",
        seed=0,
    )
    encode_dataset(autoencoder, dataset)
    encode_dataset(autoencoder, held_out)
    for data in (dataset, held_out):
        blocks = np.concatenate([e["privileged"] for e in data.episodes])
        data.objects = torch.from_numpy(blocks)
    # the state is tool and block; the block's place is told in images
    maps = torch.zeros(1, 1, 3, 5)
    maps[0, 0, 0, 2], maps[0, 0, 1, 3] = 2.0, 2.0
    maps[0, 0, :, 4] = torch.tensor([-1.0, -1.0, 1.0])
    return {
        "folder": folder,
        "dataset": dataset,
        "held_out": held_out,
        "autoencoder": autoencoder,
        "sight": Sight(maps, torch.tensor([0.2])),
        "metrics": ae_metrics,
    }


@pytest.fixture(scope="session")
def trained(encoded):
    """The same, and a flow model trained on them."""
    flow = FlowTrainConfig(
        model=FlowConfig(
            dim=64,
            layers=2,
            heads=2,
            context_length=2,
            state_hidden=64,
            eyes_width=16,
            cell_width=32,
            cell_blocks=(1, 1),
        ),
        fit=FitConfig(
            steps=300, batch_size=32, learning_rate=3e-3, warmup_steps=20, ema_decay=0.98
        ),
        polish=FitConfig(steps=40, batch_size=32, learning_rate=1e-3, ema_decay=0.9),
        polish_chunks=2,
        state=FitConfig(steps=400, batch_size=64, learning_rate=3e-3, ema_decay=0.98),
        state_chunks=2,
        eyes=FitConfig(steps=250, batch_size=48, learning_rate=4e-3, ema_decay=0.98),
    )
    model, metrics = train_flow(
        encoded["dataset"], encoded["autoencoder"], flow, encoded["folder"] / "flow", seed=0,
        sight=encoded["sight"],
    )  # fmt: skip
    return encoded | {"model": model, "metrics": encoded["metrics"] | metrics}


@pytest.fixture(scope="session")
def reflector(encoded):
    """A reflector trained on the real rows."""
    config = ReflectorTrainConfig(
        model=ReflectorConfig(
            dim=48, heads=2, text_layers=1, width=16, blocks=1, points=8, dropout=0.0
        ),
        fit=FitConfig(steps=400, batch_size=32, learning_rate=4e-3, warmup_steps=20),
        validation_windows=64,
        check_every=100,
    )
    held_out = encoded["held_out"]
    model, _ = train_reflector(
        encoded["dataset"],
        encoded["autoencoder"],
        config,
        encoded["folder"] / "reflector",
        seed=0,
        validation=[(held_out, recorded_questions(held_out))],
    )
    return model


@pytest.fixture(scope="session")
def tokenizer(encoded):
    """A tokenizer of three codes a token, trained on the real rows."""
    model, metrics = train_tokenizer(
        encoded["dataset"],
        encoded["autoencoder"],
        TokenizerConfig(groups=3, levels=(5, 5, 3, 3), hidden=96, decoder_width=16),
        FitConfig(steps=220, batch_size=32, learning_rate=5e-3, warmup_steps=20, ema_decay=0.98),
        encoded["folder"] / "tokenizer",
        seed=0,
    )
    assert metrics["tokenizer/usage"] > 1
    return model


@pytest.fixture(scope="session")
def dreamer(encoded, tokenizer):
    """An autoregressive model, trained; otherwise as `trained`."""
    config = AutoregressiveTrainConfig(
        model=AutoregressiveConfig(
            dim=64,
            layers=2,
            heads=2,
            context_length=2,
            state_hidden=64,
            eyes_width=16,
            cell_width=32,
            draft_blocks=1,
            head_width=48,
        ),
        fit=FitConfig(
            steps=200, batch_size=32, learning_rate=4e-3, warmup_steps=20, ema_decay=0.98
        ),
        polish=FitConfig(steps=0),
        self_forcing_share=0.1,
        state=FitConfig(steps=300, batch_size=48, learning_rate=3e-3, ema_decay=0.98),
        state_chunks=2,
        eyes=FitConfig(steps=120, batch_size=48, learning_rate=6e-3, ema_decay=0.98),
    )
    model, metrics = train_autoregressive(
        encoded["dataset"], tokenizer, config, encoded["folder"] / "autoregressive", seed=0,
        sight=encoded["sight"],
    )  # fmt: skip
    return encoded | {"model": model, "metrics": metrics}
