"""FlowWorldModel: imagines the next frames in latent space by flow matching."""

from __future__ import annotations

from collections.abc import Callable
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
from . import carry
from .carry import Sight
from .cells import to_cells
from .config import FlowConfig
from .sampling import euler, gaussian
from .state import ObjectEyes, StateModel
from .transformer import FlowTransformer

Predict = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
STILL = 2e-3
"""Change of a step [std] below which a number of the state counts as never changing."""


@dataclass
class FlowHistory(TensorRecord):
    """What the model remembers of B worlds: the first frame and the last `context_length` ones."""

    latents: torch.Tensor
    """(B, 1 + context_length, S, C) standardised, the episode's first frame in slot 0."""
    proprio: torch.Tensor
    """(B, 1 + context_length, P) in its own units."""
    objects: torch.Tensor
    """(B, 1 + context_length, O) the objects' numbers in their own units; O = 0: none known."""


@dataclass
class Foreseen:
    """What K frames are drawn from, so that sampling them is a matter of noise alone."""

    last: torch.Tensor
    """(B, S, C) the newest latents."""
    after: torch.Tensor
    """(B, K, P + O) standardised states that follow the actions."""
    predict: Predict
    """(noisy sample (B, K, S, C), noise level (B, K)) -> the clean sample expected behind it."""


@dataclass
class LatentClip:
    """Training sample: context rows, anchor first, then the rows to be imagined."""

    latents: torch.Tensor
    """(B, 1 + c + n, S, C)."""
    state: torch.Tensor
    """(B, 1 + c + n, P + O): proprioception, then the objects as recorded."""
    actions: torch.Tensor
    """(B, n, A): action i leads from row c + i to row c + i + 1."""


