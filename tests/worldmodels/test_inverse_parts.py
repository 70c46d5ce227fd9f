"""Parts of the inverse-dynamics model against what they must be by definition."""

import numpy as np
import pytest
import torch

from octoworld.core.config import to_dict
from octoworld.core.errors import ActionError, ConfigError, DatasetError
from worldmodels.dataset import EpisodeDataset
from worldmodels.inverse_dynamics import (
    DisturbConfig,
    InverseDynamics,
    InverseDynamicsConfig,
    Reading,
)
from worldmodels.inverse_dynamics.augment import disturb
from worldmodels.inverse_dynamics.bins import bin_centres, bin_labels, mean_actions, to_bins
from worldmodels.inverse_dynamics.broken import (
    blurred,
    darkened,
    gaussian_blur,
    reversed_in_time,
    shuffled,
    static,
)
from worldmodels.inverse_dynamics.correlation import CorrelationTrunk
from worldmodels.inverse_dynamics.keypoints import KeypointTrunk
from worldmodels.inverse_dynamics.quality import frame_quality
from worldmodels.inverse_dynamics.sampler import ActionSampler
from worldmodels.inverse_dynamics.scores import inverse_card
from worldmodels.inverse_dynamics.spoil import SpoilConfig, spoil
from worldmodels.looks import below_motion_floor, luminance, motion, motion_ratio, sharpness


