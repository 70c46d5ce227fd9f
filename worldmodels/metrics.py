"""How well a world model foresees: picture quality, object pixels, state, by horizon."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
from torch.nn import functional as F

from octoworld.core.errors import DatasetError

from .dataset import EpisodeDataset
from .frechet import frechet_distance, rows_needed
from .latent_model import LatentWorldModel
from .perceptual import PerceptualNetwork
from .replay import start_rows

MaskFn = Callable[[torch.Tensor], torch.Tensor]
"""Images (..., H, W, 3) uint8 to the object's pixels (..., H, W) bool."""
CLIP_FRAMES = 4
"""Frames of a roll-out, evenly spread over it, whose features are joined for clips."""


@dataclass
class RolloutReport:
    """Errors of imagined rows against recorded ones, one number per horizon in `steps`."""

    steps: list[int]
    """Steps after the start."""
    psnr: list[float]
    """Peak signal-to-noise ratio of decoded frames [dB]."""
    ssim: list[float]
    """Structural similarity (7x7 windows)."""
    latent_error: list[float]
    """RMS error of standardised latents."""
    still_latent_error: list[float]
    """The same if nothing had moved since the start: what a model must beat."""
    proprio_error: list[list[float]]
    """Mean absolute error of each proprioceptive number, in its unit."""
    object_recall: list[float]
    """Share of the object's true pixels at which (or beside which) the imagined one is drawn."""
    best_object_recall: list[float]
    """The same of the true frame after the autoencoder: no model on it can do better."""
    moved_object_recall: list[float]
    """The same over the pixels of all frames at and beside which no object was at the start: 0 if
    nothing moves, while a thing left alone scores in `object_recall` without any foresight."""
    best_moved_object_recall: list[float]
    """The same of the true frame after the autoencoder."""
    object_error: dict[str, list[float]]
    """Mean distance of the objects the model believes in from the recorded ones, by name, in their
    unit."""
    drawn_object_error: dict[str, list[float]]
    """The same of the objects that its eyes find in the imagined frame."""
    best_object_error: dict[str, list[float]]
    """The same of those that its eyes find in the true frame: the eyes' own error."""
    still_psnr: list[float] = field(default_factory=list)
    """`psnr` of the first true frame: if nothing had moved."""
    still_proprio_error: list[list[float]] = field(default_factory=list)
    """`proprio_error` if nothing had moved."""
    perceptual_distance: list[float] = field(default_factory=list)
    """Mean distance of an own network (`worldmodels/perceptual.py`); empty without one."""
    still_perceptual_distance: list[float] = field(default_factory=list)
    """The same of the first true frame."""
    best_perceptual_distance: list[float] = field(default_factory=list)
    """The same of the true frame after the autoencoder: no model on it can do better."""
    frechet_distance: list[float] = field(default_factory=list)
    """Fréchet distance of imagined and true frames by that network."""
    still_frechet_distance: list[float] = field(default_factory=list)
    """The same of the first true frames."""
    clip_frechet_distance: float | None = None
    """Fréchet distance of whole roll-outs, `CLIP_FRAMES` frames of each joined."""

    def as_dict(self) -> dict:
        """Plain numbers by name."""
        return asdict(self)


