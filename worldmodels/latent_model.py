"""LatentWorldModel: what every paradigm over an autoencoder's latents does in the same way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from diffusers import ConfigMixin, ModelMixin

from octoworld.core.errors import ActionError, ConfigError

from . import carry
from .autoencoder import FrameAutoencoder
from .carry import Sight
from .cells import to_cells
from .history import TensorRecord
from .latent_config import LatentModelConfig
from .model import Clip, Decode, Imagined
from .state import ObjectEyes, StateModel

STILL = 2e-3
"""Change of a step [std] below which a number of the state counts as never changing."""


@dataclass
class LatentHistory(TensorRecord):
    """What a model remembers of B worlds: the first frame and the last `context_length` ones."""

    latents: torch.Tensor
    """(B, 1 + context_length, S, C) standardised, the episode's first frame in slot 0."""
    proprio: torch.Tensor
    """(B, 1 + context_length, P) in its own units."""
    objects: torch.Tensor
    """(B, 1 + context_length, O) the objects' numbers in their own units; O = 0: none known."""


@dataclass
class LatentClip:
    """Training sample: context rows, anchor first, then the rows to be imagined."""

    latents: torch.Tensor
    """(B, 1 + c + n, S, C)."""
    state: torch.Tensor
    """(B, 1 + c + n, P + O): proprioception, then the objects as recorded."""
    actions: torch.Tensor
    """(B, n, A): action i leads from row c + i to row c + i + 1."""


@dataclass
class Chunk:
    """What is to be imagined next, as recorded: K rows behind a history."""

    latents: torch.Tensor
    """(B, K, S, C)."""
    state: torch.Tensor
    """(B, K, P + O) after each action."""
    actions: torch.Tensor
    """(B, K, A)."""


