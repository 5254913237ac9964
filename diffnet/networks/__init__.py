"""Torch modules in 2-D and 3-D that methods are built on."""

from .unet import UNet

__all__ = ["UNet"]
