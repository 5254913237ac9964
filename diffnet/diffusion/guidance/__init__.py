"""Guidance: denoisers around a denoiser that move its estimate."""

from .classifier import GradientGuided, RelativeGradient, class_gradient
from .classifier_free import Autoguided, ClassifierFree, without, without_label
from .dropping import Forgotten, Guidance
from .normalise import Clipped, DynamicallyNormalised, Known

__all__ = [
    "Autoguided",
    "ClassifierFree",
    "Clipped",
    "DynamicallyNormalised",
    "Forgotten",
    "GradientGuided",
    "Guidance",
    "Known",
    "RelativeGradient",
    "class_gradient",
    "without",
    "without_label",
]
