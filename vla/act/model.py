"""ActPolicy: images, words and proprioception -> a chunk of actions, by a conditional VAE."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from octoworld.core.errors import ConfigError
from octoworld.core.registry import register_policy

from ..imitation import Batch, Draws, scale_nll
from ..noisy_policy import NoisyPolicy
from ..policy import ActionChunk, Observation
from ..processors import Processor
from ..text import Block, TextEncoder
from ..vision_policy import Inputs
from .backbone import Backbone, grid_positions, sinusoids
from .config import ActConfig
from .ensemble import TemporalEnsemble

if TYPE_CHECKING:
    from ..sft import SftConfig


@dataclass(frozen=True)
class ActOutput:
    """What one pass of the network gives for B observations."""

    mean: torch.Tensor
    """(B, K, A) [action units], not clipped."""
    scale: torch.Tensor
    """(B, K, A) noise scale, inside `ActConfig.scale_range`."""


@register_policy("act")
class ActPolicy(NoisyPolicy):
    """Action Chunking with Transformers (Zhao et al. 2023, arXiv 2304.13705), told what to do.

    A residual network turns each camera into tokens; a transformer encoder mixes them with tokens
    of the latent z, of proprioception and of the instruction; a decoder's K queries read the
    actions. In training z is drawn from an encoder of the demonstrated actions and kept near
    N(0, 1); in action it is 0.

    Beside the paper: the instruction conditions the residual network (FiLM, as in MT-ACT, arXiv
    2309.01918) and is a token; transformers are pre-norm without dropout; a noise scale is learnt
    beside the actions, which `temperature` and `log_prob` use and the actions never feel.
    """

    kind = "act"
    config_class = ActConfig
    config: ActConfig
    places: torch.Tensor
    steps: torch.Tensor

    def __init__(self, config: ActConfig, processor: Processor) -> None:
        """Random weights from torch's global generator; ConfigError when sizes do not fit."""
        super().__init__(config, processor)
        self.chunk_size = 1 if config.temporal_ensemble else config.chunk_size
        self.ensemble = TemporalEnsemble(config.chunk_size, config.ensemble_decay)
        width = config.width
        self.text = TextEncoder(
            processor.vocabulary_size, config.text_width, config.text_depth, config.max_words
        )
        self.stem = Backbone(config.image_size, config.channels, config.text_width, width)
        cells = config.image_size // 2 ** len(config.channels)
        self.register_buffer("places", grid_positions(cells, width), persistent=False)
        self.camera_embedding = nn.Parameter(0.02 * torch.randn(len(config.cameras), 1, width))
        self.text_token = nn.Linear(config.text_width, width)
        self.state_token = nn.Linear(config.state_dim, width)
        self.latent_token = nn.Linear(config.latent_dim, width)
        self.encoder = nn.ModuleList(
            Block(width, config.heads) for _ in range(config.encoder_depth)
        )
        self.memory_norm = nn.LayerNorm(width)
        self.queries = nn.Parameter(0.02 * torch.randn(config.chunk_size, width))
        self.decoder = nn.ModuleList(
            nn.TransformerDecoderLayer(
                width, config.heads, 4 * width, dropout=0.0, activation="gelu", batch_first=True,
                norm_first=True,
            )
            for _ in range(config.decoder_depth)
        )  # fmt: skip
        self.norm = nn.LayerNorm(width)
        self.mean_head = nn.Linear(width, config.action_dim)
        self.scale_head = nn.Linear(width, config.action_dim)
        for head in (self.mean_head, self.scale_head):
            nn.init.normal_(head.weight, std=0.01)
            nn.init.zeros_(head.bias)
        # the CVAE encoder: (class, state, actions) -> mean and log-variance of z
        steps = sinusoids(torch.arange(config.chunk_size).float(), width)
        self.register_buffer("steps", steps, persistent=False)
        self.latent_class = nn.Parameter(0.02 * torch.randn(1, width))
        self.latent_state = nn.Linear(config.state_dim, width)
        self.latent_action = nn.Linear(config.action_dim, width)
        self.latent_encoder = nn.ModuleList(
            Block(width, config.heads) for _ in range(config.latent_depth)
        )
        self.latent_norm = nn.LayerNorm(width)
        self.latent_head = nn.Linear(width, 2 * config.latent_dim)

    def forward(self, seen: Inputs, latent: torch.Tensor) -> ActOutput:
        """Actions for B observations, given z (B, latent_dim)."""
        config, batch = self.config, len(seen.state)
        words = self.text(seen.tokens)[seen.token_rows]
        pixels = torch.cat([seen.images[camera] for camera in config.cameras])
        cells = self.stem(pixels, words.repeat(len(config.cameras), 1))
        cells = cells.unflatten(0, (-1, batch)).transpose(0, 1) + self.places
        visual = (cells + self.camera_embedding).flatten(1, 2)
        others = (
            self.latent_token(latent),
            self.state_token(self.deviations(seen.state)),
            self.text_token(words),
        )
        memory = torch.cat([torch.stack(others, dim=1), visual], dim=1)
        for block in self.encoder:
            memory = block(memory)
        memory = self.memory_norm(memory)
        x = self.queries.expand(batch, -1, -1)
        for layer in self.decoder:
            x = layer(x, memory)
        x = self.norm(x)
        low, high = (math.log(s) for s in config.scale_range)
        return ActOutput(
            mean=self.action_mean + self.action_std * self.mean_head(x),
            scale=(low + (high - low) * torch.sigmoid(self.scale_head(x.detach()))).exp(),
        )

    def encode_latent(
        self, state: torch.Tensor, actions: torch.Tensor, mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and log-variance (B, latent_dim) of z for state (B, P) and actions (B, K, A).

        Actions where `mask` (B, K) is 0 are not looked at.
        """
        batch = len(state)
        known = mask > 0
        actions = (actions - self.action_mean) / self.action_std * mask.unsqueeze(-1)
        x = torch.cat(
            [
                self.latent_class.expand(batch, -1, -1),
                self.latent_state(self.deviations(state)).unsqueeze(1),
                self.latent_action(actions) + self.steps,
            ],
            dim=1,
        )
        looked_at = torch.cat([known.new_ones(batch, 2), known], dim=1)
        for block in self.latent_encoder:
            x = block(x, looked_at)
        mean, log_variance = self.latent_head(self.latent_norm(x[:, 0])).chunk(2, dim=-1)
        return mean, log_variance

    def check_density(self) -> None:
        """Raise ConfigError with temporal ensembling: the mean of chunks has no known density."""
        if self.config.temporal_ensemble:
            raise ConfigError(
                "act with temporal_ensemble = true has no density of its actions to post-train or "
                "sample with; train it with temporal_ensemble = false, or use the policy tiny"
            )

    def reset(self, mask: torch.Tensor | None = None) -> None:
        """Forget the chunks of the masked worlds (default all); without ensembling it has none."""
        self.ensemble.reset(mask)

    @torch.no_grad()
    def act(
        self,
        obs: Observation,
        instructions: Sequence[str],
        *,
        temperature: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> ActionChunk:
        """The next chunk, or with ensembling the next action; raises as `distribution` does.

        With ensembling it must be called at every step, and takes no temperature above 0.
        """
        if temperature > 0 or not self.config.temporal_ensemble:
            return super().act(obs, instructions, temperature=temperature, generator=generator)
        mean = self.ensemble(self.run(obs, instructions).mean).unsqueeze(1)
        return ActionChunk(mean.clamp(-1, 1), raw_actions=mean)

    def imitation_loss(
        self, batch: Batch, draws: Draws, config: SftConfig
    ) -> dict[str, torch.Tensor]:
        """L1 of the actions + kl_weight KL of the latent + likelihood of the noise scale.

        Returns:
            `loss`, `action_l1` in units of each action's standard deviation, `kl` [nat, summed over
            z], `scale_nll`.
        """
        seen = batch.present
        mean, log_variance = self.encode_latent(seen.state, batch.actions, batch.mask)
        latent = mean + (0.5 * log_variance).exp() * draws.normal(self.config.latent_dim)
        output = self(seen, latent)
        error = (batch.actions - output.mean).abs()
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)
        losses = {
            "action_l1": batch.mean(error / self.action_std),
            "kl": kl.sum(dim=-1).mean(),
            "scale_nll": batch.mean(scale_nll(error, output.scale, self.config.noise)),
        }
        losses["loss"] = (
            losses["action_l1"]
            + self.config.kl_weight * losses["kl"]
            + config.scale_weight * losses["scale_nll"]
        )
        return losses

    def run(self, obs: Observation, instructions: Sequence[str]) -> ActOutput:
        """See `NoisyPolicy`."""
        seen = self.read(obs, instructions)
        return self(seen, seen.state.new_zeros(len(seen.state), self.config.latent_dim))
