"""The verb that writes a small dataset to try things on."""

from __future__ import annotations

from pathlib import Path


def phantom(
    out: Path,
    *,
    task: str = "translation",
    dims: int = 2,
    cases: int = 16,
    size: int | None = None,
    seed: int = 0,
) -> Path:
    """Write a small dataset folder for any task, made from a random anatomy-like label map.

    out: the dataset folder to write; it must be new or empty. task: see `diffnet tasks`. dims: 2 or
    3. cases: training cases; a few test cases are added. size: voxels a side; default 48 in 2-D, 32
    in 3-D. seed: the same seed writes the same files.

    Example:
        diffnet phantom Dataset900_Phantom --task segmentation --dims 3
    """
    from ..data import write_phantom

    return write_phantom(Path(out), task, dims, cases, size, seed)
