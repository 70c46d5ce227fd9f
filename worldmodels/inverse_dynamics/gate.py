"""The gate: what reads actions off real clips must fail on clips that do not show them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import torch

from octoworld.core.config import from_dict
from octoworld.core.errors import ConfigError, DatasetError, OctoworldError
from octoworld.core.io import read_json, write_json

from ..dataset import EpisodeDataset
from ..looks import motion
from .broken import Frames, blurred, darkened, reversed_in_time, shuffled, static
from .model import InverseDynamics
from .roles import check_unseen

REAL = "real"
BROKEN = ("static", "blurred", "shuffled", "reversed", "wrong_action", "darkened")
"""Kinds of clips that must fail."""
Redraw = Callable[[Frames], Mapping[str, torch.Tensor]]
"""Clips to clips, by an autoencoder for example."""


class GateError(OctoworldError, RuntimeError):
    """An inverse-dynamics model is not good enough to be a reward or a judge."""


@dataclass(frozen=True)
class GateConfig:
    """What is tried and what is asked.

    *Which match?* The issue's 0.7 and 0.4 are of the whole action (`joint`): an action is obeyed
    if all of it is. By dimension (`dimension`, the mean over them) 0.4 cannot be asked of broken
    clips: with 3 bins chance alone is a third and the commonest bin mostly more; a gripper that
    is told where to be, not how to move, stands in every frame, so a frozen or a shuffled clip
    shows it rightly. Both are measured and reported.

    *Which clips?* A clip in which next to nothing moves is read alike frozen, backwards or
    shuffled, and rightly so. So clips are drawn from the part of the data that moves most
    (`moving_share`), seen by the change of pixels, and the report says (`idle`) in what share of
    their actions all of the dimensions were in their middle bin.
    """

    clips: int = 128
    """Clips of each kind."""
    steps: int = 8
    """Actions of a clip, a multiple of the model's stride; at least 3 frames after the first."""
    real: float = 0.7
    """Least match on real clips."""
    broken: float = 0.4
    """Most on any broken kind."""
    measure: Literal["joint", "dimension"] = "joint"
    """Which match is asked, see above."""
    moving_share: float = 0.5
    """Share of the possible clips, those with most motion, from which clips are drawn."""
    blur: float = 0.06
    """Standard deviation of the blur, as a share of the image's side."""
    brightness: float = 0.25
    """Of darkened frames, as a share of their own."""

    def __post_init__(self) -> None:
        if self.clips < 2 or self.steps < 3:
            raise ConfigError(
                f"clips {self.clips} must be at least 2, steps {self.steps} at least 3"
            )
        for name in ("real", "broken", "moving_share", "blur", "brightness"):
            value = getattr(self, name)
            if not 0 < value <= 1:
                raise ConfigError(f"{name} = {value}: expected inside (0, 1]")


@dataclass(frozen=True)
class GateReport:
    """What the gate measured; `passed` says whether it was enough."""

    fingerprint: str
    """Hash of the weights that were tried."""
    dimensions: tuple[str, ...]
    """Names of the D dimensions."""
    joint: dict[str, float]
    """Kind of clip -> share of actions read rightly in all dimensions."""
    dimension: dict[str, tuple[float, ...]]
    """Kind of clip -> share read rightly, by dimension."""
    idle: float
    """Share of actions in whose middle bins all dimensions are: a frozen clip shows those."""
    config: GateConfig = field(default_factory=GateConfig)
    """What was tried and asked."""

    def score(self, kind: str) -> float:
        """The match that is asked, of one kind of clip."""
        if self.config.measure == "joint":
            return self.joint[kind]
        values = self.dimension[kind]
        return sum(values) / len(values)

    @property
    def failures(self) -> list[str]:
        """What was not good enough, a phrase each."""
        need, most = self.config.real, self.config.broken
        found = []
        if self.score(REAL) < need:
            found.append(f"real clips {self.score(REAL):.2f}, at least {need} is asked")
        for kind in BROKEN:
            if self.score(kind) > most:
                found.append(f"{kind} clips {self.score(kind):.2f}, at most {most} is allowed")
        return found

    @property
    def passed(self) -> bool:
        """Whether the model may be used."""
        return not self.failures

    def require(self, what: str) -> None:
        """Raise GateError naming what failed, if anything did."""
        if self.failures:
            raise GateError(
                f"the inverse-dynamics model is not fit to be {what}; {self.config.measure} exact "
                f"match over {', '.join(self.dimensions)}: {'; '.join(self.failures)}. Train it "
                "longer, give it more cameras or a longer window, or ask for fewer bins or "
                "dimensions"
            )

    def save(self, path: Path | str) -> None:
        """Write as JSON, atomically."""
        write_json(path, asdict(self) | {"passed": self.passed})

    @classmethod
    def load(cls, path: Path | str) -> GateReport:
        """Read a saved report; CheckpointError names a missing or damaged file."""
        rows = read_json(path)
        rows.pop("passed", None)
        return from_dict(cls, rows)


