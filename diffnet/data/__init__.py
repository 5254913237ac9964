"""What lies on disk: volumes, datasets, geometry, intensity, splits, stores. numpy and SimpleITK, no torch."""

from .foreground import air_level, constant_background, foreground_of
from .guess import LinearGuess, feature_pairs, features, fit_guess
from .intensity import STD, Scale, ScaleRule, clipped, fit_scale
from .parallel import WorkerError, each
from .record import Record, RecordError, UserError, read_json, write_json, written_whole

__all__ = [
    "STD",
    "LinearGuess",
    "Record",
    "RecordError",
    "Scale",
    "ScaleRule",
    "UserError",
    "WorkerError",
    "air_level",
    "clipped",
    "constant_background",
    "each",
    "feature_pairs",
    "features",
    "fit_guess",
    "fit_scale",
    "foreground_of",
    "read_json",
    "write_json",
    "written_whole",
]
