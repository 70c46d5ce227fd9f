"""A pretrained video model learns to follow actions; what it imagines keeps the protocol."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode

from octoworld.core.config import to_dict
from octoworld.core.errors import ActionError, ConfigError
from worldmodels.autoencoder import AutoencoderConfig, FrameAutoencoder, encode_dataset
from worldmodels.env import ImaginationConfig, WorldModelEnv
from worldmodels.model import Clip
from worldmodels.pretrained import PretrainedConfig, PretrainedWorldModel, Robot
from worldmodels.reflector import Reflector, ReflectorConfig

from .conftest import SIDE, SMALL, STEP, seeded, start
from .tiny import FAMILIES

IMAGE, STATE = "observation.images.front", "observation.state"


def future_clip(model, dataset, actions=lambda a: a):
    """Held-out clips, whose future is told to follow from other actions."""
    episodes, times = np.arange(16), np.full(16, 7)
    recent = dataset.windows(episodes, times, model.context_length - 1, 4)
    clip = dataset.clip(torch.cat([torch.from_numpy(dataset.starts)[:, None], recent], 1))
    now = model.context_length
    clip.actions = actions(clip.actions)
    for i in range(now, now + 4):
        told = clip.proprio[:, i] + STEP * clip.actions[:, i]
        clip.proprio[:, i + 1] = told.clamp(-1, 1)
    return clip


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_loss_falls(family, trained):
    _, losses = trained(family)
    assert np.mean(losses[-10:]) < 0.75 * np.mean(losses[:5])


def test_true_actions_explain_the_frames_best(trained, recordings):
    model, _ = trained("ltx")
    with torch.no_grad():
        true, wrong, others = (
            float(model.video_loss(future_clip(model, recordings[1], f), seeded())["loss"])
            for f in (lambda a: a, lambda a: -a, lambda a: a.roll(5, 0))
        )
    assert true < others - 0.003 and true < wrong - 0.01


@pytest.mark.parametrize("family", FAMILIES)
def test_imagination_is_reproducible_and_responds_to_actions(family, trained, recordings):
    model, _ = trained(family)
    history, rows = start(model, recordings[1])
    actions = recordings[1].actions[rows[:, :-1]]
    longer, seen = model.imagine(history, actions, seeded(3))
    again, same = model.imagine(history, actions, seeded(3), "none")
    assert torch.equal(longer.pictures, again.pictures) and same.frames == {}
    assert seen.frames["front"].shape == (6, 4, SIDE, SIDE, 3)
    assert seen.frames["front"].dtype == torch.uint8 and seen.proprio.shape == (6, 4, 2)
    _, last = model.imagine(history, actions, seeded(3), "last")
    assert torch.equal(last.frames["front"], seen.frames["front"][:, -1:])
    for other in (model.imagine(history, actions, seeded(4))[0],
                  model.imagine(history, -actions, seeded(3))[0]):  # fmt: skip
        assert not torch.equal(other.pictures, longer.pictures)
    # the first frame of the episode stays, the newest are the imagined ones
    assert torch.equal(longer.pictures[:, 0], history.pictures[:, 0])
    assert torch.equal(model.pictures.split(longer.pictures[:, 1:])["front"], seen.frames["front"])


def test_proprioception_follows(trained, recordings):
    model, _ = trained("ltx")
    history, rows = start(model, recordings[1])
    _, seen = model.imagine(history, recordings[1].actions[rows[:, :-1]], seeded(), "none")
    error = (seen.proprio - recordings[1].proprio[rows[:, 1:]]).abs().mean()
    still = (recordings[1].proprio[rows[:, :1]] - recordings[1].proprio[rows[:, 1:]]).abs().mean()
    assert error < 0.5 * still


@pytest.mark.parametrize("family", FAMILIES)
def test_any_number_of_actions(family, trained, recordings):
    """One latent is four frames; what is not told behind the last action does not matter."""
    model, _ = trained(family)
    history, rows = start(model, recordings[1])
    actions = recordings[1].actions[rows[:, :-1]]
    longer, seen = model.imagine(history, actions[:, :1], seeded())
    assert seen.frames["front"].shape[1] == 1 and len(longer) == 6
    assert torch.equal(longer.pictures[:, 1:-1], history.pictures[:, 2:])
    clip = future_clip(model, recordings[1])
    hidden = copy.deepcopy(clip)
    hidden.actions[:, -3:] *= -1
    hidden.proprio[:, -2:] *= -1
    with torch.no_grad():
        losses = [model.video_loss(c, seeded(), known=2)["loss"] for c in (clip, hidden)]
    assert torch.equal(*losses)


def test_worlds_wait_for_their_turn(trained, recordings):
    """Of a scheduler that does not draw: the noise of a world does not depend on the others."""
    model, _ = trained("ltx")
    history, rows = start(model, recordings[1])
    actions, whole = recordings[1].actions[rows[:, :-1]], model.settings
    together = model.imagine(history, actions, seeded())[1].frames["front"]
    model.settings = dataclasses.replace(whole, worlds_at_once=4)
    try:
        apart = model.imagine(history, actions, seeded())[1].frames["front"]
    finally:
        model.settings = whole
    assert (together.int() - apart.int()).abs().max() <= 1


def test_one_observed_frame_is_enough(trained, recordings):
    model, data = trained("ltx")[0], recordings[1]
    rows = torch.tensor([[0], [24]])
    history = model.start(data.clip(rows))
    assert history.pictures.shape == (2, 5, SIDE, SIDE, 3)
    assert (history.pictures == history.pictures[:, :1]).all()
    assert len(history.repeat(3)) == 6
    picked = history.select(torch.tensor([1]))
    assert torch.equal(picked.proprio[0], history.proprio[1])


def test_protocol_loss_has_both_parts(trained, recordings):
    model, _ = trained("wan")
    losses = model.loss(future_clip(model, recordings[1]), seeded())
    assert {"loss", "flow", "state"} == set(losses)
    assert torch.equal(losses["loss"], losses["flow"] + losses["state"])


def test_image_to_video(base_of, recordings):
    """Without the anchor and with one frame of context, as the models were pretrained."""
    changes = SMALL | {"anchor": False, "context_length": 1, "max_chunk": 8}
    config = PretrainedConfig(model=base_of("ltx"), **changes)
    model = PretrainedWorldModel.build(config, Robot.of(recordings[1]), seed=0)
    history, rows = start(model, recordings[1], after=8)
    assert torch.equal(history.pictures[:, 0], recordings[1].frames["front"][rows[:, 0]])
    actions = recordings[1].actions[rows[:, :-1]]
    longer, seen = model.imagine(history, actions[:, :6], seeded())
    assert seen.frames["front"].shape[1] == 6 and longer.pictures.shape[1] == 1
    assert model.loss(recordings[1].clip(torch.cat([rows[:, :1], rows], 1)), seeded())["flow"] > 0


def test_several_cameras_share_a_picture(base_of):
    robot = Robot(("front", "wrist"), (48, 40), proprio_dim=3, action_dim=2, fps=10)
    config = PretrainedConfig(model=base_of("wan"), **SMALL)
    model = PretrainedWorldModel.build(config, robot, seed=0)
    # 40 is no multiple of 16, which VAE and patches want
    assert (model.pictures.height, model.pictures.width) == (48, 48)
    images = {
        name: torch.full((2, 3, 48, 40, 3), value, dtype=torch.uint8)
        for name, value in (("wrist", 200), ("front", 30))
    }
    history = model.start(Clip(images, torch.zeros(2, 3, 3), torch.zeros(2, 3, 2)))
    assert history.pictures.shape == (2, 5, 48, 96, 3)
    assert (history.pictures[..., :48, :] == 30).all() and (
        history.pictures[..., 48:, :] > 30
    ).all()
    back = model.pictures.split(history.pictures)
    assert torch.equal(back["wrist"][:, -1], images["wrist"][:, -1])
    _, seen = model.imagine(history, torch.zeros(2, 4, 2), seeded())
    assert {k: v.shape for k, v in seen.frames.items()} == dict.fromkeys(images, (2, 4, 48, 40, 3))


def test_instruction_is_read_where_it_is_given(base_of, recordings):
    config = PretrainedConfig(model=base_of("ltx"), **SMALL, text_length=3)
    model = PretrainedWorldModel.build(config, Robot.of(recordings[1]), seed=0).eval()
    text = torch.randn(6, 3, model.family.token_width, generator=seeded())
    history, _ = start(model, recordings[1])
    told = dataclasses.replace(history, text=text)
    actions = torch.zeros(6, 4, 2)
    plain, read = (model.imagine(h, actions, seeded())[0].pictures for h in (history, told))
    assert not torch.equal(plain, read)
    with pytest.raises(ConfigError, match=r"text must be \(16, 3, 20\)"):
        model.video_loss(future_clip(model, recordings[1]), seeded(), text=text)


@pytest.fixture
def dreamer(trained, recordings):
    """The model with a reflector's autoencoder attached, the reflector, and recordings."""
    model, data = trained("ltx")[0], recordings[1]
    torch.manual_seed(0)
    autoencoder = FrameAutoencoder(
        to_dict(AutoencoderConfig(image_size=SIDE, width=8, latent_channels=16, cell_size=8))
    ).eval()
    autoencoder.set_background({"front": data.frames["front"][:32]})
    autoencoder.set_latent_moments({"front": data.frames["front"][:64]})
    encode_dataset(autoencoder, data)
    reflector = Reflector.build(
        autoencoder, ReflectorConfig(dim=16, heads=2, dropout=0.0), ["follow"], data.proprio
    ).eval()
    reflector.threshold.fill_(2.0)  # it never stops
    model.attach(autoencoder)
    yield model, reflector, data
    model.frame_autoencoder = None


