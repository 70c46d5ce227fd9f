"""Images to tokens and back."""

from .model import AutoencoderConfig, FrameAutoencoder, Residual
from .train import encode_dataset, redraw_dataset, train_autoencoder

__all__ = [
    "AutoencoderConfig",
    "FrameAutoencoder",
    "Residual",
    "encode_dataset",
    "redraw_dataset",
    "train_autoencoder",
]