@register_world_model("flow")
class FlowWorldModel(ModelMixin, ConfigMixin):
    """Transformer over anchor + context + future frames; the autoencoder rides along, frozen.

    The sample of the flow is the change from the last context frame over `residual_scale`, so a
    still token is a zero. Frames are conditioned on the state that a small model predicts: the arm
    is drawn where kinematics put it and, where recordings tell where things are (`object_dim`), a
    block where the hand took it. Recordings are asked for that in training alone: imagination
    starts from frames, in which the model finds the things itself.
    """

    config_name = "config.json"
    history_class = FlowHistory

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
        super().__init__()
        self.settings = settings = from_dict(FlowConfig, dict(flow_config))
        self.autoencoder = FrameAutoencoder(dict(autoencoder_config)).requires_grad_(False)
        image = self.autoencoder.settings
        tokens, channels = image.num_tokens, image.latent_channels
        state_dim = proprio_dim + object_dim
        cameras, cell_channels = len(image.cameras), channels // image.cells**2
        self.transformer = FlowTransformer(
            settings, tokens, channels, state_dim, action_dim, cameras, image.cells,
            carry.channels(num_points, cell_channels, frames=2),
        )  # fmt: skip
        self.dynamics = StateModel(
            state_dim, action_dim, tokens * channels, hidden=settings.state_hidden,
            layers=settings.state_layers, scene=0 if object_dim else 64,
        )  # fmt: skip
        self.eyes: ObjectEyes | None = None
        if object_dim:
            self.eyes = ObjectEyes(
                object_dim, proprio_dim, channels, cameras=cameras, cells=image.cells,
                width=settings.eyes_width,
            )  # fmt: skip
        self.register_buffer("sight", torch.zeros(cameras, num_points, 3, state_dim + 1))
        self.register_buffer("sight_spread", torch.ones(num_points))
        self.register_buffer("state_mean", torch.zeros(state_dim))
        self.register_buffer("state_std", torch.ones(state_dim))
        self.register_buffer("state_change", torch.ones(state_dim))
        self.register_buffer("residual_scale", torch.ones(()))

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
        if sight is not None:
            model.sight.copy_(sight.maps)
            model.sight_spread.copy_(sight.spread)
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

    @property
    def proprio_dim(self) -> int:
        """P, numbers of proprioception at the head of a state."""
        return self.config["proprio_dim"]

    @property
    def object_dim(self) -> int:
        """O, numbers that say where the objects are."""
        return self.config["object_dim"]

    @torch.no_grad()
    def set_statistics(self, state: torch.Tensor, change: torch.Tensor, residual: float) -> None:
        """Scales of the data.

        Args:
            state: (F, P + O) states of the data set.
            change: (F', P + O) their change over one step.
            residual: RMS change of latents over one chunk.
        """
        std = state.std(0).clamp(min=1e-4)
        self.state_mean.copy_(state.mean(0))
        self.state_std.copy_(std)
        self.state_change.copy_((change.std(0) / std).clamp(min=1e-3))
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
        if self.object_dim and clips.objects is None:
            raise ConfigError("this model is trained with the objects' state: give Clip.objects")
        told = [clips.proprio] if clips.objects is None else [clips.proprio, clips.objects]
        state, actions = torch.cat(told, -1), clips.actions[:, context - 1 : -1]
        losses = self.latent_loss(LatentClip(latents, state, actions), generator)
        last = latents[:, context - 1]
        moved = self.state_loss(state[:, context - 1 :], actions, last)
        return losses | {"state": moved, "loss": losses["loss"] + moved}

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
        settings, slots = self.settings, 1 + self.context_length
        history = FlowHistory(clip.latents[:, :slots], *self._parted(clip.state[:, :slots]))
        chunk, done = settings.max_chunk, 0
        for _ in range(rollout_chunks):
            with torch.no_grad():
                history, _ = self.imagine(
                    history, clip.actions[:, done : done + chunk], generator, "none", 2
                )
            done += chunk
        target = clip.latents[:, slots + done :][:, :chunk]
        after = self._standard(clip.state[:, slots + done :][:, :chunk])
        actions = clip.actions[:, done : done + chunk]

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

    def state_loss(
        self, states: torch.Tensor, actions: torch.Tensor, latents: torch.Tensor
    ) -> torch.Tensor:
        """L1 of states foreseen from the first of (B, n + 1, P + O) under (B, n, A), in steps.

        `latents` (B, S, C) are of the first state. An error of 1 is a usual step's change; numbers
        that never change do not count.
        """
        known = self._standard(states)
        guess = self.dynamics(known[:, 0], actions, latents, self.state_change)
        error = ((guess - known[:, 1:]) / self.state_change).abs().mean((0, 1))
        weight = (self.state_change > STILL).float()
        weight[self.proprio_dim :] *= self.settings.object_weight
        return (weight * error).sum() / weight.sum()

    def eyes_loss(
        self, first: torch.Tensor, now: torch.Tensor, state: torch.Tensor
    ) -> torch.Tensor:
        """L1 of objects (in standard deviations) found in frames (B, S, C) of states (B, P + O)."""
        assert self.eyes is not None
        proprio, objects = self._parted(self._standard(state))
        return (self.eyes(first, now, proprio) - objects).abs().mean()

    def find_objects(
        self, first: torch.Tensor, now: torch.Tensor, proprio: torch.Tensor
    ) -> torch.Tensor:
        """Objects (B, O) in their own units, seen in latents (B, S, C) with proprio (B, P)."""
        if self.eyes is None:
            return proprio[:, :0]
        split = self.proprio_dim
        felt = (proprio - self.state_mean[:split]) / self.state_std[:split]
        seen = self.eyes(first, now, felt)
        return seen * self.state_std[split:] + self.state_mean[split:]

    @torch.no_grad()
    def start(self, clips: Clip) -> FlowHistory:
        """A history from observed steps (B, T>=1); row 0 is the anchor, the rest is recent."""
        return self.start_latents(self.autoencoder.encode(clips.frames), clips.proprio)

    @torch.no_grad()
    def start_latents(self, latents: torch.Tensor, proprio: torch.Tensor) -> FlowHistory:
        """As `start`, from latents (B, T, S, C) and proprio (B, T, P)."""
        rows = latents.shape[1]
        recent = list(range(1, rows))[-self.context_length :] or [0]
        slots = [0] + [recent[0]] * (self.context_length - len(recent)) + recent
        latents, proprio = latents[:, slots], proprio[:, slots]
        first = latents[:, :1].expand_as(latents).flatten(0, 1)
        objects = self.find_objects(first, latents.flatten(0, 1), proprio.flatten(0, 1))
        return FlowHistory(latents, proprio, objects.unflatten(0, latents.shape[:2]))

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
        seen = self.foresee(history, actions)
        shape = (len(history), actions.shape[1], *seen.last.shape[1:])
        noise = settings.noise_scale * gaussian(shape, generator, seen.last)
        change = euler(seen.predict, noise, sampling_steps or settings.sampling_steps)
        return self.go_on(history, seen, change, decode)

    def foresee(self, history: FlowHistory, actions: torch.Tensor) -> Foreseen:
        """What frames under `actions` (B, K, A) are drawn from; raises as `imagine` does."""
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
        latents, state = history.latents, self._state(history)
        after = self.dynamics(state[:, -1], actions, latents[:, -1], self.state_change)
        return self._drawn_from(latents, state, actions, after)

    def go_on(
        self, history: FlowHistory, seen: Foreseen, change: torch.Tensor, decode: Decode = "all"
    ) -> tuple[FlowHistory, Imagined]:
        """The longer history, and what a sample `change` (B, K, S, C) of the flow shows."""
        future = seen.last[:, None] + self.residual_scale * change
        proprio, objects = self._parted(seen.after * self.state_std + self.state_mean)
        longer = FlowHistory(
            _push(history.latents, future, self.context_length),
            _push(history.proprio, proprio, self.context_length),
            _push(history.objects, objects, self.context_length),
        )
        frames = {}
        if decode != "none":
            frames = self.decode(future if decode == "all" else future[:, -1:])
        return longer, Imagined(proprio, frames, future, objects)

    @torch.no_grad()
    def decode(self, latents: torch.Tensor) -> dict[str, torch.Tensor]:
        """Latents (..., S, C) to camera -> (..., H, W, 3) uint8."""
        return self.autoencoder.decode(latents)

    def _drawn_from(
        self,
        latents: torch.Tensor,
        state: torch.Tensor,
        actions: torch.Tensor,
        after: torch.Tensor,
    ) -> Foreseen:
        """Latents (B, 1 + c, S, C) and standardised states of a context, and what is to follow."""
        told = after if self.settings.told_state else state[:, -1:].expand_as(after)
        before = torch.cat([state[:, -1:], told[:, :-1]], 1)
        context = self.transformer.read_context(latents, state)
        carried = self._carried(latents, state, told)

        def predict(noisy: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
            return self.transformer(noisy, level, actions, before, told, context, carried)

        return Foreseen(latents[:, -1], after, predict)

    def _carried(
        self, latents: torch.Tensor, state: torch.Tensor, after: torch.Tensor
    ) -> torch.Tensor | None:
        """Things of the first and of the last context frame, where the states say they are now."""
        if not self.config["num_points"]:
            return None
        image = self.autoencoder.settings
        old = [to_cells(latents[:, i], len(image.cameras), image.cells) for i in (0, -1)]
        was, now = (
            carry.points_in_image(self.sight, x * self.state_std + self.state_mean)
            for x in (state[:, [0, -1]], after)
        )
        return carry.carried(old, [was[:, 0], was[:, 1]], now, self.sight_spread)

    def _standard(self, state: torch.Tensor) -> torch.Tensor:
        return (state - self.state_mean) / self.state_std

    def _state(self, history: FlowHistory) -> torch.Tensor:
        """Standardised states (B, 1 + c, P + O) of a history."""
        return self._standard(torch.cat([history.proprio, history.objects], -1))

    def _parted(self, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Proprioception and objects of states (..., P + O)."""
        return state[..., : self.proprio_dim], state[..., self.proprio_dim :]


def _push(slots: torch.Tensor, new: torch.Tensor, context: int) -> torch.Tensor:
    """Slot 0 stays the anchor; the others are the last `context` of old and new."""
    recent = torch.cat([slots[:, 1:], new], 1)[:, -context:]
    return torch.cat([slots[:, :1], recent], 1)
