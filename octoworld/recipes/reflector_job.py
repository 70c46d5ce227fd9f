"""A reflector from recordings of any robot: reward and stop signal inside a world model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from octoworld.core.config import save_config
from octoworld.core.errors import CheckpointError, ConfigError, DatasetError
from octoworld.core.io import write_json
from octoworld.core.rng import torch_generator
from worldmodels.autoencoder import encode_dataset
from worldmodels.checkpoint import load_latent_model
from worldmodels.dataset import EpisodeDataset
from worldmodels.latent_model import LatentWorldModel
from worldmodels.reflector import ReflectorTrainConfig, evaluate_reflector, train_reflector
from worldmodels.replay import ReplayConfig

from .questions import imagined, real_questions, tasks_asked
from .worldmodel_data import open_datasets

CARD = "card.json"


@dataclass(frozen=True)
class ReflectorJobConfig:
    """What the reflector is taught, and on how much it is examined."""

    train: ReflectorTrainConfig = field(default_factory=ReflectorTrainConfig)
    """Sizes and training."""
    replay: ReplayConfig = field(default_factory=ReplayConfig)
    """Generated frames."""
    held_out: float = 0.2
    """Share of the episodes by which training ends, and on which it is calibrated."""

    def __post_init__(self) -> None:
        if not 0 < self.held_out < 1:
            raise ConfigError(f"held_out: expected inside (0, 1), got {self.held_out}")


def train_from_recordings(
    world: Path,
    folders: Sequence[Path],
    config: ReflectorJobConfig,
    out: Path,
    *,
    seed: int = 0,
    device: str = "cpu",
) -> dict[str, dict[str, float]]:
    """A reflector in `out`, and its cards on held-out recorded and imagined episodes.

    A stopped one goes on. Of table-top episodes every step answers the instructions of all four
    tasks; of others, recorded success of the episode's own is all that is known.

    Args:
        world: folder with worldmodel/, or a run that has it in checkpoints/.
        folders: recordings with failures and successes; those of the policy to be judged are best.
        config: settings.
        out: folder of the reflector, its config and `card.json`.
        seed: root of all random streams.
        device: where it is trained.

    Raises:
        CheckpointError: `world` holds no world model, or a damaged one.
        DatasetError: too few episodes, none with success, or not what the model sees.
    """
    model = load_world(world).to(device)  # type: ignore[arg-type]
    datasets = open_datasets(folders)
    episodes = [e for dataset in datasets for e in dataset.load_all()]
    if len(episodes) < 4:
        raise DatasetError(f"expected at least 4 episodes, got {len(episodes)}")
    tasks = tasks_asked(episodes)
    data = EpisodeDataset.from_episodes(episodes, model.cameras)
    if data.proprio.shape[1] != model.proprio_dim:
        raise DatasetError(
            f"recordings have {data.proprio.shape[1]} numbers of observation.state, the world "
            f"model {model.proprio_dim}: is this another robot?"
        )
    encode_dataset(model.autoencoder, data)
    count = max(2, round(config.held_out * len(data)))
    kept = np.unique(np.linspace(0, len(data) - 1, count).round().astype(int))
    rest = np.setdiff1d(np.arange(len(data)), kept)
    parts = {"train": data.subset(rest), "validation": data.subset(kept)}
    real = {name: real_questions(part, tasks) for name, part in parts.items()}
    made = {
        name: imagined(model, part, config.replay, torch_generator(seed, "replay", name), tasks)
        for name, part in parts.items()
    }
    save_config(config, out / "config.yaml")
    judge, _ = train_reflector(
        parts["train"], model.autoencoder, config.train, out, seed=seed,
        questions=real["train"][1], generated=[made["train"]],
        validation=[real["validation"], made["validation"]], lender=model, device=device,
    )  # fmt: skip
    cards = {
        "recorded": evaluate_reflector(judge, *real["validation"]).as_dict(),
        "imagined": evaluate_reflector(judge, *made["validation"]).as_dict(),
    }
    write_json(out / CARD, cards)
    return cards


def load_world(folder: Path) -> LatentWorldModel:
    """The world model of a folder of parts, or of a run."""
    places = [folder / "worldmodel", folder / "checkpoints" / "worldmodel"]
    found = [place for place in places if (place / "config.json").exists()]
    if not found:
        raise CheckpointError(
            f"{folder} holds no worldmodel/, nor does {folder}/checkpoints; expected a run of "
            "`octoworld worldmodel train` or `octoworld worldenv`, or published parts"
        )
    return load_latent_model(found[0])


def cards_table(cards: dict[str, dict[str, float]]) -> str:
    """What was found, as Markdown."""
    names = ("episodes", "f1", "false_success", "false_termination", "missed", "calibration_error")
    lines = ["| frames | " + " | ".join(n.replace("_", " ") for n in names) + " |"]
    lines.append("|---|" + "---|" * len(names))
    for frames, card in cards.items():
        cells = [f"{card['episodes']:.0f}", *(f"{card[n]:.3f}" for n in names[1:])]
        lines.append(f"| {frames} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
