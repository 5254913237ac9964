"""Which chunked format to store preprocessed arrays in: write speed, size, random patch reads.

Run: python benchmarks/store.py [--size 192] [--reads 200]. Zarr is needed only here. Ratios hold
within one run; files are in the system's cache, as they are from a second epoch on.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import blosc2
import numpy as np
import zarr
from zarr.codecs import BloscCodec

from diffnet.data.phantom_anatomy import coordinates, tissue_map
from diffnet.data.phantom_scan import mr_scan
from diffnet.data.store import chunks_of

PATCHES = {"3-D patch": (64, 64, 64), "2-D slice": (1, 0, 0)}


@dataclass(frozen=True)
class Format:
    """write(array, path) and open(path), which gives something that is sliced like an array."""

    name: str
    write: Callable[[np.ndarray, Path], None]
    open: Callable[[Path], Any]


def blosc(codec: str, level: int, filters: list[Any], mapped: bool, chunked: str) -> Format:
    """Blosc2 with chunks of blocks made for a patch, or with Blosc2's own choice."""

    def write(array: np.ndarray, path: Path) -> None:
        chunk, block = chunks_of(array.shape, PATCHES["3-D patch"], 4)
        sizes = {"chunks": chunk, "blocks": block} if chunked == "patch" else {}
        packing = blosc2.CParams(
            codec=getattr(blosc2.Codec, codec), clevel=level, filters=filters, nthreads=1
        )
        blosc2.asarray(array, urlpath=str(path), mode="w", cparams=packing, **sizes)

    def opened(path: Path) -> Any:
        how = {"mmap_mode": "r"} if mapped else {}
        return blosc2.open(str(path), mode="r", dparams=blosc2.DParams(nthreads=1), **how)

    filtered = filters[0].name.lower() if filters else "no filter"
    shown = f"blosc2 {codec} level {level} {filtered}, {chunked} chunks"
    return Format(shown + (", mapped" if mapped else ""), write, opened)


def zarred(chunk: int, shards: bool) -> Format:
    """Zarr 3 with cubes of one size, one file each or all in one shard."""

    def write(array: np.ndarray, path: Path) -> None:
        cube = (array.shape[0], *(min(chunk, n) for n in array.shape[1:]))
        whole = tuple(-(-n // c) * c for n, c in zip(array.shape, cube, strict=True))
        made = zarr.create_array(
            store=str(path),
            shape=array.shape,
            chunks=cube,
            shards=whole if shards else None,
            dtype=array.dtype,
            compressors=BloscCodec(cname="zstd", clevel=1, shuffle="shuffle"),
        )
        made[:] = array

    def opened(path: Path) -> Any:
        return zarr.open_array(str(path), mode="r")

    return Format(f"zarr 3 zstd1 cubes of {chunk}{', one shard' if shards else ''}", write, opened)


def plain() -> Format:
    def write(array: np.ndarray, path: Path) -> None:
        np.save(path.with_suffix(".npy"), array)

    def opened(path: Path) -> Any:
        return np.load(path.with_suffix(".npy"), mmap_mode="r")

    return Format("npy, mapped, not compressed", write, opened)


def formats() -> list[Format]:
    shuffle = [blosc2.Filter.SHUFFLE]
    return [
        plain(),
        blosc("ZSTD", 1, shuffle, True, "patch"),
        blosc("ZSTD", 1, shuffle, False, "patch"),
        blosc("LZ4", 1, shuffle, True, "patch"),
        blosc("LZ4", 5, shuffle, True, "patch"),
        blosc("LZ4", 9, shuffle, True, "patch"),
        blosc("LZ4", 5, [blosc2.Filter.BITSHUFFLE], True, "patch"),
        blosc("LZ4HC", 5, shuffle, True, "patch"),
        blosc("ZSTD", 1, [], True, "patch"),
        blosc("ZSTD", 1, shuffle, True, "own"),
        zarred(32, False),
        zarred(64, False),
        zarred(32, True),
    ]


def volume(size: int, seed: int) -> np.ndarray:
    """(2, size, size, size) float32 in network units, with noise, as a preprocessed head has it."""
    rng = np.random.default_rng(seed)
    tissue = tissue_map("head", coordinates((size,) * 3, rng), 3, rng)
    scans = np.stack([np.rint(250 * mr_scan(tissue, c, 0.01, 0.1, rng)) for c in ("T1", "T2")])
    return ((scans - scans.mean()) / (2 * scans.std())).astype(np.float32)


def regions(shape: tuple[int, ...], patch: tuple[int, ...], n: int) -> Iterator[tuple[slice, ...]]:
    rng = np.random.default_rng(1)
    sides = [p or full for p, full in zip(patch, shape, strict=True)]
    for _ in range(n):
        starts = [int(rng.integers(0, full - s + 1)) for full, s in zip(shape, sides, strict=True)]
        yield tuple(slice(a, a + s) for a, s in zip(starts, sides, strict=True))


def measure(form: Format, array: np.ndarray, folder: Path, reads: int) -> list[str]:
    path = folder / form.name.replace(" ", "_").replace(",", "")
    path = path.with_suffix(".b2nd") if form.name.startswith("blosc2") else path
    start = time.perf_counter()
    form.write(array, path)
    cells = [f"{array.nbytes / 1e6 / (time.perf_counter() - start):.0f}"]
    files = [p for p in folder.rglob("*") if p.is_file()]
    cells.append(f"{sum(p.stat().st_size for p in files) / array.nbytes:.2f}")
    cells.append(str(len(files)))
    for patch in PATCHES.values():
        opened = form.open(path)
        took = []
        for region in regions(array.shape[1:], patch, reads):
            start = time.perf_counter()
            np.array(opened[(slice(None), *region)])
            took.append(time.perf_counter() - start)
        cells.append(f"{1e3 * float(np.median(took)):.2f}")
    start = time.perf_counter()
    for _ in range(20):
        form.open(path)
    cells.append(f"{1e3 * (time.perf_counter() - start) / 20:.2f}")
    return cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=192, help="voxels a side")
    parser.add_argument("--reads", type=int, default=200, help="random reads of each kind")
    arguments = parser.parse_args()
    array = volume(arguments.size, 0)
    print(f"array {array.shape} float32, {array.nbytes / 1e6:.0f} MB; one thread")
    head = ["write MB/s", "size", "files", *(f"{p} ms" for p in PATCHES), "open ms"]
    print("| format | " + " | ".join(head) + " |")
    print("|---" * (len(head) + 1) + "|")
    for form in formats():
        with tempfile.TemporaryDirectory() as folder:
            cells = measure(form, array, Path(folder), arguments.reads)
        print(f"| {form.name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