@torch.no_grad()
def gate(
    model: InverseDynamics,
    dataset: EpisodeDataset,
    generator: torch.Generator,
    config: GateConfig | None = None,
    redraw: Redraw | None = None,
) -> GateReport:
    """Read real clips of `dataset` and the same clips broken in `BROKEN` ways.

    Args:
        model: the network that is tried.
        dataset: episodes that it has not learned from.
        generator: draws clips and orders.
        config: what is tried and asked.
        redraw: applied to the clips before anything else; give the round trip through an
            autoencoder to learn whether what it keeps is enough for `model`.

    Raises:
        DatasetError: `model` learned from an episode, or episodes are too short or too few.
    """
    config = config or GateConfig()
    check_unseen(model, dataset, "gate")
    rows = moving_clips(dataset, model.cameras, config, generator)
    frames: Frames = {c: dataset.frames[c][rows] for c in model.cameras if c in dataset.frames}
    if redraw is not None:
        frames = dict(redraw(frames))
    model.check_frames(frames)
    actions = dataset.actions[rows[:, :-1]]
    asked = model.asked_bins(actions)
    size = model.settings.image_size
    tried = {
        REAL: frames,
        "static": static(frames),
        "blurred": blurred(frames, config.blur * size),
        "shuffled": shuffled(frames, generator),
        "reversed": reversed_in_time(frames),
        "darkened": darkened(frames, config.brightness),
    }
    right = {kind: model.read(clips).bins == asked for kind, clips in tried.items()}
    # rows are in the order of the episodes: half the clips on is another episode's
    right["wrong_action"] = model.read(frames).bins == asked.roll(len(rows) // 2, 0)
    middle = model.settings.num_bins // 2
    kinds = (REAL, *BROKEN)
    return GateReport(
        fingerprint=model.fingerprint(),
        dimensions=model.settings.read_dimensions,
        joint={k: float(right[k].all(-1).float().mean()) for k in kinds},
        dimension={k: tuple(right[k].float().mean((0, 1)).tolist()) for k in kinds},
        idle=float((asked == middle).all(-1).float().mean()),
        config=config,
    )


def moving_clips(
    dataset: EpisodeDataset,
    cameras: tuple[str, ...],
    config: GateConfig,
    generator: torch.Generator,
) -> torch.Tensor:
    """Rows (clips, 1 + steps) of clips that move, in the order of their episodes.

    Raises:
        DatasetError: no episode is long enough, or all clips are of one episode.
    """
    lengths = torch.from_numpy(dataset.lengths)
    free = (lengths - config.steps).clamp(min=0)
    if int((free > 0).sum()) < 2:
        raise DatasetError(
            f"the gate needs two episodes of more than {config.steps} steps; of {len(dataset)} "
            f"{int((free > 0).sum())} are (longest: {int(lengths.max())})"
        )
    begin = torch.cat(
        [
            int(start) + torch.arange(int(count))
            for start, count in zip(dataset.starts, free, strict=True)
        ]
    )
    change = torch.zeros(dataset.num_rows)
    for camera in cameras:
        if camera in dataset.frames:
            images = dataset.frames[camera]
            change[1:] += motion(images[:-1], images[1:])
    inside = begin[:, None] + torch.arange(1, config.steps + 1)
    amount = change[inside].mean(1)
    kept = max(1, round(len(begin) * config.moving_share))
    begin = begin[amount.argsort(descending=True)[:kept]]
    draw = torch.randint(len(begin), (config.clips,), generator=generator)
    return begin[draw].sort().values[:, None] + torch.arange(config.steps + 1)
