"""What the cases of a dataset hold: categories, labels, and the same image more than once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from ..data import Case, Dataset
from .conditions import words_of
from .fingerprint import CaseMeasure
from .fingerprint_case import Measured

COMPARED = 2000  # cases that are compared with each other for near-duplicates
MOST_WORDS = 2000
ALIKE = 0.998  # correlation of thumbnails


def categories_of(dataset: Dataset, cases: Sequence[Case]) -> dict[str, dict[str, int]]:
    found = {}
    for name, column in (dataset.metadata or {}).items():
        kind = column.get("kind") if isinstance(column, dict) else column.kind
        if kind not in ("category", "flag"):
            continue
        values = column.get("values", ()) if isinstance(column, dict) else column.values
        counts = Counter(str(c.fields[name]) for c in cases if c.fields.get(name) not in (None, ""))
        order = [str(v) for v in values] or sorted(counts)
        found[name] = {v: counts.get(v, 0) for v in order}
    return found


def numbers_of(dataset: Dataset, cases: Sequence[Case]) -> dict[str, tuple[float, ...]]:
    """Column of numbers -> (cases that have one, mean, std, lowest, highest)."""
    found = {}
    for name, column in dataset.metadata.items():
        if column.kind != "number":
            continue
        cells = [str(c.fields[name]) for c in cases if c.fields.get(name) not in (None, "")]
        values = np.asarray([float(v) for v in cells if _is_number(v)])
        if len(values):
            mean, std = float(values.mean()), float(values.std())
            found[name] = (len(values), mean, std, float(values.min()), float(values.max()))
    return found


def words_of_texts(dataset: Dataset, cases: Sequence[Case]) -> dict[str, tuple[str, ...]]:
    """Column of text -> its words that come twice or more, most frequent first."""
    found = {}
    for name, column in dataset.metadata.items():
        if column.kind == "text":
            counts: Counter[str] = Counter()
            for case in cases:
                counts.update(words_of(str(case.fields.get(name) or "")))
            often = sorted((-n, w) for w, n in counts.items() if n > 1)
            found[name] = tuple(w for _, w in often[:MOST_WORDS])
    return found


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def label_shares_of(
    labels: dict[str, int], records: Sequence[CaseMeasure], notices: list[str]
) -> dict[str, float]:
    counts: Counter[str] = Counter()
    for r in records:
        counts.update(r.labels)
    total = sum(counts.values())
    if not total:
        return {}
    known = {str(v) for v in labels.values()}
    unknown = sorted(set(counts) - known)
    if labels and unknown:
        notices.append(
            f"label maps hold values that dataset.json does not declare: {', '.join(unknown)}"
        )
    absent = [n for n, v in labels.items() if not counts.get(str(v))]
    if absent:
        notices.append(f"no training case has the label {', '.join(absent)}")
    return {n: counts.get(str(v), 0) / total for n, v in labels.items()}


def duplicates_of(records: Sequence[CaseMeasure]) -> tuple[tuple[str, ...], ...]:
    same: dict[str, list[str]] = defaultdict(list)
    for r in records:
        same[r.pixels].append(r.case)
    return tuple(tuple(v) for v in same.values() if len(v) > 1)


def near_of(measured: Sequence[Measured]) -> tuple[tuple[str, str], ...]:
    """At most 50 pairs of cases of different groups whose thumbnails correlate above ALIKE."""
    have = [m for m in measured if "thumb_image" in m.arrays][:COMPARED]
    if len(have) < 2:
        return ()
    x = np.stack([m.arrays["thumb_image"][0].ravel() for m in have]).astype(np.float32)
    x = x - x.mean(1, keepdims=True)
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    x = x / np.where(norm > 0, norm, 1)
    alike = np.argwhere(np.triu(x @ x.T > ALIKE, 1))
    names = [(have[i].case, have[j].case) for i, j in alike]
    found = [(a.case, b.case) for a, b in names if a.group != b.group and a.pixels != b.pixels]
    return tuple(found[:50])
