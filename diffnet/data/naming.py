"""The nearest right name for a wrong one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a sentence that points to the known name most like `name`, or lists them all."""
    known = list(known)
    close = difflib.get_close_matches(name, known, 1, 0.6)
    return f"did you mean {close[0]!r}?" if close else f"there is {', '.join(known)}"
