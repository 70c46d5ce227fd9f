"""PretrainedConfig: which video model, what of it is trained, and what it is shown and asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from octoworld.core.errors import ConfigError, DatasetError

from ..dataset import EpisodeDataset


@dataclass(frozen=True)
class PretrainedConfig:
    """A pretrained video model that is made to follow a robot's actions."""

    model: str = ""
    """Hub id, e.g. `Wan-AI/Wan2.2-TI2V-5B-Diffusers` or `Lightricks/LTX-Video`, or a folder of the
    same layout: `transformer/` and `vae/`, and `scheduler/` where it has one."""
    revision: str = ""
    """Commit, branch or tag on the hub; "" is its main branch."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Of the transformer's pretrained weights; `bfloat16` on CUDA alone. What is trained stays
    float32, and so does the VAE, which draws worse in less."""
    resolution: tuple[int, int] = (0, 0)
    """Height and width that each camera's picture is resized to for the model [pixel]; (0, 0) is
    the smallest that VAE and patches can hold and that is not below the recordings'."""
    anchor: bool = True
    """Show the episode's first frame before the recent ones: what is hidden now was seen then."""
    context_length: int = 8
    """Recent frames that are shown. VAEs take 1 + n * r frames (r = 4 for Wan, 8 for LTX): with the
    anchor a multiple of r, without it 1 + a multiple; 1 is image-to-video."""
    max_chunk: int = 8
    """Most frames that one call imagines, a multiple of r."""
    sampling_steps: int = 8
    """Steps from noise to frames, by the model's own scheduler."""
    tune: Literal["lora", "full"] = "lora"
    """Low-rank adapters on the transformer, or all of its weights."""
    lora_rank: int = 32
    """Rank of the adapters; 0 leaves the transformer as it is: the action adapter alone."""
    lora_alpha: int = 32
    """The adapters' product is scaled by lora_alpha / lora_rank."""
    lora_targets: tuple[str, ...] = ()
    """Endings of the names of adapted layers, e.g. `to_q`; () is attention and feed-forward."""
    gradient_checkpointing: bool = True
    """On CUDA, compute activations again in the backward pass: less memory, a third more time."""
    adapter_width: int = 512
    """Width of the network that turns actions into what the transformer reads."""
    adapter_layers: int = 2
    """Its hidden layers."""
    state_octaves: int = 5
    """Sines and cosines of proprioception that it is given, periods 4 std, 2 std, ..."""
    text_length: int = 0
    """Rows of a precomputed embedding of the instruction that are read behind the actions; 0: none
    (what happens follows from the actions)."""
    context_noise: float = 0.05
    """Highest noise level mixed into past frames in training, and told; against drift."""
    state_noise: float = 0.03
    """Noise on the foreseen states told in training [std of the data]."""
    partial_share: float = 0.25
    """Share of training batches that are told fewer actions than they show frames of, so that any
    number of actions can be imagined."""
    moving_weight: float = 3.0
    """Extra weight of places that change between the last frame seen and the target."""
    state_hidden: int = 384
    """Hidden width of the model that foresees proprioception."""
    state_layers: int = 3
    """Its hidden layers."""
    worlds_at_once: int = 16
    """Worlds that are imagined together; more wait for their turn, since videos need memory."""

    def __post_init__(self) -> None:
        at_least = {
            "context_length": 1, "max_chunk": 1, "sampling_steps": 1, "lora_rank": 0,
            "lora_alpha": 1, "adapter_width": 1, "adapter_layers": 1, "state_octaves": 0,
            "text_length": 0, "context_noise": 0, "state_noise": 0, "moving_weight": 0,
            "state_hidden": 1, "state_layers": 1, "worlds_at_once": 1,
        }  # fmt: skip
        for name, least in at_least.items():
            if getattr(self, name) < least:
                raise ConfigError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not 0 <= self.partial_share <= 1 or self.context_noise >= 1:
            raise ConfigError(
                f"partial_share = {self.partial_share} must be in [0, 1], "
                f"context_noise = {self.context_noise} in [0, 1)"
            )
        if (min(self.resolution) > 0) != (max(self.resolution) > 0):
            raise ConfigError(f"resolution = {self.resolution}: give height and width, or (0, 0)")
        if self.tune == "full" and self.dtype == "bfloat16":
            raise ConfigError(
                "tune = 'full' needs dtype = 'float32': small steps of bfloat16 weights are "
                "rounded away"
            )

    @property
    def slots(self) -> int:
        """Past frames that are shown, the anchor counted."""
        return self.context_length + self.anchor


@dataclass(frozen=True)
class Robot:
    """What the recordings are of; a trained model imagines nothing else."""

    cameras: tuple[str, ...]
    """Cameras, from left to right in the video: one picture holds all views."""
    image_size: tuple[int, int]
    """Height and width of each camera's images [pixel]."""
    proprio_dim: int
    """P, numbers of proprioception."""
    action_dim: int
    """A, numbers of an action."""
    fps: float
    """Frames and actions a second."""

    @classmethod
    def of(cls, dataset: EpisodeDataset) -> Robot:
        """Of the recordings; DatasetError if there are no images, or they differ in size."""
        sizes = {name: tuple(x.shape[1:3]) for name, x in dataset.frames.items()}
        if len(set(sizes.values())) != 1:
            raise DatasetError(f"images of all cameras must have one size, got {sizes or 'none'}")
        height, width = next(iter(sizes.values()))
        return cls(
            cameras=tuple(sizes),
            image_size=(int(height), int(width)),
            proprio_dim=int(dataset.proprio.shape[1]),
            action_dim=int(dataset.actions.shape[1]),
            fps=float(dataset.episodes[0].fps),
        )


def device_dtype(config: PretrainedConfig, device: torch.device | str) -> torch.dtype:
    """Type that the transformer computes in; ConfigError for bfloat16 without CUDA."""
    if config.dtype == "bfloat16" and torch.device(device).type != "cuda":
        raise ConfigError(
            f"dtype = 'bfloat16' needs a CUDA device, got {device}; use dtype = 'float32' there"
        )
    return getattr(torch, config.dtype)
