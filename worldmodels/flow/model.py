"""FlowWorldModel: imagines the next frames in latent space by flow matching."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config

from octoworld.core.config import from_dict, to_dict
from octoworld.core.errors import ActionError, ConfigError
from octoworld.core.registry import register_world_model

from ..autoencoder import FrameAutoencoder
from ..history import TensorRecord
from ..model import Clip, Decode, Imagined
from .config import FlowConfig
from .proprio import ProprioModel
from .sampling import euler, gaussian
from .transformer import FlowTransformer


@dataclass
class FlowHistory(TensorRecord):
    """What the model remembers of B worlds: the first frame and the last `context_length` ones."""

    latents: torch.Tensor
    """(B, 1 + context_length, S, C) standardised, the episode's first frame in slot 0."""
    proprio: torch.Tensor
    """(B, 1 + context_length, P) in its own units."""


@dataclass
class LatentClip:
    """Training sample: context rows, anchor first, then the rows to be imagined."""

    latents: torch.Tensor
    """(B, 1 + c + n, S, C)."""
    proprio: torch.Tensor
    """(B, 1 + c + n, P)."""
    actions: torch.Tensor
    """(B, n, A): action i leads from row c + i to row c + i + 1."""


@register_world_model("flow")
class FlowWorldModel(ModelMixin, ConfigMixin):
    """Transformer over anchor + context + future frames; the autoencoder rides along, frozen.

    The sample of the flow is the change from the last context frame over `residual_scale`, so a
    still token is a zero. Frames are conditioned on the proprioception that a small dynamics model
    predicts: the arm is drawn where kinematics put it.
    """

    config_name = "config.json"

    @register_to_config
    def __init__(
        self, autoencoder_config: dict, flow_config: dict, proprio_dim: int, action_dim: int
    ) -> None:
        """Build from `to_dict` of AutoencoderConfig and FlowConfig, P and A."""
        super().__init__()
        self.settings = settings = from_dict(FlowConfig, dict(flow_config))
        self.autoencoder = FrameAutoencoder(dict(autoencoder_config)).requires_grad_(False)
        image = self.autoencoder.settings
        tokens, channels = image.num_tokens, image.latent_channels
        self.transformer = FlowTransformer(
            settings, tokens, channels, proprio_dim, action_dim, len(image.cameras), image.cells
        )
        self.dynamics = ProprioModel(
            proprio_dim, action_dim, tokens * channels, settings.proprio_hidden
        )
        self.register_buffer("proprio_mean", torch.zeros(proprio_dim))
        self.register_buffer("proprio_std", torch.ones(proprio_dim))
        self.register_buffer("proprio_change", torch.ones(proprio_dim))
        self.register_buffer("residual_scale", torch.ones(()))

    @classmethod
    def build(
        cls, autoencoder: FrameAutoencoder, config: FlowConfig, proprio_dim: int, action_dim: int
    ) -> FlowWorldModel:
        """A new model around a copy of a trained autoencoder."""
        model = cls(to_dict(autoencoder.settings), to_dict(config), proprio_dim, action_dim)
        model.autoencoder.load_state_dict(autoencoder.state_dict())
        return model

    @property
    def cameras(self) -> tuple[str, ...]:
        """Cameras that it draws."""
        return self.autoencoder.settings.cameras

    @property
    def context_length(self) -> int:
        """Past frames it looks at, the anchor not counted."""
        return self.settings.context_length

    @property
    def max_chunk(self) -> int:
        """Most frames that one call imagines."""
        return self.settings.max_chunk

    @torch.no_grad()
    def set_statistics(self, proprio: torch.Tensor, change: torch.Tensor, residual: float) -> None:
        """Scales of the data.

        Args:
            proprio: (F, P) proprioception of the data set.
            change: (F', P) its change over one step.
            residual: RMS change of latents over one chunk.
        """
        std = proprio.std(0).clamp(min=1e-4)
        self.proprio_mean.copy_(proprio.mean(0))
        self.proprio_std.copy_(std)
        self.proprio_change.copy_((change.std(0) / std).clamp(min=1e-3))
        self.residual_scale.fill_(max(residual, 1e-3))

    def loss(self, clips: Clip, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Loss on raw clips: rows are anchor, `context_length` context rows, then the future."""
        with torch.no_grad():
            latents = self.autoencoder.encode(clips.frames)
        context = 1 + self.context_length
        if latents.shape[1] <= context:
            raise ConfigError(
                f"clips must be longer than anchor + context = {context} rows, "
                f"got {latents.shape[1]}"
            )
        actions = clips.actions[:, context - 1 : -1]
        return self.latent_loss(LatentClip(latents, clips.proprio, actions), generator)

    def latent_loss(
        self,
        clip: LatentClip,
        generator: torch.Generator,
        rollout_chunks: int = 0,
        picture_weight: float = 0.0,
    ) -> dict[str, torch.Tensor]:
        """Flow-matching loss of the last chunk and L1 of its proprioception.

        Args:
            clip: `rollout_chunks` + 1 chunks of future rows behind the context.
            generator: source of every draw.
            rollout_chunks: chunks first imagined by the model itself and used as context
                (self-forcing), so that it learns from its own mistakes what is really next.
            picture_weight: weight of how the last frame looks decoded, in which small things count.
        """
        settings, slots = self.settings, 1 + self.context_length
        history = FlowHistory(clip.latents[:, :slots], clip.proprio[:, :slots])
        chunk, done = settings.max_chunk, 0
        for _ in range(rollout_chunks):
            with torch.no_grad():
                history, _ = self.imagine(
                    history, clip.actions[:, done : done + chunk], generator, "none", 2
                )
            done += chunk
        target = clip.latents[:, slots + done :][:, :chunk]
        after_true = self._standard(clip.proprio[:, slots + done :][:, :chunk])
        actions = clip.actions[:, done : done + chunk]

        noise = settings.context_noise * gaussian(history.latents.shape, generator, target)
        latents = history.latents + noise
        proprio = self._standard(history.proprio)
        last = latents[:, -1]
        predicted = self.dynamics(proprio[:, -1], actions, last, self.proprio_change)
        proprio_error = ((predicted - after_true) / self.proprio_change).abs()

        jitter = settings.proprio_noise * gaussian(after_true.shape, generator, after_true)
        after = after_true + jitter
        before = torch.cat([proprio[:, -1:], after[:, :-1]], 1)
        clean = (target - last[:, None]) / self.residual_scale
        batch, frames = clean.shape[:2]
        shape = (batch, frames) if settings.independent_noise else (batch, 1)
        uniform = torch.rand(shape, generator=generator, device=generator.device).to(clean)
        level = (1 - uniform.pow(settings.time_power)).expand(batch, frames)
        wide = level[..., None, None]
        noisy = (1 - wide) * clean + wide * gaussian(clean.shape, generator, clean)
        context = self.transformer.read_context(latents, proprio)
        guess = self.transformer(noisy, level, actions, before, after, context)
        # velocity error = clean error / level; bounded below so that easy levels do not dominate
        square = ((guess - clean).pow(2).mean(-1)) / level.clamp(min=settings.velocity_floor)[
            ..., None
        ].pow(2)
        moved = (target - history.latents[:, -1:]).pow(2).mean(-1) / self.residual_scale.pow(2)
        weight = 1 + settings.moving_weight * moved.clamp(max=1)
        flow = (weight * square).sum() / weight.sum()
        proprio_loss = proprio_error.mean()
        total = flow + settings.proprio_weight * proprio_loss
        losses = {"flow": flow, "proprio": proprio_loss}
        if picture_weight:
            drawn = last + self.residual_scale * guess[:, -1]
            losses["picture"] = self.autoencoder.picture_loss(drawn, target[:, -1])
            total = total + picture_weight * losses["picture"]
        return {"loss": total, **losses}

    @torch.no_grad()
    def start(self, clips: Clip) -> FlowHistory:
        """A history from observed steps (B, T>=1); row 0 is the anchor, the rest is recent."""
        return self.start_latents(self.autoencoder.encode(clips.frames), clips.proprio)

    def start_latents(self, latents: torch.Tensor, proprio: torch.Tensor) -> FlowHistory:
        """As `start`, from latents (B, T, S, C) and proprio (B, T, P)."""
        rows = latents.shape[1]
        recent = list(range(1, rows))[-self.context_length :] or [0]
        slots = [0] + [recent[0]] * (self.context_length - len(recent)) + recent
        return FlowHistory(latents[:, slots], proprio[:, slots])

    @torch.no_grad()
    def imagine(
        self,
        history: FlowHistory,
        actions: torch.Tensor,
        generator: torch.Generator,
        decode: Decode = "all",
        sampling_steps: int | None = None,
    ) -> tuple[FlowHistory, Imagined]:
        """Apply `actions` (B, K, A), 1 <= K <= max_chunk; `sampling_steps` None: the config's.

        Raises:
            ActionError: the actions have another shape or are not finite.
        """
        settings = self.settings
        batch, action_dim = len(history), self.config["action_dim"]
        if actions.ndim != 3 or (actions.shape[0], actions.shape[2]) != (batch, action_dim):
            raise ActionError(
                f"actions must be ({batch}, K, {action_dim}), got {tuple(actions.shape)}"
            )
        if not 1 <= actions.shape[1] <= settings.max_chunk:
            raise ActionError(f"K must be 1..{settings.max_chunk}, got {actions.shape[1]}")
        if not torch.isfinite(actions).all():
            raise ActionError("actions hold a NaN or an infinity")
        latents, proprio = history.latents, self._standard(history.proprio)
        last = latents[:, -1]
        after = self.dynamics(proprio[:, -1], actions, last, self.proprio_change)
        before = torch.cat([proprio[:, -1:], after[:, :-1]], 1)
        context = self.transformer.read_context(latents, proprio)
        shape = (batch, actions.shape[1], *last.shape[1:])
        noise = settings.noise_scale * gaussian(shape, generator, last)
        change = euler(
            lambda x, level: self.transformer(x, level, actions, before, after, context),
            noise,
            sampling_steps or settings.sampling_steps,
        )
        future = last[:, None] + self.residual_scale * change
        seen = after * self.proprio_std + self.proprio_mean
        longer = FlowHistory(
            _push(history.latents, future, self.context_length),
            _push(history.proprio, seen, self.context_length),
        )
        frames = {}
        if decode != "none":
            frames = self.decode(future if decode == "all" else future[:, -1:])
        return longer, Imagined(seen, frames, future)

    @torch.no_grad()
    def decode(self, latents: torch.Tensor) -> dict[str, torch.Tensor]:
        """Latents (..., S, C) to camera -> (..., H, W, 3) uint8."""
        return self.autoencoder.decode(latents)

    def _standard(self, proprio: torch.Tensor) -> torch.Tensor:
        return (proprio - self.proprio_mean) / self.proprio_std


def _push(slots: torch.Tensor, new: torch.Tensor, context: int) -> torch.Tensor:
    """Slot 0 stays the anchor; the others are the last `context` of old and new."""
    recent = torch.cat([slots[:, 1:], new], 1)[:, -context:]
    return torch.cat([slots[:, :1], recent], 1)
