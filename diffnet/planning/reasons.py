"""The planner's notebook: one Why for every decision, as it is made."""

from __future__ import annotations

from .plan import Why


class Reasons:
    """Collects Why records under keys that start with `prefix`."""

    def __init__(self, prefix: str = "", into: dict[str, Why] | None = None) -> None:
        self.prefix = prefix
        self.found: dict[str, Why] = {} if into is None else into

    def of(self, prefix: str) -> Reasons:
        """The same notebook, for one configuration."""
        return Reasons(f"{prefix}.", self.found)

    def add(
        self,
        name: str,
        value: object,
        rule: str,
        because: str,
        change: str = "",
        overridden: bool = False,
    ) -> None:
        self.found[self.prefix + name] = Why(shown(value), rule, because, change, overridden)

    def put(self, name: str, why: Why) -> None:
        self.found[self.prefix + name] = why


def shown(value: object) -> str:
    """Numbers with four digits, lists with x or commas: what fits into a table's cell."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(
            shown(v) if not isinstance(v, list | tuple) else by_times(v) for v in value
        )
    return str(value)


def by_times(values: list | tuple) -> str:
    return " x ".join(shown(v) for v in values)