def test_environment_steps_with_it(dreamer):
    model, reflector, data = dreamer
    env = WorldModelEnv(
        model, reflector, data, 3, ImaginationConfig(horizon=6, record=True),
        autoreset_mode=AutoresetMode.DISABLED,
    )  # fmt: skip
    frames = []
    for _ in range(2):
        obs, _ = env.reset(seed=5)
        assert env.observation_space.contains(obs)
        result = env.step_chunk(np.ones((3, 4, 2), np.float32))
        frames.append(result.obs[IMAGE])
        assert env.observation_space.contains(result.observations[1])
    assert np.array_equal(*frames) and not result.truncated.any()
    # what is shown is what the reflector sees: imagined pixels through its autoencoder
    obs, reward, _, _, infos = env.step(np.zeros((3, 2), np.float32))
    assert env.observation_space.contains(obs) and reward.shape == (3,)
    assert ((infos["success_probability"] >= 0) & (infos["success_probability"] <= 1)).all()
    _, _, _, truncated, _ = env.step(np.zeros((3, 2), np.float32))
    assert truncated.all() and env.true_steps == 0
    episodes = env.to_episodes()
    assert [len(e) for e in episodes[-3:]] == [6] * 3
    assert episodes[-1][IMAGE].shape == (6, SIDE, SIDE, 3)


