"""LTX-Video: LTXVideoTransformer3DModel with AutoencoderKLLTXVideo."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import AutoencoderKLLTXVideo, LTXVideoTransformer3DModel

from .family import Condition, VideoFamily, added, register_video_family


@register_video_family("LTXVideoTransformer3DModel")
class LtxFamily(VideoFamily):
    """Conventions as in diffusers' `pipelines/ltx/pipeline_ltx_image2video.py`.

    Latents are packed into one token a place; clean past frames have timestep 0, given per token,
    as the first frame there (`conditioning_mask`).
    """

    transformer_class = LTXVideoTransformer3DModel
    vae_class = AutoencoderKLLTXVideo
    lora_targets = ("to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2")

    def __init__(self, transformer: Any, vae: Any) -> None:
        super().__init__(transformer, vae)
        takes, given = transformer.config.in_channels, vae.config.latent_channels
        self._expect(
            takes == given == transformer.config.out_channels,
            f"it takes {takes} channels, the VAE makes {given}",
        )
        patch = transformer.config.patch_size, transformer.config.patch_size_t
        self._expect(patch == (1, 1), f"patches of one latent are known, not {patch}")
        self._expect(vae.config.encoder_causal, "its VAE must encode causally")

    @property
    def temporal(self) -> int:
        """Frames that a latent stands for."""
        return self.vae.temporal_compression_ratio

    @property
    def stride(self) -> int:
        """Pixels along a side of a latent."""
        return self.vae.spatial_compression_ratio

    @property
    def multiple(self) -> tuple[int, int]:
        """The VAE's stride."""
        return self.stride, self.stride

    @property
    def channels(self) -> int:
        """Numbers of a latent."""
        return self.vae.config.latent_channels

    @property
    def token_width(self) -> int:
        """Width of T5's embedding."""
        return self.transformer.config.caption_channels

    @property
    def width(self) -> int:
        """Width inside the transformer."""
        config = self.transformer.config
        return config.num_attention_heads * config.attention_head_dim

    def encode(self, video: torch.Tensor) -> torch.Tensor:
        """Video to latents: mode, normalised as `_normalize_latents` there."""
        latents = self.vae.encode(video).latent_dist.mode()
        mean, std = (self._wide(x) for x in (self.vae.latents_mean, self.vae.latents_std))
        return (latents - mean) * self.vae.config.scaling_factor / std

    def decode(self, latents: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Latents to video; VAEs from 0.9.1 on are told that the latents are clean."""
        mean, std = (self._wide(x) for x in (self.vae.latents_mean, self.vae.latents_std))
        latents = latents * std / self.vae.config.scaling_factor + mean
        level = None
        if self.vae.config.timestep_conditioning:
            # decode_timestep = 0 is the pipeline's default, and adds no noise
            level = torch.zeros(len(latents), device=latents.device)
        if not any(self.vae.config.decoder_inject_noise):
            return self.vae.decode(latents, level, return_dict=False)[0]
        # such decoders draw from torch's global generator
        seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
        devices = [latents.device] if latents.device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(seed)
            return self.vae.decode(latents, level, return_dict=False)[0]

    def velocity(
        self, latents: torch.Tensor, timestep: torch.Tensor, condition: Condition, fps: float
    ) -> torch.Tensor:
        """Noise minus clean."""
        _, _, frames, height, width = latents.shape
        more = condition.frames.to(latents.dtype).repeat_interleave(height * width, 1)
        # _pack_latents with patches of one latent
        packed = latents.flatten(2).transpose(1, 2)
        with added(self.transformer.proj_in, more):
            packed = self.transformer(
                hidden_states=packed,
                encoder_hidden_states=condition.tokens.to(latents.dtype),
                timestep=timestep.repeat_interleave(height * width, 1),
                encoder_attention_mask=condition.mask.to(latents.dtype),
                num_frames=frames,
                height=height,
                width=width,
                # seconds and pixels that a latent spans
                rope_interpolation_scale=(self.temporal / fps, self.stride, self.stride),
                return_dict=False,
            )[0]
        return packed.transpose(1, 2).unflatten(2, (frames, height, width)).float()

    def _wide(self, values: torch.Tensor) -> torch.Tensor:
        return values.view(1, -1, 1, 1, 1)
