"""From the measurements of single cases to those of the dataset."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..data import Case, Dataset
from .fingerprint import (
    HISTOGRAM,
    CaseMeasure,
    ChannelMeasure,
    ChannelSummary,
    Fingerprint,
    FingerprintError,
    Histogram,
    RoleSummary,
)
from .fingerprint_case import Measured
from .fingerprint_content import (
    categories_of,
    duplicates_of,
    label_shares_of,
    near_of,
    numbers_of,
    words_of_texts,
)
from .fingerprint_pair import pool_pair
from .modality import modality_of
from .scales import made_rule
from .spectrum import principal_share

POOLED = 4_000_000  # values of one channel that are pooled at most
OWN_UNITS = 0.5  # spread of the cases' means, in stds, from which each case is drawn in its own
ITEMS = 200  # images in the covariance


def pool(dataset: Dataset, cases: Sequence[Case], measured: Sequence[Measured]) -> Fingerprint:
    """One Fingerprint from all training cases. FingerprintError: cases that cannot go together."""
    records = tuple(m.case for m in measured)
    notices: list[str] = []
    _require_one_kind(records)
    records = _with_missing(records, notices)
    roles = {
        role: _pool_role(dataset, role, measured, notices)
        for role in ("image", "target")
        if any(role in r.roles for r in records)
    }
    unpaired = dataset.description.unpaired
    pair = None
    if {"image", "target"} <= set(roles) and not unpaired:
        pair = pool_pair(roles, measured)
    return Fingerprint(
        dataset=dataset.name,
        content=_content(dataset, records),
        file_ending=dataset.file_ending,
        task=dataset.task,
        task_settings=dict(dataset.task_settings or {}),
        channels=tuple(dataset.channels),
        targets=tuple(dataset.targets),
        labels=dict(dataset.labels),
        unpaired=unpaired,
        cases=records,
        roles=roles,
        pair=pair,
        categories=categories_of(dataset, cases),
        numbers=numbers_of(dataset, cases),
        words=words_of_texts(dataset, cases),
        label_shares=label_shares_of(dataset.labels, records, notices),
        label_plane=_mean(measured, "plane_label"),
        label_volume=_mean(measured, "volume_label"),
        duplicates=duplicates_of(records),
        near=near_of(measured),
        notices=tuple(notices),
    )


def _with_missing(records: tuple[CaseMeasure, ...], notices: list[str]) -> tuple[CaseMeasure, ...]:
    """Each case with the roles that others have and it lacks; that is also said."""
    roles = {r.case: {*r.roles, *(["label"] if r.raters else [])} for r in records}
    every = set().union(*roles.values())
    told = [replace(r, missing=(*r.missing, *sorted(every - roles[r.case]))) for r in records]
    for what in sorted({m for r in told for m in r.missing}):
        lacking = [r.case for r in told if what in r.missing]
        notices.append(f"{len(lacking)} cases have no {what}: {', '.join(lacking[:3])}")
    return tuple(told)


def _require_one_kind(records: Sequence[CaseMeasure]) -> None:
    """All 2-D or all 3-D, and the same channels in every case."""
    flat = [r.case for r in records if r.dims == 2]
    deep = [r.case for r in records if r.dims == 3]
    if flat and deep:
        raise FingerprintError(
            f"the dataset mixes 2-D and 3-D cases: {len(flat)} are one slice "
            f"({', '.join(flat[:3])}, ...) and {len(deep)} are volumes ({', '.join(deep[:3])}, "
            "...). Split it into two datasets, or "
            "stack the slices to volumes"
        )
    counts: dict[tuple[tuple[str, int], ...], list[str]] = defaultdict(list)
    for r in records:
        counts[tuple((role, len(c)) for role, c in r.roles.items())].append(r.case)
    per_role = defaultdict(set)
    for kind in counts:
        for role, n in kind:
            per_role[role].add(n)
    for role, numbers in per_role.items():
        if len(numbers) > 1:
            examples = [f"{names[0]}: {dict(kind).get(role)}" for kind, names in counts.items()]
            raise FingerprintError(
                f"cases have different numbers of {role} channels ({'; '.join(examples[:4])}); "
                "give every case the same channels"
            )


def _pool_role(
    dataset: Dataset, role: str, measured: Sequence[Measured], notices: list[str]
) -> RoleSummary:
    names = dataset.channels if role == "image" else dataset.targets
    here = [m for m in measured if role in m.case.roles]
    count = len(here[0].case.roles[role])
    names = tuple(names) if len(names) == count else tuple(f"channel {k}" for k in range(count))
    declared = tuple(dataset.modalities) if role == "image" else _target_modalities(dataset, count)
    channels = []
    for k in range(count):
        said = declared[k] if k < len(declared) else ""
        channels.append(_pool_channel(names[k], said, role, k, here, notices))
    summary = tuple(channels)
    return RoleSummary(
        channels=summary,
        plane=_mean(here, f"plane_{role}"),
        volume=_mean(here, f"volume_{role}"),
        plane_share=_share(here, f"thumb_{role}", summary),
        volume_share=_share(here, f"block_{role}", summary),
    )


def _target_modalities(dataset: Dataset, count: int) -> tuple[str, ...]:
    """Where target and given channels are of one declared kind, so is the target's."""
    kinds = {m for m in dataset.modalities if m}
    same = dataset.task in ("denoising", "super_resolution", "inpainting") and len(kinds) == 1
    return tuple(kinds) * count if same else ("",) * count


