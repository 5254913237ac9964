"""Guidance: denoisers around a denoiser that move its estimate."""

from .classifier import GradientGuided, RelativeGradient, class_gradient
from .classifier_free import Autoguided, ClassifierFree, without, without_label
from .normalise import Clipped, DynamicallyNormalised, Known

__all__ = [
    "Autoguided",
    "ClassifierFree",
    "Clipped",
    "DynamicallyNormalised",
    "GradientGuided",
    "Known",
    "RelativeGradient",
    "class_gradient",
    "without",
    "without_label",
]
