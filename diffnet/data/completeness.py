"""Whether a file holds the bytes its header promises; ITK reads some cut-off files silently."""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from pathlib import Path


def missing_bytes(path: Path) -> str | None:
    """Why the file is incomplete, or None. Formats whose reader complains by itself pass."""
    name = path.name.lower()
    size = path.stat().st_size
    if size == 0:
        return "the file is empty"
    if name.endswith(".nii"):
        with path.open("rb") as file:
            promised = _nifti_bytes(file.read(540))
        return None if promised is None else _short(size, promised)
    if name.endswith(".nii.gz"):
        return _gzipped_nifti(path, size)
    if name.endswith((".jpg", ".jpeg")):
        tail = _tail(path, size, 1024)
        return None if b"\xff\xd9" in tail else "the JPEG end marker is missing"
    if name.endswith(".bmp"):
        with path.open("rb") as file:
            head = file.read(6)
        return _short(size, struct.unpack("<I", head[2:6])[0]) if len(head) == 6 else "no header"
    return None


def _short(size: int, promised: int) -> str | None:
    return None if size >= promised else f"{size} bytes of {promised} are there"


def _tail(path: Path, size: int, count: int) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, size - count), os.SEEK_SET)
        return file.read()


def _gzipped_nifti(path: Path, size: int) -> str | None:
    try:
        with gzip.open(path) as file:
            head = file.read(540)
        promised = _nifti_bytes(head)
        if promised is None:
            return None
        # A whole gzip member ends with its length; the stream is read only if that disagrees.
        if struct.unpack("<I", _tail(path, size, 4).rjust(4, b"\0"))[0] == promised % 2**32:
            return None
        return _short(_gzip_length(path), promised)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        return f"the gzip stream is broken ({error})"


def _gzip_length(path: Path) -> int:
    length = 0
    with gzip.open(path) as file:
        while block := file.read(1 << 20):
            length += len(block)
    return length


def _nifti_bytes(head: bytes) -> int | None:
    """Length of an uncompressed NIfTI-1 or -2 file by its header; None: not such a file."""
    if len(head) < 348:
        return None
    for order in "<>":
        kind = struct.unpack(f"{order}i", head[:4])[0]
        if kind == 348:
            sizes = struct.unpack(f"{order}8h", head[40:56])
            bits = struct.unpack(f"{order}h", head[72:74])[0]
            offset = int(struct.unpack(f"{order}f", head[108:112])[0])
        elif kind == 540 and len(head) >= 540:
            sizes = struct.unpack(f"{order}8q", head[16:80])
            bits = struct.unpack(f"{order}h", head[14:16])[0]
            offset = struct.unpack(f"{order}q", head[168:176])[0]
        else:
            continue
        return offset + math.prod(sizes[1 : 1 + max(0, sizes[0])]) * bits // 8
    return None
