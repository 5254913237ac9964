"""Torch modules in 2-D and 3-D that methods are built on."""

from .classifier import Classifier
from .from_monai import (
    LevelTable,
    MonaiDiffusion,
    MonaiRegression,
    basic_unet,
    diffusion_model_unet,
    dynunet,
    load_weights,
    segresnet,
)
from .probabilities import Probabilities
from .unet import UNet

__all__ = [
    "Classifier",
    "LevelTable",
    "MonaiDiffusion",
    "MonaiRegression",
    "Probabilities",
    "UNet",
    "basic_unet",
    "diffusion_model_unet",
    "dynunet",
    "load_weights",
    "segresnet",
]
