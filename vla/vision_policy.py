"""What every policy that sees, hears and feels shares: its inputs, statistics and files."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
from torch import nn

from octoworld.core.errors import CheckpointError, ConfigError

from .checkpoint import PROCESSOR, read_config, read_weights, write_config, write_weights
from .policy import ActionChunk, Observation
from .processors import Processor, Statistics, images_to_float

if TYPE_CHECKING:
    from .imitation import Batch, Draws
    from .sft import SftConfig

_MAX_DEVIATIONS = 5.0
"""Proprioception is cut this many standard deviations from the mean of the training data."""


@dataclass(frozen=True)
class VisionConfig:
    """What a policy is made for. Fields marked "from the data" are filled in by training."""

    cameras: tuple[str, ...] = ("front",)
    """Cameras it looks through; they share weights."""
    image_size: int = 64
    """Height and width of every camera image [px]; a multiple of 16."""
    state_dim: int = 0
    """P, length of `observation.state`; 0: from the data."""
    action_dim: int = 0
    """A, length of an action; 0: from the data."""
    robot: str = ""
    """Robot it drives; "": from the data."""
    control_mode: str = ""
    """What its actions mean, e.g. `ee_delta_pos`; "": from the data."""
    chunk_size: int = 4
    """K, actions given by one call."""
    text_width: int = 96
    """Width of a word embedding."""
    text_depth: int = 2
    """Layers of the text encoder."""
    max_words: int = 16
    """Words of an instruction that are read; later ones are cut."""

    @property
    def horizon(self) -> int:
        """Actions predicted at once, which a row of training data must hold."""
        return self.chunk_size

    def __post_init__(self) -> None:
        for holds, name, expected in self.checks():
            if not holds:
                raise ConfigError(f"{name} = {getattr(self, name)!r}: expected {expected}")

    def checks(self) -> tuple[tuple[bool, str, str], ...]:
        """(holds, field, what was expected) of every rule."""
        return (
            (len(self.cameras) > 0, "cameras", "at least one camera"),
            (self.image_size > 0 and self.image_size % 16 == 0, "image_size", "a multiple of 16"),
            (self.chunk_size > 0, "chunk_size", "at least 1"),
            (self.text_width > 0 and self.text_width % 4 == 0, "text_width", "a multiple of 4"),
            (self.max_words > 0, "max_words", "at least 1"),
        )


@dataclass(frozen=True)
class Inputs:
    """An observation of N worlds as networks take it."""

    images: dict[str, torch.Tensor]
    """camera -> (N, 3, H, W) in [-1, 1]."""
    state: torch.Tensor
    """(N, P) proprioception in the environment's units."""
    tokens: torch.Tensor
    """(U, L) word ids of the distinct instructions."""
    token_rows: torch.Tensor
    """(N,) which of the U instructions each world has."""


class VisionPolicy(nn.Module):
    """Base of the policies that `vla.sft` trains; a `vla.policy.Policy`.

    A subclass names its `kind` and `config_class`, builds its weights, and gives `act`, `log_prob`
    and `imitation_loss`.
    """

    kind: ClassVar[str]
    """Name in the registry and in `config.json`."""
    config_class: ClassVar[type[VisionConfig]]
    """Dataclass of its config."""
    config: Any
    chunk_size: int
    """K, actions given by one call."""
    state_mean: torch.Tensor
    state_std: torch.Tensor
    action_mean: torch.Tensor
    action_std: torch.Tensor

    def __init__(self, config: VisionConfig, processor: Processor) -> None:
        """Keep the config and the statistics; no weights yet.

        Raises:
            ConfigError: sizes are missing or do not fit the processor's statistics.
        """
        super().__init__()
        self.config, self.processor = config, processor
        for name, statistics in (("state", processor.state), ("action", processor.action)):
            check_size(config, f"{name}_dim", statistics)
            for part, value in zip(("mean", "std"), statistics.tensors(), strict=True):
                self.register_buffer(f"{name}_{part}", value, persistent=False)

    @property
    def frames_back(self) -> tuple[int, ...]:
        """Steps back of the frames that it sees, the present (0) last."""
        return (0,)

    def check_density(self) -> None:
        """Raise ConfigError, with what to use instead, if its actions have no known density."""

    @property
    def num_value_features(self) -> int:
        """F of `value_features`; raises as it does."""
        raise ConfigError(
            f"a {self.kind} policy has no features for a critic; use the policy tiny, or an "
            "estimator without critic: loo, grpo, dr_grpo"
        )

    def value_features(self, obs: Observation, instructions: Sequence[str]) -> torch.Tensor:
        """(N, F) what a critic may know, without gradient; ConfigError where there is nothing."""
        return torch.zeros(len(instructions), self.num_value_features)

    def reset(self, mask: torch.Tensor | None = None) -> None:
        """Forget the history of the masked worlds (default all); nothing where there is none."""

    @abstractmethod
    def act(
        self,
        obs: Observation,
        instructions: Sequence[str],
        *,
        temperature: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> ActionChunk:
        """The next chunk; see `Policy.act`."""

    @abstractmethod
    def log_prob(
        self,
        obs: Observation,
        instructions: Sequence[str],
        raw_actions: torch.Tensor,
        temperature: float = 1.0,
    ) -> torch.Tensor:
        """(N,) mean log-density per dimension; see `Policy.log_prob`."""

    @abstractmethod
    def imitation_loss(
        self, batch: Batch, draws: Draws, config: SftConfig
    ) -> dict[str, torch.Tensor]:
        """Scalars to log, among them `loss`, which is minimised; noise comes from `draws`."""

    def save_pretrained(self, folder: Path | str) -> None:
        """Write `config.json`, `model.safetensors` and `processor.json`."""
        self.processor.save(Path(folder) / PROCESSOR)
        write_weights(folder, self)
        write_config(folder, self.kind, self.config)

    @classmethod
    def from_pretrained(cls, folder: Path | str) -> Self:
        """Read what `save_pretrained` wrote, ready to act.

        Raises:
            CheckpointError: a file is missing, damaged, or does not fit the others.
        """
        config = read_config(folder, cls.kind, cls.config_class)
        processor = Processor.load(Path(folder) / PROCESSOR)
        try:
            policy = cls(config, processor)
        except ConfigError as error:
            raise CheckpointError(f"{folder}: {error}") from None
        read_weights(folder, policy)
        return policy.eval()

    def read(self, obs: Observation, instructions: Sequence[str]) -> Inputs:
        """Check an observation and move it to the policy's device.

        Raises:
            CheckpointError: the observation is not of the cameras, image size or proprioception
                that the policy was made for.
        """
        config, device = self.config, self.state_mean.device
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
        return Inputs(images, state.to(device, torch.float32), tokens, rows)

    def deviations(self, state: torch.Tensor) -> torch.Tensor:
        """(..., P) proprioception in standard deviations of the training data, cut at five."""
        return ((state - self.state_mean) / self.state_std).clamp(-_MAX_DEVIATIONS, _MAX_DEVIATIONS)


def check_size(config: Any, name: str, statistics: Statistics | None) -> None:
    """Raise ConfigError unless the field `name` is the length of the statistics."""
    size = len(statistics.mean) if statistics else 0
    if getattr(config, name) != size:
        raise ConfigError(
            f"{name} = {getattr(config, name)}, but the processor holds statistics of {size}"
        )


def _column(obs: Observation, name: str, config: Any) -> Any:
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
