"""Which cases to train on and which to hold out: groups stay together, classes stay balanced."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from .dataset import Case
from .record import UserError

# Columns by which parts are balanced where the caller names none, in this order.
CLASS_COLUMNS = ("class", "label", "diagnosis", "pathology")


class SplitError(UserError):
    """Cases that cannot be split as asked; the message says how many groups there are."""


def split_cases(
    cases: Sequence[Case], share: float, seed: int, column: str | None = None
) -> tuple[list[Case], list[Case]]:
    """(train, val) with about `share` of the cases in val, at least one group in each.

    Cases of one group are never separated. column: metadata whose values both parts get in equal
    shares; None takes the first of CLASS_COLUMNS that the cases have. The same cases in any order
    and the same seed give the same split; both parts are sorted by id.
    SplitError: fewer than two groups, or a share outside (0, 1).
    """
    if not 0 < share < 1:
        raise SplitError(f"the share that is held out must lie between 0 and 1, it is {share}")
    kind = _kind_of(cases, column)
    groups = _shuffled_groups(cases, seed)
    if len(groups) < 2:
        raise SplitError(
            f"{len(cases)} cases of {len(groups)} group cannot be split: at least two groups "
            "(column group of cases.csv) are needed"
        )
    parts = _deal(groups, (1 - share, share), kind)
    return _sorted(parts[0]), _sorted(parts[1])


def folds(
    cases: Sequence[Case], k: int, seed: int, column: str | None = None
) -> list[tuple[list[Case], list[Case]]]:
    """k pairs (train, val); every case is in val once. As `split_cases`; SplitError: k > groups."""
    groups = _shuffled_groups(cases, seed)
    if k < 2 or k > len(groups):
        raise SplitError(
            f"{k} folds are not possible with {len(groups)} groups: 2 to that many are"
        )
    parts = _deal(groups, (1 / k,) * k, _kind_of(cases, column))
    return [
        (_sorted([g for j, part in enumerate(parts) if j != i for g in part]), _sorted(parts[i]))
        for i in range(k)
    ]


def _kind_of(cases: Sequence[Case], column: str | None) -> Callable[[Case], str]:
    there = {c for case in cases for c in case.fields}
    if column is not None and column not in there:
        raise SplitError(f"no case has the column {column!r}: there is {', '.join(sorted(there))}")
    name = column or next((c for c in CLASS_COLUMNS if c in there), "")
    return lambda case: case.fields.get(name, "")


def _shuffled_groups(cases: Sequence[Case], seed: int) -> list[list[Case]]:
    """Groups in an order that hangs on the seed and not on the order of the cases."""
    by_group: dict[str, list[Case]] = defaultdict(list)
    for case in sorted(cases, key=lambda c: c.id):
        by_group[case.group].append(case)
    names = sorted(by_group)
    order = np.random.default_rng(seed).permutation(len(names))
    return [by_group[names[i]] for i in order]


def _deal(
    groups: list[list[Case]], shares: Sequence[float], kind: Callable[[Case], str]
) -> list[list[list[Case]]]:
    """Give each group to the part that most lacks cases of its kinds, large groups first."""
    total = Counter(kind(c) for group in groups for c in group)
    size = sum(total.values())
    parts: list[list[list[Case]]] = [[] for _ in shares]
    have: list[Counter[str]] = [Counter() for _ in shares]
    waiting = sorted(groups, key=len, reverse=True)
    for turn, group in enumerate(waiting):
        kinds = Counter(kind(c) for c in group)
        empty = [i for i, part in enumerate(parts) if not part]
        # The last groups go to parts that would otherwise stay empty.
        allowed = empty if len(waiting) - turn <= len(empty) else range(len(parts))

        def lack(i: int, kinds: Counter[str] = kinds) -> tuple[float, float]:
            """Cases that part i still wants: of these kinds, and at all."""
            of_kinds = sum(n * (shares[i] * total[k] - have[i][k]) for k, n in kinds.items())
            return round(of_kinds, 9), shares[i] * size - have[i].total()

        chosen = max(allowed, key=lack)
        parts[chosen].append(group)
        have[chosen] += kinds
    return parts


def _sorted(groups: list[list[Case]]) -> list[Case]:
    return sorted((c for group in groups for c in group), key=lambda c: c.id)
