"""Several data sets in one run: shares of the batches, and what they must have in common."""

from collections import Counter

import numpy as np
import pytest
import torch

from octoworld.core.errors import ConfigError, DatasetError
from octoworld.core.log import read_metrics
from octoworld.core.rng import torch_generator
from vla.dataset import build_dataset
from vla.mixture import Mixture, RowSampler, Source
from vla.sft import train_sft

from .seeing import episodes, make_episode, quick


def test_sources_are_drawn_by_weight_and_their_rows_evenly():
    rows = RowSampler([10, 30, 5], [1.0, 2.0, 5.0])(40_000, torch_generator(0))
    assert rows.min() == 0 and rows.max() == 44
    share = torch.bincount(rows, minlength=45) / 40_000
    for begin, end, expected in ((0, 10, 1 / 8), (10, 40, 2 / 8), (40, 45, 5 / 8)):
        part = share[begin:end]
        assert abs(float(part.sum()) - expected) < 0.01
        assert (part - part.mean()).abs().max() < 0.25 * part.mean()


def test_one_source_is_drawn_as_without_a_mixture(tmp_path):
    alone = train_sft(episodes(), quick(), tmp_path / "alone", seed=0)
    mixed = train_sft(Mixture((Source("a", episodes()),)), quick(), tmp_path / "mixed", seed=0)
    for (name, a), b in zip(alone.state_dict().items(), mixed.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_rows_of_a_source_are_its_own_also_where_demonstrations_are_cut():
    first, second = make_episode(1, 0, length=6), make_episode(-1, 1, length=5)
    first.columns["next.success"] = np.array([0, 0, 1, 1, 1, 1], bool)
    mixture = Mixture((Source("a", [first], 3.0), Source("b", [second], 1.0)))
    for stop, cut in ((True, 3), (False, 6)):
        data = build_dataset(mixture.episodes, 2, stop_at_success=stop)
        assert len(data) == cut + 5
        rows = mixture.sampler(stop)(8_000, torch_generator(0))
        said = Counter(data.instructions[i] for i in data.instruction[rows].tolist())
        assert abs(said["go there"] / 8_000 - 0.75) < 0.02


def test_the_heavier_source_is_learnt(tmp_path):
    """One picture, two answers: the policy gives that of the data set with more weight."""
    heavy, light = make_episode(1, 0), make_episode(1, 0)
    for episode, answer in ((heavy, 0.5), (light, -0.5)):
        episode.columns["action"] = np.full((40, 2), answer, np.float32)
    mixture = Mixture((Source("light", [light], 1.0), Source("heavy", [heavy], 9.0)))
    policy = train_sft(mixture, quick(steps=40), tmp_path, seed=0)
    obs = {k: torch.from_numpy(heavy[k]) for k in ("observation.images.front", "observation.state")}
    assert (policy.act(obs, ["go there"] * 40).actions > 0.2).all()
    assert len(read_metrics(tmp_path / "metrics.jsonl")) == 40


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"actions": 3}, "differ in action length: data/a has 2, data/b has 3"),
        ({"cameras": ("front", "wrist")}, "cameras: data/a has front, data/b has front, wrist"),
    ],
)
def test_data_sets_must_have_the_same_features(other, message):
    with pytest.raises(DatasetError, match=message):
        Mixture((Source("data/a", episodes()), Source("data/b", episodes(**other))))


def test_data_sets_must_be_of_the_same_robot_and_feel_the_same():
    other = episodes()
    other[0].info["robot"] = "racer"
    with pytest.raises(DatasetError, match="robot: a has 'panda', b has 'racer'"):
        Mixture((Source("a", episodes()), Source("b", other)))
    other = episodes()
    other[0].columns["observation.state"] = np.zeros((40, 9), np.float32)
    with pytest.raises(DatasetError, match="proprioception: a has 3, b has 9"):
        Mixture((Source("a", episodes()), Source("b", other)))


def test_wrong_weights_and_empty_sets():
    with pytest.raises(ConfigError, match=r"weight of a = 0\.0: expected a number above 0"):
        Mixture((Source("a", episodes(), 0.0),))
    with pytest.raises(DatasetError, match="a holds no episodes"):
        Mixture((Source("a", []),))
    with pytest.raises(DatasetError, match="at least one"):
        Mixture(())