def test_latents_are_those_of_the_attached_autoencoder(dreamer):
    model, _, data = dreamer
    history, rows = start(model, data)
    _, seen = model.imagine(history, data.actions[rows[:, :-1]], seeded())
    assert seen.latents is not None
    assert torch.equal(seen.latents, model.autoencoder.encode(seen.frames))
    assert model.decode(seen.latents)["front"].shape == (6, 4, SIDE, SIDE, 3)
    other = FrameAutoencoder(to_dict(AutoencoderConfig(image_size=64)))
    with pytest.raises(ConfigError, match=r"autoencoder is of cameras and size .*64"):
        model.attach(other)


def test_without_an_autoencoder_it_says_so(trained):
    with pytest.raises(ConfigError, match=r"attach\(autoencoder\)"):
        trained("ltx")[0].decode(torch.zeros(1, 4, 16))


@pytest.mark.parametrize(
    ("shape", "said"),
    [((6, 4, 3), r"actions must be \(6, K, 2\), got \(6, 4, 3\)"), ((5, 4, 2), r"\(6, K, 2\)"),
     ((6, 5, 2), r"K must be 1..4, got 5"), ((6, 0, 2), "K must be 1..4, got 0")],
)  # fmt: skip
def test_wrong_actions_are_named(trained, recordings, shape, said):
    history, _ = start(trained("ltx")[0], recordings[1])
    with pytest.raises(ActionError, match=said):
        trained("ltx")[0].imagine(history, torch.zeros(shape), seeded())


def test_wrong_pictures_and_clips_are_named(trained, recordings):
    model, data = trained("ltx")[0], recordings[1]
    history, _ = start(model, data)
    with pytest.raises(ActionError, match="NaN"):
        model.imagine(history, torch.full((6, 4, 2), torch.nan), seeded())
    felt = torch.zeros(1, 2, 2)
    large = {"front": torch.zeros(1, 2, 64, 64, 3, dtype=torch.uint8)}
    with pytest.raises(ConfigError, match=r"'front' must be \(B, T, 32, 32, 3\) uint8"):
        model.start(Clip(large, felt, felt))
    with pytest.raises(ConfigError, match="no images of camera 'front'; given: wrist"):
        model.start(Clip({"wrist": large["front"]}, felt, felt))
    clip = future_clip(model, data)
    cut = Clip({"front": clip.frames["front"][:, :-1]}, clip.proprio[:, :-1], clip.actions[:, :-1])
    with pytest.raises(ConfigError, match=r"1 \+ 4 rows and 4 more, .*got 8 in all"):
        model.loss(cut, seeded())


def test_sizes_that_do_not_fit_are_named_with_those_that_do(base_of, recordings):
    robot = Robot.of(recordings[1])

    def refused(**changes):
        config = PretrainedConfig(model=base_of("wan"), **(SMALL | changes))
        with pytest.raises(ConfigError) as error:
            PretrainedWorldModel.build(config, robot, seed=0)
        assert "\n" not in str(error.value)
        return str(error.value)

    assert "max_chunk = 6: this VAE takes 1 + n * 4 frames, so that 4, 8, 12, ..." in refused(
        max_chunk=6
    )
    assert "so that 4, 8, 12, ... fit" in refused(context_length=5)
    assert "so that 1, 5, 9, 13, ... fit" in refused(context_length=4, anchor=False)
    said = refused(resolution=(40, 32))
    assert (
        "resolution = (40, 32)" in said and "multiples of (16, 16)" in said and "(48, 32)" in said
    )
    assert "no linear layer 'to_z'; known: " in refused(lora_targets=("to_z",))
    assert "needs a CUDA device" in refused(dtype="bfloat16")
