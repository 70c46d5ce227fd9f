"""ClipSampler: training clips of a data set, those in which something unusual happens oftener."""

from __future__ import annotations

import torch

from octoworld.core.errors import DatasetError
from octoworld.core.parallel import ALONE, Share

from .dataset import EpisodeDataset
from .latent_model import LatentClip, LatentWorldModel
from .surprise import surprise


class ClipSampler:
    """Draws LatentClips: half evenly, half by how unusual the change after the row is."""

    def __init__(
        self, dataset: EpisodeDataset, model: LatentWorldModel, contact_share: float
    ) -> None:
        self.dataset, self.model, self.share = dataset, model, contact_share
        self.surprise, self.state = surprise(dataset, model.max_chunk), dataset.state
        starts, lengths = (torch.from_numpy(x) for x in (dataset.starts, dataset.lengths))
        self.first = starts.repeat_interleave(lengths)
        self._last = (starts + lengths - 1).repeat_interleave(lengths)
        self._allowed: dict[int, torch.Tensor] = {}

    def rows(self, count: int, chunks: int, generator: torch.Generator) -> torch.Tensor:
        """`count` rows with `chunks` chunks behind them; DatasetError if no episode is so long."""
        after = chunks * self.model.max_chunk
        free = self._with_room(after)
        even = count - round(count * self.share)
        rows = free[torch.randint(len(free), (even,), generator=generator)]
        # look for surprise in the chunk that is learned, the last one
        weight = self.surprise[free + after - self.model.max_chunk]
        chosen = torch.multinomial(weight, count - even, replacement=True, generator=generator)
        return torch.cat([rows, free[chosen]])

    def draw(
        self, count: int, chunks: int, generator: torch.Generator, share: Share = ALONE
    ) -> LatentClip:
        """`count` clips of such rows, their context before them; of these, the process's share."""
        context, after = self.model.context_length, chunks * self.model.max_chunk
        now = self.rows(count, chunks, generator)
        if share.size > 1:  # even and unusual clips for all
            now = now[torch.randperm(count, generator=generator)[share.rows(count)]]
        first = self.first[now]
        offsets = torch.arange(-context + 1, after + 1)
        window = torch.maximum(now[:, None] + offsets, first[:, None])
        window = torch.cat([first[:, None], window], 1)
        device = self.model.device
        return LatentClip(
            self.dataset.need_latents()[window].to(device),
            self.state[window].to(device),
            self.dataset.actions[window[:, context:-1]].to(device),
        )

    def _with_room(self, after: int) -> torch.Tensor:
        """Rows that have `after` rows behind them in their episode."""
        if after not in self._allowed:
            rows = torch.arange(self.dataset.num_rows)
            self._allowed[after] = rows[rows + after <= self._last]
        if not len(self._allowed[after]):
            raise DatasetError(
                f"no episode is longer than {after} steps "
                f"(longest: {int(self.dataset.lengths.max())})"
            )
        return self._allowed[after]
