"""What differs between two plans, and the reasons on both sides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..data import Record
from .plan import Plan, Why
from .reasons import shown

NOT_DECISIONS = ("why", "version", "fingerprint")
ABSENT = "not there"


@dataclass(frozen=True)
class Difference(Record):
    """One decision that two plans took differently. first, second: what was decided; "not there":
    neither the value nor its configuration exists. why_first, why_second: rule and numbers.
    """

    decision: str
    first: str
    second: str
    why_first: str
    why_second: str


def differences(first: Plan, second: Plan) -> tuple[Difference, ...]:
    """All decisions that differ, in the order of the first plan. Equal plans have none."""
    a, b = _leaves(first), _leaves(second)
    alone = set(first.configurations) ^ set(second.configurations)
    found = []
    for name in dict.fromkeys([*a, *b]):
        if name.split(".")[0] not in alone and a.get(name, ABSENT) != b.get(name, ABSENT):
            found.append(
                Difference(
                    name,
                    shown(a.get(name, ABSENT)),
                    shown(b.get(name, ABSENT)),
                    reason(first, name),
                    reason(second, name),
                )
            )
    return tuple(found)


def _leaves(plan: Plan) -> dict[str, Any]:
    """Decision -> value. A configuration that only one plan has is one decision, not fifty."""
    data = {k: v for k, v in plan.to_json().items() if k not in NOT_DECISIONS}
    configurations = data.pop("configurations")
    found: dict[str, Any] = {}
    for name in configurations:
        found[f"configurations.{name}"] = "planned"
    _walk("", data, found)
    for name, configuration in configurations.items():
        _walk(f"{name}.", configuration, found)
    return found


def _walk(prefix: str, data: dict[str, Any], found: dict[str, Any]) -> None:
    for key, value in data.items():
        if isinstance(value, dict) and value:
            _walk(f"{prefix}{key}.", value, found)
        else:
            found[prefix + key] = _plain(value)


def _plain(value: Any) -> Any:
    return tuple(_plain(v) for v in value) if isinstance(value, list | tuple) else value


def reason(plan: Plan, decision: str) -> str:
    """Rule and numbers behind a decision: its own Why, else that of the nearest one above it."""
    name = decision.removeprefix("configurations.")
    while name:
        if name in plan.why:
            return told(plan.why[name])
        below = [k for k in plan.why if k.startswith(f"{name}.")]
        if below and name != decision and "." in name:
            return told(plan.why[below[0]])
        name = name.rpartition(".")[0]
    return ""


def told(why: Why) -> str:
    mark = "overridden: " if why.overridden else ""
    return f"{mark}{why.rule} ({why.because})" if why.because else f"{mark}{why.rule}"