def psnr(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Of uint8 images (..., H, W, 3), (...) [dB]."""
    error = (a.float() - b.float()).div(255).pow(2).mean((-3, -2, -1))
    return -10 * torch.log10(error.clamp(min=1e-10))


def ssim(a: torch.Tensor, b: torch.Tensor, window: int = 7) -> torch.Tensor:
    """Structural similarity of uint8 images (..., H, W, 3), (...), uniform windows (Wang 2004)."""
    lead = a.shape[:-3]
    x, y = (v.reshape(-1, *v.shape[-3:]).movedim(-1, 1).float().div(255) for v in (a, b))

    def mean(v: torch.Tensor) -> torch.Tensor:
        return F.avg_pool2d(v, window, stride=1)

    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    c1, c2 = 0.01**2, 0.03**2
    score = ((2 * mx * my + c1) * (2 * cov + c2)) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    return score.mean((1, 2, 3)).view(lead)


def saturated_pixels(images: torch.Tensor, contrast: float = 0.35) -> torch.Tensor:
    """Strongly coloured pixels: the movable things of our scenes; robots and tables are grey."""
    channels = images.float().div(255)
    return channels.amax(-1) - channels.amin(-1) > contrast


def mask_recall(true: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
    """Share of true mask pixels (B, H, W) with a seen one at most 1 pixel off; NaN where none."""
    wide = _widened(seen)
    total = true.sum((1, 2)).float()
    return torch.where(total > 0, (true & wide).sum((1, 2)) / total.clamp(min=1), torch.nan)


def _widened(mask: torch.Tensor) -> torch.Tensor:
    """The mask (B, H, W) and the pixels beside it."""
    return F.max_pool2d(mask.float()[:, None], 3, stride=1, padding=1)[:, 0] > 0


@torch.no_grad()
def rollout_report(
    model: LatentWorldModel,
    dataset: EpisodeDataset,
    generator: torch.Generator,
    *,
    num_starts: int = 64,
    chunks: int = 4,
    teacher_forced: bool = False,
    objects: Mapping[str, slice] | None = None,
    object_mask: MaskFn | None = saturated_pixels,
    perceptual: PerceptualNetwork | None = None,
) -> RolloutReport:
    """Replay recorded actions from recorded rows and compare at the end of every chunk.

    Args:
        model: the world model.
        dataset: held-out episodes with images and latents.
        generator: draws starts and noise.
        num_starts: roll-outs.
        chunks: length; each chunk is one column of the report.
        teacher_forced: start each chunk from recorded rows instead of imagined ones.
        objects: columns of `dataset.objects` whose errors are reported, by name; left out where
            the model knows no objects.
        object_mask: finds the object's pixels, or None. Only pixels outside the background count.
        perceptual: a network for distances of pictures, trained on none of these episodes; asks
            for at least `frechet.rows_needed` starts.
    """
    latents, size = dataset.need_latents(), model.max_chunk
    episode, time = dataset.sample_times(num_starts, chunks * size, generator)
    history = _start(model, dataset, episode, time)
    began = dataset.windows(episode, time, 0, 0)[:, 0]
    first, rows_of_first = latents[began], torch.from_numpy(dataset.starts[episode])
    report = RolloutReport([], [], [], [], [], [], [], [], [], [], {}, {}, {})
    looks = None if perceptual is None else _Looks(perceptual, report)
    for index in range(chunks):
        if teacher_forced:
            history = _start(model, dataset, episode, time + index * size)
        rows = dataset.windows(episode, time + index * size, 0, size)
        actions = dataset.actions[rows[:, :-1]].to(model.device)
        history, imagined = model.imagine(history, actions, generator, "last")
        now = rows[:, -1]
        seen, true = imagined_latents(imagined), latents[now]
        report.steps.append((index + 1) * size)
        report.latent_error.append(float((seen - true).pow(2).mean().sqrt()))
        report.still_latent_error.append(float((first - true).pow(2).mean().sqrt()))
        error = (imagined.proprio[:, -1].cpu() - dataset.proprio[now]).abs().mean(0)
        report.proprio_error.append([float(e) for e in error])
        still_error = (dataset.proprio[began] - dataset.proprio[now]).abs().mean(0)
        report.still_proprio_error.append([float(e) for e in still_error])
        pictures = [(imagined.frames[c][:, 0].cpu(), dataset.frames[c][now]) for c in model.cameras]
        report.psnr.append(float(torch.stack([psnr(a, b) for a, b in pictures]).mean()))
        report.ssim.append(float(torch.stack([ssim(a, b) for a, b in pictures]).mean()))
        kept = [(dataset.frames[c][began], dataset.frames[c][now]) for c in model.cameras]
        report.still_psnr.append(float(torch.stack([psnr(a, b) for a, b in kept]).mean()))
        if looks is not None:
            best = model.decode(true.to(model.device))
            looks.note(pictures, kept, [(best[c].cpu(), dataset.frames[c][now]) for c in best])
        if object_mask is not None:
            still = [object_mask(dataset.frames[c][began]) for c in model.cameras]
            recall = _object_recalls(model, pictures, object_mask, still)
            drawn = model.decode(true.to(model.device))
            best = [(drawn[c].cpu(), dataset.frames[c][now]) for c in model.cameras]
            best_recall = _object_recalls(model, best, object_mask, still)
            report.object_recall.append(recall[0])
            report.moved_object_recall.append(recall[1])
            report.best_object_recall.append(best_recall[0])
            report.best_moved_object_recall.append(best_recall[1])
        if objects and model.object_dim:
            assert imagined.objects is not None
            if dataset.objects is None:
                raise DatasetError("errors of objects are asked for; the dataset has none")
            beheld = [
                model.find_objects(*(x.to(model.device) for x in given)).cpu()
                for given in (
                    (latents[rows_of_first], seen, imagined.proprio[:, -1]),
                    (latents[rows_of_first], true, dataset.proprio[now]),
                )
            ]
            found = imagined.objects[:, -1].cpu(), *beheld
            kinds = report.object_error, report.drawn_object_error, report.best_object_error
            for kind, guess in zip(kinds, found, strict=True):
                for name, columns in objects.items():
                    error = (guess - dataset.objects[now])[:, columns].norm(dim=-1)
                    kind.setdefault(name, []).append(float(error.mean()))
    if looks is not None:
        looks.finish()
    return report


Pictures = list[tuple[torch.Tensor, torch.Tensor]]
"""Frames seen and true, (B, H, W, 3) uint8, of each camera."""


class _Looks:
    """Distances of pictures by a network, horizon after horizon, noted in a report."""

    def __init__(self, network: PerceptualNetwork, report: RolloutReport) -> None:
        self.network, self.report = network, report
        self._clips: list[list[torch.Tensor]] = [[], []]

    def note(self, imagined: Pictures, still: Pictures, best: Pictures) -> None:
        """One horizon: imagined frames, the first ones, and true ones after the autoencoder."""
        report = self.report
        seen, true = (self._features([pair[i] for pair in imagined]) for i in (0, 1))
        first = self._features([pair[0] for pair in still])
        report.perceptual_distance.append(self._distance(imagined))
        report.still_perceptual_distance.append(self._distance(still))
        report.best_perceptual_distance.append(self._distance(best))
        report.frechet_distance.append(frechet_distance(seen, true))
        report.still_frechet_distance.append(frechet_distance(first, true))
        for clip, features in zip(self._clips, (seen, true), strict=True):
            clip.append(features)

    def finish(self) -> None:
        """Whole roll-outs, where there are enough of them."""
        steps = np.unique(np.linspace(0, len(self._clips[0]) - 1, CLIP_FRAMES).round().astype(int))
        seen, true = (torch.cat([clip[i] for i in steps], 1) for clip in self._clips)
        if len(seen) >= rows_needed(seen.shape[1]):
            self.report.clip_frechet_distance = frechet_distance(seen, true)

    def _features(self, images: list[torch.Tensor]) -> torch.Tensor:
        """(cameras x B, F)."""
        return torch.cat([self.network.features(x) for x in images])

    def _distance(self, pictures: Pictures) -> float:
        return float(torch.stack([self.network.distance(a, b) for a, b in pictures]).mean())


@torch.no_grad()
def action_following(
    model: LatentWorldModel,
    dataset: EpisodeDataset,
    generator: torch.Generator,
    *,
    num_starts: int = 64,
    chunks: int = 2,
) -> float:
    """Share of starts where the true actions foresee the future better than another clip's.

    0.5 is a model that does not listen to actions (tinywmcraft's AF).
    """
    latents, steps = dataset.need_latents(), chunks * model.max_chunk
    episode, time = dataset.sample_times(num_starts, steps, generator)
    rows = dataset.windows(episode, time, 0, steps)
    actions = dataset.actions[rows[:, :-1]].to(model.device)
    true = latents[rows[:, -1]]
    errors = []
    for given in (actions, actions.roll(1, 0)):
        history = _start(model, dataset, episode, time)
        imagined = None
        for part in given.split(model.max_chunk, 1):
            history, imagined = model.imagine(history, part, generator, "none")
        errors.append((imagined_latents(imagined) - true).pow(2).mean((1, 2)))
    return float((errors[0] < errors[1]).float().mean())


def imagined_latents(imagined) -> torch.Tensor:
    """Latents (B, S, C) of the last imagined step, on the CPU."""
    return imagined.latents[:, -1].cpu()


def _start(model: LatentWorldModel, dataset: EpisodeDataset, episode: np.ndarray, time: np.ndarray):
    rows = start_rows(dataset, episode, time, model.context_length)
    latents = dataset.need_latents()[rows].to(model.device)
    return model.start_latents(latents, dataset.proprio[rows].to(model.device))


def _object_recalls(
    model: LatentWorldModel,
    pictures: list[tuple[torch.Tensor, torch.Tensor]],
    object_mask: MaskFn,
    still: list[torch.Tensor],
) -> tuple[float, float]:
    """Recall of all object pixels, and of those away from `still`, each camera's first mask."""
    recalls, found, moved = [], 0.0, 0.0
    for index, (seen, true) in enumerate(pictures):
        background = model.autoencoder.background[index].cpu().movedim(0, -1).mul(255)
        shown = object_mask(true) & ((true.float() - background).abs().amax(-1) > 30)
        recalls.append(mask_recall(shown, object_mask(seen)))
        away = shown & ~_widened(still[index])
        moved += float(away.sum())
        found += float((away & _widened(object_mask(seen))).sum())
    return float(torch.cat(recalls).nanmean()), found / moved if moved else float("nan")
