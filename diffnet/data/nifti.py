"""What ITK does not tell of a NIfTI file: its due length, voxels without a size, NaN and Inf."""

from __future__ import annotations

import gzip
import math
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HEAD = 540  # bytes of the longer of both headers
_FLOATS = {16: "f4", 64: "f8"}
_BLOCK = 1 << 22


@dataclass(frozen=True)
class NiftiHeader:
    """order: "<" or ">"; kind: NIfTI's number of the voxels' type; offset: of the first voxel.

    lengths: of a voxel, as the file has them, along the first three axes that have more than one.
    """

    order: str
    kind: int
    offset: int
    voxels: int
    bytes_per_voxel: float
    lengths: tuple[float, ...]

    @property
    def length(self) -> int:
        """Bytes of the whole file, uncompressed."""
        return self.offset + int(self.voxels * self.bytes_per_voxel)


def parse_head(head: bytes) -> NiftiHeader | None:
    """The header of a single-file NIfTI-1 or -2; None: it is something else."""
    if len(head) < 348:
        return None
    for order in "<>":
        size = struct.unpack(f"{order}i", head[:4])[0]
        if size == 348:
            sizes = struct.unpack(f"{order}8h", head[40:56])
            kind, bits = struct.unpack(f"{order}2h", head[70:74])
            offset = int(struct.unpack(f"{order}f", head[108:112])[0])
            lengths = struct.unpack(f"{order}8f", head[76:108])
        elif size == 540 and len(head) >= HEAD:
            sizes = struct.unpack(f"{order}8q", head[16:80])
            kind, bits = struct.unpack(f"{order}2h", head[12:16])
            offset = struct.unpack(f"{order}q", head[168:176])[0]
            lengths = struct.unpack(f"{order}8d", head[104:168])
        else:
            continue
        axes = range(1, 1 + max(0, sizes[0]))
        lengths = tuple(lengths[a] for a in axes[:3] if sizes[a] > 1)
        voxels = math.prod(sizes[a] for a in axes)
        return NiftiHeader(order, kind, offset, voxels, bits / 8, lengths)
    return None


def impossible_lengths(path: Path) -> tuple[float, ...]:
    """Lengths of voxels, if one is not above 0; ITK would read 0 and NaN as 1 and turn signs."""
    opener = gzip.open if path.name.lower().endswith(".gz") else open
    with opener(path, "rb") as file:
        head = parse_head(file.read(HEAD))
    possible = head is None or all(0 < length < math.inf for length in head.lengths)
    return () if possible else head.lengths


def count_not_finite(path: Path) -> tuple[int, int]:
    """(NaN, Inf) among the voxels of a .nii or .nii.gz of floats, which ITK reads as 0."""
    opener = gzip.open if path.name.lower().endswith(".gz") else open
    with opener(path, "rb") as file:
        head = parse_head(file.read(HEAD))
        if head is None or head.kind not in _FLOATS:
            return 0, 0
        file.seek(head.offset)
        kind = np.dtype(head.order + _FLOATS[head.kind])
        nan = inf = 0
        left = head.voxels * kind.itemsize
        while left > 0 and (block := file.read(min(_BLOCK, left))):
            left -= len(block)
            values = np.frombuffer(block[: len(block) // kind.itemsize * kind.itemsize], kind)
            nan += int(np.isnan(values).sum())
            inf += int(np.isinf(values).sum())
    return nan, inf
