"""Actions are read off a square that they move; what shows no such motion fails the gate."""

import dataclasses

import numpy as np
import pytest
import torch

from octoworld.core.config import to_dict
from octoworld.core.errors import ActionError, CheckpointError, ConfigError, DatasetError
from octoworld.core.fit import FitConfig
from octoworld.data.episode import Episode
from worldmodels.dataset import EpisodeDataset
from worldmodels.inverse_dynamics import (
    BROKEN,
    GateConfig,
    GateError,
    GateReport,
    InverseDynamics,
    InverseReward,
    check_independent,
    clips_card,
    episode_ids,
    evaluate_inverse_dynamics,
    gate,
    judge_config,
    reward_config,
    split_for_roles,
    train_inverse_dynamics,
)
from worldmodels.inverse_dynamics.gate import moving_clips

SIZE, STEP = 32, 4.0
SMALL = {"num_bins": 3, "width": 16, "num_points": 8, "hidden": 32, "reach": 2, "layers": 1}
GATE = GateConfig(clips=48, steps=6)


def square_episodes(count: int, steps: int, seed: int) -> EpisodeDataset:
    """A bright square among still ones; an action moves it by up to `STEP` pixels."""
    rng = np.random.default_rng(seed)
    episodes = []
    pixel = np.arange(SIZE)
    for _ in range(count):
        place = rng.uniform(10, SIZE - 10, 2)
        image = np.full((SIZE, SIZE, 3), rng.integers(50, 90), float)
        corner = rng.integers(0, SIZE - 6, 2)
        image[corner[0] : corner[0] + 5, corner[1] : corner[1] + 5] = rng.integers(0, 120, 3)
        images, actions, places = [], [], []
        for _ in range(steps):
            # a pixel is covered in part, so that shifts of less than one show
            cover = [np.clip(3.5 - np.abs(pixel - x), 0, 1) for x in place]
            alpha = (cover[1][:, None] * cover[0][None])[..., None]
            images.append((image * (1 - alpha) + 235 * alpha).round().astype(np.uint8))
            places.append(place.copy())
            action = rng.uniform(-1, 1, 2)
            out = np.abs(place + STEP * action - SIZE / 2) > SIZE / 2 - 4
            action[out] *= -1
            place = place + STEP * action
            actions.append(action)
        columns = {
            "observation.images.front": np.stack(images),
            "observation.state": np.asarray(places, np.float32),
            "action": np.asarray(actions, np.float32),
            "next.success": np.zeros(steps, bool),
        }
        names = {"action": ("right", "down")}
        episodes.append(Episode(columns, "move", 10, {"task": "Square"}, names))
    return EpisodeDataset.from_episodes(episodes)


def short(config, steps: int = 120, rate: float = 6e-3):
    """The configuration `config` makes, small and trained for a few seconds."""
    fit = FitConfig(
        steps=steps, batch_size=14, learning_rate=rate, warmup_steps=10, ema_decay=0.97,
        log_every=20, checkpoint_every=40,
    )  # fmt: skip
    disturb = dataclasses.replace(config().disturb, shift_pixels=1)
    return dataclasses.replace(config(**SMALL), fit=fit, disturb=disturb)


