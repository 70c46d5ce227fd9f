"""Tokens keep what moves; weights survive the disk."""

import torch

from worldmodels.autoencoder import FrameAutoencoder
from worldmodels.metrics import psnr


def test_shapes_and_standard_latents(trained):
    dataset, model = trained["dataset"], trained["autoencoder"]
    tokens = (32 // 16) ** 2
    assert dataset.latents.shape == (dataset.num_rows, tokens, 16)
    assert abs(float(dataset.latents.mean())) < 0.05
    assert abs(float(dataset.latents.std()) - 1) < 0.1
    frames = model.decode(dataset.latents[:6].view(2, 3, tokens, 16))["front"]
    assert frames.shape == (2, 3, 32, 32, 3)
    assert frames.dtype == torch.uint8


def test_moving_things_survive(trained):
    held_out, model = trained["held_out"], trained["autoencoder"]
    true = held_out.frames["front"]
    drawn = model.decode(held_out.latents)["front"]
    background = model.background[0].movedim(0, -1).mul(255).byte().expand_as(true)
    assert float(psnr(drawn, true).mean()) > float(psnr(background, true).mean()) + 5


def test_save_and_load_give_the_same_latents(trained, tmp_path):
    model = trained["autoencoder"]
    model.save_pretrained(str(tmp_path))
    again = FrameAutoencoder.from_pretrained(str(tmp_path)).eval()
    frames = {"front": trained["held_out"].frames["front"][:8]}
    with torch.no_grad():
        assert torch.equal(model.encode(frames), again.encode(frames))
