"""DiffusionPolicy: images, words and proprioception -> a chunk of actions, by denoising."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import torch
from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from torch import nn

from octoworld.core.errors import ConfigError
from octoworld.core.registry import register_policy
from octoworld.core.rng import torch_generator

from ..history import History
from ..imitation import Batch, Draws
from ..policy import ActionChunk, Observation
from ..processors import Processor
from ..text import TextEncoder
from ..vision import VisionStem
from ..vision_policy import Inputs, VisionPolicy
from .config import DiffusionConfig
from .unet import ConditionalUnet

if TYPE_CHECKING:
    from ..sft import SftConfig


S = TypeVar("S", DDIMScheduler, DDPMScheduler)
_NO_DENSITY = (
    "a diffusion policy has no density of its actions that could be computed, so it cannot be "
    "post-trained; use the policy tiny, or act without temporal_ensemble"
)


@register_policy("diffusion")
class DiffusionPolicy(VisionPolicy):
    """Diffusion Policy (Chi et al. 2023, arXiv 2303.04137), told what to do.

    Convolutions that the instruction conditions (FiLM) look for keypoints, as the paper's spatial
    softmax does; with the mean image token, proprioception and the instruction they condition a
    U-Net over time, which is trained with DDPM noise and draws `horizon` actions in a few DDIM
    steps. The first `chunk_size` of them are carried out, then it looks again.

    The density of what it draws is not known: it can imitate, but not be post-trained by ratios of
    probabilities.
    """

    kind = "diffusion"
    config_class = DiffusionConfig
    config: DiffusionConfig
    start_noise: torch.Tensor

    def __init__(self, config: DiffusionConfig, processor: Processor) -> None:
        """Random weights from torch's global generator; ConfigError when sizes do not fit."""
        super().__init__(config, processor)
        self.chunk_size = config.chunk_size
        self.history = History(config.n_obs_steps)
        self.text = TextEncoder(
            processor.vocabulary_size, config.text_width, config.text_depth, config.max_words
        )
        self.stem = VisionStem(
            config.image_size, config.stem_channels, config.text_width, config.token_width,
            config.num_keypoints,
        )  # fmt: skip
        a_camera = config.num_keypoints * (2 + config.stem_channels) + config.token_width
        seen = len(config.cameras) * a_camera + config.text_width + config.state_dim
        width = config.condition_width
        self.look = nn.Sequential(nn.Linear(seen, width), nn.SiLU(), nn.Linear(width, width))
        self.join = nn.Linear(config.n_obs_steps * width, width)
        self.step_waves = Timesteps(width, flip_sin_to_cos=False, downscale_freq_shift=0)
        self.step_embedding = TimestepEmbedding(width, width)
        self.unet = ConditionalUnet(config.action_dim, config.channels, width)
        # at temperature 0 every call starts here: one mode, kept to from call to call
        start = torch.randn(
            config.horizon, config.action_dim, generator=torch_generator(0, "diffusion", "start")
        )
        self.register_buffer("start_noise", start)
        self.noise_schedule = _scheduler(DDPMScheduler, config)

    @property
    def frames_back(self) -> tuple[int, ...]:
        """The present, and with n_obs_steps = 2 the frame of the call before."""
        return tuple(range((self.config.n_obs_steps - 1) * self.chunk_size, -1, -self.chunk_size))

    def encode(self, seen: Inputs) -> torch.Tensor:
        """What is seen, heard and felt, as (N, condition_width)."""
        cameras, batch = self.config.cameras, len(seen.state)
        words = self.text(seen.tokens)[seen.token_rows]
        pixels = torch.cat([seen.images[camera] for camera in cameras])
        patches, points, features = self.stem(pixels, words.repeat(len(cameras), 1))
        views = [patches.mean(1), points.flatten(1), features.flatten(1)]
        visual = torch.cat(views, dim=-1).unflatten(0, (-1, batch)).transpose(0, 1).flatten(1)
        return self.look(torch.cat([visual, words, self.deviations(seen.state)], dim=-1))

    def denoise(
        self, noisy: torch.Tensor, step: torch.Tensor, features: torch.Tensor
    ) -> torch.Tensor:
        """The network's prediction (B, horizon, A) [standard deviations].

        Args:
            noisy: (B, horizon, A) actions less their mean, in standard deviations, and noise.
            step: (B,) or () diffusion step, 0 to train_steps - 1.
            features: (B, n_obs_steps, condition_width), what `encode` gave, the oldest first.
        """
        waves = self.step_waves(step.to(noisy.device).reshape(-1)).to(noisy)
        condition = self.join(features.flatten(1)) + self.step_embedding(waves)
        return self.unet(noisy, condition)

    def reset(self, mask: torch.Tensor | None = None) -> None:
        """Forget the observations of the masked worlds (default all)."""
        self.history.reset(mask)

    @torch.no_grad()
    def act(
        self,
        obs: Observation,
        instructions: Sequence[str],
        *,
        temperature: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> ActionChunk:
        """The first `chunk_size` of `horizon` denoised actions; `log_prob` stays None.

        Args:
            obs: with n_obs_steps = 2, what the previous call saw counts too; see `reset`.
            instructions: one a world.
            temperature: factor on the noise that denoising starts from; 1 draws from the
                demonstrations' distribution; at 0 all start from one fixed noise.
            generator: of that noise; DDIM itself adds none.

        Raises:
            CheckpointError: the observation is not what the policy was made for.
            ConfigError: another number of worlds than before without a `reset`.
        """
        seen = self.read(obs, instructions)
        features = self.history(self.encode(seen))
        shape = (len(instructions), *self.start_noise.shape)
        if temperature > 0:
            device = generator.device if generator is not None else torch.device("cpu")
            drawn = torch.randn(shape, generator=generator, device=device)
            x = temperature * drawn.to(seen.state)
        else:
            x = self.start_noise.expand(shape)
        scheduler = _scheduler(DDIMScheduler, self.config)
        scheduler.set_timesteps(self.config.inference_steps)
        for step in scheduler.timesteps:
            prediction = self.denoise(x, step.to(x.device), features)
            x = scheduler.step(prediction, int(step), x, return_dict=False)[0]
        raw = (self.action_mean + self.action_std * x)[:, : self.chunk_size]
        return ActionChunk(raw.clamp(-1, 1), raw_actions=raw)

    def check_density(self) -> None:
        """Raise ConfigError: there is none."""
        raise ConfigError(_NO_DENSITY)

    def log_prob(
        self,
        obs: Observation,
        instructions: Sequence[str],
        raw_actions: torch.Tensor,
        temperature: float = 1.0,
    ) -> torch.Tensor:
        """Raises ConfigError; see `check_density`."""
        raise ConfigError(_NO_DENSITY)

    def imitation_loss(
        self, batch: Batch, draws: Draws, config: SftConfig
    ) -> dict[str, torch.Tensor]:
        """Squared error of the denoising prediction, `draws` noisy copies a chunk.

        Returns:
            `loss` and `denoising_mse`, the same, in squared standard deviations.
        """
        copies, rows, steps_seen = self.config.draws, len(batch.actions), batch.state.shape[1]
        flat = Inputs(
            {camera: image.flatten(0, 1) for camera, image in batch.images.items()},
            batch.state.flatten(0, 1),
            batch.tokens,
            batch.token_rows.repeat_interleave(steps_seen),
        )
        features = self.encode(flat).unflatten(0, (rows, steps_seen))
        # past the end stands the mean action, whatever the data hold there
        clean = (batch.actions - self.action_mean) / self.action_std * batch.mask.unsqueeze(-1)
        clean, features = (t.repeat_interleave(copies, 0) for t in (clean, features))
        noise = draws.normal(copies, *clean.shape[1:]).flatten(0, 1)
        step = draws.integers(self.config.train_steps, copies).flatten()
        noisy = self.noise_schedule.add_noise(clean, noise, step)  # type: ignore[arg-type]
        prediction = self.denoise(noisy, step, features)
        if self.config.prediction == "sample":
            target = clean
        elif self.config.prediction == "epsilon":
            target = noise
        else:
            target = self.noise_schedule.get_velocity(clean, noise, step)  # type: ignore[arg-type]
        error = (prediction - target).square().unflatten(0, (rows, copies)).mean(dim=1)
        loss = batch.mean(error)
        return {"loss": loss, "denoising_mse": loss.detach()}


def _scheduler(cls: type[S], config: DiffusionConfig) -> S:
    return cls(
        num_train_timesteps=config.train_steps,
        beta_schedule=config.beta_schedule,
        prediction_type=config.prediction,
        clip_sample=True,
        clip_sample_range=config.clip_range,
    )
