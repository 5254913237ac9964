"""Rows of text, aligned for a terminal."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Table:
    """head: names of the columns. rows: their texts. Too wide a table wraps its widest columns."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def to_json(self) -> list[dict[str, Any]]:
        return [dict(zip(self.head, row, strict=True)) for row in self.rows]

    def table(self, width: int | None = None) -> str:
        """`width`: characters to a line; default the terminal's."""
        width = width or shutil.get_terminal_size((100, 24)).columns
        lines = [self.head, *self.rows]
        needed = [max(len(row[k]) for row in lines) for k in range(len(self.head))]
        while sum(needed) + 2 * (len(needed) - 1) > width and max(needed) > 12:
            needed[needed.index(max(needed))] -= 1
        rule = tuple("-" * n for n in needed)
        shown = [_row(row, needed) for row in [self.head, rule, *self.rows]]
        return "\n".join(shown)

    __str__ = table


def _row(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [textwrap.wrap(cell, n) or [""] for cell, n in zip(row, widths, strict=True)]
    height = max(map(len, cells))
    padded = [[*cell, *[""] * (height - len(cell))] for cell in cells]
    lines = zip(*padded, strict=True)
    return "\n".join(
        "  ".join(part.ljust(n) for part, n in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
