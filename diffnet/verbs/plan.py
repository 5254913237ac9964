"""The verb that decides how a dataset is trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .preprocess import default_processes
from .progress import progress, say

if TYPE_CHECKING:
    from ..planning import Plan


@dataclass(frozen=True)
class Planned:
    """A plan that can be shown, with all reasons if `explain`. path: where it lies."""

    plan: Plan
    path: Path
    explain: bool = False

    def to_json(self) -> dict[str, Any]:
        return self.plan.to_json()

    def table(self) -> str:
        """What was decided; with `explain` by which rule, which numbers, what would change it."""
        from ..planning import explanation_rows, plan_rows
        from .table import Table

        if not self.explain:
            return Table(("what", "planned"), tuple(plan_rows(self.plan))).table()
        head = ("decision", "value", "rule", "because", "would change if")
        return Table(head, tuple(explanation_rows(self.plan))).table()


def plan(
    dataset: Path,
    *,
    task: str | None = None,
    settings: Sequence[str] = (),
    minutes: float | None = None,
    hours: float | None = None,
    gpu_memory: float | None = None,
    device: str = "auto",
    overrides: Sequence[str] = (),
    explain: bool = False,
    work: Path | None = None,
    processes: int | None = None,
) -> Planned:
    """Decide how a dataset is trained on: grid, scales, network, noise, training, sampling.

    Every decision has a reason (--explain) and can be overridden (--set). Writes plan.json into the
    work folder; a plan that was there and differs is kept as plan.previous.json.

    dataset: folder with dataset.json. task: what is made; default what the dataset says. settings:
    of the task, as name=value. minutes, hours: of training; default 1 hour on a CPU, 12 on a GPU.
    gpu_memory: in GB, to plan for a card that is not here. device: auto, cpu, cuda. overrides:
    decisions, as name=value. explain: show every decision with its rule, its numbers and what would
    change it. work: folder for everything derived; default diffnet_work beside the dataset.
    processes: for the fingerprint; default one a core, at most 8.

    Example:
        diffnet plan Dataset004_LowDoseCT --minutes 5 --explain
        diffnet plan Dataset003_MSBrain --gpu-memory 24 --set patch_size=64x96x96
        diffnet plan Dataset002_ACDC --task super_resolution --settings factor=4,1,1
    """
    from ..data import Dataset
    from ..workflow.measured import budget_here, decided, measured
    from ..workflow.work import Work

    opened, place = Dataset.open(Path(dataset)), Work.of(Path(dataset), work)
    wanted, asked = assignments(overrides, "--set"), assignments(settings, "--settings")
    budget = budget_here(device, gpu_memory, total_minutes(minutes, hours))
    with progress("fingerprint") as move:
        found = measured(opened, place, processes or default_processes(), move)
    made = decided(found, place, task, task_settings(asked), budget, wanted)
    say(f"the plan lies in {place.plan}")
    return Planned(made, place.plan, explain)


def total_minutes(minutes: float | None, hours: float | None) -> float | None:
    """Both together; None where neither is given."""
    return None if minutes is None and hours is None else (minutes or 0) + 60 * (hours or 0)


def assignments(texts: Sequence[str], flag: str) -> dict[str, str]:
    """["a=1", "b=2"] to {"a": "1", "b": "2"}. PlanError: no equals sign, or a name twice."""
    from ..planning import PlanError

    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise PlanError(f"{flag} {text}: write it as name=value")
        if name.strip() in found:
            raise PlanError(f"{flag} {name.strip()} is given twice")
        found[name.strip()] = value.strip()
    return found


def task_settings(asked: dict[str, str]) -> dict[str, Any]:
    """Text to numbers and lists: "4,1,1" to [4, 1, 1], "0.3" to 0.3; other text stays."""
    import json

    def read(text: str) -> Any:
        for form in (text, f"[{text}]"):
            try:
                return json.loads(form)
            except json.JSONDecodeError:
                continue
        return text

    return {name: read(text) for name, text in asked.items()}
