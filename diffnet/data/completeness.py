"""Whether a file holds the bytes its header promises; ITK reads some cut-off files silently."""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from pathlib import Path

from .nifti import HEAD, parse_head


def missing_bytes(path: Path) -> str | None:
    """Why the file is incomplete, or None. Formats whose reader complains by itself pass."""
    name = path.name.lower()
    size = path.stat().st_size
    if size == 0:
        return "the file is empty"
    if name.endswith(".nii"):
        with path.open("rb") as file:
            head = parse_head(file.read(HEAD))
        return None if head is None else _short(size, head.length)
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
            head = parse_head(file.read(HEAD))
        if head is None:
            return None
        # A whole gzip member ends with its length; the stream is read only if that disagrees.
        if struct.unpack("<I", _tail(path, size, 4).rjust(4, b"\0"))[0] == head.length % 2**32:
            return None
        return _short(_gzip_length(path), head.length)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        return f"the gzip stream is broken ({error})"


def _gzip_length(path: Path) -> int:
    length = 0
    with gzip.open(path) as file:
        while block := file.read(1 << 20):
            length += len(block)
    return length
