"""What lies on disk: volumes, datasets, geometry, intensity, splits, stores. numpy and SimpleITK, no torch."""

from .guess import LinearGuess, feature_pairs, features, fit_guess
from .intensity import STD, Scale, ScaleRule, clipped, fit_scale
from .record import Record, RecordError, UserError, read_json, write_json, written_whole

__all__ = [
    "STD",
    "LinearGuess",
    "Record",
    "RecordError",
    "Scale",
    "ScaleRule",
    "UserError",
    "clipped",
    "feature_pairs",
    "features",
    "fit_guess",
    "fit_scale",
    "read_json",
    "write_json",
    "written_whole",
]
