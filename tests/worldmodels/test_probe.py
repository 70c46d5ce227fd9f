"""The probe reads places off frames it was not trained on, in their own unit."""

import numpy as np
import pytest
import torch

from octoworld.core.errors import ConfigError, DatasetError
from octoworld.core.fit import FitConfig
from worldmodels.dataset import EpisodeDataset
from worldmodels.probe import ProbeConfig, StateProbe, train_probe

from .conftest import make_episodes

SHORT = ProbeConfig(
    width=16, points=8, hidden=64,
    fit=FitConfig(steps=250, batch_size=32, learning_rate=4e-3, ema_decay=0.97),
)  # fmt: skip


def data(count: int, seed: int) -> tuple[EpisodeDataset, dict[str, torch.Tensor]]:
    dataset = EpisodeDataset.from_episodes(make_episodes(count, 24, seed))
    blocks = np.concatenate([e["privileged"] for e in dataset.episodes])
    return dataset, {"tool": dataset.proprio, "block": torch.from_numpy(blocks)}


@pytest.fixture(scope="module")
def probe(tmp_path_factory) -> StateProbe:
    dataset, targets = data(40, 0)
    return train_probe(dataset, targets, SHORT, tmp_path_factory.mktemp("probe"), seed=0)


def test_it_reads_new_frames_and_tells_errors_by_name(probe):
    dataset, targets = data(8, 1)
    found = probe.read(dataset.frames, batch_size=50)
    errors = probe.errors(found, torch.cat(list(targets.values()), 1))
    assert set(errors) == {"tool", "block"} and errors["tool"].shape == (dataset.num_rows,)
    spread = targets["block"].std(0).norm()
    assert float(errors["tool"].mean()) < 0.04 and float(errors["block"].mean()) < 0.35 * spread


def test_clips_keep_their_shape_and_saving_changes_nothing(probe, tmp_path):
    dataset, _ = data(2, 2)
    clips = {"front": dataset.frames["front"][:12].unflatten(0, (3, 4))}
    found = probe.read(clips)
    assert found.shape == (3, 4, 4)
    probe.save_pretrained(str(tmp_path))
    again = StateProbe.from_pretrained(str(tmp_path))
    assert torch.equal(again.read(clips), found)
    assert list(again.columns) == ["tool", "block"], "in their order, whatever JSON sorts"


def test_what_does_not_fit_is_named(probe, tmp_path):
    dataset, targets = data(2, 3)
    with pytest.raises(ConfigError, match="no images of camera 'front'; given: wrist"):
        probe.read({"wrist": dataset.frames["front"]})
    with pytest.raises(ConfigError, match=r"must be \(..., 32, 32, 3\) uint8"):
        probe.read({"front": dataset.frames["front"][:, :16]})
    with pytest.raises(DatasetError, match="target 'tool' has shape"):
        train_probe(dataset, {"tool": targets["tool"][:5]}, SHORT, tmp_path, seed=0)
