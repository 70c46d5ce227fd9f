"""How a world model follows actions, as others see it: a judge, a witness of places, the eye."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from octoworld.core.errors import ConfigError

from ..dataset import EpisodeDataset
from ..inverse_dynamics import InverseCard, InverseDynamics
from ..inverse_dynamics.scores import inverse_card
from ..metrics import psnr, ssim
from ..probe import StateProbe
from ..replay import start_rows
from .clips import Reward, Video
from .rewards import ThingsStay
from .sampler import Sampler

Frames = dict[str, torch.Tensor]
"""camera -> clips (B, 1 + K, H, W, 3) uint8."""


@dataclass
class Clips:
    """B moments of a data set and what was recorded from there on: K steps."""

    context: torch.Tensor
    """(B, 1 + context_length) rows before and at the moment."""
    rows: torch.Tensor
    """(B, 1 + K) rows from the moment on."""

    def part(self, index: torch.Tensor) -> Clips:
        """Some of them."""
        return Clips(self.context[index], self.rows[index])


@dataclass
class Witnesses:
    """Who looks at clips; none of them was part of a reward."""

    judge: InverseDynamics
    """Reads actions; another architecture, trained on other episodes than the reward's."""
    probe: StateProbe
    """Reads places [m]."""
    places: Mapping[str, tuple[slice, slice]]
    """Name -> columns of the probe, and columns of `dataset.state` that they are to equal."""


@dataclass
class Following:
    """What was seen of B clips, one number a clip and step unless said otherwise."""

    bins: torch.Tensor
    """(B, N, D) action bins that the judge reads; -1 refused."""
    wanted_bins: torch.Tensor
    """(B, N, D) those that were asked for."""
    values: torch.Tensor
    """(B, N, D) what its continuous head reads."""
    wanted: torch.Tensor
    """(B, N, D)."""
    num_bins: int
    dimensions: tuple[str, ...]
    errors: dict[str, torch.Tensor] = field(default_factory=dict)
    """(B, K) distance of places from those in true physics under the same actions [m], by name."""
    psnr: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    """(B, K) [dB]."""
    ssim: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    """(B, K)."""
    gone: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    """(B, K) bool: a colour of the first frame is mostly gone."""

    @property
    def match(self) -> torch.Tensor:
        """(B, N) bool: the whole action was read as it was asked for."""
        return (self.bins == self.wanted_bins).all(-1)

    def card(self) -> InverseCard:
        """The judge's card over all clips."""
        parts = self.bins, self.wanted_bins, self.values, self.wanted
        bins, wanted_bins, values, wanted = (x.flatten(0, 1) for x in parts)
        return inverse_card(bins, wanted_bins, values, wanted, self.num_bins, self.dimensions)


def draw_clips(
    dataset: EpisodeDataset, count: int, steps: int, context: int, generator: torch.Generator
) -> Clips:
    """`count` random moments with `steps` steps behind them.

    Raises:
        DatasetError: no episode is so long.
    """
    episode, time = dataset.sample_times(count, steps, generator)
    return Clips(
        start_rows(dataset, episode, time, context), dataset.windows(episode, time, 0, steps)
    )


@torch.no_grad()
def imagine_clips(
    sampler: Sampler,
    dataset: EpisodeDataset,
    clips: Clips,
    generator: torch.Generator,
    temperature: float,
    *,
    batch_size: int = 64,
    best_of: int = 1,
    reward: Reward | None = None,
) -> Frames:
    """What the model shows under the recorded actions, the recorded first frame in front.

    With `best_of` above 1 so many videos of each clip are imagined, chunk by chunk the one of the
    greatest `reward` is kept (search at inference time, which trains nothing).

    Raises:
        ConfigError: `best_of` without a reward, or clips are no whole number of chunks.
    """
    model = sampler.model
    size, steps = model.max_chunk, clips.rows.shape[1] - 1
    if best_of > 1 and reward is None:
        raise ConfigError(f"best_of = {best_of} needs a reward to choose by")
    if steps % size:
        raise ConfigError(f"clips of {steps} steps: expected a multiple of {size}")
    device = next(model.parameters()).device
    parts: list[Frames] = []
    for index in torch.arange(len(clips.rows)).split(batch_size):
        part = clips.part(index)
        latents, proprio = dataset.need_latents()[part.context], dataset.proprio[part.context]
        history = model.start_latents(latents.to(device), proprio.to(device))
        start = {c: dataset.frames[c][part.rows[:, 0]] for c in model.cameras}
        seen = {c: [x[:, None]] for c, x in start.items()}
        for first in range(0, steps, size):
            rows = part.rows[:, first : first + size + 1]
            actions = dataset.actions[rows[:, :-1]].to(device)
            tried = []
            for _ in range(best_of):
                choice, _ = sampler.sample(history, actions, generator, temperature)
                longer, shown = sampler.show(history, actions, choice, "all")
                tried.append((longer, {c: x.cpu() for c, x in shown.frames.items()}))
            history, frames = tried[0]
            if reward is not None and best_of > 1:
                told = torch.ones(len(index), dtype=torch.bool)
                scores = torch.stack(
                    [
                        reward(Video(_behind(seen, new), actions, rows, told, start)).mean(1)
                        for _, new in tried
                    ]
                )
                best = scores.argmax(0)
                history = _picked([h for h, _ in tried], best)
                frames = {
                    c: torch.stack([f[c] for _, f in tried])[best, torch.arange(len(index))]
                    for c in frames
                }
            for camera, x in frames.items():
                seen[camera].append(x)
        parts.append({c: torch.cat(x, 1) for c, x in seen.items()})
    return {c: torch.cat([p[c] for p in parts]) for c in model.cameras}