@pytest.fixture(scope="module")
def split():
    """Episodes of the reward, of the judge, and of neither."""
    return split_for_roles(square_episodes(90, 14, seed=0), seed=0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("inverse")


@pytest.fixture(scope="module")
def reward_net(split, folder):
    model, metrics = train_inverse_dynamics(
        split[0], short(reward_config), folder / "reward", seed=0, held_out=split[2]
    )
    return model, metrics


@pytest.fixture(scope="module")
def judge_net(split, folder):
    return train_inverse_dynamics(
        split[1], short(judge_config, 220, 4e-3), folder / "judge", seed=1
    )[0]


def gate_of(model, dataset, **changes) -> GateReport:
    config = dataclasses.replace(GATE, **changes)
    return gate(model, dataset, torch.Generator().manual_seed(0), config)


def test_actions_are_read_by_both_architectures(reward_net, judge_net, split):
    for model in (reward_net[0], judge_net):
        card = evaluate_inverse_dynamics(model, split[2])
        assert card.dimensions == ("right", "down")
        assert card.joint > 0.75
        assert min(card.macro_f1) > 0.8
        assert max(card.error) < 0.15
        assert max(card.commonest) < 0.5


def test_training_tells_how_held_out_clips_are_read(reward_net, folder):
    rows = (folder / "reward" / "metrics.jsonl").read_text()
    assert rows.count("held_out_joint") == 6
    assert reward_net[1]["inverse_reward/held_out_joint"] > 0.75
    assert reward_net[1]["inverse_reward/held_out_right"] > 0.85


@pytest.mark.parametrize("role", [0, 1])
def test_the_gate_is_passed_and_broken_clips_are_not_read(role, reward_net, judge_net, split):
    model = (reward_net[0], judge_net)[role]
    report = gate_of(model, split[2])
    assert report.passed, report.failures
    assert set(report.joint) == {"real", *BROKEN}
    assert report.joint["real"] > 0.7
    assert report.idle < 0.2
    # by dimension chance alone is a third: the reason why the joint match is asked
    assert all(x > 0.1 for x in report.dimension["wrong_action"])


def test_an_untrained_network_fails_the_gate_and_is_no_reward(split):
    config = dataclasses.replace(reward_config(**SMALL).model, image_size=SIZE)
    model = InverseDynamics(to_dict(config) | {"action_names": ["right", "down"]})
    report = gate_of(model, split[2])
    assert not report.passed
    with pytest.raises(GateError, match="real clips"):
        InverseReward(model, report)


def test_what_is_asked_of_broken_clips_is_a_setting(reward_net, split):
    report = gate_of(reward_net[0], split[2], broken=0.01)
    assert any(line.startswith("shuffled") and "at most 0.01" in line for line in report.failures)
    by_dimension = gate_of(reward_net[0], split[2], measure="dimension")
    shuffled = by_dimension.dimension["shuffled"]
    assert by_dimension.score("shuffled") == sum(shuffled) / 2 > report.joint["shuffled"]
    with pytest.raises(ConfigError, match="real = 0"):
        GateConfig(real=0)


def test_reconstructions_can_be_tried_instead_of_recordings(reward_net, split):
    generator = torch.Generator().manual_seed(0)
    coarse = gate(
        reward_net[0], split[2], generator, GATE,
        redraw=lambda frames: {c: x // 64 * 64 for c, x in frames.items()},
    )  # fmt: skip
    assert coarse.joint["real"] < gate_of(reward_net[0], split[2]).joint["real"]


def test_reward_scores_frames_against_actions(reward_net, split):
    model, data = reward_net[0], split[2]
    score = InverseReward(model, gate_of(model, data))
    rows = moving_clips(data, ("front",), GATE, torch.Generator().manual_seed(1))
    frames, actions = {"front": data.frames["front"][rows]}, data.actions[rows[:, :-1]]
    right, wrong = score(frames, actions), score(frames, -actions)
    assert right.match.shape == right.soft.shape == (48, 6)
    assert right.dimensions.shape == (48, 6, 2)
    assert torch.equal(right.match, right.dimensions.prod(-1))
    assert torch.equal(right.clip_match, right.match.mean(1))
    assert float(right.clip_match.mean()) > float(wrong.clip_match.mean()) + 0.4
    assert float(right.clip_soft.mean()) > float(wrong.clip_soft.mean()) + 0.4
    assert ((right.soft >= 0) & (right.soft <= 1)).all()
    assert not right.soft.requires_grad
    card = clips_card(model, frames, actions)
    assert card.joint == pytest.approx(float(right.match.mean()), abs=1e-6)
    one = score({"front": frames["front"][:1]}, actions[:1])
    torch.testing.assert_close(one.soft, right.soft[:1], atol=1e-4, rtol=1e-4)


def test_bad_input_is_refused(reward_net, split):
    model, data = reward_net[0], split[2]
    score = InverseReward(model, gate_of(model, data))
    frames, actions = torch.zeros(2, 5, SIZE, SIZE, 3, dtype=torch.uint8), torch.zeros(2, 4, 2)
    for given, acted, error, match in (
        ({"wrist": frames}, actions, ConfigError, "looks through front"),
        ({"front": frames[:, :, :16]}, actions, ConfigError, r"\(B, 1\+K, 32, 32, 3\)"),
        ({"front": frames.float()}, actions, ConfigError, "uint8"),
        ({"front": frames}, torch.zeros(2, 4, 7), ActionError, r"right, down"),
        ({"front": frames}, torch.zeros(2, 3, 2), ActionError, "need actions"),
        ({"front": frames[:, :1]}, actions, ActionError, "1 frames"),
    ):
        with pytest.raises(error, match=match):
            score(given, acted)
    with pytest.raises(ConfigError, match="wrist not in the data"):
        train_inverse_dynamics(split[0], reward_config(cameras=("wrist",)), "nowhere", seed=0)
    with pytest.raises(ConfigError, match="it has right, down"):
        train_inverse_dynamics(split[0], reward_config(dimensions=("up",)), "nowhere", seed=0)


def test_roles_share_nothing(reward_net, judge_net, split, folder):
    reward = reward_net[0]
    check_independent(reward, judge_net)
    with pytest.raises(CheckpointError, match=r"same weights.*architecture.*seed 0.*episodes"):
        check_independent(reward, reward)
    with pytest.raises(CheckpointError, match="trained as 'judge' and 'reward'"):
        check_independent(judge_net, reward)
    with pytest.raises(CheckpointError, match="trained to be the judge"):
        InverseReward(judge_net, gate_of(judge_net, split[2]))
    both = split[1].subset([0, 1]), split[0].subset([0])
    joined = EpisodeDataset.from_episodes([e for part in both for e in part.episodes])
    leaky, _ = train_inverse_dynamics(joined, short(judge_config, 1), folder / "leaky", seed=1)
    with pytest.raises(CheckpointError, match="1 episodes were used for both"):
        check_independent(reward, leaky)
    for use in (
        lambda: evaluate_inverse_dynamics(reward, split[0]),
        lambda: gate_of(reward, joined),
    ):
        with pytest.raises(DatasetError, match="trained on"):
            use()


def test_split_keeps_copies_together():
    data = square_episodes(12, 4, seed=3)
    doubled = EpisodeDataset.from_episodes(data.episodes + data.episodes)
    parts = [set(episode_ids(p)) for p in split_for_roles(doubled, seed=1)]
    assert sum(map(len, parts)) == 12
    assert not parts[0] & parts[1] | parts[0] & parts[2] | parts[1] & parts[2]
    with pytest.raises(DatasetError, match="at least 3"):
        split_for_roles(data.subset([0, 1, 1]), seed=1)


def test_save_and_load_with_the_gate_beside(reward_net, split, tmp_path):
    model, data = reward_net[0], split[2]
    report = gate_of(model, data)
    model.save_pretrained(str(tmp_path))
    report.save(tmp_path / "gate.json")
    assert GateReport.load(tmp_path / "gate.json") == report
    again = InverseReward.from_pretrained(tmp_path)
    frames = {"front": data.frames["front"][:6][None]}
    assert torch.equal(again.model.read(frames).logits, model.read(frames).logits)
    assert again.model.trained_on == model.trained_on == frozenset(episode_ids(split[0]))
    assert (again.model.role, again.model.seed) == ("reward", 0)
    with torch.no_grad():
        again.model.absent.add_(1)
    with pytest.raises(CheckpointError, match="run the gate on this network"):
        InverseReward(again.model, report)
    with pytest.raises(CheckpointError, match="no inverse-dynamics model"):
        InverseReward.from_pretrained(tmp_path / "nothing")


def test_training_repeats_and_resumes_to_the_bit(split, tmp_path):
    config = short(reward_config, 6)
    config = dataclasses.replace(config, fit=dataclasses.replace(config.fit, checkpoint_every=3))
    one, _ = train_inverse_dynamics(split[0], config, tmp_path / "a", seed=5)
    two, _ = train_inverse_dynamics(split[0], config, tmp_path / "b", seed=5)
    other, _ = train_inverse_dynamics(split[0], config, tmp_path / "c", seed=6)
    assert one.fingerprint() == two.fingerprint() != other.fingerprint()
    again, _ = train_inverse_dynamics(split[0], config, tmp_path / "a", seed=5)  # it is done
    assert again.fingerprint() == one.fingerprint()
