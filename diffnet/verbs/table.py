"""Rows of text, aligned for a terminal."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Table:
    """head: names of the columns. rows: their texts. Too wide a table wraps its widest columns.

    Words are not broken, so a table of many columns may stay wider than the terminal.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def to_json(self) -> list[dict[str, Any]]:
        return [dict(zip(self.head, row, strict=True)) for row in self.rows]

    def table(self, width: int | None = None) -> str:
        """`width`: characters to a line; default the terminal's."""
        width = width or shutil.get_terminal_size((100, 24)).columns
        lines = [self.head, *self.rows]
        columns = range(len(self.head))
        needed = [max(len(row[k]) for row in lines) for k in columns]
        least = [max(len(word) for row in lines for word in [*row[k].split(), ""]) for k in columns]
        while sum(needed) + 2 * (len(needed) - 1) > width and needed != least:
            widest = max(columns, key=lambda k: (needed[k] > least[k], needed[k]))
            needed[widest] -= 1
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