def recorded_clips(dataset: EpisodeDataset, clips: Clips, cameras: tuple[str, ...]) -> Frames:
    """The recorded frames: the ceiling of every measure."""
    return {c: dataset.frames[c][clips.rows] for c in cameras}


@torch.no_grad()
def redrawn_clips(sampler: Sampler, dataset: EpisodeDataset, clips: Clips) -> Frames:
    """The recorded frames as the model's codec draws them: what no model on it can pass."""
    model = sampler.model
    device = next(model.parameters()).device
    frames = {c: x[:, :1] for c, x in recorded_clips(dataset, clips, model.cameras).items()}
    later = []
    for rows in clips.rows[:, 1:].split(64):
        kept = model.start_latents(
            dataset.need_latents()[rows.flatten()][:, None].to(device),
            dataset.proprio[rows.flatten()][:, None].to(device),
        )
        drawn = model.decode(kept.latents[:, -1])
        later.append({c: x.cpu().unflatten(0, rows.shape) for c, x in drawn.items()})
    return {c: torch.cat([x, torch.cat([p[c] for p in later])], 1) for c, x in frames.items()}


@torch.no_grad()
def measure_following(
    frames: Frames, dataset: EpisodeDataset, clips: Clips, witnesses: Witnesses
) -> Following:
    """Look at clips, shown under the actions recorded in `dataset` from `clips` on.

    What was recorded is what true physics did from the same state under the same actions.
    """
    judge, probe = witnesses.judge, witnesses.probe
    actions = dataset.actions[clips.rows[:, :-1]]
    reading = judge.read(frames)
    found = Following(
        reading.bins.cpu(), judge.asked_bins(actions).cpu(), reading.values.cpu(),
        judge.asked(actions).cpu(), judge.settings.num_bins, judge.settings.read_dimensions,
    )  # fmt: skip
    later = {c: x[:, 1:] for c, x in frames.items()}
    places, state = probe.read(later).cpu(), dataset.state[clips.rows[:, 1:]]
    for name, (seen, true) in witnesses.places.items():
        found.errors[name] = (places[..., seen] - state[..., true]).norm(dim=-1)
    real = {c: dataset.frames[c][clips.rows[:, 1:]] for c in frames}
    found.psnr = torch.stack([psnr(later[c], real[c]) for c in frames]).mean(0)
    found.ssim = torch.stack([ssim(later[c], real[c]) for c in frames]).mean(0)
    start = {c: x[:, 0] for c, x in frames.items()}
    told = torch.ones(len(actions), dtype=torch.bool)
    found.gone = ThingsStay()(Video(frames, actions, clips.rows, told, start))
    return found


def _behind(seen: Mapping[str, list[torch.Tensor]], new: Mapping[str, torch.Tensor]) -> Frames:
    return {c: torch.cat([seen[c][-1][:, -1:], x], 1) for c, x in new.items()}


def _picked(histories: list, best: torch.Tensor):
    """Of each world the history that was chosen for it."""
    tensors = zip(*(h.tensors() for h in histories), strict=True)
    rows = torch.arange(len(best))
    chosen = [torch.stack(t)[best.to(t[0].device), rows.to(t[0].device)] for t in tensors]
    return type(histories[0])(*chosen)
