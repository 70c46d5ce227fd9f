"""The flow model learns that actions move things; histories are picked and repeated by index."""

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers.schedulers.scheduling_flow_match_euler_discrete import (
    FlowMatchEulerDiscreteScheduler,
)

from octoworld.core.config import to_dict
from octoworld.core.errors import ActionError, ConfigError
from octoworld.core.fit import FitConfig
from octoworld.data.episode import Episode
from worldmodels.autoencoder import FrameAutoencoder
from worldmodels.dataset import EpisodeDataset
from worldmodels.flow import FlowTrainConfig, FlowWorldModel, train_flow
from worldmodels.flow.sampling import euler
from worldmodels.metrics import action_following, rollout_report
from worldmodels.model import Clip
from worldmodels.replay import start_rows


def _start(trained, count=4, time=0):
    data, model = trained["held_out"], trained["model"]
    rows = start_rows(data, np.arange(count), np.full(count, time), model.context_length)
    return data, model, model.start(data.clip(rows))


def test_loss_went_down_and_raw_clips_work(trained):
    data, model = trained["dataset"], trained["model"]
    assert trained["metrics"]["flow/flow"] < 0.7
    rows = data.windows(np.arange(4), np.full(4, 3), 2, 4)
    loss = model.loss(data.clip(rows), torch.Generator().manual_seed(0))["loss"]
    assert math.isfinite(float(loss.detach()))


def test_imagined_frames_follow_the_actions(trained):
    generator = torch.Generator().manual_seed(0)
    report = rollout_report(
        trained["model"], trained["held_out"], generator, chunks=2, num_starts=48
    )
    assert report.latent_error[0] < 0.7 * report.still_latent_error[0]
    assert max(report.proprio_error[0]) < 0.03
    following = action_following(
        trained["model"], trained["held_out"], generator, chunks=2, num_starts=48
    )
    assert following > 0.85


def test_imagination_is_reproducible_and_decodes_what_is_asked(trained):
    data, model, history = _start(trained)
    actions = data.actions[:16].view(4, 4, 2)
    first, seen = model.imagine(history, actions, torch.Generator().manual_seed(3))
    second, again = model.imagine(history, actions, torch.Generator().manual_seed(3), "none")
    assert torch.equal(seen.latents, again.latents)
    assert torch.equal(first.latents, second.latents)
    assert seen.frames["front"].shape == (4, 4, 32, 32, 3)
    assert again.frames == {}
    _, other = model.imagine(history, actions, torch.Generator().manual_seed(4), "last")
    assert other.frames["front"].shape == (4, 1, 32, 32, 3)
    assert not torch.equal(other.latents, seen.latents)
    # the first frame stays the anchor, the newest are the imagined ones
    assert torch.equal(first.latents[:, 0], history.latents[:, 0])
    assert torch.equal(first.latents[:, 1:], seen.latents[:, -2:])


