"""The verb that puts plans or runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..workflow.compare import RunComparison
    from ..workflow.compare_plans import PlanComparison


def compare(items: list[Path], *, work: Path | None = None) -> PlanComparison | RunComparison:
    """Put plans side by side (what differs and why), or trained runs (quality and cost).

    Runs are compared on the cases that they share, by paired differences with 95 % intervals; the
    first is what the others are compared with. Of one dataset or plan, its configurations are
    compared.

    items: run folders, evaluated prediction folders, plan.json files, or dataset folders whose
    plans were made. work: where the datasets' work folders are; default diffnet_work beside each.

    Example:
        diffnet compare runs/2d-edm runs/2d-regression
        diffnet compare Dataset001_Hippocampus
        diffnet compare a/plan.json b/plan.json --json
    """
    from ..data import UserError
    from ..workflow.compare import compare_runs
    from ..workflow.compare_plans import compare_plans

    plans = [plan for item in items if (plan := _plan_of(Path(item), work)) is not None]
    if not plans:
        return compare_runs([Path(item) for item in items])
    if len(plans) < len(items):
        raise UserError("compare plans with plans or runs with runs, not both in one call")
    return compare_plans(plans)


def _plan_of(item: Path, work: Path | None) -> Path | None:
    """The plan that an item stands for; None where it is a run. UserError: nothing is there."""
    from ..data import UserError
    from ..workflow.work import Work

    if not item.exists():
        raise UserError(
            f"{item} does not exist: name a run folder, a plan.json or a dataset folder"
        )
    if item.is_file():
        return item
    if (item / "dataset.json").is_file():
        plan = Work.of(item, work).plan
        if not plan.is_file():
            raise UserError(f"{item} has no plan yet: run `diffnet plan {item}` first")
        return plan
    if (item / "plan.json").is_file() and not (item / "card.json").is_file():
        return item / "plan.json"
    return None
