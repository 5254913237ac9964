"""Preprocessed arrays on disk, compressed in chunks so that a patch is read without its volume."""

from __future__ import annotations

import errno
import os
import shutil
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import blosc2
import numpy as np

from .record import RecordError, UserError, read_json, write_json, written_whole

VERSION = 1
BLOCK_BYTES = 128 * 1024  # what is decompressed at once; fits the nearest cache
CHUNK_BYTES = 4 * 1024**2
PATCH = (32, 64, 64)  # what chunks are made for when nobody says
_OPEN = 128  # arrays kept open a process
_MANIFEST = ".json"

Region = tuple[slice, slice, slice]


class StoreError(UserError):
    """A case or array that is not in the store, or not whole; with what to do."""


class Store:
    """A folder of cases, each some arrays (C, Z, Y, X) by role, and one entry of JSON.

    CASE.ROLE.b2nd hold the arrays and CASE.json, written last, says that the case is complete; what
    has no CASE.json is not there. Any number of processes may read while one writes other cases.
    The store deletes nothing but what a case's own manifest names.
    """

    def __init__(self, folder: Path | str, patch: Sequence[int] | None = None) -> None:
        """patch: (Z, Y, X) that readers will ask for; chunks of what is put are made for it."""
        self.folder = Path(folder)
        self.patch = tuple(PATCH if patch is None else patch)
        self._arrays: OrderedDict[tuple[str, str], Any] = OrderedDict()
        self._manifests: dict[str, dict[str, Any]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Open arrays do not travel to other processes."""
        return {"folder": self.folder, "patch": self.patch}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["folder"], state["patch"])  # type: ignore[misc]

    def cases(self) -> list[str]:
        """Ids of all complete cases, sorted; one look at the folder."""
        if not self.folder.is_dir():
            return []
        names = (e.name for e in os.scandir(self.folder))
        end = len(_MANIFEST)
        return sorted(n[:-end] for n in names if n.endswith(_MANIFEST) and not n.startswith("."))

    def has(self, case: str) -> bool:
        """Whether its manifest and all its arrays, each of the length written, are there."""
        if not self._manifest_path(case).is_file():
            return False
        try:
            arrays = self._manifest(case)["arrays"]
            return all(self._size(a["file"]) == a["bytes"] for a in arrays.values())
        except (RecordError, StoreError):
            return False

    def put(self, case: str, arrays: Mapping[str, np.ndarray], entry: dict[str, Any]) -> None:
        """Store one case, replacing it if it is there. arrays: role -> (C, Z, Y, X)."""
        self.remove(case)
        described = {}
        for role, array in arrays.items():
            if array.ndim != 4:
                raise StoreError(f"case {case}, {role}: arrays are (C, Z, Y, X), not {array.shape}")
            path = self.folder / f"{case}.{role}.b2nd"
            _write_array(np.ascontiguousarray(array), path, self.patch)
            described[role] = {
                "file": path.name,
                "shape": list(array.shape),
                "dtype": array.dtype.name,
                "bytes": path.stat().st_size,
            }
        manifest = {"version": VERSION, "arrays": described, "entry": entry}
        write_json(self._manifest_path(case), manifest)

    def remove(self, case: str) -> None:
        """Take a case away: first its manifest, then the arrays that it names."""
        path = self._manifest_path(case)
        for key in [k for k in self._arrays if k[0] == case]:
            del self._arrays[key]
        self._manifests.pop(case, None)
        if not path.is_file():
            return
        try:
            arrays = self._manifest(case)["arrays"]
        except (RecordError, StoreError):
            arrays = {}
        self._manifests.pop(case, None)
        path.unlink()
        for described in arrays.values():
            (self.folder / described["file"]).unlink(missing_ok=True)

    def entry(self, case: str) -> dict[str, Any]:
        """What was put beside the arrays. StoreError: no such case."""
        return self._manifest(case)["entry"]

    def roles(self, case: str) -> tuple[str, ...]:
        return tuple(self._manifest(case)["arrays"])

    def shape(self, case: str, role: str) -> tuple[int, int, int, int]:
        """(C, Z, Y, X), from the manifest alone."""
        c, z, y, x = self._described(case, role)["shape"]
        return c, z, y, x

    def read(self, case: str, role: str, region: Region | None = None) -> np.ndarray:
        """(C, Z, Y, X), or the region of it that three slices over (Z, Y, X) name."""
        array = self._open(case, role)
        try:
            return array[:] if region is None else array[(slice(None), *region)]
        except RuntimeError as error:
            raise self._broken(case, role) from error

    def _open(self, case: str, role: str) -> Any:
        key = case, role
        if key in self._arrays:
            self._arrays.move_to_end(key)
            return self._arrays[key]
        path = self.folder / self._described(case, role)["file"]
        try:
            array = blosc2.open(str(path), mode="r", mmap_mode="r", dparams=self._reading)
        except (RuntimeError, OSError) as error:
            raise self._broken(case, role) from error
        self._arrays[key] = array
        if len(self._arrays) > _OPEN:
            self._arrays.popitem(last=False)
        return array

    @cached_property
    def _reading(self) -> Any:
        return blosc2.DParams(nthreads=1)

    def _broken(self, case: str, role: str) -> StoreError:
        name = self.folder / f"{case}.{role}.b2nd"
        return StoreError(
            f"{name} is missing or damaged: delete {case}{_MANIFEST} beside it and preprocess again"
        )

    def _described(self, case: str, role: str) -> dict[str, Any]:
        arrays = self._manifest(case)["arrays"]
        if role not in arrays:
            raise StoreError(f"case {case} has no {role} in {self.folder}: {', '.join(arrays)}")
        return arrays[role]

    def _manifest(self, case: str) -> dict[str, Any]:
        if case not in self._manifests:
            path = self._manifest_path(case)
            if not path.is_file():
                raise StoreError(
                    f"case {case} is not in {self.folder}: preprocess the dataset first"
                )
            manifest = read_json(path)
            if not isinstance(manifest, dict) or manifest.get("version") != VERSION:
                raise StoreError(
                    f"{path} is of another version: delete {self.folder} and preprocess again"
                )
            self._manifests[case] = manifest
        return self._manifests[case]

    def _manifest_path(self, case: str) -> Path:
        return self.folder / f"{case}{_MANIFEST}"

    def _size(self, name: str) -> int:
        path = self.folder / name
        return path.stat().st_size if path.is_file() else -1


def chunks_of(
    shape: Sequence[int], patch: Sequence[int], itemsize: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(chunk, block) for an array (C, Z, Y, X) that is read in patches (Z, Y, X).

    A block is a patch halved along its longest axis until it fits BLOCK_BYTES; a chunk is blocks
    doubled, along the axis with most blocks to go, up to CHUNK_BYTES.
    """
    block = [shape[0], *(min(p, n) for p, n in zip(patch, shape[1:], strict=True))]
    while np.prod(block) * itemsize > BLOCK_BYTES:
        axis = int(np.argmax(block[1:])) + 1 if max(block[1:]) > 1 else 0
        block[axis] = (block[axis] + 1) // 2
    chunk = list(block)
    while True:
        open_axes = [a for a in range(4) if chunk[a] < shape[a]]
        if not open_axes or np.prod(chunk) * itemsize * 2 > CHUNK_BYTES:
            return tuple(chunk), tuple(block)
        axis = max(open_axes, key=lambda a: shape[a] / chunk[a])
        chunk[axis] = min(chunk[axis] * 2, shape[axis])


def _write_array(array: np.ndarray, path: Path, patch: Sequence[int]) -> None:
    chunk, block = chunks_of(array.shape, patch, array.dtype.itemsize)
    # benchmarks/store.py: LZ4 unpacks several times faster than ZSTD, for files half as large
    # again; reading patches is what training waits for.
    packing = blosc2.CParams(
        codec=blosc2.Codec.LZ4, clevel=1, filters=[blosc2.Filter.SHUFFLE], nthreads=1
    )
    with written_whole(path) as temporary:
        try:
            blosc2.asarray(
                array, chunks=chunk, blocks=block, urlpath=str(temporary), mode="w", cparams=packing
            )
        except RuntimeError as error:
            raise _not_written(path, array.nbytes) from error


def _not_written(path: Path, size: int) -> OSError:
    """Blosc2 does not say why it could not write; a disk without room is what usually stops it."""
    full = shutil.disk_usage(path.parent).free < size
    number = errno.ENOSPC if full else errno.EIO
    return OSError(number, os.strerror(number), str(path))
