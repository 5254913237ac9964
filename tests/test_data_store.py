"""Stores give back what was put, in part or whole, and never half a case."""

from __future__ import annotations

import json
import multiprocessing
import os

import blosc2
import numpy as np
import pytest

from diffnet.data import RecordError, Store, StoreError
from diffnet.data.store import BLOCK_BYTES, CHUNK_BYTES, chunks_of


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 1, 65, 130), (1, 37, 50, 41), (3, 5, 7, 300)])
@pytest.mark.parametrize("dtype", ["float32", "uint8", "int16", "float64"])
def test_arrays_and_regions_come_back(shape, dtype, tmp_path, rng) -> None:
    array = (rng.normal(size=shape) * 40).astype(dtype)
    Store(tmp_path, (8, 16, 16)).put("a.b", {"image": array}, {})
    store = Store(tmp_path)
    assert store.shape("a.b", "image") == shape
    whole = store.read("a.b", "image")
    assert whole.dtype == array.dtype
    np.testing.assert_array_equal(whole, array)
    for _ in range(5):
        ends = [sorted(rng.integers(0, n + 1, 2)) for n in shape[1:]]
        region = tuple(slice(int(a), int(max(b, a + 1))) for a, b in ends)
        part = store.read("a.b", "image", region)
        np.testing.assert_array_equal(part, array[(slice(None), *region)])


def test_entry_roles_and_cases(tmp_path, rng) -> None:
    store = Store(tmp_path)
    arrays = {"image": rng.normal(size=(2, 3, 4, 5)), "label": np.zeros((1, 3, 4, 5), np.uint8)}
    for name in ("b", "a"):
        store.put(name, arrays, {"key": name, "shape": (1, 2)})
    assert store.cases() == ["a", "b"]
    assert store.roles("a") == ("image", "label")
    assert store.entry("a") == Store(tmp_path).entry("a") == {"key": "a", "shape": [1, 2]}
    assert Store(tmp_path / "none").cases() == []
    assert not store.has("c")


def test_replacing_a_case(tmp_path, rng) -> None:
    store = Store(tmp_path)
    first = rng.normal(size=(1, 4, 5, 6)).astype(np.float32)
    store.put("a", {"image": first, "label": first}, {"key": 1})
    store.read("a", "image")
    store.put("a", {"image": first[:, :2] + 1}, {"key": 2})
    np.testing.assert_array_equal(store.read("a", "image"), first[:, :2] + 1)
    assert store.entry("a") == {"key": 2}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.image.b2nd", "a.json"]


def test_a_case_without_manifest_is_not_there(tmp_path, monkeypatch) -> None:
    """Killed between the arrays and the manifest, or while an array is written."""
    store = Store(tmp_path)
    array = np.ones((1, 2, 3, 4), np.float32)
    monkeypatch.setattr("diffnet.data.store.write_json", lambda *a: (_ for _ in ()).throw(OSError))
    with pytest.raises(OSError):
        store.put("a", {"image": array}, {})
    assert Store(tmp_path).cases() == []
    assert not Store(tmp_path).has("a")
    monkeypatch.undo()
    store.put("a", {"image": array}, {})
    assert store.has("a")


