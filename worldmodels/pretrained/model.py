"""PretrainedWorldModel: a pretrained video model that imagines what a robot's actions lead to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from octoworld.core.config import to_dict
from octoworld.core.errors import ConfigError
from octoworld.core.registry import register_world_model
from octoworld.core.rng import derive_seed

from ..autoencoder import FrameAutoencoder
from ..conditioning import gaussian
from ..history import TensorRecord
from ..model import Clip, Decode, Imagined
from ..state import StateModel
from . import files, tuning
from .adapter import ActionAdapter
from .base import Base, load_base
from .checks import check_actions, check_lengths, check_rows
from .config import PretrainedConfig, Robot
from .family import Condition, VideoFamily
from .pictures import Pictures, resize
from .video import VideoModel

STILL = 2e-3
"""Change of a step [std] below which a number of the state counts as never changing."""
THUMB = 16
"""Side of the small picture by which the state model sees what the robot may touch [pixel]."""


@dataclass
class VideoHistory(TensorRecord):
    """What the model remembers of B worlds: the frames that it is shown, oldest first."""

    pictures: torch.Tensor
    """(B, slots, h, w, 3) uint8 at the video model's size, all cameras side by side; with
    `anchor`, the episode's first frame in slot 0."""
    proprio: torch.Tensor
    """(B, slots, P) in its own units."""
    text: torch.Tensor
    """(B, L, E) embedding of the instruction, rows of zeros where there is none."""


