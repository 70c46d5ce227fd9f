"""ActionSampler: clips in which rare actions are seen as often as common ones."""

from __future__ import annotations

import torch

from octoworld.core.errors import ConfigError, DatasetError

from ..dataset import EpisodeDataset
from .bins import to_bins
from .config import InverseDynamicsConfig


class ActionSampler:
    """Draws rows of clips; a share of the clips is drawn by how rare one of their actions is."""

    def __init__(
        self,
        dataset: EpisodeDataset,
        config: InverseDynamicsConfig,
        steps: int,
        balanced_share: float,
    ) -> None:
        """Prepare clips of `steps` actions.

        Raises:
            ConfigError: `steps` is no multiple of the stride, or the share not in [0, 1].
            DatasetError: no episode is so long.
        """
        if steps < config.stride or steps % config.stride:
            raise ConfigError(
                f"clip_steps = {steps}: expected a multiple of stride = {config.stride}"
            )
        if not 0 <= balanced_share <= 1:
            raise ConfigError(f"balanced_share = {balanced_share}: expected inside [0, 1]")
        self.dataset, self.steps, self.share = dataset, steps, balanced_share
        self._stride = config.stride
        starts, lengths = (torch.from_numpy(x) for x in (dataset.starts, dataset.lengths))
        self._first = starts.repeat_interleave(lengths)
        self._last = (starts + lengths - 1).repeat_interleave(lengths)
        rows = torch.arange(dataset.num_rows)
        whole = rows[self._first + steps <= self._last]  # rows of episodes that hold a clip
        self._starts = whole[whole + steps <= self._last[whole]]
        if not len(self._starts):
            raise DatasetError(
                f"no episode is longer than {steps} steps (longest: {int(dataset.lengths.max())})"
            )
        self._acted = whole[whole + config.stride <= self._last[whole]]
        self.weight = action_rarity(mean_ahead(dataset.actions, self._acted, config), config)
        """Of every row that could be drawn for its action."""

    def draw(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Row numbers (count, 1 + steps) of clips."""
        rare = round(count * self.share)
        even = self._starts[torch.randint(len(self._starts), (count - rare,), generator=generator)]
        if not rare:
            return self._clips(even)
        chosen = torch.multinomial(self.weight, rare, replacement=True, generator=generator)
        rows = self._acted[chosen]
        # anywhere in the clip: an action is to be read with much, little and nothing around it
        places = self.steps // self._stride
        offset = torch.randint(places, (rare,), generator=generator) * self._stride
        begin = torch.maximum(rows - offset, self._first[rows])
        begin = torch.minimum(begin, self._last[rows] - self.steps)
        return self._clips(torch.cat([even, begin]))

    def _clips(self, begin: torch.Tensor) -> torch.Tensor:
        return begin[:, None] + torch.arange(self.steps + 1)


def mean_ahead(
    actions: torch.Tensor, rows: torch.Tensor, config: InverseDynamicsConfig
) -> torch.Tensor:
    """Means (R, D) of the read dimensions over `stride` rows from each of `rows` on."""
    ahead = rows[:, None] + torch.arange(config.stride)
    return actions[ahead][..., config.columns].mean(1)


def action_rarity(actions: torch.Tensor, config: InverseDynamicsConfig) -> torch.Tensor:
    """(R,) mean over dimensions of 1 / share of the action's bin, of actions (R, D).

    Drawn by it, every bin that occurs is as frequent as any other, as far as one action's
    dimensions let it.
    """
    bins = to_bins(actions, config.num_bins)
    weight = torch.zeros(len(bins))
    for column in bins.unbind(1):
        counts = torch.bincount(column, minlength=config.num_bins)
        weight += (len(bins) / counts.clamp(min=1).float())[column]
    return weight / bins.shape[1]
