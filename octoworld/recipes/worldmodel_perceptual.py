"""A perceptual network from recordings, and the proof of what its distances are worth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from octoworld.core.config import to_dict
from octoworld.core.errors import DatasetError
from octoworld.core.io import write_json
from octoworld.core.parallel import Share
from octoworld.core.rng import derive_seed, torch_generator
from worldmodels.damage_order import damage_order
from worldmodels.metrics import psnr, ssim
from worldmodels.perceptual import PerceptualConfig, PerceptualNetwork, train_perceptual

from .worldmodel_data import facts_of, load_episodes, open_datasets

HELD_OUT = 0.1
"""Share of the episodes, at least one, that the network is not trained on."""
FRAMES = 192
"""Of those, on which damage is done."""
Scores = dict[str, dict[str, float]]
"""Distance -> what `damage_order` says of it."""


def make_perceptual(
    folders: Sequence[Path],
    config: PerceptualConfig,
    out: Path,
    *,
    seed: int,
    device: str = "cpu",
    cameras: Sequence[str] = (),
    image_size: int = 64,
) -> Scores:
    """Train a network in `out`; how it and others order damage, also in `out`/order.json.

    Raises:
        DatasetError: data sets do not fit each other, or hold fewer than two episodes.
    """
    datasets = open_datasets(folders)
    data = load_episodes(datasets, facts_of(datasets[0], cameras, image_size))
    if len(data) < 2:
        raise DatasetError("a perceptual network needs 2 episodes or more: one is held out")
    count = max(1, round(HELD_OUT * len(data)))
    apart = np.unique(np.linspace(0, len(data) - 1, count).round().astype(int))
    rest = np.setdiff1d(np.arange(len(data)), apart)
    network, _ = train_perceptual(data.subset(rest), config, out, seed=seed, device=device)
    held_out = data.subset(apart)
    rows = torch.randperm(held_out.num_rows, generator=torch_generator(seed, "order"))[:FRAMES]
    images = torch.cat(
        [x[rows[i :: len(data.frames)]] for i, x in enumerate(held_out.frames.values())]
    )
    torch.manual_seed(derive_seed(seed, "untrained"))
    untrained = PerceptualNetwork(to_dict(config)).to(device)  # type: ignore[arg-type]
    scores = {
        name: damage_order(distance, images, torch_generator(seed, "damage"))
        for name, distance in (
            ("trained", network.distance),
            ("untrained", untrained.distance),
            ("psnr", lambda a, b: -psnr(a, b)),
            ("ssim", lambda a, b: 1 - ssim(a, b)),
        )
    }
    if Share.current().rank == 0:
        write_json(out / "order.json", scores)
    return scores


def order_table(scores: Scores) -> str:
    """The scores as Markdown, a row a kind of damage."""
    names = list(scores)
    lines = [f"| share ordered rightly | {' | '.join(names)} |", f"|{'---|' * (len(names) + 1)}"]
    for kind in scores[names[0]]:
        lines.append(f"| {kind} | {' | '.join(f'{scores[n][kind]:.2f}' for n in names)} |")
    return "\n".join(lines)
