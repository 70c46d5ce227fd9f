"""Wan: WanTransformer3DModel with AutoencoderKLWan (Wan 2.1 text-to-video, Wan 2.2 TI2V)."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel

from .family import Condition, VideoFamily, added, register_video_family


@register_video_family("WanTransformer3DModel")
class WanFamily(VideoFamily):
    """Conventions as in diffusers' `pipelines/wan/pipeline_wan_i2v.py`.

    Clean past frames have timestep 0, the others the sampler's, given per token: so Wan 2.2 TI2V
    was trained with its first frame (`expand_timesteps` there). Wan 2.1 text-to-video has the same
    layers and learns it; its image-to-video variants, which take the frame as more channels and
    through CLIP, do not fit.
    """

    transformer_class = WanTransformer3DModel
    vae_class = AutoencoderKLWan
    lora_targets = ("to_q", "to_k", "to_v", "to_out.0", "ffn.net.0.proj", "ffn.net.2")

    def __init__(self, transformer: Any, vae: Any) -> None:
        super().__init__(transformer, vae)
        takes, given = transformer.config.in_channels, vae.config.z_dim
        self._expect(
            takes == given == transformer.config.out_channels,
            f"it takes {takes} channels, the VAE makes {given}; image-to-video variants that want "
            "the first frame as more channels do not fit, text-to-video and TI2V ones do",
        )
        self._expect(
            transformer.config.image_dim is None and transformer.config.added_kv_proj_dim is None,
            "it reads CLIP images; text-to-video and TI2V variants do not",
        )
        self._expect(transformer.config.patch_size[0] == 1, "its patches span several latents")
        moments = len(vae.config.latents_mean), len(vae.config.latents_std)
        self._expect(
            moments == (given, given),
            f"its VAE names means and deviations of {moments} channels and has {given}",
        )

    @property
    def temporal(self) -> int:
        """Frames that a latent stands for."""
        return self.vae.config.scale_factor_temporal

    @property
    def stride(self) -> int:
        """Pixels along a side of a latent."""
        return self.vae.config.scale_factor_spatial

    @property
    def multiple(self) -> tuple[int, int]:
        """VAE stride times patch."""
        _, height, width = self.transformer.config.patch_size
        return self.stride * height, self.stride * width

    @property
    def channels(self) -> int:
        """Numbers of a latent."""
        return self.vae.config.z_dim

    @property
    def token_width(self) -> int:
        """Width of UMT5's embedding."""
        return self.transformer.config.text_dim

    @property
    def width(self) -> int:
        """Width inside the transformer."""
        config = self.transformer.config
        return config.num_attention_heads * config.attention_head_dim

    def encode(self, video: torch.Tensor) -> torch.Tensor:
        """Video to latents, the mode of their distribution (`sample_mode="argmax"` there)."""
        latents = self.vae.encode(video).latent_dist.mode()
        mean, std = self._moments(latents)
        return (latents - mean) / std

    def decode(self, latents: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Latents to video."""
        mean, std = self._moments(latents)
        return self.vae.decode(latents * std + mean, return_dict=False)[0]

    def velocity(
        self, latents: torch.Tensor, timestep: torch.Tensor, condition: Condition, fps: float
    ) -> torch.Tensor:
        """Noise minus clean; Wan is not told of time, so `fps` is not used."""
        tokens = self.places(latents) // latents.shape[2]
        more = condition.frames.to(latents.dtype).transpose(1, 2)[..., None, None]
        # missing text is rows of zeros and no mask (pipeline_wan_i2v.py, _get_t5_prompt_embeds)
        with added(self.transformer.patch_embedding, more):
            return self.transformer(
                hidden_states=latents,
                timestep=timestep.repeat_interleave(tokens, 1),
                encoder_hidden_states=condition.tokens.to(latents.dtype),
                return_dict=False,
            )[0].float()

    def _moments(self, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """By which latents are standardised (prepare_latents there): each (1, C, 1, 1, 1)."""
        config = self.vae.config
        mean, std = (like.new_tensor(x) for x in (config.latents_mean, config.latents_std))
        return mean.view(1, -1, 1, 1, 1), std.view(1, -1, 1, 1, 1)
