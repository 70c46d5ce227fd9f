"""Distil a flow world model: a student that draws in fewer Euler steps what its teacher draws.

Both start from the same noise, and the student is taught the teacher's own sample, not the
recorded frame: so it keeps what the teacher varies (Luhman and Luhman, arXiv 2101.02388; for
latents with a loss on the decoded picture, as in latent consistency models, arXiv 2310.04378).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from octoworld.core.config import to_dict
from octoworld.core.errors import ConfigError
from octoworld.core.fit import FitConfig, fit

from ..autoencoder import encode_dataset
from ..clips import ClipSampler
from ..conditioning import gaussian
from ..dataset import EpisodeDataset
from .model import FlowWorldModel
from .sampling import euler


@dataclass(frozen=True)
class DistillConfig:
    """How many steps are kept, and how they are learned."""

    steps: int = 1
    """Euler steps of the student."""
    teacher_steps: int = 4
    """Euler steps of the teacher."""
    chunks: int = 2
    """Most chunks that the student imagines itself before the one on which it is taught."""
    contact_share: float = 0.5
    """Share of clips around contact, as in the teacher's training."""
    moving_weight: float = 6.0
    """Extra weight of tokens that change."""
    picture_weight: float = 40.0
    """Weight of the last frame's picture."""
    fit: FitConfig = field(
        default_factory=lambda: FitConfig(
            steps=1500, batch_size=16, learning_rate=2e-4, ema_decay=0.995, checkpoint_every=250
        )
    )
    """The training loop."""

    def __post_init__(self) -> None:
        if not 1 <= self.steps < self.teacher_steps:
            raise ConfigError(
                f"steps = {self.steps} of the student: expected at least 1, and fewer than the "
                f"teacher's {self.teacher_steps}"
            )


def distill_flow(
    teacher: FlowWorldModel,
    dataset: EpisodeDataset,
    config: DistillConfig,
    folder: Path | str,
    *,
    seed: int,
) -> tuple[FlowWorldModel, dict[str, float]]:
    """A student on the teacher's device, and the last metrics; a killed run in `folder` goes on.

    Only the transformer learns: autoencoder, eyes and the state's model are the teacher's.
    """
    folder = Path(folder)
    if dataset.latents is None:
        encode_dataset(teacher.autoencoder, dataset)
    teacher = teacher.eval()
    student = with_steps(teacher, config.steps)
    learns = student.transformer
    student.requires_grad_(False)
    learns.requires_grad_(True)
    sampler = ClipSampler(dataset, student, config.contact_share)

    def loss(step: int, generator: torch.Generator) -> Mapping[str, torch.Tensor]:
        chunks = int(torch.randint(config.chunks + 1, (), generator=generator))
        clip = sampler.draw(config.fit.batch_size, 1 + chunks, generator)
        history, chunk = student._unrolled(clip, generator, chunks)
        last = history.latents[:, -1]
        shape = (*chunk.actions.shape[:2], *last.shape[1:])
        noise = teacher.settings.noise_scale * gaussian(shape, generator, last)
        with torch.no_grad():
            wanted = teacher.foresee(history, chunk.actions)
            target = euler(wanted.predict, noise, config.teacher_steps)
        seen = student.foresee(history, chunk.actions)
        drawn = euler(seen.predict, noise, config.steps)
        weight = 1 + config.moving_weight * target.pow(2).mean(-1).clamp(max=1)
        square = (weight * (drawn - target).pow(2).mean(-1)).sum() / weight.sum()
        frames = [last + student.residual_scale * x[:, -1] for x in (drawn, target)]
        picture = student.autoencoder.picture_loss(*frames)
        total = square + config.picture_weight * picture
        return {"loss": total, "sample": square, "picture": picture}

    metrics = fit(student, loss, config.fit, folder, seed=seed, label="distill")
    student.save_pretrained(str(folder))
    return student, metrics


def with_steps(model: FlowWorldModel, steps: int) -> FlowWorldModel:
    """A copy on the same device that takes `steps` Euler steps."""
    told = {k: v for k, v in model.config.items() if not k.startswith("_")}
    settings = replace(model.settings, sampling_steps=steps)
    copied = type(model)(**(told | {"flow_config": to_dict(settings)}))
    copied.load_state_dict(model.state_dict())
    return copied.to(model.device).eval()  # type: ignore[arg-type]