class LatentWorldModel(ModelMixin, ConfigMixin):
    """An autoencoder, frozen, and small models of the state; a paradigm adds how frames follow.

    Frames are conditioned on the state that a small model predicts: the arm is drawn where
    kinematics put it and, where recordings tell where things are (`object_dim`), a block where the
    hand took it. Recordings are asked for that in training alone: imagination starts from frames,
    in which the model finds the things itself.

    A subclass registers `proprio_dim`, `action_dim`, `object_dim` and `num_points` as its config,
    sets `settings`, calls `add_state`, and defines `latent_loss` and `imagine`.
    """

    config_name = "config.json"
    history_class: ClassVar[type[TensorRecord]] = LatentHistory
    settings: LatentModelConfig

    def __init__(self, autoencoder_config: dict) -> None:
        """Build from `to_dict(AutoencoderConfig)`."""
        super().__init__()
        self.autoencoder = FrameAutoencoder(dict(autoencoder_config)).requires_grad_(False)

    def add_state(self) -> None:
        """Make the models of the state and the buffers of scales, from config and settings."""
        settings, image = self.settings, self.autoencoder.settings
        tokens, channels, cameras = image.num_tokens, image.latent_channels, len(image.cameras)
        state_dim, points = self.proprio_dim + self.object_dim, self.config["num_points"]
        self.dynamics = StateModel(
            state_dim, self.config["action_dim"], tokens * channels, hidden=settings.state_hidden,
            layers=settings.state_layers, scene=0 if self.object_dim else 64,
        )  # fmt: skip
        self.eyes: ObjectEyes | None = None
        if self.object_dim:
            self.eyes = ObjectEyes(
                self.object_dim, self.proprio_dim, channels, cameras=cameras, cells=image.cells,
                width=settings.eyes_width,
            )  # fmt: skip
        self.register_buffer("sight", torch.zeros(cameras, points, 3, state_dim + 1))
        self.register_buffer("sight_spread", torch.ones(points))
        self.register_buffer("state_mean", torch.zeros(state_dim))
        self.register_buffer("state_std", torch.ones(state_dim))
        self.register_buffer("state_change", torch.ones(state_dim))
        self.register_buffer("residual_scale", torch.ones(()))

    def adopt(self, autoencoder: FrameAutoencoder, sight: Sight | None) -> None:
        """Copy a trained autoencoder's weights, and where cameras see the state's points."""
        if sight is not None:
            self.sight.copy_(sight.maps)
            self.sight_spread.copy_(sight.spread)
        self.autoencoder.load_state_dict(autoencoder.state_dict())

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

    # -- losses ----------------------------------------------------------------------------------

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
        self._check_width("actions", clips.actions, self.config["action_dim"])
        self._check_width("proprio", clips.proprio, self.proprio_dim)
        told = [clips.proprio] if clips.objects is None else [clips.proprio, clips.objects]
        state, actions = torch.cat(told, -1), clips.actions[:, context - 1 : -1]
        losses = self.latent_loss(LatentClip(latents, state, actions), generator)
        last = latents[:, context - 1]
        moved = self.state_loss(state[:, context - 1 :], actions, last)
        return losses | {"state": moved, "loss": losses["loss"] + moved}

    def latent_loss(
        self, clip: LatentClip, generator: torch.Generator, rollout_chunks: int = 0
    ) -> dict[str, torch.Tensor]:
        """Loss of the last chunk of `clip`, named scalars with `loss` among them.

        Before it, `rollout_chunks` chunks are imagined by the model itself and used as context
        (self-forcing), so that it learns from its own mistakes what is really next.
        """
        raise NotImplementedError

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

    def _unrolled(
        self, clip: LatentClip, generator: torch.Generator, chunks: int, **how: Any
    ) -> tuple[Any, Chunk]:
        """The history after `chunks` chunks of the model's own (`how`: of `imagine`), what is next.

        The model's memory of objects begins with the recorded ones.
        """
        slots, size = 1 + self.context_length, self.max_chunk
        history = self._remember(clip.latents[:, :slots], *self._parted(clip.state[:, :slots]))
        done = 0
        for _ in range(chunks):
            with torch.no_grad():
                given = clip.actions[:, done : done + size]
                history, _ = self.imagine(history, given, generator, "none", **how)
            done += size
        return history, Chunk(
            clip.latents[:, slots + done :][:, :size],
            clip.state[:, slots + done :][:, :size],
            clip.actions[:, done : done + size],
        )

    # -- imagination -----------------------------------------------------------------------------

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
    def start(self, clips: Clip) -> Any:
        """A history from observed steps (B, T>=1); row 0 is the anchor, the rest is recent.

        With fewer rows than the context the oldest recent one (or the anchor) is repeated.

        Raises:
            ConfigError: no rows, images of another size, or another number of proprioception.
        """
        return self.start_latents(self.autoencoder.encode(clips.frames), clips.proprio)

    @torch.no_grad()
    def start_latents(self, latents: torch.Tensor, proprio: torch.Tensor) -> Any:
        """As `start`, from latents (B, T, S, C) and proprio (B, T, P)."""
        rows = latents.shape[1]
        if not rows:
            raise ConfigError("a history starts from at least one observed step, got none")
        self._check_width("proprio", proprio, self.proprio_dim)
        recent = list(range(1, rows))[-self.context_length :] or [0]
        slots = [0] + [recent[0]] * (self.context_length - len(recent)) + recent
        return self._remember(latents[:, slots], proprio[:, slots])

    def imagine(
        self,
        history: Any,
        actions: torch.Tensor,
        generator: torch.Generator,
        decode: Decode = "all",
        **how: Any,
    ) -> tuple[Any, Imagined]:
        """Apply `actions` (B, K, A), 1 <= K <= max_chunk; `how` is the paradigm's own."""
        raise NotImplementedError

    @torch.no_grad()
    def decode(self, latents: torch.Tensor) -> dict[str, torch.Tensor]:
        """Latents (..., S, C) to camera -> (..., H, W, 3) uint8."""
        return self.autoencoder.decode(latents)

    def _drawn(self, latents: torch.Tensor, decode: Decode) -> dict[str, torch.Tensor]:
        """Those of the imagined frames (B, K, S, C) that are asked for."""
        if decode == "none":
            return {}
        return self.decode(latents if decode == "all" else latents[:, -1:])

    def _remember(
        self, latents: torch.Tensor, proprio: torch.Tensor, objects: torch.Tensor | None = None
    ) -> Any:
        """A history of 1 + context_length rows; objects are looked for where none are told."""
        if objects is None:
            first = latents[:, :1].expand_as(latents).flatten(0, 1)
            found = self.find_objects(first, latents.flatten(0, 1), proprio.flatten(0, 1))
            objects = found.unflatten(0, latents.shape[:2])
        return LatentHistory(latents, proprio, objects)

    def _check_actions(self, history: LatentHistory, actions: torch.Tensor) -> None:
        batch, action_dim = len(history), self.config["action_dim"]
        if actions.ndim != 3 or (actions.shape[0], actions.shape[2]) != (batch, action_dim):
            raise ActionError(
                f"actions must be ({batch}, K, {action_dim}), got {tuple(actions.shape)}"
            )
        if not 1 <= actions.shape[1] <= self.max_chunk:
            raise ActionError(f"K must be 1..{self.max_chunk}, got {actions.shape[1]}")
        if not torch.isfinite(actions).all():
            raise ActionError("actions hold a NaN or an infinity")
        rows = history.latents.shape[1]
        if rows != 1 + self.context_length:
            raise ConfigError(
                f"a history holds the anchor and {self.context_length} frames, this one "
                f"{rows} rows; make it with `start`, which fills up short ones"
            )

    def _check_width(self, name: str, values: torch.Tensor, width: int) -> None:
        if values.shape[-1] != width:
            error = ActionError if name == "actions" else ConfigError
            raise error(
                f"{name} must be (..., {width}), got {tuple(values.shape)}: is this another robot?"
            )

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

    def _told(self, state: torch.Tensor, after: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Standardised states of context and future as pictures are told them: zeros if not."""
        if self.settings.told_state:
            return state, after
        return torch.zeros_like(state), torch.zeros_like(after)

    def _standard(self, state: torch.Tensor) -> torch.Tensor:
        return (state - self.state_mean) / self.state_std

    def _state(self, history: LatentHistory) -> torch.Tensor:
        """Standardised states (B, 1 + c, P + O) of a history."""
        return self._standard(torch.cat([history.proprio, history.objects], -1))

    def _parted(self, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Proprioception and objects of states (..., P + O)."""
        return state[..., : self.proprio_dim], state[..., self.proprio_dim :]


def push(slots: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
    """Slot 0 stays the anchor; the others, as many as before, are the last of old and new."""
    recent = torch.cat([slots[:, 1:], new], 1)[:, 1 - slots.shape[1] :]
    return torch.cat([slots[:, :1], recent], 1)
