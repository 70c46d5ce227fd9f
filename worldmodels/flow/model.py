"""FlowWorldModel: imagines the next frames in latent space by flow matching."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from diffusers.configuration_utils import register_to_config
from diffusers.schedulers.scheduling_flow_match_euler_discrete import (
    FlowMatchEulerDiscreteScheduler,
)

from octoworld.core.config import from_dict, to_dict
from octoworld.core.registry import register_world_model

from .. import carry
from ..autoencoder import FrameAutoencoder
from ..carry import Sight
from ..conditioning import gaussian
from ..latent_model import LatentClip, LatentHistory, LatentWorldModel, push
from ..model import Decode, Imagined
from .config import FlowConfig
from .sampling import euler
from .transformer import FlowTransformer

Predict = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass
class Foreseen:
    """What K frames are drawn from, so that sampling them is a matter of noise alone."""

    last: torch.Tensor
    """(B, S, C) the newest latents."""
    after: torch.Tensor
    """(B, K, P + O) standardised states that follow the actions."""
    predict: Predict
    """(noisy sample (B, K, S, C), noise level (B, K)) -> the clean sample expected behind it."""


@register_world_model("flow")
class FlowWorldModel(LatentWorldModel):
    """Transformer over anchor + context + future frames; the autoencoder rides along, frozen.

    The sample of the flow is the change from the last context frame over `residual_scale`, so a
    still token is a zero.
    """

    @register_to_config
    def __init__(
        self,
        autoencoder_config: dict,
        flow_config: dict,
        proprio_dim: int,
        action_dim: int,
        object_dim: int = 0,
        num_points: int = 0,
    ) -> None:
        """Build from `to_dict` of both configs, P, A, O, and the number of points in sight."""
        super().__init__(autoencoder_config)
        self.settings: FlowConfig = from_dict(FlowConfig, dict(flow_config))
        image = self.autoencoder.settings
        self.transformer = FlowTransformer(
            self.settings, image.num_tokens, image.latent_channels, proprio_dim + object_dim,
            action_dim, len(image.cameras), image.cells,
            carry.channels(num_points, image.latent_channels // image.cells**2, frames=2),
        )  # fmt: skip
        self.add_state()

    @classmethod
    def build(
        cls,
        autoencoder: FrameAutoencoder,
        config: FlowConfig,
        proprio_dim: int,
        action_dim: int,
        object_dim: int = 0,
        sight: Sight | None = None,
    ) -> FlowWorldModel:
        """A new model around a copy of a trained autoencoder."""
        sizes = proprio_dim, action_dim, object_dim, sight.num_points if sight else 0
        model = cls(to_dict(autoencoder.settings), to_dict(config), *sizes)
        model.adopt(autoencoder, sight)
        return model

    def latent_loss(
        self,
        clip: LatentClip,
        generator: torch.Generator,
        rollout_chunks: int = 0,
        picture_weight: float = 0.0,
    ) -> dict[str, torch.Tensor]:
        """Flow-matching loss of the last chunk.

        Args:
            clip: `rollout_chunks` + 1 chunks of future rows behind the context.
            generator: source of every draw.
            rollout_chunks: chunks first imagined by the model itself and used as context
                (self-forcing), so that it learns from its own mistakes what is really next.
            picture_weight: weight of how the last frame looks decoded, in which small things count.
        """
        settings = self.settings
        history, chunk = self._unrolled(clip, generator, rollout_chunks, sampling_steps=2)
        target, actions = chunk.latents, chunk.actions
        after = self._standard(chunk.state)

        noise = settings.context_noise * gaussian(history.latents.shape, generator, target)
        latents = history.latents + noise
        state = self._state(history)
        last = latents[:, -1]
        after = after + settings.state_noise * gaussian(after.shape, generator, after)
        clean = (target - last[:, None]) / self.residual_scale
        batch, frames = clean.shape[:2]
        shape = (batch, frames) if settings.independent_noise else (batch, 1)
        uniform = torch.rand(shape, generator=generator, device=generator.device).to(clean)
        level = (1 - uniform.pow(settings.time_power)).expand(batch, frames)
        wide = level[..., None, None]
        noisy = (1 - wide) * clean + wide * gaussian(clean.shape, generator, clean)
        guess = self._drawn_from(latents, state, actions, after).predict(noisy, level)
        # velocity error = clean error / level; bounded below so that easy levels do not dominate
        square = ((guess - clean).pow(2).mean(-1)) / level.clamp(min=settings.velocity_floor)[
            ..., None
        ].pow(2)
        moved = (target - history.latents[:, -1:]).pow(2).mean(-1) / self.residual_scale.pow(2)
        weight = 1 + settings.moving_weight * moved.clamp(max=1)
        flow = (weight * square).sum() / weight.sum()
        total, losses = flow, {"flow": flow}
        if picture_weight:
            drawn = last + self.residual_scale * guess[:, -1]
            losses["picture"] = self.autoencoder.picture_loss(drawn, target[:, -1])
            total = total + picture_weight * losses["picture"]
        return {"loss": total, **losses}

    @torch.no_grad()
    def imagine(
        self,
        history: LatentHistory,
        actions: torch.Tensor,
        generator: torch.Generator,
        decode: Decode = "all",
        sampling_steps: int | None = None,
        scheduler: FlowMatchEulerDiscreteScheduler | None = None,
    ) -> tuple[LatentHistory, Imagined]:
        """Apply `actions` (B, K, A), 1 <= K <= max_chunk; `sampling_steps` None: the config's.

        `scheduler` is another of diffusers' flow-matching schedulers with Euler's interface.

        Raises:
            ActionError: the actions have another shape or are not finite.
            ConfigError: the history is not one of this model's length.
        """
        settings = self.settings
        seen = self.foresee(history, actions)
        shape = (*actions.shape[:2], *seen.last.shape[1:])
        noise = settings.noise_scale * gaussian(shape, generator, seen.last)
        steps = sampling_steps or settings.sampling_steps
        change = euler(seen.predict, noise, steps, scheduler)
        return self.go_on(history, seen, change, decode)

    def foresee(self, history: LatentHistory, actions: torch.Tensor) -> Foreseen:
        """What frames under `actions` (B, K, A) are drawn from; raises as `imagine` does."""
        self._check_actions(history, actions)
        latents, state = history.latents, self._state(history)
        after = self.dynamics(state[:, -1], actions, latents[:, -1], self.state_change)
        return self._drawn_from(latents, state, actions, after)

    def go_on(
        self, history: LatentHistory, seen: Foreseen, change: torch.Tensor, decode: Decode = "all"
    ) -> tuple[LatentHistory, Imagined]:
        """The longer history, and what a sample `change` (B, K, S, C) of the flow shows."""
        future = seen.last[:, None] + self.residual_scale * change
        proprio, objects = self._parted(seen.after * self.state_std + self.state_mean)
        longer = LatentHistory(
            push(history.latents, future),
            push(history.proprio, proprio),
            push(history.objects, objects),
        )
        return longer, Imagined(proprio, self._drawn(future, decode), future, objects)

    def _drawn_from(
        self,
        latents: torch.Tensor,
        state: torch.Tensor,
        actions: torch.Tensor,
        after: torch.Tensor,
    ) -> Foreseen:
        """Latents (B, 1 + c, S, C) and standardised states of a context, and what is to follow."""
        state, told = self._told(state, after)
        before = torch.cat([state[:, -1:], told[:, :-1]], 1)
        context = self.transformer.read_context(latents, state)
        carried = self._carried(latents, state, told)

        def predict(noisy: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
            return self.transformer(noisy, level, actions, before, told, context, carried)

        return Foreseen(latents[:, -1], after, predict)
