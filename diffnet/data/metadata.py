"""What cases.csv says of the cases: its rows as text, and its columns' kinds and values."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .naming import nearest
from .record import UserError

FIELD_KINDS = ("number", "category", "text", "flag")
COLUMNS = ("case", "group", "split")  # every other column is metadata
_MOST_VALUES = 20  # distinct values of an undeclared column that still make a category
_YES, _NO = ("1", "true", "yes", "y"), ("0", "false", "no", "n")


class DatasetError(UserError):
    """A dataset folder, or its dataset.json or cases.csv, that cannot be used; with what to do."""


@dataclass(frozen=True)
class MetadataField:
    """A column of cases.csv. kind: one of FIELD_KINDS; values: of a category, in order."""

    kind: str
    values: tuple[str, ...] = ()
    unit: str = ""


def read_cases(path: Path) -> dict[str, dict[str, str]]:
    """A cases.csv as case -> {column: text}. DatasetError: no column `case`, or a case twice."""
    if not path.is_file():
        return {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as opened:
            reader = csv.DictReader(opened, restkey="", restval="")
            rows = list(reader)
            columns = reader.fieldnames or []
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8 text: {error}. Save it as UTF-8") from error
    if "case" not in columns:
        raise DatasetError(f"{path} has no column 'case'; {nearest('case', columns)}")
    made: dict[str, dict[str, str]] = {}
    for line, row in enumerate(rows, 2):
        if "" in row:
            raise DatasetError(f"{path}, line {line}: more cells than columns; quote the commas")
        if row["case"] in made:
            raise DatasetError(f"{path}, line {line}: case {row['case']!r} is there twice")
        made[row["case"]] = row
    return made


def typed(text: str, kind: MetadataField) -> float | str | bool:
    """A cell of cases.csv as its kind. ValueError: it is not of that kind."""
    if kind.kind == "number":
        try:
            return float(text)
        except ValueError:
            raise ValueError(f"{text!r} is not a number") from None
    if kind.kind == "flag":
        if text.lower() not in _YES + _NO:
            raise ValueError(f"{text!r} is no flag; write 1 or 0")
        return text.lower() in _YES
    if kind.kind == "category" and text not in kind.values:
        raise ValueError(f"{text!r} is not a declared value; {nearest(text, kind.values)}")
    return text


def inferred(texts: Iterable[str]) -> MetadataField:
    """Numbers where all are, a category where few values come again and again, else text."""
    texts = list(texts)
    number = MetadataField("number")
    try:
        for text in texts:
            typed(text, number)
    except ValueError:
        values = sorted(set(texts))
        few = len(values) <= _MOST_VALUES and 2 * len(values) <= len(texts)
        return MetadataField("category", tuple(values)) if few else MetadataField("text")
    return number
