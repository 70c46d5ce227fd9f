"""Tokens keep what moves; weights survive the disk."""

from typing import Any

import pytest
import torch

from octoworld.core.config import to_dict
from octoworld.core.errors import ConfigError
from worldmodels.autoencoder import AutoencoderConfig, FrameAutoencoder
from worldmodels.cells import to_cells, to_tokens
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


@pytest.mark.parametrize("cell_size", [4, 8])
def test_tokens_are_made_of_cells_side_by_side(cell_size):
    config = AutoencoderConfig(cell_size=cell_size, image_size=32, width=8, latent_channels=48)
    model = FrameAutoencoder(to_dict(config)).eval()
    image = torch.randint(256, (2, 32, 32, 3), dtype=torch.uint8)
    with torch.no_grad():
        tokens = model.encode({"front": image})
    assert tokens.shape == (2, 4, 48)
    assert model.decode(tokens)["front"].shape == image.shape
    cells = to_cells(tokens, 1, config.cells)
    assert cells.shape == (2, 48 // config.cells**2, 32 // cell_size, 32 // cell_size)
    assert torch.equal(to_tokens(cells, 1, config.cells), tokens)
    tokens[:, 1:] = 0  # what is left is the upper left quarter
    cells = to_cells(tokens, 1, config.cells)
    half = 16 // cell_size
    assert cells[..., :half, :half].abs().min() > 0
    assert not cells[..., half:, :].any() and not cells[..., half:].any()


def test_sizes_that_do_not_fit_are_told():
    wrong: Any = (({"cell_size": 5}, "4 or 8"), ({"latent_channels": 20}, "16 cells"))
    for given, said in wrong:
        with pytest.raises(ConfigError, match=said):
            FrameAutoencoder(to_dict(AutoencoderConfig(**given)))
