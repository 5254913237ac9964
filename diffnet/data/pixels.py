"""Casting by rounding and clipping, and the dtype in which a format holds an array."""

from __future__ import annotations

import numpy as np

NEAR = 65536  # integers within which values are counted instead of sorted
_AT_ONCE = 1 << 20  # voxels, so that little memory is used
_PICTURE_DTYPES = {
    ".png": ("uint8", "uint16"),
    ".jpg": ("uint8",),
    ".jpeg": ("uint8",),
    ".bmp": ("uint8",),
    ".tif": ("uint8", "uint16", "int16", "float32"),
    ".tiff": ("uint8", "uint16", "int16", "float32"),
}


def cast(array: np.ndarray, dtype: np.dtype | str | type) -> np.ndarray:
    """`array` as dtype; floats that become integers are rounded, all are clipped to its range.

    ValueError: NaN into an integer dtype.
    """
    dtype = np.dtype(dtype)
    if array.dtype == dtype:
        return array
    if dtype.kind in "iu":
        if array.dtype.kind == "f":
            if np.isnan(array).any():
                raise ValueError(f"the image holds NaN, which {dtype} cannot hold")
            array = np.rint(array)
        limits = np.iinfo(dtype)
        array = np.clip(array, _within(limits.min, array), _within(limits.max, array))
    return array.astype(dtype)


def integer_values(array: np.ndarray) -> np.ndarray:
    """The values that occur in an array of integers, rising; counted, not sorted, where near."""
    low, high = int(array.min()), int(array.max())
    if high - low >= NEAR:
        return np.unique(array)
    there, flat = np.zeros(high - low + 1, bool), array.ravel()
    for start in range(0, flat.size, _AT_ONCE):
        part = flat[start : start + _AT_ONCE].astype(np.int64) - low
        there |= np.bincount(part, minlength=len(there)) > 0
    return (np.flatnonzero(there) + low).astype(array.dtype)


def storable(array: np.ndarray, ending: str) -> np.dtype:
    """The dtype in which a format holds the array: its own where possible.

    Floats go into pictures as uint8, or as uint16 where the format has it and a value needs it.
    """
    kind = array.dtype
    if kind == np.bool_:
        return np.dtype(np.uint8)
    if kind == np.float16:
        kind = np.dtype(np.float32)
    allowed = _PICTURE_DTYPES.get(ending)
    if allowed is None or kind.name in allowed:
        return kind
    if "float32" in allowed and (kind.kind == "f" or kind.itemsize > 2):
        return np.dtype(np.float32)
    wide = "uint16" in allowed and array.size and float(np.nanmax(array)) >= 255.5
    return np.dtype(np.uint16 if wide else np.uint8)


def _within(limit: int, array: np.ndarray) -> int | float:
    """A bound of an integer dtype as the array's own dtype can say it without passing it."""
    if array.dtype.kind == "b":
        return min(limit, 1) if limit > 0 else 0
    if array.dtype.kind in "iu":
        own = np.iinfo(array.dtype)
        return min(max(limit, own.min), own.max)
    near = array.dtype.type(min(max(limit, np.finfo(array.dtype).min), np.finfo(array.dtype).max))
    passed = abs(int(near)) > abs(limit)
    return np.nextafter(near, array.dtype.type(0)) if passed else near
