"""What a verb's docstring says: about the verb, about each of its parameters, and by example."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

EXAMPLE = re.compile(r"^Examples?:[ \t]*\n?", re.MULTILINE)


@dataclass(frozen=True)
class Described:
    """text: without parameters and example. parameters: name -> what it means."""

    text: str
    parameters: dict[str, str]
    example: str


def described(verb: Callable[..., Any]) -> Described:
    """Read `name: meaning.` items, anywhere a sentence may begin, and a last section `Example:`."""
    whole = inspect.getdoc(verb) or ""
    parts = EXAMPLE.split(whole, maxsplit=1)
    example = textwrap.dedent(parts[1]).strip("\n") if len(parts) > 1 else ""
    names = list(inspect.signature(verb).parameters)
    text, found = [], {}
    for paragraph in re.split(r"\n\s*\n", parts[0].strip()):
        said, items = _items(" ".join(paragraph.split()), names)
        found.update(items)
        if said:
            text.append(said)
    return Described("\n\n".join(text), found, example)


def _items(paragraph: str, names: Iterable[str]) -> tuple[str, dict[str, str]]:
    """What stands before the first item, and the items. `a, b: meaning` serves both."""
    name = "(?:" + "|".join(map(re.escape, names)) + ")"
    start = re.compile(rf"(?:(?<=[.;)] )|^)({name}(?:(?:, | and ){name})*): ") if names else None
    matches = list(start.finditer(paragraph)) if start else []
    if not matches:
        return paragraph, {}
    items = {}
    ends = [m.start() for m in matches[1:]] + [len(paragraph)]
    for match, end in zip(matches, ends, strict=True):
        meaning = paragraph[match.end() : end].strip().rstrip(".;")
        for one in re.split(r", | and ", match.group(1)):
            items[one] = meaning
    return paragraph[: matches[0].start()].strip(), items