def _pool_channel(
    name: str, said: str, role: str, k: int, here: Sequence[Measured], notices: list[str]
) -> ChannelSummary:
    measures = [m.case.roles[role][k] for m in here]
    modality, declared, why = _modality(name, said, measures, here, notices)
    x, inside = _samples(here, role, k)
    body = x[inside] if inside.any() else x
    low, high = (float(v) for v in np.percentile(body, [0.5, 99.5]))
    cut = np.clip(x, low, high)
    stds = np.asarray([m.std for m in measures])
    fair = np.where(stds > 0, stds, 1.0)
    backgrounds = [m.background for m in measures if m.background is not None]
    mean, std = _moments([(m.mean, m.std) for m in measures])
    body_mean, body_std = _moments([(m.foreground_mean, m.foreground_std) for m in measures])
    spread = float(np.std([m.foreground_mean for m in measures]) / (body_std or 1.0))
    own = spread > OWN_UNITS
    if own:
        body = _samples(here, role, k, by_case=True)[0][inside if inside.any() else slice(None)]
    return ChannelSummary(
        name=name,
        modality=modality,
        declared=declared,
        inferred=why,
        mean=mean,
        std=std,
        foreground_mean=body_mean,
        foreground_std=body_std,
        clipped_mean=float(cut.mean()),
        clipped_std=float(cut.std()),
        low=low,
        high=high,
        minimum=min(m.minimum for m in measures),
        maximum=max(m.maximum for m in measures),
        background=float(np.median(backgrounds)) if backgrounds else None,
        quantum=float(np.median([m.quantum for m in measures])),
        spread=spread,
        noise=float(np.median([m.noise for m in measures] / fair)),
        floor=float(np.median([m.floor for m in measures] / fair)),
        slope=float(np.median([m.slope for m in measures])),
        histogram=_histogram(body, own),
    )


def _histogram(body: np.ndarray, by_case: bool) -> Histogram:
    """Of the pooled foreground; a constant one fills the middle bin."""
    low, high = (float(v) for v in np.percentile(body, [0.1, 99.9]))
    if not high > low:
        low, high = low - 0.5, low + 0.5
    counts, _ = np.histogram(np.clip(body, low, high), HISTOGRAM, (low, high))
    shares = tuple(float(f"{n / body.size:.4g}") for n in counts)
    return Histogram(low, high, shares, by_case)