def test_later_actions_do_not_change_earlier_frames(trained):
    data, model, history = _start(trained)
    actions = data.actions[:16].view(4, 4, 2)
    changed = actions.clone()
    changed[:, -1] *= -1
    seen = [
        model.imagine(history, a, torch.Generator().manual_seed(0), "none")[1].latents
        for a in (actions, changed)
    ]
    torch.testing.assert_close(seen[0][:, :3], seen[1][:, :3], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(seen[0][:, 3], seen[1][:, 3])


def test_history_select_repeat_where(trained):
    _, _, history = _start(trained)
    repeated = history.repeat(3)
    assert len(repeated) == 12
    assert torch.equal(repeated.latents[5], history.latents[1])
    picked = history.select(torch.tensor([2, 0]))
    assert torch.equal(picked.proprio[0], history.proprio[2])
    mask = torch.tensor([True, False, True, False])
    merged = history.where(mask, history.select(torch.tensor([3, 2, 1, 0])))
    assert torch.equal(merged.latents[0], history.latents[0])
    assert torch.equal(merged.latents[1], history.latents[2])


def test_one_observed_frame_is_enough(trained):
    data, model = trained["held_out"], trained["model"]
    clip = Clip(
        {"front": data.frames["front"][:1][None]}, data.proprio[:1][None], data.actions[:1][None]
    )
    history = model.start(clip)
    assert history.latents.shape[1] == 1 + model.context_length
    assert torch.equal(history.latents[:, 0], history.latents[:, -1])


def test_a_model_is_trained_further_on_its_own_autoencoder_only(trained, tmp_path):
    step = FitConfig(steps=2, batch_size=4, learning_rate=1e-3)
    config = FlowTrainConfig(fit=step, polish=step, state=step, eyes=step)
    before = dict(trained["model"].named_parameters())
    longer, _ = train_flow(
        trained["dataset"], trained["autoencoder"], config, tmp_path / "further", seed=0,
        initial=copy.deepcopy(trained["model"]), sight=trained["sight"],
    )  # fmt: skip
    assert longer.settings == trained["model"].settings
    change = [(p - before[n]).detach().abs().max() for n, p in longer.named_parameters()]
    assert 0 < float(max(change)) < 0.05
    other = FrameAutoencoder(to_dict(trained["autoencoder"].settings))
    with pytest.raises(ConfigError, match="another autoencoder"):
        train_flow(
            trained["dataset"], other, config, tmp_path / "other", seed=0,
            initial=copy.deepcopy(trained["model"]), sight=trained["sight"],
        )  # fmt: skip
    with pytest.raises(ConfigError, match="carries 1 points"):
        train_flow(
            trained["dataset"], trained["autoencoder"], config, tmp_path / "blind", seed=0,
            initial=copy.deepcopy(trained["model"]),
        )  # fmt: skip


def test_recordings_without_pictures_teach_the_state_model(trained, tmp_path):
    """A model whose few recordings show a still world learns motion where nothing was filmed."""
    still = trained["dataset"].subset(range(4))
    still.actions = torch.zeros_like(still.actions)
    episodes = [_without_pictures(e) for e in trained["dataset"].episodes]
    motion = EpisodeDataset.from_episodes(episodes, ())
    motion.objects = trained["dataset"].objects
    one = FitConfig(steps=1, batch_size=4)
    config = FlowTrainConfig(
        model=trained["model"].settings, fit=one, polish=one, eyes=one,
        state=FitConfig(steps=150, batch_size=64, learning_rate=3e-3, ema_decay=0.9),
    )  # fmt: skip
    held_out, errors = trained["held_out"], []
    for name, given in (("alone", None), ("with", motion)):
        model, _ = train_flow(
            still, trained["autoencoder"], config, tmp_path / name, seed=0,
            sight=trained["sight"], motion=given,
        )  # fmt: skip
        states = held_out.state.view(16, 24, -1)[:, :9]
        actions = held_out.actions.view(16, 24, -1)[:, :8]
        with torch.no_grad():
            loss = model.state_loss(states, actions, held_out.need_latents()[:16])
        errors.append(float(loss))
    assert errors[1] < 0.75 * errors[0]
    motion.objects = None
    with pytest.raises(ConfigError, match="motion: recordings of 2 numbers"):
        train_flow(
            still, trained["autoencoder"], config, tmp_path / "narrow", seed=0,
            sight=trained["sight"], motion=motion,
        )  # fmt: skip


def _without_pictures(episode: Episode) -> Episode:
    kept = {k: v for k, v in episode.columns.items() if "images" not in k}
    return Episode(kept, episode.instruction, episode.fps, episode.info)


def test_save_and_load_imagine_the_same(trained, tmp_path):
    data, model, history = _start(trained)
    model.save_pretrained(str(tmp_path))
    again = FlowWorldModel.from_pretrained(str(tmp_path)).eval()
    actions = data.actions[:16].view(4, 4, 2)
    a, b = (
        m.imagine(history, actions, torch.Generator().manual_seed(0))[1] for m in (model, again)
    )
    assert torch.equal(a.frames["front"], b.frames["front"])


@pytest.mark.parametrize("shape", [(4, 5, 2), (4, 4, 3), (3, 4, 2)])
def test_wrong_actions_are_named(trained, shape):
    _, model, history = _start(trained)
    with pytest.raises(ActionError):
        model.imagine(history, torch.zeros(shape), torch.Generator())


def test_euler_reaches_the_target_of_a_straight_path():
    target = torch.tensor([3.0, -1.0]).view(1, 1, 1, 2)
    sample = euler(lambda x, level: target, torch.zeros(1, 1, 1, 2), steps=4)
    torch.testing.assert_close(sample, target)


def test_another_scheduler_of_diffusers_samples_the_same_flow(trained):
    data, model, history = _start(trained)
    actions = data.actions[:16].view(4, 4, 2)

    def imagined(scheduler=None):
        generator = torch.Generator().manual_seed(0)
        return model.imagine(history, actions, generator, "none", scheduler=scheduler)[1].latents

    usual = imagined()
    # levels bent towards noise, as models of large pictures have them: another way to one place
    other = imagined(FlowMatchEulerDiscreteScheduler(shift=3.0))
    assert not torch.equal(usual, other) and float((usual - other).abs().mean()) < 0.2


def test_pictures_that_are_told_no_state_do_not_depend_on_it(trained):
    data, told, _ = _start(trained)
    alone = FlowWorldModel.build(
        trained["autoencoder"], replace(told.settings, told_state=False), 2, 2
    ).eval()
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in alone.transformer.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape))
    rows = start_rows(data, np.arange(4), np.full(4, 5), alone.context_length)
    actions = data.actions[:16].view(4, 4, 2)

    def imagined(felt, actions):
        history = alone.start_latents(data.latents[rows], data.proprio[rows] + felt)
        seen = alone.imagine(history, actions, torch.Generator().manual_seed(0), "none")[1]
        assert seen.latents is not None
        return seen.latents, seen.proprio

    one, two, other = imagined(0, actions), imagined(1, actions), imagined(0, -actions)
    assert torch.equal(one[0], two[0]) and not torch.equal(one[1], two[1])
    assert not torch.equal(one[0], other[0])


def test_half_precision_and_compilation_need_cuda(trained, tmp_path):
    for config, said in (
        (FlowTrainConfig(precision="bfloat16"), "bfloat16"),
        (FlowTrainConfig(compiled=True), "compiled"),
    ):
        with pytest.raises(ConfigError, match=said):
            train_flow(trained["dataset"], trained["autoencoder"], config, tmp_path, seed=0)
