"""The tiny policy keeps the contract of policies."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from octoworld.core.errors import ActionError, CheckpointError, ConfigError
from octoworld.core.io import read_json, write_json
from vla.checkpoint import load_policy
from vla.policy import Policy
from vla.processors import Processor
from vla.tiny import TinyConfig, TinyPolicy

CONFIG = TinyConfig(
    cameras=("front", "wrist"), image_size=32, state_dim=5, action_dim=3, width=32, depth=2,
    heads=4, text_width=16, stem_channels=16, num_keypoints=4, keypoint_tokens=2, robot="panda",
    control_mode="ee_delta_pos",
)  # fmt: skip
TEXTS = ["push the block", "open the drawer", "push the block"]


def make_policy(config=CONFIG, seed=0):
    rng = np.random.default_rng(0)
    processor = Processor.fit(TEXTS, rng.normal(size=(50, 5)), rng.uniform(-1, 1, (50, 3)))
    torch.manual_seed(seed)
    return TinyPolicy(config, processor).eval()


def make_obs(n=3, size=32, cameras=("front", "wrist")):
    rng = np.random.default_rng(1)
    obs = {f"observation.images.{c}": rng.integers(0, 256, (n, size, size, 3)) for c in cameras}
    obs = {k: torch.from_numpy(v.astype(np.uint8)) for k, v in obs.items()}
    return obs | {"observation.state": torch.from_numpy(rng.normal(size=(n, 5))).float()}


def test_is_a_policy_with_its_shapes():
    policy = make_policy()
    assert isinstance(policy, Policy)
    chunk = policy.act(make_obs(), TEXTS)
    assert chunk.actions.shape == (3, 4, 3) and chunk.log_prob is None
    assert chunk.actions.abs().max() <= 1
    policy.reset()
    policy.reset(torch.tensor([True, False, True]))


def test_default_size():
    config = TinyConfig(state_dim=5, action_dim=3, cameras=("front", "wrist"))
    count = sum(p.numel() for p in make_policy(config).parameters())
    assert 2_000_000 <= count <= 3_000_000


def test_sampling_is_seeded_and_has_its_density():
    policy = make_policy()
    chunks = [
        policy.act(make_obs(), TEXTS, temperature=1.5, generator=torch.Generator().manual_seed(s))
        for s in (3, 3, 4)
    ]
    raw, same, different = (chunk.raw_actions for chunk in chunks)
    assert raw is not None and same is not None and different is not None
    assert torch.equal(raw, same) and not torch.equal(raw, different)
    assert torch.equal(chunks[0].actions, raw.clamp(-1, 1))
    log_prob = policy.log_prob(make_obs(), TEXTS, raw, temperature=1.5)
    torch.testing.assert_close(log_prob.detach(), chunks[0].log_prob)
    other = policy.log_prob(make_obs(), TEXTS, raw, temperature=1.0)
    assert not torch.allclose(other, log_prob)


def test_scale_stays_in_its_range():
    policy = make_policy()
    with torch.no_grad():
        policy.scale_head.bias.fill_(-100)
    scale = policy.distribution(make_obs(), TEXTS).scale
    torch.testing.assert_close(scale, torch.full_like(scale, CONFIG.scale_range[0]))


def test_log_prob_gives_a_gradient_to_every_weight_that_acts():
    policy = make_policy()
    raw = policy.act(make_obs(), TEXTS, temperature=1.0).raw_actions
    assert raw is not None
    policy.log_prob(make_obs(), TEXTS, raw + 0.1).sum().backward()
    silent = [n for n, p in policy.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []


def test_rows_do_not_depend_on_their_neighbours():
    policy = make_policy()
    obs = make_obs()
    together = policy.act(obs, TEXTS).actions
    alone = policy.act({k: v[1:2] for k, v in obs.items()}, TEXTS[1:2]).actions
    torch.testing.assert_close(together[1:2], alone)


def test_numpy_observations_are_taken():
    obs: Any = {k: v.numpy() for k, v in make_obs().items()}
    policy = make_policy()
    assert torch.equal(policy.act(obs, TEXTS).actions, policy.act(make_obs(), TEXTS).actions)


def test_save_and_load_act_the_same_to_the_bit(tmp_path):
    policy = make_policy()
    policy.save_pretrained(tmp_path)
    loaded = load_policy(tmp_path, robot="panda", control_mode="ee_delta_pos")
    assert isinstance(loaded, TinyPolicy) and loaded.config == CONFIG
    assert torch.equal(policy.act(make_obs(), TEXTS).actions, loaded.act(make_obs(), TEXTS).actions)
    saved = read_json(tmp_path / "config.json")
    assert saved["type"] == "tiny" and saved["library"] == "octoworld" and saved["version"]


def test_loading_for_something_else(tmp_path):
    make_policy().save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="robot 'panda', not 'crazyflie'"):
        load_policy(tmp_path, robot="crazyflie")
    with pytest.raises(CheckpointError, match="control_mode 'ee_delta_pos', not 'joint_pos'"):
        load_policy(tmp_path, control_mode="joint_pos")


def damage_config(folder, **changes):
    values = read_json(folder / "config.json")
    write_json(folder / "config.json", values | changes)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda f: (f / "config.json").unlink(), "does not exist"),
        (lambda f: (f / "config.json").write_text("{"), "damaged"),
        (lambda f: (f / "config.json").write_text("[]"), "no field 'type'"),
        (lambda f: damage_config(f, type="giant"), "unknown policy 'giant'"),
        (lambda f: damage_config(f, config={"depht": 3}), "depht"),
        (lambda f: damage_config(f, config={"state_dim": 9, "action_dim": 3}), "state_dim = 9"),
        (lambda f: damage_config(f, config={"state_dim": 5, "action_dim": 3}), "does not fit"),
        (lambda f: (f / "model.safetensors").unlink(), "does not exist"),
        (lambda f: (f / "model.safetensors").write_bytes(b"\x00" * 40), "damaged"),
        (lambda f: (f / "processor.json").unlink(), "does not exist"),
        (lambda f: (f / "processor.json").write_text("{}"), "damaged"),
    ],
)
def test_damaged_folder(harm, message, tmp_path):
    make_policy().save_pretrained(tmp_path)
    harm(tmp_path)
    with pytest.raises(CheckpointError, match=message) as error:
        load_policy(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("obs", "message"),
    [
        (make_obs(cameras=("front",)), "no 'observation.images.wrist'"),
        (make_obs(size=64), r"made for shape \(3, 32, 32, 3\), got \(3, 64, 64, 3\)"),
        (make_obs() | {"observation.state": torch.zeros(3, 8)}, r"observation.state: .*\(3, 8\)"),
        (make_obs() | {"observation.images.front": torch.zeros(3, 32, 32, 3)}, "expected uint8"),
        (make_obs(n=2), r"\(3, 5\), got \(2, 5\)"),
    ],
)
def test_wrong_observations(obs, message):
    with pytest.raises(CheckpointError, match=message):
        make_policy().act(obs, TEXTS)


def test_wrong_actions_and_temperature():
    with pytest.raises(ActionError, match=r"\(3, 4, 3\), got \(3, 4, 2\)"):
        make_policy().log_prob(make_obs(), TEXTS, torch.zeros(3, 4, 2))
    with pytest.raises(ConfigError, match="temperature"):
        make_policy().distribution(make_obs(), TEXTS, temperature=0.0)


@pytest.mark.parametrize(
    "change",
    [{"cameras": ()}, {"image_size": 60}, {"heads": 5}, {"noise_correlation": 1.0},
     {"scale_range": (0.0, 1.0)}, {"num_keypoints": 5}],
)  # fmt: skip
def test_wrong_config(change):
    with pytest.raises(ConfigError):
        replace(CONFIG, **change)
