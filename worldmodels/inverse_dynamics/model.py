"""InverseDynamics: looks at a clip and says which actions made it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import nn

from octoworld.core.config import from_dict
from octoworld.core.errors import ActionError, ConfigError

from .bins import mean_actions, to_bins
from .config import InverseDynamicsConfig
from .correlation import CorrelationTrunk
from .keypoints import KeypointTrunk
from .quality import Doubt

TRUNKS = {"keypoints": KeypointTrunk, "correlation": CorrelationTrunk}


@dataclass
class Reading:
    """What was read off B clips: N = K / stride actions of D dimensions each."""

    logits: torch.Tensor
    """(B, N, D, num_bins) of the binned head."""
    values: torch.Tensor
    """(B, N, D) of the continuous head, in [-1, 1]."""
    doubt: torch.Tensor
    """(B, N) logit that the two frames are spoiled, so that nothing may be read off them."""
    state: torch.Tensor
    """(B, N, P) standardised proprioception of the later frame: asked in training alone."""

    @property
    def refused(self) -> torch.Tensor:
        """(B, N) bool."""
        return self.doubt > 0

    @property
    def bins(self) -> torch.Tensor:
        """(B, N, D) int64, the likeliest bins; -1, which no action asks for, where refused."""
        return self.logits.argmax(-1).masked_fill(self.refused[..., None], -1)


class InverseDynamics(ModelMixin, ConfigMixin):
    """Sees images alone: no proprioception, so that what is judged is what was drawn.

    Every two successive frames give a vector (`TRUNKS`); a window of such vectors is read by a
    binned head, which the match is judged by, and a continuous one, which is smooth. A third one
    refuses spoiled frames: motion can be read off a blurred or a faded picture as well, and a
    model rewarded for what is read off would be free to blur and fade (spoil.py).
    """

    config_name = "config.json"

    @register_to_config
    def __init__(
        self,
        inverse_config: dict,
        role: str = "",
        seed: int = 0,
        trained_on: Sequence[str] = (),
        state_dim: int = 0,
    ) -> None:
        """Build from `to_dict` of an InverseDynamicsConfig.

        Args:
            inverse_config: sizes.
            role: what it is trained for, see `roles.Role`.
            seed: the training's; a reward and its judge must differ in it.
            trained_on: ids of the episodes that it learns from (`roles.episode_ids`).
            state_dim: P, numbers of proprioception that it is taught to see; 0 for none.
        """
        super().__init__()
        self.settings = settings = from_dict(InverseDynamicsConfig, dict(inverse_config))
        if not settings.action_names:
            raise ConfigError(
                "action_names: expected a name for each number of an action, got none"
            )
        make = TRUNKS[settings.architecture]
        self.trunks = nn.ModuleList(make(settings) for _ in settings.cameras)
        seen = len(settings.cameras) * settings.hidden
        # what stands for transitions before the clip begins and after it ends
        self.absent = nn.Parameter(torch.zeros(seen))
        span = settings.before + 1 + settings.after
        num_read = len(settings.read_dimensions)
        self.head = nn.Sequential(
            nn.LayerNorm(span * seen),
            nn.Dropout(settings.dropout),
            nn.Linear(span * seen, settings.hidden),
            nn.SiLU(),
            nn.Linear(settings.hidden, settings.hidden),
            nn.SiLU(),
            nn.Linear(settings.hidden, num_read * (settings.num_bins + 1)),
        )
        self.state = nn.Linear(seen, state_dim) if state_dim else None
        self.doubt = Doubt(seen, len(settings.cameras))

    @property
    def cameras(self) -> tuple[str, ...]:
        """Cameras it looks at."""
        return self.settings.cameras

    @property
    def role(self) -> str:
        """What it was trained for: `reward` or `judge`."""
        return str(self.config["role"])

    @property
    def seed(self) -> int:
        """Seed of its training."""
        return int(self.config["seed"])

    @property
    def trained_on(self) -> frozenset[str]:
        """Ids of the episodes it learned from."""
        return frozenset(self.config["trained_on"])

    def forward(self, images: Mapping[str, torch.Tensor]) -> Reading:
        """Read images, camera -> (B, 1+N, 3, H, W) float in [-1, 1], `stride` steps apart."""
        settings = self.settings
        seen = torch.cat(
            [
                trunk(images[camera])
                for camera, trunk in zip(settings.cameras, self.trunks, strict=True)
            ],
            -1,
        )
        batch, steps = seen.shape[:2]
        absent = self.absent.expand(batch, 1, -1)
        padded = torch.cat(
            [absent.expand(-1, settings.before, -1), seen, absent.expand(-1, settings.after, -1)], 1
        )
        span = settings.before + 1 + settings.after
        window = torch.cat([padded[:, i : i + steps] for i in range(span)], -1)
        out = self.head(window).unflatten(-1, (len(settings.read_dimensions), -1))
        state = seen[..., :0] if self.state is None else self.state(seen)
        doubt = self.doubt(seen, [images[camera] for camera in settings.cameras])
        return Reading(out[..., :-1], out[..., -1].tanh(), doubt, state)

    @torch.no_grad()
    def read(self, frames: Mapping[str, torch.Tensor], batch_size: int = 64) -> Reading:
        """Read clips, camera -> (B, 1+K, H, W, 3) uint8 with K a multiple of `stride`.

        Raises:
            ConfigError: a camera is missing, or images are of another size or type.
            ActionError: K is no multiple of `stride`.
        """
        self.check_frames(frames)
        training = self.training
        self.eval()
        total = len(frames[self.cameras[0]])
        parts = []
        for first in range(0, total, batch_size):
            rows = slice(first, first + batch_size)
            parts.append(self(self.images({c: frames[c][rows] for c in self.cameras})))
        self.train(training)
        joined = (torch.cat([getattr(p, f.name) for p in parts]) for f in fields(Reading))
        return Reading(*joined)

    def images(self, frames: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """uint8 clips (B, 1+K, H, W, 3) as `forward` takes them, on the model's device."""
        stride = self.settings.stride
        return {
            camera: to_images(frames[camera][:, ::stride].to(self.device))
            for camera in self.cameras
        }

    def asked(self, actions: torch.Tensor) -> torch.Tensor:
        """What `Reading.values` should be: actions (B, K, A) to (B, N, D), on the model's device.

        Raises:
            ActionError: the actions are of another robot, or K is no multiple of `stride`.
        """
        self.check_actions(actions.shape[-1])
        wanted = mean_actions(actions, self.settings.stride)[..., self.settings.columns]
        return wanted.to(self.device)

    def asked_bins(self, actions: torch.Tensor) -> torch.Tensor:
        """What `Reading.bins` should be: actions (B, K, A) to (B, N, D) int64."""
        return to_bins(self.asked(actions), self.settings.num_bins)

    def check_frames(self, frames: Mapping[str, torch.Tensor]) -> None:
        """Raise ConfigError or ActionError if clips do not fit, see `read`."""
        size, stride = self.settings.image_size, self.settings.stride
        for camera in self.cameras:
            if camera not in frames:
                raise ConfigError(
                    f"the inverse-dynamics model looks through {', '.join(self.cameras)}; the "
                    f"clips have {', '.join(frames) or 'no camera'}"
                )
            shape = tuple(frames[camera].shape)
            if len(shape) != 5 or shape[2:] != (size, size, 3):
                raise ConfigError(
                    f"camera {camera}: expected clips (B, 1+K, {size}, {size}, 3), got {shape}"
                )
            if frames[camera].dtype != torch.uint8:
                raise ConfigError(f"camera {camera}: expected uint8, got {frames[camera].dtype}")
            if shape[1] < 1 + stride or (shape[1] - 1) % stride:
                raise ActionError(
                    f"camera {camera}: {shape[1]} frames; expected 1 + a multiple of stride = "
                    f"{stride}"
                )

    def check_actions(self, action_dim: int) -> None:
        """Raise ActionError if actions have another length than this robot's."""
        names = self.settings.action_names
        if action_dim != len(names):
            raise ActionError(
                f"actions of {action_dim} numbers: the inverse-dynamics model was made for a robot "
                f"with {len(names)} ({', '.join(names)})"
            )

    def fingerprint(self) -> str:
        """Hash of the weights, 16 hexadecimal digits: a gate's report is about these alone."""
        state = hashlib.blake2b(digest_size=8)
        for name, value in sorted(self.state_dict().items()):
            state.update(name.encode())
            state.update(value.detach().cpu().float().contiguous().numpy().tobytes())
        return state.hexdigest()


def to_images(frames: torch.Tensor) -> torch.Tensor:
    """uint8 (..., H, W, 3) to float (..., 3, H, W) in [-1, 1]."""
    return (frames.float() / 127.5 - 1).movedim(-1, -3)
