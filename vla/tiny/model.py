"""TinyPolicy: images, words and proprioception -> a distribution over the next chunk of actions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from octoworld.core.registry import register_policy

from ..imitation import Batch, Draws, known_loss, scale_nll
from ..noisy_policy import NoisyPolicy
from ..policy import Observation
from ..processors import Processor
from ..text import Block, TextEncoder
from ..vision import VisionStem
from ..vision_policy import check_size
from .config import TinyConfig

if TYPE_CHECKING:
    from ..sft import SftConfig


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
class TinyPolicy(NoisyPolicy):
    """A language-conditioned vision transformer. It has no memory: `reset` has nothing to forget.

    Words become one vector, which conditions the convolutions (FiLM), so that keypoints look for
    what was named. One half of the transformer fuses patches, keypoints, words and proprioception
    into an estimate of the true state (where the data have it); from that estimate the other half
    and its K action queries choose mean and noise scale. Without a true state to learn, the second
    half sees all tokens.
    """

    kind = "tiny"
    config_class = TinyConfig
    config: TinyConfig

    def __init__(self, config: TinyConfig, processor: Processor) -> None:
        """Random weights from torch's global generator.

        Raises:
            ConfigError: sizes are missing or do not fit the processor's statistics.
        """
        super().__init__(config, processor)
        check_size(config, "privileged_dim", processor.privileged)
        self.chunk_size = config.chunk_size
        width, cameras = config.width, len(config.cameras)
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
        deviations = self.deviations(state)
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

    def imitation_loss(
        self, batch: Batch, draws: Draws, config: SftConfig
    ) -> dict[str, torch.Tensor]:
        """L1 of the mean, likelihood of the scale, the true state.

        Returns:
            `loss` (what to minimise), `action_l1` in units of each action's standard deviation,
            `scale_nll`, and `privileged` where the data set and the policy have it.
        """
        seen = batch.present
        output = self(seen.images, seen.state, seen.tokens, seen.token_rows)
        error = (batch.actions - output.mean).abs()
        losses = {"action_l1": batch.mean(error / self.action_std)}
        losses["scale_nll"] = batch.mean(scale_nll(error, output.scale, self.config.noise))
        losses["loss"] = losses["action_l1"] + config.scale_weight * losses["scale_nll"]
        if output.privileged is not None and batch.privileged is not None:
            assert self.processor.privileged is not None  # a policy with that head has statistics
            mean, std = (t.to(seen.state.device) for t in self.processor.privileged.tensors())
            target = (batch.privileged - mean) / std
            losses["privileged"] = known_loss(output.privileged, target, std)
            losses["loss"] = losses["loss"] + config.privileged_weight * losses["privileged"]
        return losses

    @property
    def num_value_features(self) -> int:
        """See `VisionPolicy`."""
        config = self.config
        places = config.privileged_dim or 2 * config.num_keypoints * len(config.cameras)
        return places + config.state_dim + config.text_width

    @torch.no_grad()
    def value_features(self, obs: Observation, instructions: Sequence[str]) -> torch.Tensor:
        """The estimated true state (or keypoints), proprioception, the words."""
        seen = self.read(obs, instructions)
        output = self(seen.images, seen.state, seen.tokens, seen.token_rows)
        places = output.keypoints.flatten(1) if output.privileged is None else output.privileged
        words = self.text(seen.tokens)[seen.token_rows]
        return torch.cat([places, self.deviations(seen.state), words], 1)

    def run(self, obs: Observation, instructions: Sequence[str]) -> TinyOutput:
        """See `NoisyPolicy`."""
        seen = self.read(obs, instructions)
        return self(seen.images, seen.state, seen.tokens, seen.token_rows)
