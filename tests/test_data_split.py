"""Splits keep groups together, classes balanced, and hang on the seed alone."""

from __future__ import annotations

from collections import Counter

import pytest

from diffnet.data import Case, SplitError, folds, split_cases


def cases(n: int, groups: int, classes: int = 0) -> list[Case]:
    made = []
    for i in range(n):
        group = i % groups
        fields = {"class": f"k{group % classes}"} if classes else {}
        made.append(Case(f"c{i:03d}", f"g{group}", "train", fields))
    return made


@pytest.mark.parametrize(
    ("n", "groups", "share"), [(40, 40, 0.25), (60, 15, 0.2), (7, 2, 0.1), (10, 3, 0.9)]
)
def test_groups_stay_together_and_all_cases_are_somewhere(n, groups, share) -> None:
    train, val = split_cases(cases(n, groups), share, 0)
    assert sorted(c.id for c in train + val) == [c.id for c in cases(n, groups)]
    assert not {c.group for c in train} & {c.group for c in val}
    assert train
    assert val
    if groups > 10:
        assert abs(len(val) - share * n) <= n / groups


def test_order_of_cases_does_not_matter_and_the_seed_does() -> None:
    one = split_cases(cases(40, 20), 0.25, 3)
    assert split_cases(cases(40, 20)[::-1], 0.25, 3) == one
    assert split_cases(cases(40, 20), 0.25, 4) != one


def test_classes_are_balanced() -> None:
    train, val = split_cases(cases(120, 60, 3), 0.2, 0)
    assert Counter(c.fields["class"] for c in val) == {"k0": 8, "k1": 8, "k2": 8}
    assert Counter(c.fields["class"] for c in train) == {"k0": 32, "k1": 32, "k2": 32}


def test_rare_classes_reach_the_held_out_part() -> None:
    made = [Case(f"c{i:02d}", f"g{i}", "train", {"site": "B" if i < 4 else "A"}) for i in range(40)]
    for seed in range(5):
        _, val = split_cases(made, 0.25, seed, "site")
        assert sum(c.fields["site"] == "B" for c in val) == 1


@pytest.mark.parametrize("k", [2, 3, 5])
def test_folds_hold_every_case_out_once(k) -> None:
    made = folds(cases(43, 21, 2), k, 1)
    held = [c.id for _, val in made for c in val]
    assert sorted(held) == [c.id for c in cases(43, 21)]
    sizes = [len(val) for _, val in made]
    assert max(sizes) - min(sizes) <= 5
    for train, val in made:
        assert not {c.group for c in train} & {c.group for c in val}
        assert len(train) + len(val) == 43


def test_what_cannot_be_split_is_refused() -> None:
    with pytest.raises(SplitError, match="5 cases of 1 group"):
        split_cases(cases(5, 1), 0.2, 0)
    with pytest.raises(SplitError, match="between 0 and 1"):
        split_cases(cases(5, 5), 1.0, 0)
    with pytest.raises(SplitError, match="6 folds are not possible with 5 groups"):
        folds(cases(10, 5), 6, 0)
    with pytest.raises(SplitError, match="no case has the column 'site': there is class"):
        split_cases(cases(10, 5, 2), 0.2, 0, "site")
