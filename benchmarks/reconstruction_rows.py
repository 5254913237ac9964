"""The table of results that `reconstruction.py` fills, a line at a time."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconstruction_scores import Scores

from diffnet.data import Case


@dataclass
class Rows:
    """rows.csv, a line at a time."""

    path: Path

    def read(self) -> Iterator[dict[str, str]]:
        if self.path.is_file():
            with self.path.open(newline="") as file:
                yield from csv.DictReader(file)

    def lacks(self, problem: str, cases: Sequence[Case], solvers: Sequence[str]) -> list[str]:
        """Solvers that have not answered all cases yet."""
        there = {(r["problem"], r["solver"], r["case"]) for r in self.read()}
        return [s for s in solvers if any((problem, s, c.id) not in there for c in cases)]

    def add(self, question: Any, solver: str, found: Scores) -> None:
        first = {"problem": question.problem, "solver": solver, "case": question.case.id}
        row = {**first, "group": question.case.group, **found._asdict()}
        fresh = not self.path.is_file()
        with self.path.open("a", newline="") as file:
            writer = csv.DictWriter(file, list(row))
            if fresh:
                writer.writeheader()
            writer.writerow(row)
        print(
            " ".join(f"{v:.3f}" if isinstance(v, float) else str(v) for v in row.values()),
            flush=True,
        )
