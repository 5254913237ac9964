"""Flags of cases.csv as tasks read them."""

from __future__ import annotations

_YES, _NO = ("1", "true", "yes", "y"), ("0", "false", "no", "n")


def flag_of(text: str) -> bool | None:
    """True, False, or None where nothing that is a flag is said."""
    word = text.strip().lower()
    return True if word in _YES else False if word in _NO else None
