"""From a case's files to what the network sees: the target grid, network units, class indices."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from .dataset import Case, Dataset
from .foreground import foreground_of
from .geometry import Geometry
from .intensity import Scale, ScaleRule, clipped, fit_scale
from .record import Record, UserError
from .store import Store
from .volume import Volume

VERSION = 1  # raise it when the arrays that come out change


class PreparationError(UserError):
    """A case that does not fit what was planned for its dataset."""


@dataclass(frozen=True)
class Preparation(Record):
    """How every case of a dataset becomes arrays. Spatial values are in network axis order.

    spacing None: the files' own grid is kept, or made `coarsening` times coarser. rules: one a
    channel for the roles image and target. labels: name -> value in the files; index k of the
    stored map is the k-th of them. roles: what is stored where it exists; training cases must have
    those `needed`. follows: target intensities use the scale of the given image.
    """

    spacing: tuple[float, float, float] | None
    transpose: tuple[int, int, int]
    rules: dict[str, tuple[ScaleRule, ...]]
    labels: dict[str, int]
    roles: tuple[str, ...]
    needed: tuple[str, ...] = ()
    follows: bool = False
    coarsening: tuple[float, float, float] | None = None

    def key(self, content: str) -> str:
        """Hash of the case's content and of everything that decides what is stored for it."""
        text = json.dumps([VERSION, content, self.to_json()], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Prepared:
    """arrays: role -> (C, *geometry.shape), float32 or class indices; scales: role -> Scale."""

    arrays: dict[str, np.ndarray]
    geometry: Geometry
    scales: dict[str, Scale]


def prepare(volumes: dict[str, Volume], p: Preparation) -> Prepared:
    """One case. PreparationError: roles on different grids, unplanned channels or labels."""
    first = next(iter(volumes.values()))
    _require_one_grid(volumes)
    spacing = p.spacing
    if p.coarsening is not None:  # pictures alone: their axes are in network order
        spacing = tuple(s * c for s, c in zip(first.spacing, p.coarsening, strict=True))
    geometry = Geometry.plan(first, spacing, p.transpose)
    scales = case_scales(volumes, p)
    arrays = {}
    for role, volume in volumes.items():
        if role == "label":
            arrays[role] = geometry.apply(class_indices(volume.array, p.labels), "label")
        else:
            followed_only = role == "target" and p.follows
            within = volume.array if followed_only else clipped(p.rules[role], volume.array)
            arrays[role] = scales[role].apply(geometry.apply(within, "image"))
    return Prepared(arrays, geometry, scales)


def case_scales(volumes: dict[str, Volume], p: Preparation) -> dict[str, Scale]:
    """The affine map of each role with intensities, measured where `foreground_of` says."""
    scales: dict[str, Scale] = {}
    for role in sorted(set(volumes) - {"label"}):  # image comes before target
        array = volumes[role].array
        if role == "target" and p.follows and "image" in scales:
            scales[role] = followed(scales["image"], len(array))
            continue
        rules = p.rules.get(role, ())
        if len(rules) != len(array):
            raise PreparationError(
                f"{role}: {len(array)} channels were found and {len(rules)} are planned"
            )
        inside = foreground_of(array) if any(r.kind == "case" for r in rules) else None
        scales[role] = fit_scale(rules, clipped(rules, array), inside)
    return scales


def followed(scale: Scale, channels: int) -> Scale:
    """The image's scale for `channels` target channels; or its first channel's for all."""
    if channels == len(scale.shifts):
        return scale
    return Scale(scale.shifts[:1] * channels, scale.factors[:1] * channels)


def class_indices(array: np.ndarray, labels: dict[str, int]) -> np.ndarray:
    """File values to indices in the order of `labels`, in the smallest unsigned type.

    PreparationError: a value that `labels` does not declare.
    """
    values = np.asarray(list(labels.values()))
    order = np.argsort(values)
    position = np.searchsorted(values[order], array).clip(max=len(values) - 1)
    undeclared = values[order][position] != array
    if undeclared.any():
        found = np.unique(array[undeclared])[:5].tolist()
        raise PreparationError(
            f"the label map holds the values {found}, and dataset.json declares "
            f"{', '.join(f'{n} = {v}' for n, v in labels.items())}: declare them or correct the map"
        )
    return order[position].astype(np.min_scalar_type(len(values) - 1))


def file_values(indices: np.ndarray, labels: dict[str, int]) -> np.ndarray:
    """The inverse of `class_indices`."""
    values = np.asarray(list(labels.values()))
    smallest = np.promote_types(np.min_scalar_type(values.max()), np.min_scalar_type(values.min()))
    return values.astype(smallest)[indices]


def store_case(shared: tuple[Dataset, Preparation, Store], case: Case) -> str:
    """Prepare one case and store it; "kept" when the store has it already, else "written"."""
    dataset, p, store = shared
    content = dataset.content_hash(case)
    key = p.key(content)
    if store.has(case.id) and store.entry(case.id).get("key") == key:
        return "kept"
    missing = [r for r in p.needed if r not in case.files] if case.split == "train" else []
    roles = [role for role in p.roles if role in case.files]
    if missing or not roles:
        raise PreparationError(f"it has no file for {', '.join(missing or p.roles)}")
    prepared = prepare({role: dataset.read(case, role) for role in roles}, p)
    store.put(case.id, prepared.arrays, entry(case, key, content, prepared))
    return "written"


def entry(case: Case, key: str, content: str, prepared: Prepared) -> dict[str, Any]:
    """What is stored beside the arrays: enough to undo the preparation."""
    found = {
        "key": key,
        "content": content,
        "group": case.group,
        "split": case.split,
        "fields": dict(case.fields),
        "geometry": prepared.geometry.to_json(),
        "scales": {role: scale.to_json() for role, scale in prepared.scales.items()},
    }
    return json.loads(json.dumps(found))  # lists for tuples: as it will be read back


def _require_one_grid(volumes: dict[str, Volume]) -> None:
    shapes = {role: v.array.shape[1:] for role, v in volumes.items()}
    if len(set(shapes.values())) > 1:
        said = ", ".join(f"{role} {'x'.join(map(str, s))}" for role, s in shapes.items())
        raise PreparationError(
            f"its files lie on different grids ({said}): resample them to one grid"
        )
