"""What is known of a case beside its images, as numbers that a network takes: scalars and words."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..data import Record

YES = ("1", "true", "yes", "y")
NO = ("0", "false", "no", "n")
LONGEST = 48  # words of a text that are read


@dataclass(frozen=True)
class ScalarField(Record):
    """One number of Condition.scalars, from the column `name` of cases.csv.

    value: None for a column of numbers, which become (x - shift) / factor; "yes" for a flag; else
    one value of a category, which becomes 1 where the case has it and 0 where it has another. low,
    high: what was seen in training.
    """

    name: str
    value: str | None = None
    shift: float = 0.0
    factor: float = 1.0
    low: float = 0.0
    high: float = 1.0

    def number(self, fields: Mapping[str, str]) -> float:
        """The scalar of a case; NaN where its cell is empty or cannot be read."""
        text = str(fields.get(self.name, "")).strip()
        if not text:
            return math.nan
        if self.value is None:
            return (_float(text) - self.shift) / self.factor
        if self.value == "yes":
            lowered = text.lower()
            return 1.0 if lowered in YES else 0.0 if lowered in NO else math.nan
        return float(text == self.value)


@dataclass(frozen=True)
class TextField(Record):
    """Words of the column `name`, numbered from 2 in order of frequency; 1 is any other word.

    encoder: folder of a pretrained text encoder, whose vectors of `width` numbers take the place of
    the words' own; empty where words are learned with the network.
    """

    name: str
    words: tuple[str, ...]
    encoder: str = ""
    width: int = 0

    def numbers(self, text: str) -> tuple[int, ...]:
        """LONGEST numbers, 0 behind the last word; all 0 where there is no text."""
        known = {word: k for k, word in enumerate(self.words, 2)}
        found = [known.get(w, 1) for w in words_of(text)[:LONGEST]]
        return (*found, *(0 for _ in range(LONGEST - len(found))))

    @property
    def size(self) -> int:
        """Rows of a table that has one for every number."""
        return len(self.words) + 2


def words_of(text: str) -> list[str]:
    """Lower-case words and numbers, in order."""
    return re.findall(r"[a-z]+|\d+", text.lower())


def scalars_of(fields: Sequence[ScalarField], case: Mapping[str, str]) -> tuple[float, ...]:
    return tuple(f.number(case) for f in fields)


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
