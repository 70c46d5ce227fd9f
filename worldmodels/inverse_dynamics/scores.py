"""How well actions are read: exact match, macro-F1, precision, recall, error; by dimension."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import torch

from octoworld.core.errors import DatasetError

from ..dataset import EpisodeDataset
from .model import InverseDynamics, Reading
from .roles import check_unseen


@dataclass(frozen=True)
class InverseCard:
    """How actions were read; lists have one number for each of `dimensions`."""

    actions: int
    """Actions read."""
    dimensions: tuple[str, ...]
    """Names of the D dimensions."""
    refused: float
    """Share of actions that were not read, because the frames looked spoiled; they count as
    wrong below, `error` apart."""
    joint: float
    """Share of actions all of whose dimensions were put into the right bin."""
    exact: tuple[float, ...]
    """Share of actions put into the right bin."""
    macro_f1: tuple[float, ...]
    """F1 of each bin, all bins alike however rare; of bins that occur or are named."""
    precision: tuple[float, ...]
    """Share of right ones among those named, likewise."""
    recall: tuple[float, ...]
    """Share of found ones among those that occur, likewise."""
    error: tuple[float, ...]
    """Mean absolute error of the continuous head."""
    commonest: tuple[float, ...]
    """Share of the commonest bin: `exact` of who sees nothing and knows the data."""

    @property
    def mean_f1(self) -> float:
        """Macro-F1, mean over dimensions."""
        return sum(self.macro_f1) / len(self.macro_f1)

    def as_dict(self) -> dict:
        """Plain numbers by name."""
        return asdict(self) | {"mean_f1": self.mean_f1}


def inverse_card(
    bins: torch.Tensor,
    wanted_bins: torch.Tensor,
    values: torch.Tensor,
    wanted: torch.Tensor,
    num_bins: int,
    dimensions: tuple[str, ...],
) -> InverseCard:
    """The card of R actions: `bins` and `wanted_bins` (R, D) int64, `values` and `wanted` (R, D).

    `bins` are -1 where reading was refused.

    Raises:
        DatasetError: there is no action.
    """
    if not len(bins):
        raise DatasetError("no action to be judged: the clips are empty")
    right = bins == wanted_bins
    macro = [_macro(bins[:, d], wanted_bins[:, d], num_bins) for d in range(len(dimensions))]
    commonest = [
        float(torch.bincount(wanted_bins[:, d]).max()) / len(bins) for d in range(len(dimensions))
    ]
    return InverseCard(
        actions=len(bins),
        dimensions=tuple(dimensions),
        refused=float((bins < 0).any(1).float().mean()),
        joint=float(right.all(1).float().mean()),
        exact=tuple(right.float().mean(0).tolist()),
        macro_f1=tuple(m[0] for m in macro),
        precision=tuple(m[1] for m in macro),
        recall=tuple(m[2] for m in macro),
        error=tuple((values - wanted).abs().mean(0).tolist()),
        commonest=tuple(commonest),
    )


def clips_card(
    model: InverseDynamics, frames: Mapping[str, torch.Tensor], actions: torch.Tensor
) -> InverseCard:
    """The card on clips, camera -> (B, 1+K, H, W, 3) uint8, and actions (B, K, A): see `read`."""
    return _card(model, [(model.read(frames), actions)])


def evaluate_inverse_dynamics(model: InverseDynamics, dataset: EpisodeDataset) -> InverseCard:
    """The card on whole episodes.

    Raises:
        DatasetError: `model` learned from one of them, or none is long enough to be read.
    """
    check_unseen(model, dataset, "evaluation")
    stride, parts = model.settings.stride, []
    for episode in range(len(dataset)):
        steps = (int(dataset.lengths[episode]) - 1) // stride * stride
        if steps:
            rows = torch.from_numpy(dataset.rows(episode)[: steps + 1])
            frames = {c: x[rows][None] for c, x in dataset.frames.items()}
            parts.append((model.read(frames), dataset.actions[rows[:-1]][None]))
    return _card(model, parts)


def _card(model: InverseDynamics, parts: list[tuple[Reading, torch.Tensor]]) -> InverseCard:
    def flat(tensors: list[torch.Tensor]) -> torch.Tensor:
        return torch.cat([t.flatten(0, 1).cpu() for t in tensors]) if tensors else torch.empty(0, 0)

    settings = model.settings
    return inverse_card(
        flat([r.bins for r, _ in parts]),
        flat([model.asked_bins(a) for _, a in parts]),
        flat([r.values for r, _ in parts]),
        flat([model.asked(a) for _, a in parts]),
        settings.num_bins,
        settings.read_dimensions,
    )


def _macro(bins: torch.Tensor, wanted: torch.Tensor, num_bins: int) -> tuple[float, float, float]:
    """Macro F1, precision and recall of (R,) bins; a bin never named has precision 0."""
    hits = torch.bincount(wanted[bins == wanted], minlength=num_bins).float()
    named = torch.bincount(bins[bins >= 0], minlength=num_bins).float()
    there = torch.bincount(wanted, minlength=num_bins).float()
    used = (named + there) > 0
    f1 = 2 * hits / (named + there).clamp(min=1)
    precision, recall = hits / named.clamp(min=1), hits / there.clamp(min=1)
    return float(f1[used].mean()), float(precision[used].mean()), float(recall[used].mean())
