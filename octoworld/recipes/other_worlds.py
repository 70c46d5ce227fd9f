"""Others' world models at our size, timed: a script for an interpreter that has their code.

`python other_worlds.py NAME FOLDER`, with the clone of DIAMOND (github.com/eloialonso/diamond) or
of iVideoGPT (github.com/thuml/iVideoGPT) in FOLDER. It says how many weights the model has, then
answers each line `train SECONDS` or `imagine SECONDS` with frames and seconds.
"""

from __future__ import annotations

import json
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

BATCH, SIZE, ACTION_DIM, FUTURE = 16, 64, 4, 4
"""Worlds, pixels, numbers of an action, frames learned or imagined in one go."""
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"

Step = Callable[[], int]
"""Does something, and says how many frames that was."""


def diamond(folder: Path) -> tuple[int, Step, Step]:
    """DIAMOND as published for Atari: 4 past frames, 3 denoising steps a frame."""
    sys.path.insert(0, str(folder / "src"))
    # only these parts of their packages are needed, which else ask for simulators
    data, utils = types.ModuleType("data"), types.ModuleType("utils")
    data.Batch = utils.LossAndLogs = object  # type: ignore[attr-defined]
    sys.modules |= {"data": data, "utils": utils}
    package = types.ModuleType("models")
    package.__path__ = [str(folder / "src" / "models")]
    sys.modules["models"] = package
    from models.diffusion.denoiser import (  # type: ignore[import-not-found]
        Denoiser,
        DenoiserConfig,
        SigmaDistributionConfig,
    )
    from models.diffusion.diffusion_sampler import (  # type: ignore[import-not-found]
        DiffusionSampler,
        DiffusionSamplerConfig,
    )
    from models.diffusion.inner_model import InnerModelConfig  # type: ignore[import-not-found]

    past, kinds = 4, 16
    inner = InnerModelConfig(3, past, 256, [2] * 4, [64] * 4, [False] * 4, kinds)
    model = Denoiser(DenoiserConfig(inner, sigma_data=0.5, sigma_offset_noise=0.3))
    model.setup_training(SigmaDistributionConfig(-0.4, 1.2, 2e-3, 20))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    total = past + FUTURE
    batch = types.SimpleNamespace(
        obs=torch.rand(BATCH, total, 3, SIZE, SIZE) * 2 - 1,
        act=torch.randint(kinds, (BATCH, total)),
        mask_padding=torch.ones(BATCH, total, dtype=torch.bool),
    )

    def train() -> int:
        loss, _ = model(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return BATCH * FUTURE

    def imagine() -> int:
        sampler = DiffusionSampler(model, DiffusionSamplerConfig(num_steps_denoising=3))
        seen = batch.obs[:, :past]
        for step in range(FUTURE):
            frame, _ = sampler.sample(seen, batch.act[:, step : step + past])
            seen = torch.cat([seen[:, 1:], frame[:, None]], 1)
        return BATCH * FUTURE

    return count(model), train, imagine


def ivideogpt(folder: Path) -> tuple[int, Step, Step]:
    """IVideoGPT's compressive tokenizer and Llama, at our size: 16 tokens a frame, one context."""
    sys.path.insert(0, str(folder))
    package = types.ModuleType("ivideogpt.vq_model")
    package.__path__ = [str(folder / "ivideogpt" / "vq_model")]
    sys.modules["ivideogpt.vq_model"] = package  # their losses of training ask for more packages
    from ivideogpt.transformer.action_model import (  # type: ignore[import-not-found]
        HeadModelWithAction,
    )
    from ivideogpt.vq_model.compressive_vq_model import (  # type: ignore[import-not-found]
        CompressiveVQModel,
    )
    from transformers import LlamaConfig, LlamaForCausalLM

    codes, context = 1024, 1
    tokenizer = CompressiveVQModel(
        block_out_channels=(32, 64, 64), down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3, layers_per_block=1, latent_channels=16,
        num_vq_embeddings=codes, num_dyn_embeddings=codes, context_length=context,
        mid_block_add_attention=False, max_att_resolution=16, resolution=SIZE,
    ).eval()  # fmt: skip
    llama = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=2 * codes + 2, hidden_size=192, intermediate_size=768, num_hidden_layers=4,
            num_attention_heads=6, max_position_embeddings=1024, pad_token_id=2 * codes + 1,
        )
    )  # fmt: skip
    before = 257 * context - 1
    model = HeadModelWithAction(llama, ACTION_DIM, before, 16, context, context + FUTURE)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    frames = torch.rand(BATCH, context + FUTURE, 3, SIZE, SIZE)
    actions = torch.rand(BATCH, context + FUTURE, ACTION_DIM)
    with torch.no_grad():
        tokens, labels = tokenizer.tokenize(frames, context)

    def train() -> int:
        # tokens are made once and kept, as our latents are
        loss = model(tokens, labels=labels, action=actions).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return BATCH * FUTURE

    @torch.no_grad()
    def imagine() -> int:
        given = tokenizer.tokenize(frames, context)[0][:, : 257 * context]
        made = model.generate(
            given, max_new_tokens=17 * FUTURE - 1, pad_token_id=2 * codes + 1, action=actions
        )
        tokenizer.detokenize(made, context)
        return BATCH * FUTURE

    return count(model) + count(tokenizer), train, imagine


def count(model: torch.nn.Module) -> int:
    """Weights."""
    return sum(p.numel() for p in model.parameters())


def timed(step: Step, seconds: float) -> tuple[int, float]:
    """Frames and seconds of steps for at least so long, after one that is not counted."""
    step()
    _wait()
    frames, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        frames += step()
        _wait()
    return frames, time.perf_counter() - began


def _wait() -> None:
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    """Serve measurements, a line each."""
    torch.set_num_threads(1)
    torch.set_default_device(DEVICE)
    torch.manual_seed(0)
    makers: dict[str, Any] = {"diamond": diamond, "ivideogpt": ivideogpt}
    weights, train, imagine = makers[sys.argv[1]](Path(sys.argv[2]))
    steps = {"train": train, "imagine": imagine}
    print(json.dumps({"weights": weights}), flush=True)
    for line in sys.stdin:
        what, seconds = line.split()
        frames, spent = timed(steps[what], float(seconds))
        print(json.dumps({"frames": frames, "seconds": spent}), flush=True)


if __name__ == "__main__":
    main()
