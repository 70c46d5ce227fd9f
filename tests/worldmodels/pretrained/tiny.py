"""Tiny random video models of two families, saved as real diffusers pipelines are."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import (
    AutoencoderKLLTXVideo,
    AutoencoderKLWan,
    FlowMatchEulerDiscreteScheduler,
    LTXVideoTransformer3DModel,
    UniPCMultistepScheduler,
    WanTransformer3DModel,
)

FAMILIES = ("wan", "ltx")


def wan() -> tuple[Any, Any, Any]:
    """As Wan 2.2 TI2V: UniPC on flow levels, 4 frames a latent."""
    vae = AutoencoderKLWan(
        base_dim=4, z_dim=8, dim_mult=[1, 1, 1, 2], num_res_blocks=1, scale_factor_spatial=8,
        temperal_downsample=[False, True, True], latents_mean=[0.0] * 8, latents_std=[1.0] * 8,
    )  # fmt: skip
    transformer = WanTransformer3DModel(
        num_attention_heads=2, attention_head_dim=24, in_channels=8, out_channels=8, text_dim=20,
        freq_dim=32, ffn_dim=96, num_layers=2, rope_max_seq_len=32,
    )  # fmt: skip
    scheduler = UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
    )
    return transformer, vae, scheduler


def ltx() -> tuple[Any, Any, Any]:
    """As LTX-Video: levels that depend on the video's size, 4 frames a latent."""
    vae = AutoencoderKLLTXVideo(
        latent_channels=8, block_out_channels=(8, 8, 16), decoder_block_out_channels=(8, 8, 16),
        down_block_types=("LTXVideoDownBlock3D",) * 3, layers_per_block=(1,) * 4,
        decoder_layers_per_block=(1,) * 4, spatio_temporal_scaling=(True, True, False),
        decoder_spatio_temporal_scaling=(True, True, False), decoder_inject_noise=(False,) * 4,
        downsample_type=("conv",) * 3, upsample_residual=(False,) * 3, upsample_factor=(1,) * 3,
        patch_size=2,
    )  # fmt: skip
    transformer = LTXVideoTransformer3DModel(
        in_channels=8, out_channels=8, num_attention_heads=2, attention_head_dim=24,
        cross_attention_dim=48, num_layers=2, caption_channels=20,
    )  # fmt: skip
    scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, shift_terminal=0.1)
    return transformer, vae, scheduler


BUILDERS = {"wan": wan, "ltx": ltx}


@torch.no_grad()
def build(family: str, folder: Path, images: np.ndarray) -> str:
    """Write a pipeline's folder; latents of a video (T, H, W, 3) uint8 have unit scale."""
    torch.manual_seed(0)
    transformer, vae, scheduler = BUILDERS[family]()
    for parameter in vae.parameters():
        if parameter.ndim == 5:
            parameter.mul_(3)  # loud, so that what moves shows in the latents
    video = torch.from_numpy(images).permute(3, 0, 1, 2)[None].float() / 127.5 - 1
    latents = vae.encode(video).latent_dist.mode()
    mean, std = latents.mean((0, 2, 3, 4)), latents.std((0, 2, 3, 4))
    if family == "wan":
        vae.register_to_config(latents_mean=mean.tolist(), latents_std=std.tolist())
    else:
        vae.latents_mean.copy_(mean)
        vae.latents_std.copy_(std)
    parts = {"transformer": transformer, "vae": vae, "scheduler": scheduler}
    for name, part in parts.items():
        part.save_pretrained(folder / name)
    index = {name: ["diffusers", type(part).__name__] for name, part in parts.items()}
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "AnyPipeline"} | index))
    return str(folder)
