"""InverseDynamicsConfig: what an inverse-dynamics model looks at, and what it tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from octoworld.core.errors import ConfigError

Architecture = Literal["keypoints", "correlation"]
"""`keypoints`: where things are in each frame, and how far those places moved (keypoints.py).
`correlation`: which patch of one frame looks like which of the next (correlation.py)."""
CELL = 4
"""Side of the squares of pixels that both architectures reason about [pixel]."""


@dataclass(frozen=True)
class InverseDynamicsConfig:
    """Sizes of an inverse-dynamics model and what it is asked."""

    architecture: Architecture = "keypoints"
    """How motion is read. A reward and its judge must differ in it."""
    cameras: tuple[str, ...] = ("front",)
    """Cameras looked at, each by layers of its own."""
    image_size: int = 64
    """Height and width [pixel], a multiple of 8."""
    action_names: tuple[str, ...] = ()
    """What the A numbers of the robot's action are called; training takes them from the data."""
    dimensions: tuple[str, ...] = ()
    """Those that are read; () is all. Name fewer where the cameras cannot show some of them."""
    num_bins: int = 11
    """Equal bins on [-1, 1] of each dimension; odd, so that zero has a bin of its own."""
    stride: int = 1
    """Steps between the frames compared, and over which actions are averaged: 2 tells the mean of
    two actions twice as exactly, and who did what within the two not at all."""
    before: int = 1
    """Transitions before the one that is read that are looked at: they show the speed it began
    with. 0 and `after` 0 look at a pair of frames alone."""
    after: int = 1
    """Transitions after it: what lags behind its command, as a gripper does, shows up there."""
    width: int = 64
    """Channels of the convolutions."""
    num_points: int = 32
    """Keypoints a camera (`keypoints`)."""
    reach: int = 4
    """Cells of `CELL` pixels that a patch is looked for in each direction (`correlation`)."""
    layers: int = 2
    """Transformer blocks over patch tokens (`correlation`)."""
    hidden: int = 160
    """Width of what is known of a transition, and of the layers that name its action."""
    dropout: float = 0.0
    """Dropout before those layers."""

    def __post_init__(self) -> None:
        if not self.cameras or self.image_size < 16 or self.image_size % 8:
            raise ConfigError(
                f"cameras {self.cameras!r}: expected at least one; image_size {self.image_size}: "
                "expected a multiple of 8 from 16 on"
            )
        unknown = [d for d in self.dimensions if d not in self.action_names]
        if self.action_names and unknown:
            raise ConfigError(
                f"dimensions: {', '.join(unknown)} are no action of this robot; it has "
                f"{', '.join(self.action_names)}"
            )
        if self.num_bins < 3 or self.num_bins % 2 == 0:
            raise ConfigError(f"num_bins = {self.num_bins}: expected 3, 5, 7, ...")
        if self.stride < 1 or self.before < 0 or self.after < 0:
            raise ConfigError(
                f"stride {self.stride} must be at least 1, before {self.before} and after "
                f"{self.after} at least 0"
            )
        if self.width % 8 or self.hidden % 4:
            raise ConfigError(
                f"width {self.width} must be a multiple of 8, hidden {self.hidden} of 4"
            )

    @property
    def read_dimensions(self) -> tuple[str, ...]:
        """Names of the D dimensions that are read, in the order of the action."""
        wanted = self.dimensions or self.action_names
        return tuple(name for name in self.action_names if name in wanted)

    @property
    def columns(self) -> list[int]:
        """Their places in an action."""
        return [self.action_names.index(name) for name in self.read_dimensions]