def seeded(number: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def acted(actions: np.ndarray, lengths: list[int]) -> EpisodeDataset:
    """Episodes of which only the actions count."""
    count = len(actions)
    return EpisodeDataset(
        frames={"front": torch.zeros(count, 16, 16, 3, dtype=torch.uint8)},
        proprio=torch.zeros(count, 1),
        actions=torch.from_numpy(actions.astype(np.float32)),
        success=np.zeros(count, bool),
        starts=np.cumsum([0, *lengths[:-1]]),
        lengths=np.array(lengths),
        episodes=[],
    )


@pytest.mark.parametrize("num_bins", [3, 7, 11])
def test_bins_are_equal_and_zero_is_in_the_middle(num_bins):
    assert torch.equal(to_bins(bin_centres(num_bins), num_bins), torch.arange(num_bins))
    edges = to_bins(torch.tensor([-9.0, -1.0, 0.0, 1.0, 9.0]), num_bins)
    assert edges.tolist() == [0, 0, num_bins // 2, num_bins - 1, num_bins - 1]


def test_labels_add_up_and_are_shared_at_an_edge():
    actions = torch.tensor([0.0, 1 / 3, 1.0])
    for spread in (0.0, 0.5):
        labels = bin_labels(actions, 3, spread)
        assert torch.allclose(labels.sum(-1), torch.ones(3))
    soft, hard = bin_labels(actions, 3, 0.5), bin_labels(actions, 3, 0.0)
    assert float(soft[1, 1]) == pytest.approx(float(soft[1, 2]))
    assert hard.argmax(-1).tolist() == [1, 2, 2]


def test_mean_actions():
    actions = torch.arange(8.0).view(1, 8, 1)
    assert mean_actions(actions, 4).flatten().tolist() == [1.5, 5.5]
    with pytest.raises(ActionError, match="stride = 3"):
        mean_actions(actions, 3)


def test_rare_actions_are_drawn_as_often_as_common_ones():
    rng = np.random.default_rng(0)
    actions = np.where(rng.random((400, 1)) < 0.05, 0.9, 0.0)
    data = acted(actions, [100] * 4)
    config = InverseDynamicsConfig(num_bins=3, action_names=("x",))
    shares = []
    for share in (0.0, 1.0):
        rows = ActionSampler(data, config, 1, share).draw(4000, seeded())
        shares.append(float((data.actions[rows[:, 0], 0] > 0.5).float().mean()))
    assert shares[0] < 0.1
    assert 0.4 < shares[1] < 0.6


def test_clips_stay_inside_episodes_whatever_they_are_drawn_for():
    data = acted(np.random.default_rng(1).uniform(-1, 1, (60, 2)), [9, 3, 12, 36])
    config = InverseDynamicsConfig(num_bins=5, stride=2, action_names=("x", "y"))
    rows = ActionSampler(data, config, 6, 0.5).draw(500, seeded())
    owner = np.repeat(np.arange(4), data.lengths)
    assert (owner[rows.numpy()] == owner[rows[:, :1].numpy()]).all()
    assert set(np.unique(owner[rows[:, 0].numpy()])) == {0, 2, 3}
    assert rows.max() == 59  # the last frame is seen
    for steps, share, error, match in (
        (5, 0.5, ConfigError, "multiple of stride"),
        (6, 2.0, ConfigError, r"inside \[0, 1\]"),
        (40, 0.5, DatasetError, "longest: 36"),
    ):
        with pytest.raises(error, match=match):
            ActionSampler(data, config, steps, share)


def test_card_against_counts():
    wanted = torch.tensor([[0, 1], [0, 1], [1, 1], [2, 1]])
    bins = torch.tensor([[0, 1], [1, 1], [1, 2], [2, 1]])
    card = inverse_card(bins, wanted, bins / 2, wanted / 2, 3, ("a", "b"))
    assert (card.joint, card.exact) == (0.5, (0.75, 0.75))
    # a: bins 0, 1, 2 have precision 1, 1/2, 1 and recall 1/2, 1, 1
    assert card.precision[0] == pytest.approx(5 / 6)
    assert card.recall[0] == pytest.approx(5 / 6)
    assert card.macro_f1[0] == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    # b: bin 2 is named once and never occurs
    assert card.macro_f1[1] == pytest.approx((6 / 7 + 0) / 2)
    assert card.commonest == (0.5, 1.0)
    assert card.error == (0.125, 0.125)
    with pytest.raises(DatasetError, match="empty"):
        inverse_card(bins[:0], wanted[:0], bins[:0], wanted[:0], 3, ("a", "b"))


def test_broken_clips_keep_the_first_frame():
    clip = {"front": torch.randint(0, 256, (3, 6, 16, 16, 3), generator=seeded()).byte()}
    whole = clip["front"]
    for made in (static(clip), blurred(clip, 1.0), darkened(clip, 0.5), shuffled(clip, seeded())):
        assert torch.equal(made["front"][:, 0], whole[:, 0])
        assert made["front"].shape == whole.shape
        assert not torch.equal(made["front"], whole)
    assert torch.equal(reversed_in_time(clip)["front"][:, 0], whole[:, -1])
    assert (motion(static(clip)["front"][:, 0], static(clip)["front"][:, -1]) == 0).all()
    half = darkened(clip, 0.5)["front"][:, 1:]
    assert (half.float() - whole[:, 1:].float() / 2).abs().max() <= 0.5


def test_no_frame_of_a_shuffled_clip_follows_its_predecessor():
    number = torch.arange(9, dtype=torch.uint8).view(1, 9, 1, 1, 1).expand(64, 9, 2, 2, 3)
    order = shuffled({"front": number}, seeded())["front"][:, :, 0, 0, 0].int()
    assert (order.diff(dim=1) != 1).all()
    assert torch.equal(order.sort(1).values, number[:, :, 0, 0, 0].int())
    with pytest.raises(ConfigError, match="3 or more"):
        shuffled({"front": number[:, :3]}, seeded())


def test_disturbance_moves_and_relights_a_clip_as_one():
    images = torch.rand(4, 1, 3, 16, 16, generator=seeded()).expand(4, 5, 3, 16, 16) * 2 - 1
    config = DisturbConfig(noise=0.0)
    seen = disturb(images, config, seeded())
    assert torch.equal(seen, seen[:, :1].expand_as(seen))  # what stood still stands still
    assert not torch.equal(seen, images)
    assert torch.equal(seen, disturb(images, config, seeded()))
    still = DisturbConfig(0, 0, 0, 0, 0)
    assert torch.equal(disturb(images, still, seeded()), images)


def test_spoiled_are_the_later_frames_of_the_last_clips():
    images = {c: torch.rand(8, 6, 3, 16, 16, generator=seeded(i)) for i, c in enumerate("ab")}
    made, spoiled = spoil(images, SpoilConfig(share=0.75), seeded())
    assert not spoiled[:2].any()
    assert spoiled[2:, -1].all()
    assert (spoiled.int().diff(dim=1) >= 0).all()  # from some frame on, to the end
    for camera, clips in images.items():
        same = (made[camera] == clips).flatten(2).all(-1)
        assert torch.equal(~(same[:, 1:] & same[:, :-1]), spoiled)
    again, _ = spoil(images, SpoilConfig(share=0.75), seeded())
    assert all(torch.equal(made[c], again[c]) for c in images)
    assert not spoil(images, SpoilConfig(share=0.0), seeded())[1].any()
    with pytest.raises(ConfigError, match="least <= most"):
        SpoilConfig(blur=(0.2, 0.1))


def test_quality_falls_with_blur_and_with_fading():
    sharp = torch.rand(1, 2, 3, 32, 32, generator=seeded()) * 2 - 1
    edges = slice(0, 16)
    for worse in (gaussian_blur(sharp, 1.5), 0.3 * sharp):
        assert (frame_quality(worse)[..., edges] < frame_quality(sharp)[..., edges] - 0.3).all()
    assert (frame_quality(sharp - 0.5)[..., 16:] < frame_quality(sharp)[..., 16:] - 0.4).all()
    assert (frame_quality(torch.zeros(1, 2, 3, 32, 32)) == 0).all()


def test_refused_transitions_have_no_bin_and_count_as_wrong():
    logits = torch.zeros(1, 2, 1, 3)
    reading = Reading(
        logits, torch.zeros(1, 2, 1), torch.tensor([[-1.0, 1.0]]), torch.zeros(1, 2, 0)
    )
    assert reading.bins.tolist() == [[[0], [-1]]]
    wanted = torch.zeros(2, 1, dtype=torch.long)
    card = inverse_card(reading.bins[0], wanted, reading.values[0], wanted, 3, ("x",))
    assert (card.refused, card.joint, card.precision, card.recall) == (0.5, 0.5, (1.0,), (0.5,))


@pytest.mark.parametrize("trunk", [KeypointTrunk, CorrelationTrunk])
def test_what_is_known_of_a_transition_changes_with_its_frames_alone(trunk):
    config = InverseDynamicsConfig(image_size=16, width=16, num_points=4, hidden=16, reach=1)
    torch.manual_seed(0)
    net = trunk(config).eval()
    images = torch.rand(2, 4, 3, 16, 16) * 2 - 1
    changed = images.clone()
    changed[:, 3] = 0
    with torch.no_grad():
        one, two = net(images), net(changed)
    assert one.shape == (2, 3, 16)
    torch.testing.assert_close(one[:, :2], two[:, :2])
    assert not torch.allclose(one[:, 2], two[:, 2])


def test_correlation_finds_a_shift():
    """Cells of a random picture that moved by one cell are found one cell on."""
    config = InverseDynamicsConfig(image_size=32, width=16, hidden=16, reach=2)
    torch.manual_seed(0)
    net = CorrelationTrunk(config)
    picture = torch.rand(1, 3, 8, 8).repeat_interleave(4, -1).repeat_interleave(4, -2)
    moved = picture.roll(4, -1)
    keys = torch.nn.functional.normalize(net.match(net.stem(torch.cat([picture, moved]))), dim=1)
    likeness = keys[:1].flatten(2).transpose(1, 2) @ keys[1:].flatten(2)
    best = likeness.gather(2, net.near[None]).masked_fill(~net.inside, -1).argmax(-1)
    shift = (net.shifts * config.reach)[best.view(8, 8)[2:6, 2:5]]
    assert (shift.flatten(0, 1) == torch.tensor([1.0, 0.0])).float().mean() > 0.9


def test_window_decides_how_far_a_reading_looks():
    torch.manual_seed(0)
    clip = torch.randint(0, 256, (1, 7, 16, 16, 3), dtype=torch.uint8)
    later = clip.clone()
    later[:, 6] = 0
    for before, after, touched in ((0, 0, 1), (1, 1, 2), (1, 0, 1)):
        config = InverseDynamicsConfig(
            image_size=16, width=16, num_points=4, hidden=16, before=before, after=after,
            action_names=("x",),
        )  # fmt: skip
        net = InverseDynamics(to_dict(config))
        one, two = (net.read({"front": x}).logits for x in (clip, later))
        assert torch.allclose(one[:, :-touched], two[:, :-touched], atol=1e-6)
        assert not torch.allclose(one[:, -touched], two[:, -touched])


def test_dimensions_and_stride_choose_what_is_asked():
    config = InverseDynamicsConfig(
        action_names=("dx", "dy", "dz", "gripper"), dimensions=("dz", "dx"), stride=2, num_bins=3
    )
    assert config.read_dimensions == ("dx", "dz")
    net = InverseDynamics(to_dict(config))
    actions = torch.tensor([[[0.8, 0, -1, 1], [1.0, 0, 0, 1]]])
    assert torch.allclose(net.asked(actions), torch.tensor([[[0.9, -0.5]]]))
    assert net.asked_bins(actions).tolist() == [[[2, 0]]]


def test_looks():
    images = torch.randint(0, 256, (2, 16, 16, 3), generator=seeded()).byte()
    smooth = blurred({"a": images[None]}, 1.5)["a"][0]
    assert float(luminance(torch.full_like(images, 255)).min()) == pytest.approx(1)
    assert float(sharpness(smooth)[1]) < 0.1 * float(sharpness(images)[1])
    assert float(motion(images[:1], images[:1])) == 0


def test_motion_counts_where_the_real_clip_moves():
    real = torch.zeros(3, 5, 8, 8, 3, dtype=torch.uint8)
    for t in range(5):
        real[:2, t, 2:4, t : t + 2] = 200
    made = real.clone()
    made[1] = real[1, :1]  # frozen
    made[0, ::2, 6:] = 255  # flickers where nothing should be: no help
    ratio = motion_ratio(made, real)
    assert ratio[:2].tolist() == [1, 0]
    assert torch.isnan(ratio[2])
    assert below_motion_floor(made, real).tolist() == [False, True, False]
    with pytest.raises(ConfigError, match="one shape"):
        motion_ratio(made[:, 1:], real)
