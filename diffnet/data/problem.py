"""What is wrong with a dataset, as records: one problem, and what a preprocessing will need."""

from __future__ import annotations

from dataclasses import dataclass

from .record import Record

ERROR, WARNING = "error", "warning"


@dataclass(frozen=True)
class Problem(Record):
    """severity: error (a case or the dataset cannot be used) or warning. kind: a word to filter by.

    case: its id, "" for the whole dataset. found: what is there; do: what to do about it.
    """

    severity: str
    kind: str
    case: str
    found: str
    do: str

    def __str__(self) -> str:
        where = f"case {self.case}: " if self.case else ""
        return f"{self.severity}: {where}{self.found}. {self.do}"


@dataclass(frozen=True)
class Forecast(Record):
    """Bytes that preprocessing will need. memory: of one process at the largest case, and there.

    disk: of all arrays before compression, and free beside the dataset.
    """

    cases: int
    source: int
    largest_case: str
    memory: int
    memory_there: int
    disk: int
    disk_free: int


def error(kind: str, case: str, found: str, do: str) -> Problem:
    return Problem(ERROR, kind, case, found, do)


def warning(kind: str, case: str, found: str, do: str) -> Problem:
    return Problem(WARNING, kind, case, found, do)