@register_world_model("pretrained")
class PretrainedWorldModel(nn.Module):
    """Past frames stay clean, the next ones are denoised by a pretrained video transformer.

    It sees past frames as latents at noise level 0 beside the noisy ones to come, and actions and
    proprioception as tokens in the place of its text (`ActionAdapter`). Only the adapter, low-rank
    adapters of the transformer and the model of proprioception are trained, and saved.

    Its VAE is not the one that a reflector knows. `attach` gives it a `FrameAutoencoder`, in whose
    latents it then tells what it imagined; `WorldModelEnv` needs that.
    """

    state_mean: torch.Tensor
    state_std: torch.Tensor
    state_change: torch.Tensor
    history_class = VideoHistory

    def __init__(self, config: PretrainedConfig, robot: Robot, base: Base) -> None:
        """Around a loaded base; new weights come from torch's global generator. See `build`.

        Raises:
            ConfigError: chunk, context or resolution do not fit the VAE; unknown layers.
        """
        super().__init__()
        self.settings, self.robot, self.fingerprints = config, robot, base.fingerprints
        family = base.family
        self.vae, self.transformer = family.vae, family.transformer
        self.video = VideoModel(base, config, robot.fps)
        check_lengths(config, family.temporal)
        self.pictures = Pictures(robot, config.resolution, family.multiple)
        device = next(self.vae.parameters()).device
        tuning.prepare(family, config, device)
        self.adapter = ActionAdapter(
            robot.action_dim, robot.proprio_dim, width=config.adapter_width,
            layers=config.adapter_layers, octaves=config.state_octaves, temporal=family.temporal,
            token_width=family.token_width, latent_width=family.width,
        )  # fmt: skip
        self.dynamics = StateModel(
            robot.proprio_dim, robot.action_dim, 3 * THUMB**2 * len(robot.cameras),
            hidden=config.state_hidden, layers=config.state_layers, scene=64,
        )  # fmt: skip
        self.frame_autoencoder: FrameAutoencoder | None = None
        self.register_buffer("state_mean", torch.zeros(robot.proprio_dim))
        self.register_buffer("state_std", torch.ones(robot.proprio_dim))
        self.register_buffer("state_change", torch.ones(robot.proprio_dim))
        self.to(device)

    @classmethod
    def build(
        cls,
        config: PretrainedConfig,
        robot: Robot,
        seed: int,
        device: torch.device | str = "cpu",
    ) -> PretrainedWorldModel:
        """Load the pretrained model; what is new is a function of `seed`.

        Raises:
            CheckpointError: the pretrained model cannot be had, or is of a kind that is not known.
            ConfigError: the config does not fit the model or the device.
        """
        base = load_base(config, device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(seed, "pretrained", "weights"))
            return cls(config, robot, base)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.state_mean.device

    @property
    def family(self) -> VideoFamily:
        """How transformer and VAE are spoken to."""
        return self.video.family

    @property
    def cameras(self) -> tuple[str, ...]:
        """Cameras that it draws."""
        return self.robot.cameras

    @property
    def context_length(self) -> int:
        """Past frames it looks at, the anchor not counted."""
        return self.settings.context_length

    @property
    def max_chunk(self) -> int:
        """Most frames that one call imagines."""
        return self.settings.max_chunk

    @property
    def autoencoder(self) -> FrameAutoencoder:
        """That of the latents in `Imagined`; ConfigError before `attach`."""
        if self.frame_autoencoder is None:
            raise ConfigError(
                "a pretrained world model has a VAE of its own; give it the reflector's "
                "autoencoder with `attach(autoencoder)`, in whose latents it then answers"
            )
        return self.frame_autoencoder

    def attach(self, autoencoder: FrameAutoencoder) -> None:
        """Take a copy of a trained autoencoder; it is saved with the model.

        Raises:
            ConfigError: it is of other cameras or another size of images.
        """
        known = autoencoder.settings
        sizes = known.cameras, (known.image_size, known.image_size)
        if sizes != (self.robot.cameras, self.robot.image_size):
            raise ConfigError(
                f"the autoencoder is of cameras and size {sizes}, the world model of "
                f"{(self.robot.cameras, self.robot.image_size)}"
            )
        copied = FrameAutoencoder(to_dict(known)).requires_grad_(False).eval()
        copied.load_state_dict(autoencoder.state_dict())
        self.frame_autoencoder = copied.to(self.device)  # type: ignore[arg-type]

    def train(self, mode: bool = True) -> PretrainedWorldModel:
        """Training mode, or not; what is frozen stays as in use."""
        super().train(mode)
        self.vae.eval()
        if self.frame_autoencoder is not None:
            self.frame_autoencoder.eval()
        return self

    @torch.no_grad()
    def set_statistics(self, state: torch.Tensor, change: torch.Tensor) -> None:
        """Scales of proprioception (F, P) and of its change over one step (F', P)."""
        std = state.std(0).clamp(min=1e-4)
        self.state_mean.copy_(state.mean(0))
        self.state_std.copy_(std)
        self.state_change.copy_((change.std(0) / std).clamp(min=1e-3))

    # -- training --------------------------------------------------------------------------------

    def loss(self, clips: Clip, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """Losses of the frames to come and of foreseen proprioception; see `video_loss`."""
        losses, now = self.video_loss(clips, generator), self.context_length
        frames = {c: x[:, now : now + 1].to(self.device) for c, x in clips.frames.items()}
        thumbs = self.thumbs(self.pictures.join(frames)[:, 0])
        proprio, actions = clips.proprio[:, now:], clips.actions[:, now:-1]
        state = self.state_loss(proprio.to(self.device), actions.to(self.device), thumbs)
        return losses | {"state": state, "loss": losses["loss"] + state}

    def video_loss(
        self,
        clips: Clip,
        generator: torch.Generator,
        *,
        known: int | None = None,
        text: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        """Flow-matching loss of the frames to come.

        Args:
            clips: rows are the anchor, `context_length` recent ones, then the future: a multiple
                of the VAE's temporal compression, at most `max_chunk`.
            generator: source of every draw.
            known: actions that are told; None tells all.
            text: (B, L, E) embeddings of the instructions.

        Raises:
            ConfigError: no such number of rows fits; cameras or image sizes are others.
        """
        settings, device = self.settings, self.device
        begin, context = int(not settings.anchor), 1 + self.context_length
        future = clips.proprio.shape[1] - context
        check_rows(clips.proprio.shape[1], settings, self.family.temporal)
        frames = {c: x[:, begin:].to(device) for c, x in clips.frames.items()}
        states = self._standard(clips.proprio[:, begin:].to(device))
        past, after = states.split([settings.slots, future], dim=1)
        after = after + settings.state_noise * gaussian(after.shape, generator, after)
        actions = clips.actions[:, context - 1 : -1].to(device)
        told = future if known is None else known
        text = self._text(text, len(states))
        condition = self._condition(past, after, actions, told, text)
        flow = self.video.loss(self.pictures.join(frames), condition, generator)
        return {"loss": flow, "flow": flow}

    def state_loss(
        self, proprio: torch.Tensor, actions: torch.Tensor, thumbs: torch.Tensor
    ) -> torch.Tensor:
        """L1 of proprioception foreseen from the first of (B, n + 1, P) under (B, n, A), in steps.

        `thumbs` (B, S, 3) are of the first. An error of 1 is a usual step's change; numbers that
        never change do not count.
        """
        known = self._standard(proprio)
        guess = self.dynamics(known[:, 0], actions, thumbs, self.state_change)
        error = ((guess - known[:, 1:]) / self.state_change).abs().mean((0, 1))
        weight = (self.state_change > STILL).float()
        return (weight * error).sum() / weight.sum().clamp(min=1)

    # -- imagination -----------------------------------------------------------------------------

    @torch.no_grad()
    def start(self, clips: Clip, text: torch.Tensor | None = None) -> VideoHistory:
        """A history from observed steps (B, T>=1); row 0 is the anchor, the rest is recent.

        `text` (B, L, E) are embeddings of the instructions; None are rows of zeros.
        """
        rows, length = clips.proprio.shape[1], self.context_length
        recent = list(range(1, rows))[-length:] or [0]
        slots = [recent[0]] * (length - len(recent)) + recent
        slots = [0, *slots] if self.settings.anchor else slots
        frames = {c: x[:, slots].to(self.device) for c, x in clips.frames.items()}
        return VideoHistory(
            self.pictures.join(frames),
            clips.proprio[:, slots].to(self.device),
            self._text(text, len(clips.proprio)),
        )

    @torch.no_grad()
    def imagine(
        self,
        history: VideoHistory,
        actions: torch.Tensor,
        generator: torch.Generator,
        decode: Decode = "all",
        sampling_steps: int | None = None,
    ) -> tuple[VideoHistory, Imagined]:
        """Apply `actions` (B, K, A), 1 <= K <= max_chunk; `sampling_steps` None: the config's.

        Where K is no multiple of the VAE's temporal compression, more frames are drawn than are
        kept, with the actions behind the last one untold. `Imagined.latents` are those of the
        attached autoencoder, None without one.

        Raises:
            ActionError: the actions have another shape or are not finite.
        """
        settings = self.settings
        check_actions(actions, len(history), self.robot.action_dim, self.max_chunk)
        noise = self.video.noise(history.pictures, actions.shape[1], generator)
        steps = sampling_steps or settings.sampling_steps
        parts = [
            self._imagine(history.select(index), actions[index], noise[index], generator, steps)
            for index in torch.arange(len(history)).split(settings.worlds_at_once)
        ]
        pictures, proprio = (torch.cat(x) for x in zip(*parts, strict=True))
        longer = VideoHistory(
            self._push(history.pictures, pictures), self._push(history.proprio, proprio),
            history.text,
        )  # fmt: skip
        frames = self.pictures.split(pictures)
        told = None
        if self.frame_autoencoder is not None:
            told = self.frame_autoencoder.encode(frames)
        if decode == "last":
            frames = {c: x[:, -1:] for c, x in frames.items()}
        return longer, Imagined(proprio, {} if decode == "none" else frames, told)

    def _imagine(
        self,
        history: VideoHistory,
        actions: torch.Tensor,
        noise: torch.Tensor,
        generator: torch.Generator,
        steps: int,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Pictures (b, K, h, w, 3) and proprioception (b, K, P) of worlds that fit the memory."""
        asked = actions.shape[1]
        states = self._standard(history.proprio)
        thumbs = self.thumbs(history.pictures[:, -1])
        after = self.dynamics(states[:, -1], actions, thumbs, self.state_change)
        more = (0, 0, 0, noise.shape[2] * self.family.temporal - asked)
        condition = self._condition(
            states, F.pad(after, more), F.pad(actions, more), asked, history.text
        )
        pictures = self.video.go_on(history.pictures, condition, noise, generator, steps)
        return pictures[:, :asked], after * self.state_std + self.state_mean

    @torch.no_grad()
    def decode(self, latents: torch.Tensor) -> dict[str, torch.Tensor]:
        """Latents (..., S, C) of the attached autoencoder to camera -> (..., H, W, 3) uint8."""
        return self.autoencoder.decode(latents)

    def thumbs(self, pictures: torch.Tensor) -> torch.Tensor:
        """Pictures (B, h, w, 3) uint8 as rows of small ones (B, S, 3) in [-1, 1]."""
        small = resize(pictures, (THUMB, THUMB * len(self.robot.cameras)))
        return small.flatten(1, 2).float() / 127.5 - 1

    # -- folders ---------------------------------------------------------------------------------

    def save_pretrained(self, folder: Path | str) -> None:
        """Write what was trained, and the name of what it was trained on.

        `config.json`, `model.safetensors` (adapter, state model, scales),
        `pytorch_lora_weights.safetensors` as diffusers writes and loads it (with `tune = "full"`
        `transformer/` instead), and `autoencoder/` where one is attached.
        """
        files.save(self, Path(folder))

    @classmethod
    def from_pretrained(
        cls,
        folder: Path | str,
        *,
        base: str | None = None,
        device: torch.device | str | None = None,
        dtype: str | None = None,
    ) -> PretrainedWorldModel:
        """Read what `save_pretrained` wrote, ready to imagine.

        Args:
            folder: where `save_pretrained` wrote.
            base: hub id or folder of the pretrained model, if it lies elsewhere now.
            device: None is the GPU where there is one, else the CPU.
            dtype: another one for the pretrained weights, e.g. `float32` for use on a CPU.

        Raises:
            CheckpointError: a file is missing, damaged, or does not fit; the pretrained model
                cannot be had or is not the one that it was trained on.
            ConfigError: bfloat16 without CUDA.
        """
        if device is None:
            device = "cuda" if torch.cuda.is_available() else "cpu"
        return files.load(cls, Path(folder), base, device, dtype)

    # -- parts -----------------------------------------------------------------------------------

    def _condition(
        self,
        states: torch.Tensor,
        after: torch.Tensor,
        actions: torch.Tensor,
        known: int,
        text: torch.Tensor,
    ) -> Condition:
        """Of past states (B, slots, P), future ones (B, n, P), actions (B, n, A), `known` told."""
        seen, count = states.shape[1], states.shape[1] + after.shape[1]
        told = torch.arange(count, device=states.device) < seen + known
        given = torch.cat([actions.new_zeros(len(actions), seen, actions.shape[2]), actions], 1)
        tokens, frames = self.adapter(torch.cat([states, after], 1), given, told, seen - 1)
        mask = torch.cat([torch.ones_like(tokens[..., 0], dtype=torch.bool), text.any(-1)], 1)
        return Condition(torch.cat([tokens, text.to(tokens)], 1), mask, frames)

    def _text(self, text: torch.Tensor | None, batch: int) -> torch.Tensor:
        shape = (batch, self.settings.text_length, self.family.token_width)
        if text is None:
            return torch.zeros(shape, device=self.device)
        if tuple(text.shape) != shape:
            raise ConfigError(f"text must be {shape} (text_length rows), got {tuple(text.shape)}")
        return text.to(self.device, torch.float32)

    def _standard(self, proprio: torch.Tensor) -> torch.Tensor:
        return (proprio - self.state_mean) / self.state_std

    def _push(self, slots: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
        """The anchor stays in its slot, the others are the last of old and new."""
        kept = slots[:, : int(self.settings.anchor)]
        recent = torch.cat([slots[:, kept.shape[1] :], new], 1)[:, -self.context_length :]
        return torch.cat([kept, recent], 1)
