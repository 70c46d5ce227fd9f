"""Picture metrics have known values; the block is where imagination says."""

import numpy as np
import pytest
import torch

from octoworld.core.errors import DatasetError
from octoworld.data.episode import Episode
from worldmodels.dataset import EpisodeDataset
from worldmodels.metrics import mask_recall, psnr, rollout_report, ssim
from worldmodels.model import Imagined


def test_psnr_and_ssim():
    image = torch.randint(0, 256, (2, 16, 16, 3), dtype=torch.uint8)
    shifted = (image.int() + 1).clamp(max=255).byte()
    assert torch.allclose(ssim(image, image), torch.ones(2))
    assert float(psnr(torch.zeros_like(image), torch.full_like(image, 255))[0]) == pytest.approx(0)
    assert float(psnr(image, shifted).min()) > 48
    assert float(ssim(image, image.flip(1)).max()) < 0.5


def test_mask_recall_allows_one_pixel():
    true = torch.zeros(2, 8, 8, dtype=torch.bool)
    true[0, 3:5, 3:5] = True
    near, far = true.roll(1, 2), true.roll(4, 2)
    assert float(mask_recall(true, near)[0]) == 1
    assert float(mask_recall(true, far)[0]) == 0
    assert torch.isnan(mask_recall(true, near)[1])


def test_the_block_is_followed_in_numbers_and_in_pictures(trained):
    held_out = trained["held_out"]
    report = rollout_report(
        trained["model"], held_out, torch.Generator().manual_seed(0), chunks=2, num_starts=48,
        objects={"block": slice(0, 2)},
    )  # fmt: skip
    spread = held_out_spread(held_out)
    assert report.best_object_error["block"][-1] < 0.3 * spread
    assert report.object_error["block"][-1] < 0.4 * spread
    assert report.drawn_object_error["block"][-1] < 0.6 * spread


def test_a_world_where_nothing_moves_recalls_no_moved_object(trained):
    class Still:
        """The model, but for an imagination in which all stays as it is."""

        def __init__(self, model):
            self.model = model

        def __getattr__(self, name):
            return getattr(self.model, name)

        def imagine(self, history, *_):
            kept = history.latents[:, -1:]
            return history, Imagined(history.proprio[:, -1:], self.model.decode(kept), kept)

    def report(model):
        generator = torch.Generator().manual_seed(0)
        return rollout_report(model, trained["held_out"], generator, chunks=3, num_starts=32)

    kept, moving = report(Still(trained["model"])), report(trained["model"])
    assert kept.moved_object_recall[-1] < 0.1 < kept.object_recall[-1]
    assert moving.moved_object_recall[-1] > kept.moved_object_recall[-1] + 0.1
    assert moving.best_moved_object_recall[-1] > moving.moved_object_recall[-1]


def held_out_spread(dataset) -> float:
    place = np.concatenate([e["privileged"] for e in dataset.episodes])
    return float(np.linalg.norm(place - place.mean(0), axis=1).mean())


def test_dataset_shows_success_one_row_later(episodes):
    data = EpisodeDataset.from_episodes(episodes[:3])
    for number, episode in enumerate(episodes[:3]):
        shown = data.success[data.rows(number)]
        assert not shown[0]
        assert np.array_equal(shown[1:], episode["next.success"][:-1])
    rows = data.windows([1], [1], 3, 2)[0] - data.starts[1]
    assert rows.tolist() == [0, 0, 0, 1, 2, 3]
    with pytest.raises(DatasetError, match="past the end"):
        data.windows([0], [22], 0, 4)
    with pytest.raises(DatasetError, match="lacks"):
        columns = {k: v for k, v in episodes[0].columns.items() if k != "action"}
        EpisodeDataset.from_episodes([Episode(columns, "", 10)])
