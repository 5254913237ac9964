"""Which training cases are held out: decided once, stored, the same for every run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..data import Case, Record, UserError, folds, split_cases

FEW_GROUPS = 5
SHARE = 0.1
SEED = 12345


@dataclass(frozen=True)
class Split(Record):
    """Case ids. rule: how they were parted, in words."""

    train: tuple[str, ...]
    val: tuple[str, ...]
    rule: str


@dataclass(frozen=True)
class Splits(Record):
    """The single hold-out, and K folds once they are asked for."""

    single: Split
    folds: tuple[Split, ...] = ()


def split_of(path: Path, cases: Sequence[Case], fold: int | None = None, count: int = 5) -> Split:
    """The hold-out (fold None) or one fold of `path`, which is written when it lacks them.

    UserError: the stored split names cases that are no longer there, or there is no such fold.
    """
    stored = Splits.load(path) if path.is_file() else Splits(hold_out(cases))
    if fold is not None and not stored.folds:
        stored = replace(stored, folds=tuple(in_folds(cases, count)))
    _refuse_stale(stored, cases, path)
    if not path.is_file() or Splits.load(path) != stored:
        stored.save(path)
    if fold is None:
        return stored.single
    if not 0 <= fold < len(stored.folds):
        raise UserError(f"fold {fold}: {path} has folds 0 to {len(stored.folds) - 1}")
    return stored.folds[fold]


def hold_out(cases: Sequence[Case]) -> Split:
    """A tenth of the cases, whole groups where there are enough of them, to watch training with."""
    if len(cases) < 3:
        ids = tuple(c.id for c in cases)
        return Split(ids, (), f"all {len(ids)} cases train: too few to hold one out")
    groups = {c.group for c in cases}
    alone = len(groups) < FEW_GROUPS
    parted = [replace(c, group=c.id) for c in cases] if alone else list(cases)
    train, val = split_cases(parted, SHARE, SEED)
    rule = (
        f"{len(val)} of {len(cases)} cases; not by group, because there are only {len(groups)} "
        "groups, so held-out numbers are optimistic"
        if alone
        else f"{len(val)} of {len(cases)} cases, groups kept together"
    )
    return Split(_ids(train), _ids(val), rule)


def in_folds(cases: Sequence[Case], count: int) -> list[Split]:
    """`count` folds with groups kept together."""
    return [
        Split(_ids(train), _ids(val), f"fold {i} of {count}, groups kept together")
        for i, (train, val) in enumerate(folds(cases, count, SEED))
    ]


def _ids(cases: Sequence[Case]) -> tuple[str, ...]:
    return tuple(sorted(c.id for c in cases))


def _refuse_stale(splits: Splits, cases: Sequence[Case], path: Path) -> None:
    there = {c.id for c in cases}
    named = {*splits.single.train, *splits.single.val}
    if named != there:
        gone, new = sorted(named - there), sorted(there - named)
        raise UserError(
            f"{path} was made for other cases (no longer there: {gone[:3]}, new: {new[:3]}). "
            "Delete it to split anew; runs trained so far then no longer share held-out cases "
            "with new ones"
        )
