"""What is known of a family agrees with diffusers' own pipelines."""

from typing import Any

import pytest
import torch
from diffusers import LTXImageToVideoPipeline, WanImageToVideoPipeline, WanTransformer3DModel

from worldmodels.pretrained.base import load_base
from worldmodels.pretrained.config import PretrainedConfig
from worldmodels.pretrained.family import Condition
from worldmodels.pretrained.ltx import LtxFamily
from worldmodels.pretrained.pictures import to_video
from worldmodels.pretrained.video import VideoModel

from . import tiny
from .conftest import seeded
from .tiny import FAMILIES

FPS = 10.0


@pytest.fixture(params=FAMILIES)
def video_model(request, base_of):
    """Image to video: one frame is seen."""
    config = PretrainedConfig(model=base_of(request.param), anchor=False, context_length=1)
    return VideoModel(load_base(config, "cpu"), config, FPS)


def pictures(recordings, frames):
    return recordings[1].frames["front"][None, :frames]


def test_frames_to_latents_and_back(video_model, recordings):
    family = video_model.family
    assert (family.temporal, family.channels, family.multiple) in [(4, 8, (16, 16)), (4, 8, (8, 8))]
    latents = family.encode(to_video(pictures(recordings, 9)))
    height, width = (32 // family.stride,) * 2
    assert latents.shape == (1, 8, 3, height, width)
    assert family.decode(latents, seeded()).shape == (1, 3, 9, 32, 32)
    # encoded causally: what is seen does not depend on what follows
    torch.testing.assert_close(
        family.encode(to_video(pictures(recordings, 5))), latents[:, :, :2], atol=1e-4, rtol=1e-4
    )
    assert 0.3 < float(latents.std()) < 3


@torch.no_grad()
def test_sampling_is_that_of_the_pipeline(video_model, recordings):
    """Same text, first frame, noise and steps: latent by latent what the pipeline makes."""
    family, steps = video_model.family, 3
    text = torch.randn(1, 5, family.token_width, generator=seeded(1))
    mask = torch.tensor([[True, True, True, False, False]])
    frame = pictures(recordings, 1)
    noise = video_model.noise(frame, 8, seeded(2))
    past = family.encode(to_video(frame))
    nothing = Condition(text, mask, torch.zeros(1, 3, family.width))
    ours = video_model.sample(past, nothing, noise, seeded(), steps)
    parts = {"transformer": family.transformer, "vae": family.vae, "tokenizer": None,
             "scheduler": video_model.scheduler, "text_encoder": None}  # fmt: skip
    asked = {
        "image": (to_video(frame)[:, :, 0] + 1) / 2, "height": 32, "width": 32, "num_frames": 9,
        "num_inference_steps": steps, "guidance_scale": 1.0, "output_type": "latent",
    }  # fmt: skip
    whole = torch.cat([past, noise], 2)
    pipeline: Any
    if family.transformer_class is WanTransformer3DModel:
        pipeline = WanImageToVideoPipeline(**parts, expand_timesteps=True)
        theirs = pipeline(**asked, prompt_embeds=text, latents=whole).frames
    else:
        pipeline = LTXImageToVideoPipeline(**parts)
        theirs = pipeline(
            **asked, frame_rate=FPS, prompt_embeds=text, prompt_attention_mask=mask.long(),
            latents=whole.flatten(2).transpose(1, 2),
        ).frames  # fmt: skip
        theirs = theirs.transpose(1, 2).unflatten(2, whole.shape[2:])
    torch.testing.assert_close(torch.cat([past, ours], 2), theirs, atol=1e-4, rtol=1e-4)


def test_loss_is_zero_for_the_true_velocity(video_model, recordings, monkeypatch):
    """Noise minus clean, at every level: from (1 - t) clean + t noise to noise, divided by t."""
    family = video_model.family
    shown = pictures(recordings, 9)
    clean = family.encode(to_video(shown))
    told = Condition(torch.zeros(1, 1, family.token_width), torch.ones(1, 1).bool(),
                     torch.zeros(1, 3, family.width))  # fmt: skip

    def truth(latents, timestep, condition, fps):
        level = timestep[:, None, :, None, None] / 1000
        assert level[0, 0, 1:].unique().numel() == 1  # those to come
        assert level.max() <= 1 and level[0, 0, 0] <= video_model.settings.context_noise
        return (latents - clean) / level

    monkeypatch.setattr(family, "velocity", truth)
    for seed in range(3):
        assert float(video_model.loss(shown, told, seeded(seed))) < 1e-4


@torch.no_grad()
def test_decoders_that_draw_are_seeded_too():
    """LTX's from 0.9.1 on: told of the noise level, and adding some of their own."""
    transformer, plain, _ = tiny.ltx()
    noisy = {
        "timestep_conditioning": True, "decoder_inject_noise": (True,) * 4,
        "decoder_block_out_channels": (8, 8, 8),
    }  # fmt: skip
    vae = type(plain).from_config({**plain.config, **noisy})
    for name, parameter in vae.named_parameters():
        if "per_channel_scale" in name:
            parameter.fill_(1.0)
    family = LtxFamily(transformer, vae)
    latents = torch.randn(1, 8, 2, 4, 4, generator=seeded())
    first, again, other = (family.decode(latents, seeded(s)) for s in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