def _moments(parts: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Mean and std of a mixture of equal parts: exact, where samples would be noisy."""
    mean, std = np.asarray(parts, float).T
    return float(mean.mean()), float(np.sqrt((std**2).mean() + mean.var()))


def _modality(
    name: str,
    said: str,
    measures: Sequence[ChannelMeasure],
    here: Sequence[Measured],
    notices: list[str],
) -> tuple[str, bool, str]:
    """FingerprintError: an undeclared channel with CT numbers in some cases and not in others."""
    ct = [m.ct_like for m in measures]
    found = modality_of(name, said, sum(ct) * 2 > len(ct), here[0].case.dtype, here[0].case.dims)
    odd = [m.case.case for m, c in zip(here, ct, strict=True) if c != (sum(ct) * 2 > len(ct))]
    if found[0] == "MR" and any(ct):
        odd = [m.case.case for m, c in zip(here, ct, strict=True) if c]
        text = (
            f'channel "{name}" mixes modalities: {len(odd)} of {len(ct)} cases hold CT numbers '
            f"({', '.join(odd[:4])}) and the others do not"
        )
        if not found[1]:
            raise FingerprintError(
                f"{text}; make one dataset of each, or declare the modality in dataset.json"
            )
        notices.append(text)
    elif found[0] == "CT" and odd and len(odd) * 2 < len(ct):
        notices.append(
            f'channel "{name}" is CT, and {len(odd)} cases do not look it: {", ".join(odd[:4])}'
        )
    return found


def _samples(
    here: Sequence[Measured], role: str, k: int, by_case: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Pooled sampled voxels of one channel, and which of them are foreground. by_case: in standard
    deviations from the mean of each case's own foreground.
    """
    have = [m for m in here if f"samples_{role}" in m.arrays]
    total = sum(m.arrays["inside"].size for m in have)
    step = max(1, -(-total // POOLED))
    values = [m.arrays[f"samples_{role}"][k, ::step] for m in have]
    if by_case:
        of = [m.case.roles[role][k] for m in have]
        values = [
            (x - m.foreground_mean) / (m.foreground_std or 1.0)
            for x, m in zip(values, of, strict=True)
        ]
    inside = [m.arrays["inside"][::step] for m in have]
    return np.concatenate(values), np.concatenate(inside)


def _mean(measured: Sequence[Measured], name: str) -> tuple[float, ...]:
    """Mean over cases, bin by bin where known; rounded: a spectrum is no place for 17 digits."""
    rows = [m.arrays[name] for m in measured if name in m.arrays]
    if not rows:
        return ()
    known = np.isfinite(rows)
    total = np.where(known, rows, 0).sum(0)
    mean = total / np.maximum(known.sum(0), 1)
    return tuple(float(f"{v:.5g}") for v in mean)


def _share(here: Sequence[Measured], name: str, channels: Sequence[ChannelSummary]) -> float:
    have = [m for m in here if name in m.arrays]
    if not have:
        return 0.0
    chosen = have[:: max(1, -(-len(have) // ITEMS))]
    rules = [made_rule(c) for c in channels]
    items = []
    for m in chosen:
        x = (
            m.arrays[name]
            if m.arrays[name].ndim == 4 and name.startswith("thumb")
            else m.arrays[name][None]
        )
        shift = np.asarray([r.shift for r in rules]).reshape(1, -1, *(1 for _ in x.shape[2:]))
        factor = np.asarray([r.factor for r in rules]).reshape(shift.shape)
        items.append(((x - shift) / factor).reshape(len(x), -1))
    return principal_share(np.concatenate(items)[: 3 * ITEMS])


def _content(dataset: Dataset, records: Sequence[CaseMeasure]) -> str:
    """What the plan remembers: it changes when a case, the task, labels or names change."""
    told = [dataset.task, dataset.task_settings, list(dataset.channels), list(dataset.targets)]
    told += [dict(dataset.labels), [[r.case, r.group, r.content] for r in records]]
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()[:32]
