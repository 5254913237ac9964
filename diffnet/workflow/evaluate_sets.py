"""A set of made images measured against a set of real ones, beside what real against real gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from ..data import Dataset, Volume
from ..metrics import (
    Neighbours,
    against_floor,
    bootstrap_interval,
    class_agreement,
    energy_distance,
    energy_test,
    feature_scale,
    frechet_distance,
    frechet_interval,
    image_features,
    likeness,
    mmd,
    mmd_test,
    neighbours,
    real_agreement,
)
from .evaluation import Estimate, Evaluation, finite
from .gallery import write_gallery
from .matching import SHEET, EvaluationError, Paths, Truth, image_files

SET_METRICS = ("mmd", "energy", "fid", "precision_recall", "ms_ssim")
MOST = 2000  # images of a set; beyond it the pairwise distances cost more than they tell
ENOUGH = 100  # test images that make a reference of their own
LEAST = 4
PAIRS = 500
KEPT = 200  # images that pairs are made of
SEED = 0
Progress = Callable[[int, int, str], None]
Found = tuple[dict[str, Estimate], dict[str, dict[str, float]]]


def evaluate_sets(
    predictions: Path,
    truth: Truth,
    task: str,
    metrics: Sequence[str],
    data_range: float | None = None,
    progress: Progress | None = None,
    sheet: bool = True,
) -> Evaluation:
    """Compare the distribution of the images in `predictions` with the real ones' (see metrics).

    Real images of a dataset are its test images where there are 100 or more, else all it has. At
    most 2000 of a set are read, drawn from a fixed seed. EvaluationError: fewer than four images in
    a set.
    """
    made_files = _drawn(image_files(predictions))
    real_files, origin = _real(truth)
    real_files = _drawn(real_files)
    for what, files in (("made", made_files), ("real", real_files)):
        if len(files) < LEAST:
            raise EvaluationError(f"{len(files)} {what} images are too few: {LEAST} are the least")
    low, high = _range_of(real_files, data_range)
    total = len(made_files) + len(real_files)
    classes = classes_of(made_files, truth)
    real, real_images = _features(real_files, low, high, progress, 0, total)
    made, made_images = _features(made_files, low, high, progress, len(real_files), total)
    estimates, chance = _all(metrics, real, made, real_images, made_images, high - low)
    if classes is not None:
        found = _agreement(real, made, list(real_files), list(made_files), *classes)
        estimates, chance = estimates | found[0], chance | found[1]
    if sheet:
        write_gallery(made_files, predictions / SHEET, real_files, *(classes or (None, None)))
    return Evaluation(
        task=task,
        metrics=estimates,
        chance=chance,
        settings={
            "real": f"{len(real_files)} images, {origin}",
            "made": f"{len(made_files)} images",
            "data_range": [low, high],
            "features": "64 fixed statistics an image: intensities, texture at 4 scales, layout",
            "unit": "fid: 1 is the total variance of the real images' features",
        },
        notes=_notes(len(made_files), len(real_files)),
    )


def _all(
    metrics: Sequence[str],
    real: np.ndarray,
    made: np.ndarray,
    real_images: list[np.ndarray],
    made_images: list[np.ndarray],
    width: float,
) -> Found:
    measures: dict[str, Callable[[], Found]] = {
        "mmd": lambda: _tested("mmd", mmd, mmd_test, real, made),
        "energy": lambda: _tested("energy", energy_distance, energy_test, real, made),
        "fid": lambda: _frechet(real, made),
        "precision_recall": lambda: _neighbours(real, made),
        "ms_ssim": lambda: _likeness(real_images, made_images, width),
    }
    estimates: dict[str, Estimate] = {}
    chance: dict[str, dict[str, float]] = {}
    for name in metrics:
        found, beside = measures[name]()
        estimates |= found
        chance |= beside
    return estimates, chance


def _tested(
    name: str, statistic: Callable, test: Callable, real: np.ndarray, made: np.ndarray
) -> Found:
    # Scaled by the pooled spread, which relabelling leaves alone: so the p-value is exact.
    scale = feature_scale(np.concatenate([real, made]))
    found = test(real / scale, made / scale, seed=SEED)
    floor = against_floor(statistic, real / scale, made / scale, seed=SEED)
    chance = {"p": found.p, **{k: float(v) for k, v in floor._asdict().items()}}
    return {name: Estimate(found.value, cases=len(made))}, {name: chance}


def _frechet(real: np.ndarray, made: np.ndarray) -> Found:
    # Scaled by real images alone, so that two runs with the same real images can be compared.
    scale = feature_scale(real)
    value, low, high = frechet_interval(real / scale, made / scale, seed=SEED)
    floor = against_floor(frechet_distance, real / scale, made / scale, seed=SEED)
    chance = {k: float(v) for k, v in floor._asdict().items()}
    return {"fid": Estimate(value, low, high, len(made))}, {"fid": chance}


def _neighbours(real: np.ndarray, made: np.ndarray) -> Found:
    """Of sets of one size, beside real against real: all four depend on the sizes."""
    scale = feature_scale(real)
    estimates, chance = {}, {}
    for i, name in enumerate(Neighbours._fields):

        def one(a: np.ndarray, b: np.ndarray, i: int = i) -> float:
            return neighbours(a, b, min(5, len(a) - 1))[i]

        found = against_floor(one, real / scale, made / scale, repeats=20, seed=SEED)
        estimates[name] = Estimate(found.at_size, cases=len(made))
        chance[name] = {"size": float(found.size), "floor": found.floor}
    return estimates, chance


def _likeness(real: list[np.ndarray], made: list[np.ndarray], width: float) -> Found:
    """Of made pairs, beside that of real pairs; needs images of one shape."""
    if len({x.shape for x in made}) > 1 or len({x.shape for x in real}) > 1:
        return {}, {}
    ours, theirs = (likeness(images, width, PAIRS, SEED) for images in (made, real))
    value = Estimate(ours.mean, ours.low, ours.high, ours.cases, ours.groups)
    return {"ms_ssim": value}, {"ms_ssim": {"floor": theirs.mean}}


def classes_of(
    made: Mapping[str, Paths], truth: Truth
) -> tuple[dict[str, str], dict[str, str]] | None:
    """name -> class of made images, which are called CLASS-00001.ext, and of a dataset's cases.

    None where no category of the dataset has all the classes that the names say.
    """
    if not isinstance(truth, Dataset):
        return None
    ours = {name: name.rpartition("-")[0] for name in made}
    for column, kind in truth.metadata.items():
        if kind.kind == "category" and set(ours.values()) <= set(kind.values):
            cases = [*truth.cases("train"), *truth.cases("test")]
            return ours, {c.id: c.fields.get(column, "") for c in cases}
    return None


def _agreement(
    real: np.ndarray,
    made: np.ndarray,
    real_names: list[str],
    made_names: list[str],
    ours: Mapping[str, str],
    theirs: Mapping[str, str],
) -> Found:
    """Share of made images that are nearest to the class they were asked for."""
    scale = feature_scale(real)
    known = np.array([bool(theirs.get(n)) for n in real_names])
    classes = [theirs[n] for n in real_names if theirs.get(n)]
    asked = [ours[n] for n in made_names]
    if len(set(classes)) < 2 or not set(asked) <= set(classes):
        return {}, {}
    right = class_agreement(real[known] / scale, classes, made / scale, asked)
    found = bootstrap_interval(right.astype(float))
    floor = real_agreement(real[known] / scale, classes, seed=SEED)
    value = Estimate(
        finite(found.mean), finite(found.low), finite(found.high), len(made), len(made)
    )
    return {"class_agreement": value}, {"class_agreement": {"floor": floor}}


def _real(truth: Truth) -> tuple[dict[str, Paths], str]:
    if isinstance(truth, Dataset):
        by_split = {
            s: {c.id: c.files["image"] for c in truth.cases(s) if "image" in c.files}
            for s in ("train", "test")
        }
        if len(by_split["test"]) >= ENOUGH:
            return by_split["test"], "the dataset's test images"
        return by_split["train"] | by_split["test"], "all images of the dataset, training included"
    if isinstance(truth, Mapping):
        return {c: (p,) if isinstance(p, Path) else tuple(p) for c, p in truth.items()}, "as given"
    return image_files(Path(truth)), f"folder {Path(truth).name}"


def _drawn(files: dict[str, Paths]) -> dict[str, Paths]:
    if len(files) <= MOST:
        return files
    names = sorted(files)
    kept = np.random.default_rng(SEED).choice(len(names), MOST, replace=False)
    return {names[i]: files[names[i]] for i in sorted(kept)}


def _range_of(files: dict[str, Paths], data_range: float | None) -> tuple[float, float]:
    """Lowest and highest intensity of the declared scale, from the real images."""
    lows, highs = [], []
    for paths in list(files.values())[:200]:
        array = Volume.read(paths).array
        if array.dtype == np.uint8 and data_range is None:
            return 0.0, 255.0
        low, high = np.percentile(array, [0.05, 99.95])
        lows.append(low)
        highs.append(high)
    low = float(np.median(lows))
    high = low + data_range if data_range is not None else float(np.median(highs))
    if not high > low:
        raise EvaluationError(f"the real images' intensities span nothing: {low} to {high}")
    return low, high


def _features(
    files: dict[str, Paths],
    low: float,
    high: float,
    progress: Progress | None,
    before: int,
    total: int,
) -> tuple[np.ndarray, list[np.ndarray]]:
    """(n, 64) features, and some of the images themselves, for comparing pairs."""
    rows, kept = [], []
    channels = None
    stride = -(-len(files) // KEPT)  # over the whole set: neighbours in the alphabet are alike
    for i, (case, paths) in enumerate(files.items()):
        array = Volume.read(paths).array
        if channels not in (None, len(array)):
            raise EvaluationError(f"{case} has {len(array)} channels, the others have {channels}")
        channels = len(array)
        rows.append(image_features(array, low, high))
        if i % stride == 0:
            kept.append(array)
        if progress is not None:
            progress(before + i + 1, total, case)
    return np.stack(rows), kept


def _notes(made: int, real: int) -> tuple[str, ...]:
    notes = ["ms_ssim: likeness of random pairs; above the real images' it tells of less diversity"]
    if min(made, real) < 200:
        notes.append("with fewer than 200 images a missing tenth of the modes is seldom seen")
    return tuple(notes)
