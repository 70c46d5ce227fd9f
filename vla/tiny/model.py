"""TinyPolicy: images, words and proprioception -> a distribution over the next chunk of actions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from octoworld.core.errors import ActionError, CheckpointError, ConfigError
from octoworld.core.registry import register_policy

from ..checkpoint import PROCESSOR, read_config, read_weights, write_config, write_weights
from ..policy import ActionChunk, Observation
from ..processors import Processor, Statistics, images_to_float
from .config import TinyConfig
from .distribution import ChunkDistribution
from .text import Block, TextEncoder
from .vision import VisionStem

_MAX_DEVIATIONS = 5.0
"""Proprioception is cut this many standard deviations from the mean of the training data."""


@dataclass(frozen=True)
class TinyOutput:
    """What one pass of the network gives for B observations."""

    mean: torch.Tensor
    """(B, K, A) [action units], not clipped."""
    scale: torch.Tensor
    """(B, K, A) noise scale, inside `TinyConfig.scale_range`."""
    keypoints: torch.Tensor
    """(B, cameras, M, 2) positions in the images, x right, y down, -1 to 1."""
    privileged: torch.Tensor | None
    """(B, D) prediction of the normalised true state."""


@register_policy("tiny")
class TinyPolicy(nn.Module):
    """A language-conditioned vision transformer. It has no memory: `reset` has nothing to forget.

    Words become one vector, which conditions the convolutions (FiLM), so that keypoints look for
    what was named. One half of the transformer fuses patches, keypoints, words and proprioception
    into an estimate of the true state (where the data have it); from that estimate the other half
    and its K action queries choose mean and noise scale. Without a true state to learn, the second
    half sees all tokens.
    """

    state_mean: torch.Tensor
    state_std: torch.Tensor
    action_mean: torch.Tensor
    action_std: torch.Tensor

    def __init__(self, config: TinyConfig, processor: Processor) -> None:
        """Random weights from torch's global generator.

        Raises:
            ConfigError: sizes are missing or do not fit the processor's statistics.
        """
        super().__init__()
        self.config, self.processor = config, processor
        self.chunk_size = config.chunk_size
        _check_sizes(config, processor)
        width, cameras = config.width, len(config.cameras)
        self._statistics("state", processor.state)
        self._statistics("action", processor.action)
        self.text = TextEncoder(
            processor.vocabulary_size, config.text_width, config.text_depth, config.max_words
        )
        self.stem = VisionStem(
            config.image_size, config.stem_channels, config.text_width, width, config.num_keypoints
        )
        self.patch_positions = nn.Parameter(0.02 * torch.randn(16, width))
        self.camera_embedding = nn.Parameter(0.02 * torch.randn(cameras, 1, width))
        per_token = config.num_keypoints // config.keypoint_tokens
        self.keypoint_token = nn.Linear(per_token * (2 + config.stem_channels), width)
        self.keypoint_positions = nn.Parameter(0.02 * torch.randn(config.keypoint_tokens, width))
        self.text_token = nn.Linear(config.text_width, width)
        self.state_token = nn.Sequential(
            nn.Linear(config.state_dim, width), nn.SiLU(), nn.Linear(width, width)
        )
        # the acting half hears and feels for itself: the perceiving half may be frozen
        self.acting_text = nn.Linear(config.text_width, width)
        self.acting_state = nn.Sequential(
            nn.Linear(config.state_dim, width), nn.SiLU(), nn.Linear(width, width)
        )
        self.queries = nn.Parameter(0.02 * torch.randn(config.chunk_size, width))
        points = cameras * config.num_keypoints
        self.readout = nn.Parameter(0.02 * torch.randn(1, width))
        self.perception = nn.ModuleList(
            Block(width, config.heads) for _ in range(config.depth // 2)
        )
        self.privileged_head: nn.Module | None = None
        if config.privileged_dim:
            seen = points * (2 + config.stem_channels) + 3 * width
            self.privileged_head = nn.Sequential(
                nn.Linear(seen, 2 * width), nn.SiLU(), nn.Linear(2 * width, config.privileged_dim)
            )
            self.estimate_token = nn.Sequential(
                nn.Linear(config.privileged_dim, width), nn.SiLU(), nn.Linear(width, width)
            )
        # the shortest way from where things are to what to do: no attention has to be learnt first
        self.query_start = nn.Linear((config.privileged_dim or 2 * points) + 2 * width, width)
        self.blocks = nn.ModuleList(
            Block(width, config.heads) for _ in range(config.depth - config.depth // 2)
        )
        self.norm = nn.LayerNorm(width)
        self.mean_head = nn.Linear(width, config.action_dim)
        self.scale_head = nn.Linear(width, config.action_dim)
        for head in (self.mean_head, self.scale_head):
            nn.init.normal_(head.weight, std=0.01)
            nn.init.zeros_(head.bias)

    def forward(
        self,
        images: Mapping[str, torch.Tensor],
        state: torch.Tensor,
        tokens: torch.Tensor,
        token_rows: torch.Tensor,
    ) -> TinyOutput:
        """One pass.

        Args:
            images: camera -> (B, 3, H, W) in [-1, 1].
            state: (B, P) proprioception in the environment's units.
            tokens: (U, L) word ids of the distinct instructions.
            token_rows: (B,) which of the U instructions each observation belongs to.
        """
        config, batch = self.config, len(state)
        words = self.text(tokens)[token_rows]
        pixels = torch.cat([images[camera] for camera in config.cameras])
        seen = self.stem(pixels, words.repeat(len(config.cameras), 1))
        patches, points, features = (x.unflatten(0, (-1, batch)).transpose(0, 1) for x in seen)
        keypoints = torch.cat([points, features], dim=-1)
        packed = keypoints.reshape(batch, len(config.cameras), config.keypoint_tokens, -1)
        visual = torch.cat(
            [patches + self.patch_positions, self.keypoint_token(packed) + self.keypoint_positions],
            dim=2,
        )
        visual = (visual + self.camera_embedding).flatten(1, 2)
        deviations = ((state - self.state_mean) / self.state_std).clamp(
            -_MAX_DEVIATIONS, _MAX_DEVIATIONS
        )
        text, proprio = self.text_token(words), self.state_token(deviations)
        readout = self.readout.expand(batch, -1, -1)
        x = torch.cat([visual, text.unsqueeze(1), proprio.unsqueeze(1), readout], dim=1)
        for block in self.perception:
            x = block(x)
        estimate = None
        text_act, proprio_act = self.acting_text(words), self.acting_state(deviations)
        if self.privileged_head is not None:
            known = torch.cat([keypoints.flatten(1), text, proprio, x[:, -1]], dim=-1)
            estimate = self.privileged_head(known)
            # actions are chosen from where things are: through pixels, a few demonstrations would
            # be learnt by heart
            x = torch.stack([self.estimate_token(estimate), text_act, proprio_act], dim=1)
        place = points.flatten(1) if estimate is None else estimate
        start = self.query_start(torch.cat([place, text_act, proprio_act], dim=-1))
        x = torch.cat([x, self.queries + start.unsqueeze(1)], dim=1)
        for block in self.blocks[:-1]:
            x = block(x)
        x = self.norm(self.blocks[-1](x, last=self.chunk_size))
        low, high = (math.log(s) for s in config.scale_range)
        return TinyOutput(
            mean=self.action_mean + self.action_std * self.mean_head(x),
            # a sigmoid, not a clamp: at the floor a clamp would stop the gradient for good
            scale=(low + (high - low) * torch.sigmoid(self.scale_head(x))).exp(),
            keypoints=points,
            privileged=estimate,
        )

    def distribution(
        self, obs: Observation, instructions: Sequence[str], temperature: float = 1.0
    ) -> ChunkDistribution:
        """Differentiable distribution of the next chunk; `temperature` > 0 multiplies the scale.

        Raises:
            CheckpointError: the observation is not of the cameras, image size or proprioception
                that the policy was made for.
        """
        if not temperature > 0:
            raise ConfigError(f"temperature = {temperature!r}: a distribution needs more than 0")
        output = self._run(obs, instructions)
        return ChunkDistribution(
            output.mean,
            output.scale * temperature,
            self.config.noise_correlation,
            self.config.noise,
        )

    def reset(self, mask: torch.Tensor | None = None) -> None:
        """Nothing: every chunk is chosen from the present observation alone."""

    @torch.no_grad()
    def act(
        self,
        obs: Observation,
        instructions: Sequence[str],
        *,
        temperature: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> ActionChunk:
        """The next chunk; see `Policy.act`. Raises CheckpointError as `distribution` does."""
        if temperature == 0:
            mean = self._run(obs, instructions).mean
            return ActionChunk(mean.clamp(-1, 1), raw_actions=mean)
        distribution = self.distribution(obs, instructions, temperature)
        raw = distribution.sample(generator)
        return ActionChunk(raw.clamp(-1, 1), distribution.log_prob(raw), raw)

    def log_prob(
        self,
        obs: Observation,
        instructions: Sequence[str],
        raw_actions: torch.Tensor,
        temperature: float = 1.0,
    ) -> torch.Tensor:
        """(N,) mean log-density per dimension of `raw_actions` (N, K, A); see `Policy.log_prob`."""
        expected = (len(instructions), self.chunk_size, self.config.action_dim)
        if tuple(raw_actions.shape) != expected:
            raise ActionError(f"raw_actions: expected {expected}, got {tuple(raw_actions.shape)}")
        distribution = self.distribution(obs, instructions, temperature)
        return distribution.log_prob(raw_actions.to(distribution.mean.device))

    def save_pretrained(self, folder: Path | str) -> None:
        """Write `config.json`, `model.safetensors` and `processor.json`."""
        self.processor.save(Path(folder) / PROCESSOR)
        write_weights(folder, self)
        write_config(folder, "tiny", self.config)

    @classmethod
    def from_pretrained(cls, folder: Path | str) -> TinyPolicy:
        """Read what `save_pretrained` wrote, ready to act.

        Raises:
            CheckpointError: a file is missing, damaged, or does not fit the others.
        """
        config = read_config(folder, "tiny", TinyConfig)
        processor = Processor.load(Path(folder) / PROCESSOR)
        try:
            policy = cls(config, processor)
        except ConfigError as error:
            raise CheckpointError(f"{folder}: {error}") from None
        read_weights(folder, policy)
        return policy.eval()

    def _run(self, obs: Observation, instructions: Sequence[str]) -> TinyOutput:
        config, device = self.config, self.queries.device
        state = torch.as_tensor(_column(obs, "observation.state", config))
        _check_shape("observation.state", state, (len(instructions), config.state_dim))
        images = {}
        for camera in config.cameras:
            name = f"observation.images.{camera}"
            image = torch.as_tensor(_column(obs, name, config))
            size = config.image_size
            _check_shape(name, image, (len(instructions), size, size, 3))
            if image.dtype != torch.uint8:
                raise CheckpointError(f"{name}: expected uint8 images, got {image.dtype}")
            images[camera] = images_to_float(image.to(device))
        distinct = list(dict.fromkeys(instructions))
        rows = torch.tensor([distinct.index(text) for text in instructions], device=device)
        tokens = self.processor.encode(distinct, config.max_words).to(device)
        return self(images, state.to(device, torch.float32), tokens, rows)

    def _statistics(self, name: str, statistics: Statistics) -> None:
        for part, value in zip(("mean", "std"), statistics.tensors(), strict=True):
            self.register_buffer(f"{name}_{part}", value, persistent=False)


def _check_sizes(config: TinyConfig, processor: Processor) -> None:
    privileged = processor.privileged
    for name, size in (
        ("state_dim", len(processor.state.mean)),
        ("action_dim", len(processor.action.mean)),
        ("privileged_dim", len(privileged.mean) if privileged else 0),
    ):
        if getattr(config, name) != size:
            raise ConfigError(
                f"{name} = {getattr(config, name)}, but the processor holds statistics of {size}"
            )


def _column(obs: Observation, name: str, config: TinyConfig) -> Any:
    if name not in obs:
        raise CheckpointError(
            f"the policy was made for cameras {', '.join(config.cameras)} and observation.state; "
            f"the observation has no {name!r}, only {', '.join(sorted(obs)) or 'nothing'}"
        )
    return obs[name]


def _check_shape(name: str, value: torch.Tensor, expected: tuple[int, ...]) -> None:
    if tuple(value.shape) != expected:
        raise CheckpointError(
            f"{name}: the policy was made for shape {expected}, got {tuple(value.shape)}"
        )
