"""The perceptual network sees damage as damage, and its files bring it back."""

import pytest
import torch

from octoworld.core.errors import ConfigError, DatasetError
from octoworld.core.fit import FitConfig
from octoworld.data.marks import episode_mark, overlap
from worldmodels.damage import blurred, erased, moved
from worldmodels.damage_order import damage_order
from worldmodels.dataset import EpisodeDataset
from worldmodels.metrics import psnr, rollout_report
from worldmodels.perceptual import PerceptualConfig, PerceptualNetwork, train_perceptual

from .conftest import make_episodes

SHORT = PerceptualConfig(
    width=8, embedding=32, features=8,
    fit=FitConfig(steps=60, batch_size=32, learning_rate=4e-3, warmup_steps=5, ema_decay=0.9),
)  # fmt: skip


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> PerceptualNetwork:
    data = EpisodeDataset.from_episodes(make_episodes(30, 24, seed=5))
    network, metrics = train_perceptual(data, SHORT, tmp_path_factory.mktemp("perceptual"), seed=0)
    assert metrics["perceptual/accuracy"] > 0.3  # chance is 1 of 33
    return network


@pytest.fixture(scope="module")
def frames() -> torch.Tensor:
    data = EpisodeDataset.from_episodes(make_episodes(8, 24, seed=1))
    return data.frames["front"][::3]


def test_it_orders_blur_noise_shift_and_a_missing_object(network, frames):
    scores = damage_order(network.distance, frames, torch.Generator().manual_seed(0))
    assert {k: v for k, v in scores.items() if " " not in k and v < 0.85} == {}
    by_pixels = damage_order(lambda a, b: -psnr(a, b), frames, torch.Generator().manual_seed(0))
    for kind in ("missing over faint", "shift over faint", "blur over faint"):
        assert scores[kind] > 0.9, scores
        assert scores[kind] >= by_pixels[kind]


def test_equal_frames_have_no_distance_and_the_order_of_two_does_not_count(network, frames):
    a, b = frames[:6].unflatten(0, (2, 3)), frames[6:12].unflatten(0, (2, 3))
    assert network.distance(a, a).abs().max() < 1e-6
    assert network.distance(a, b).shape == (2, 3)
    assert torch.allclose(network.distance(a, b), network.distance(b, a))


def test_frechet_distances_grow_with_damage_and_are_zero_between_halves(network, frames):
    pixels = frames.movedim(-1, 1).float().div(255)

    def stored(x: torch.Tensor) -> torch.Tensor:
        return x.mul(255).byte().movedim(1, -1)

    background = pixels.median(0).values
    away = [
        network.frame_frechet(stored(x), frames)
        for x in (pixels, blurred(pixels, 1), blurred(pixels, 3))
    ]
    assert abs(away[0]) < 0.1 < away[1] < away[2]
    assert network.frame_frechet(stored(erased(pixels, background, 0.35)), frames) > 1
    assert abs(network.frame_frechet(frames[::2], frames[1::2])) < 0.8
    clips = frames.unflatten(0, (32, 2))
    with pytest.raises(ConfigError, match="set a has 32 rows of 16 features"):
        network.clip_frechet(clips, clips)
    clips = torch.cat([clips, clips])
    assert network.clip_frechet(clips, clips.flip(1)) > network.clip_frechet(clips, clips) - 1e-6


def test_saving_changes_nothing_and_training_goes_on_to_the_same_weights(network, frames, tmp_path):
    network.save_pretrained(str(tmp_path / "saved"))
    again = PerceptualNetwork.from_pretrained(str(tmp_path / "saved"))
    other = torch.roll(frames, 1, 0)
    assert torch.equal(again.distance(frames, other), network.distance(frames, other))
    assert torch.equal(again.features(frames), network.features(frames))
    data = EpisodeDataset.from_episodes(make_episodes(4, 12, seed=6))
    quick = PerceptualConfig(
        width=8, embedding=16, features=4,
        fit=FitConfig(steps=4, batch_size=8, checkpoint_every=2),
    )  # fmt: skip
    first, _ = train_perceptual(data, quick, tmp_path / "a", seed=0)
    second, _ = train_perceptual(data, quick, tmp_path / "b", seed=0)
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name


def test_episodes_that_it_was_trained_on_are_known_again(network):
    seen, new = make_episodes(30, 24, seed=5), make_episodes(3, 24, seed=1)
    marks = network.config["trained_on"]
    assert marks == [episode_mark(e) for e in seen]
    assert overlap(marks, [*seen[:2], *new]) == 2


def test_a_report_of_a_world_model_tells_distances(trained, network):
    report = rollout_report(
        trained["model"], trained["held_out"], torch.Generator().manual_seed(0), chunks=4,
        num_starts=48, perceptual=network, object_mask=None,
    )  # fmt: skip
    assert len(report.perceptual_distance) == len(report.frechet_distance) == 4
    last = report.perceptual_distance[-1]
    assert report.best_perceptual_distance[-1] < last < report.still_perceptual_distance[-1]
    assert report.clip_frechet_distance is None  # 48 clips of 32 features are too few


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (torch.zeros(2, 32, 32, 3), None, r"got \(2, 32, 32, 3\) torch.float32"),
        (torch.zeros(2, 3, 32, 32, dtype=torch.uint8), None, "uint8 with sides of 16"),
        (torch.zeros(2, 8, 32, 3, dtype=torch.uint8), None, "sides of 16 pixels or more"),
        (torch.zeros(2, 32, 32, 3, dtype=torch.uint8), torch.zeros(1, 32, 32, 3), "have shapes"),
    ],
)
def test_what_is_no_pair_of_images(network, a, b, message):
    with pytest.raises(ConfigError, match=message):
        network.distance(a, a if b is None else b)


def test_wrong_settings(tmp_path):
    with pytest.raises(ConfigError, match=r"features = 99: expected 1\.\.64"):
        PerceptualConfig(features=99)
    with pytest.raises(ConfigError, match="neighbours = 5: expected a divisor"):
        PerceptualConfig(neighbours=5)
    alone = EpisodeDataset.from_episodes(make_episodes(1, 1, seed=0))
    with pytest.raises(DatasetError, match="2 frames or more, got 1"):
        train_perceptual(alone, SHORT, tmp_path, seed=0)


def test_moved_pictures_keep_their_edges():
    image = torch.arange(16.0).view(1, 1, 4, 4)
    assert moved(image, 1, 0)[0, 0, :, 0].tolist() == [0, 0, 4, 8]
    assert moved(image, 0, -1)[0, 0, 0].tolist() == [1, 2, 3, 3]
