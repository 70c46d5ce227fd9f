"""Images become a few whole numbers: all codes can be used, and what moves survives."""

import copy
from typing import Any

import pytest
import torch

from octoworld.core.config import to_dict
from octoworld.core.errors import ConfigError
from worldmodels.autoencoder import AutoencoderConfig, FrameAutoencoder
from worldmodels.autoregressive import FrameTokenizer, TokenizerConfig
from worldmodels.autoregressive.fsq import FiniteScalars, perplexity, usual_size
from worldmodels.metrics import psnr


def _scalars(levels=(5, 4, 3), groups=2) -> FiniteScalars:
    return FiniteScalars(levels, groups).eval()


def test_every_code_has_its_own_levels_and_comes_back():
    fsq = _scalars()
    codes = torch.arange(60)[:, None].expand(-1, 2)
    values = fsq.values(codes)
    assert values.shape == (60, 2, 3)
    assert float(values.min()) == -1
    assert float(values.max()) == 1
    assert len(values[:, 0].unique(dim=0)) == 60
    assert torch.equal(fsq.nearest(values), codes)


def test_levels_are_about_equally_likely_for_normal_numbers():
    fsq = _scalars((5,), 1).train()
    x = torch.randn(20000, 1, 1, generator=torch.Generator().manual_seed(0))
    for _ in range(300):
        fsq(x)
    counts = torch.bincount(fsq.eval().codes(x)[:, 0], minlength=5)
    assert float(counts.min()) / 4000 > 0.9
    assert float(counts.max()) / 4000 < 1.1


def test_what_stands_still_has_no_say_in_the_scale():
    moved = torch.randn(4000, 1, 1, generator=torch.Generator().manual_seed(0))
    mostly_still = torch.cat([moved, torch.zeros(36000, 1, 1)])
    torch.testing.assert_close(usual_size(moved), usual_size(mostly_still))
    torch.testing.assert_close(usual_size(moved), torch.full((1, 1), 3**0.5), rtol=0.05, atol=0)


def test_gradients_pass_as_if_nothing_were_rounded():
    fsq = _scalars()
    x = torch.randn(7, 2, 3, generator=torch.Generator().manual_seed(0))
    hard, soft = x.clone().requires_grad_(), x.clone().requires_grad_()
    out = fsq(hard)
    assert torch.equal(out.detach(), fsq.values(fsq.codes(x)))
    out.pow(2).sum().backward()
    free = fsq(soft, softness=1.0)
    (2 * out.detach() * free).sum().backward()
    torch.testing.assert_close(hard.grad, soft.grad)
    # half way through the warm-up, values are half way
    torch.testing.assert_close(fsq(x, 0.5), (out + free).detach() / 2)


def test_perplexity_counts_the_codes_in_use():
    codes = torch.stack([torch.arange(12) % 4, torch.full((12,), 3)], -1)
    torch.testing.assert_close(perplexity(codes, 60), torch.tensor([4.0, 1.0]))


def test_moving_things_survive_and_codes_do_not_collapse(encoded, tokenizer):
    held_out, autoencoder = encoded["held_out"], encoded["autoencoder"]
    true = held_out.frames["front"]
    tokens = tokenizer.encode({"front": true})
    assert tokens.shape == (len(true), 4, 3)
    assert tokens.dtype == torch.long
    drawn = tokenizer.decode(tokens)["front"]
    background = autoencoder.background[0].movedim(0, -1).mul(255).byte().expand_as(true)
    assert float(psnr(drawn, true).mean()) > float(psnr(background, true).mean()) + 4
    used = tokenizer.usage({"front": true})
    assert used.shape == (3,)
    assert float(used.min()) > 15


@torch.no_grad()
def test_quantised_latents_are_latents_of_the_autoencoder(encoded, tokenizer):
    latents = encoded["held_out"].latents[:200]
    kept = tokenizer.quantiser.latents(tokenizer.quantiser.tokens(latents))
    assert kept.shape == latents.shape
    still = latents.median(0).values
    assert float((kept - latents).pow(2).mean()) < 0.5 * float((still - latents).pow(2).mean())


def test_a_code_tells_of_its_own_token_alone(encoded, tokenizer):
    latents = encoded["held_out"].latents[:50].clone()
    tokens = tokenizer.quantiser.tokens(latents)
    latents[:, 2] += 3 * torch.randn(50, 16, generator=torch.Generator().manual_seed(0))
    changed = tokenizer.quantiser.tokens(latents) != tokens
    assert changed[:, 2].any()
    assert not changed[:, [0, 1, 3]].any()


def test_save_and_load_give_the_same_tokens(encoded, tokenizer, tmp_path):
    frames = {"front": encoded["held_out"].frames["front"][:8]}
    tokenizer.save_pretrained(str(tmp_path))
    again = FrameTokenizer.from_pretrained(str(tmp_path)).eval()
    tokens = again.encode(frames)
    assert torch.equal(tokens, tokenizer.encode(frames))
    assert torch.equal(again.decode(tokens)["front"], tokenizer.decode(tokens)["front"])


@torch.no_grad()
def test_every_code_of_a_token_carries_something(encoded, tokenizer):
    latents = encoded["held_out"].latents[:200]
    quantiser = tokenizer.quantiser
    tokens = quantiser.tokens(latents)
    whole = (quantiser.latents(tokens) - latents).pow(2).mean()
    for group in range(3):
        less = tokens.clone()
        less[..., group] = quantiser.fsq.nearest(torch.zeros(1, 4))
        assert (quantiser.latents(less) - latents).pow(2).mean() > whole


def test_mistakes_are_named(tokenizer):
    wrong: Any = (({"levels": (1, 5)}, "levels"), ({"levels": (99, 99, 99)}, "levels"),
                  ({"groups": 0}, "groups"), ({"warmup_share": 2.0}, "warmup_share"))  # fmt: skip
    for given, said in wrong:
        with pytest.raises(ConfigError, match=said):
            TokenizerConfig(**given)
    with pytest.raises(ConfigError, match="32, 32"):
        tokenizer.encode({"front": torch.zeros(1, 64, 64, 3, dtype=torch.uint8)})


def test_several_cameras_are_tokens_side_by_side():
    image = AutoencoderConfig(cameras=("front", "wrist"), image_size=32, width=8)
    autoencoder = FrameAutoencoder(to_dict(image)).eval()
    tokenizer = FrameTokenizer.build(autoencoder, TokenizerConfig(groups=2, hidden=32)).eval()
    frames = {c: torch.randint(256, (2, 3, 32, 32, 3), dtype=torch.uint8) for c in image.cameras}
    tokens = tokenizer.encode(frames)
    assert tokens.shape == (2, 3, 8, 2)
    other = copy.copy(frames) | {"wrist": 255 - frames["wrist"]}
    assert torch.equal(tokenizer.encode(other)[:, :, :4], tokens[:, :, :4])
    assert tokenizer.decode(tokens)["wrist"].shape == (2, 3, 32, 32, 3)