def test_damage_is_noticed(tmp_path) -> None:
    store = Store(tmp_path)
    array = np.arange(6000, dtype=np.float32).reshape(1, 10, 20, 30)
    for name in "abcd":
        store.put(name, {"image": array}, {})
    data = (tmp_path / "a.image.b2nd").read_bytes()
    (tmp_path / "a.image.b2nd").write_bytes(data[: len(data) // 2])
    (tmp_path / "b.image.b2nd").unlink()
    (tmp_path / "c.json").write_text("{")
    (tmp_path / "d.json").write_text(json.dumps({"version": 0}))
    fresh = Store(tmp_path)
    assert [fresh.has(c) for c in "abcd"] == [False] * 4
    for name in "ab":
        with pytest.raises(StoreError, match=rf"delete {name}\.json"):
            fresh.read(name, "image")
    with pytest.raises(RecordError, match=r"c\.json"):
        fresh.entry("c")
    with pytest.raises(StoreError, match="another version"):
        fresh.entry("d")
    for name in "abcd":
        fresh.put(name, {"image": array}, {})
        np.testing.assert_array_equal(fresh.read(name, "image"), array)


def test_what_is_not_there_is_named(tmp_path) -> None:
    store = Store(tmp_path)
    with pytest.raises(StoreError, match=r"case x is not in .*: preprocess"):
        store.entry("x")
    store.put("x", {"image": np.ones((1, 2, 3, 4))}, {})
    with pytest.raises(StoreError, match=r"case x has no label in .*: image"):
        store.read("x", "label")
    with pytest.raises(StoreError, match=r"\(C, Z, Y, X\), not \(3, 4\)"):
        store.put("y", {"image": np.ones((3, 4))}, {})


def test_only_what_the_store_made_is_taken_away(tmp_path) -> None:
    store = Store(tmp_path)
    (tmp_path / "a.image.nii.gz").write_text("mine")
    (tmp_path / "notes.txt").write_text("mine")
    store.put("a", {"image": np.ones((1, 2, 3, 4))}, {})
    store.remove("a")
    store.remove("never there")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.image.nii.gz", "notes.txt"]


def _sum_patches(job: tuple[Store, int]) -> float:
    store, seed = job
    rng = np.random.default_rng(seed)
    total = 0.0
    for _ in range(20):
        z, y, x = (int(v) for v in rng.integers(0, 12, 3))
        region = (slice(z, z + 8), slice(y, y + 8), slice(x, x + 8))
        total += float(store.read(f"c{rng.integers(3)}", "image", region).sum())
    return total


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_several_processes_read_at_once(method, tmp_path, rng) -> None:
    store = Store(tmp_path, (8, 8, 8))
    for k in range(3):
        store.put(f"c{k}", {"image": rng.normal(size=(1, 20, 20, 20))}, {})
    expected = [_sum_patches((store, s)) for s in range(4)]  # files are open when the others start
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(_sum_patches, [(store, s) for s in range(4)]) == expected


def test_many_cases_are_listed_and_shaped_without_opening_arrays(tmp_path, monkeypatch) -> None:
    store = Store(tmp_path)
    for k in range(50):
        store.put(f"{k:03d}", {"image": np.zeros((1, 1, 2, 2), np.uint8)}, {"k": k})
    monkeypatch.setattr(blosc2, "open", None)
    fresh = Store(tmp_path)
    assert len(fresh.cases()) == 50
    assert {fresh.shape(c, "image") for c in fresh.cases()} == {(1, 1, 2, 2)}


def test_open_files_stay_few(tmp_path) -> None:
    store = Store(tmp_path)
    for k in range(200):
        store.put(f"{k:03d}", {"image": np.full((1, 1, 2, 2), k, np.uint8)}, {})
    for k in range(200):
        assert store.read(f"{k:03d}", "image").max() == k
    assert len(os.listdir("/proc/self/fd")) < 200


@pytest.mark.parametrize(
    ("shape", "patch"),
    [
        ((1, 200, 512, 512), (64, 128, 128)),
        ((4, 1, 2048, 2048), (1, 256, 256)),
        ((1, 5, 4, 3), (9, 9, 9)),
    ],
)
def test_chunks_are_small_and_made_for_the_patch(shape, patch) -> None:
    chunk, block = chunks_of(shape, patch, 4)
    assert np.prod(block) * 4 <= BLOCK_BYTES
    assert np.prod(chunk) * 4 <= CHUNK_BYTES
    assert all(b <= c <= n for b, c, n in zip(block, chunk, shape, strict=True))
    assert all(b <= p for b, p in zip(block[1:], patch, strict=True))


def test_a_patch_unpacks_a_small_part_of_the_volume() -> None:
    """Blocks that a patch can touch at worst, in voxels."""
    shape, patch = (96, 256, 256), (16, 32, 32)
    _, block = chunks_of((1, *shape), patch, 4)
    touched = np.prod([(-(-p // b) + 1) * b for p, b in zip(patch, block[1:], strict=True)])
    assert touched <= 8 * np.prod(patch) < 0.03 * np.prod(shape)
