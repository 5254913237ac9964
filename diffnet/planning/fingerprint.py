"""What was measured on a dataset before anything is decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..data import LinearGuess, Record, UserError

VERSION = 2
HISTOGRAM = 64  # bins


class FingerprintError(UserError):
    """The dataset cannot be measured, or its measurements contradict each other."""


@dataclass(frozen=True)
class ChannelMeasure(Record):
    """One channel of one case, in file units.

    low, high: percentiles 0.5 and 99.5 of the foreground. noise: std from a robust high-pass.
    floor: std of white noise that would explain the highest spatial frequencies. slope: of the
    power spectrum. ct_like: values reach below -500 as only CT numbers do.
    """

    mean: float
    std: float
    foreground_mean: float
    foreground_std: float
    low: float
    high: float
    minimum: float
    maximum: float
    background: float | None
    quantum: float
    noise: float
    floor: float
    slope: float
    ct_like: bool


@dataclass(frozen=True)
class CaseMeasure(Record):
    """One training case. shape, spacing: (z, y, x). box: (start, stop) of z, y, x foreground.

    neighbours: correlation of adjacent slices along the through-plane axis. offset: of the target
    from the given image, in voxels. labels, components: voxels and connected parts by value of the
    map. agreement: mean Dice of pairs of raters, over labels. axes, tilt: where the file's x, y, z
    run in the patient (LPS, ...) and by how many degrees they miss its axes. missing: channels,
    and roles that other cases have, of which the case has no file.
    """

    case: str
    group: str
    content: str
    dims: int
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    dtype: str
    bytes: int
    foreground: float
    box: tuple[int, int, int, int, int, int]
    roles: dict[str, tuple[ChannelMeasure, ...]]
    labels: dict[str, int] = field(default_factory=dict)
    components: dict[str, int] = field(default_factory=dict)
    raters: int = 0
    neighbours: float | None = None
    offset: tuple[float, float, float] | None = None
    pixels: str = ""
    agreement: float | None = None
    axes: str = ""
    tilt: float = 0.0
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Histogram(Record):
    """Shares of the foreground's voxels in HISTOGRAM equal bins from low to high; what lies beyond
    (a thousandth on each side) counts to the bins at the ends. In file units; `by_case`, where the
    cases' units differ, in standard deviations from each case's own mean.
    """

    low: float
    high: float
    shares: tuple[float, ...]
    by_case: bool = False


@dataclass(frozen=True)
class ChannelSummary(Record):
    """One channel of a role over all training cases, in file units unless said otherwise.

    modality with `declared`: by dataset.json, else inferred for the reason in `inferred`.
    clipped_mean, clipped_std: after clipping to [low, high]. spread: std of the cases' foreground
    means over the pooled std: large where units are arbitrary. noise, floor: relative to each
    case's own std, median of cases.
    """

    name: str
    modality: str
    declared: bool
    inferred: str
    mean: float
    std: float
    foreground_mean: float
    foreground_std: float
    clipped_mean: float
    clipped_std: float
    low: float
    high: float
    minimum: float
    maximum: float
    background: float | None
    quantum: float
    spread: float
    noise: float
    floor: float
    slope: float
    histogram: Histogram | None = None


@dataclass(frozen=True)
class RoleSummary(Record):
    """One role over all training cases.

    plane, volume: radial power (relative to the variance, BINS values) within slices and of whole
    volumes (empty for 2-D data). plane_share, volume_share: largest eigenvalue of the images'
    covariance in network units, divided by the number of values of an image.
    """

    channels: tuple[ChannelSummary, ...]
    plane: tuple[float, ...] = ()
    volume: tuple[float, ...] = ()
    plane_share: float = 0.0
    volume_share: float = 0.0


@dataclass(frozen=True)
class Fit(Record):
    """A voxel-wise guess; held_out: the share of variance it explains on cases it did not see."""

    guess: LinearGuess
    held_out: tuple[float, ...]


@dataclass(frozen=True)
class PairSummary(Record):
    """Given images against targets. correlation: (target channel, given channel), inside the
    foreground.

    own: guesses with the target on a scale of its own; follows: on the given image's scale. By
    degree "1", "2". offset: median over cases of the misalignment in voxels; worst: the largest and
    its case.
    """

    correlation: tuple[tuple[float, ...], ...]
    own: dict[str, Fit]
    follows: dict[str, Fit]
    offset: float
    worst: float
    worst_case: str


@dataclass(frozen=True)
class Fingerprint(Record):
    """A dataset's training cases, case by case and pooled.

    content: hash over every case's content and dataset.json. categories: field -> value -> cases.
    numbers: field -> (cases, mean, std, lowest, highest). words: field -> its frequent words.
    label_shares: share of all voxels, by label name. duplicates: cases with identical pixels.
    near: cases of different groups that look alike. notices: what a reader should know.
    """

    dataset: str
    content: str
    file_ending: str
    task: str | None
    task_settings: dict[str, Any]
    channels: tuple[str, ...]
    targets: tuple[str, ...]
    labels: dict[str, int]
    unpaired: bool
    cases: tuple[CaseMeasure, ...]
    roles: dict[str, RoleSummary]
    pair: PairSummary | None
    categories: dict[str, dict[str, int]]
    label_shares: dict[str, float]
    label_plane: tuple[float, ...] = ()
    label_volume: tuple[float, ...] = ()
    duplicates: tuple[tuple[str, ...], ...] = ()
    near: tuple[tuple[str, str], ...] = ()
    notices: tuple[str, ...] = ()
    numbers: dict[str, tuple[float, ...]] = field(default_factory=dict)
    words: dict[str, tuple[str, ...]] = field(default_factory=dict)
    version: int = VERSION

    @property
    def dims(self) -> int:
        """2 where every case is one slice, else 3."""
        return 3 if any(c.dims == 3 for c in self.cases) else 2

    @property
    def groups(self) -> int:
        return len({c.group for c in self.cases})

    def shapes(self) -> np.ndarray:
        return np.asarray([c.shape for c in self.cases], float).reshape(-1, 3)

    def spacings(self) -> np.ndarray:
        return np.asarray([c.spacing for c in self.cases], float).reshape(-1, 3)

    def median_of(self, values: Sequence[float | None]) -> float | None:
        known = [v for v in values if v is not None]
        return float(np.median(known)) if known else None
