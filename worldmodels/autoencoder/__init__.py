"""Images to tokens and back."""

from .model import AutoencoderConfig, FrameAutoencoder
from .train import encode_dataset, train_autoencoder

__all__ = ["AutoencoderConfig", "FrameAutoencoder", "encode_dataset", "train_autoencoder"]
