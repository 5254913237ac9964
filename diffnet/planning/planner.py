"""From a fingerprint to a plan: pure, in seconds, with a reason for every decision."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..data import ScaleRule, nearest
from .budget import Budget, PlanError
from .class_rule import plan_class
from .condition_rule import plan_scalars, plan_text
from .configurations import plan_configurations
from .configure import Setting
from .fingerprint import Fingerprint
from .grids import default_configuration, full_grid, require_sound
from .guess_rule import plan_guess
from .overrides import read_overrides
from .plan import Plan
from .reasons import Reasons
from .scales import rules_for
from .task_rule import plan_task

if TYPE_CHECKING:
    from ..tasks import Task


def make_plan(
    fingerprint: Fingerprint,
    task: str | None = None,
    settings: dict[str, Any] | None = None,
    budget: Budget | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Plan:
    """Decide everything for one task on one dataset. Pure: the same input gives the same plan.

    task, settings: a user's; None is what the dataset says. budget: None is a CPU for an hour.
    overrides: decisions by name, such as {"patch_size": (96, 96), "2d.training.batch_size": 4}; see
    `read_overrides`. PlanError: data that cannot be planned for, a task the dataset cannot serve, a
    budget below the least that is needed, an override that is unknown or contradicts another.
    """
    f, budget = fingerprint, budget or Budget()
    require_sound(f)
    whole, inside = read_overrides(overrides or {})
    reasons = Reasons()
    chosen = plan_task(f, task, settings, reasons)
    scales = rules_for(f.roles, chosen.makes, chosen.follows, chosen.whole, chosen.complex)
    _explain_scales(f, chosen, scales, reasons)
    guess = plan_guess(f, chosen, whole.get("guess"), reasons)
    class_field, values = plan_class(f, chosen, whole.get("class_field"), reasons)
    scalars = plan_scalars(f, chosen, class_field, whole.get("scalars"), reasons)
    text = plan_text(f, chosen, whole.get("text"), reasons, whole.get("text_encoder"))
    grid = full_grid(f, whole.get("spacing"), reasons)
    words = 0 if text is None else text.size
    width = 0 if text is None else text.width
    setting = Setting(f, chosen, guess, len(values), budget, len(scalars), words, width)
    also = whole.get("also", ())
    configurations = plan_configurations(grid, setting, inside, also, reasons)
    default = default_configuration(f, chosen, configurations, grid, reasons)
    if "default" in whole:
        default = _wanted_default(whole["default"], list(configurations), default, reasons)
    _note(f, reasons)
    return Plan(
        dataset=f.dataset,
        fingerprint=f.content,
        task=chosen.name,
        task_settings=json.loads(json.dumps(chosen.to_json())),  # as it is read back: no tuples
        dims=f.dims,
        channels=f.channels,
        targets=f.targets,
        labels=f.labels,
        scales=scales,
        guess=guess,
        class_field=class_field,
        class_values=values,
        configurations=configurations,
        default=default,
        why=reasons.found,
        file_ending=f.file_ending,
        budget=budget.to_json(),
        roles=tuple(dict.fromkeys([*chosen.given, *chosen.steers, chosen.makes, *chosen.beside])),
        follows=chosen.follows,
        scalars=scalars,
        text=text,
    )


def _wanted_default(wanted: str, names: list[str], ruled: str, reasons: Reasons) -> str:
    if wanted not in names:
        raise PlanError(f"default cannot be {wanted!r}: {nearest(wanted, names)}")
    reasons.add(
        "default",
        wanted,
        "set by the user",
        f"the rule said {ruled}",
        "no override",
        overridden=True,
    )
    return wanted


def _explain_scales(
    f: Fingerprint, task: Task, scales: dict[str, tuple[ScaleRule, ...]], reasons: Reasons
) -> None:
    for role, rules in scales.items():
        for channel, rule in zip(f.roles[role].channels, rules, strict=True):
            told = "declared" if channel.declared else f"inferred: {channel.inferred}"
            reasons.add(
                f"scale.{role}.{channel.name}",
                _scale(rule),
                _scale_rule(role, rule, task),
                f"{channel.modality} ({told}); mean {channel.mean:.4g}, std {channel.std:.4g}, "
                f"0.5-99.5 % {channel.low:.4g} to {channel.high:.4g}",
                "modalities in dataset.json",
            )


def _scale(rule: ScaleRule) -> str:
    if rule.kind == "case":
        return "each case's own foreground mean and std"
    if rule.kind == "whole":
        return "each case's own mean and std, of all voxels"
    clip = "" if rule.low is None else f", clipped to [{rule.low:.4g}, {rule.high:.4g}]"
    return f"(x - {rule.shift:.4g}) / {rule.factor:.4g}{clip}"


def _scale_rule(role: str, rule: ScaleRule, task: Task) -> str:
    if task.follows and role == "target":
        return "on the given image's scale, because both are of one modality; never clipped"
    if rule.kind == "case":
        return "arbitrary units: by case"
    if rule.kind == "whole":
        return "k-space has arbitrary units and no foreground, but the image's mean: by case"
    if role == task.makes and not task.follows:
        return "made: fixed, so that results have file units; never clipped"
    if rule.low is not None:
        return "given CT: clipped to [0.5, 99.5] % of the foreground, fixed"
    return (
        "fixed units; not clipped, because the result shares the scale"
        if task.follows
        else "fixed units, as CT and 8-bit values have them"
    )


def _note(f: Fingerprint, reasons: Reasons) -> None:
    """What a reader should know besides: contradictions and oddities of the data."""
    notes = list(f.notices)
    if len(f.cases) < 3:
        notes.append(f"{len(f.cases)} training case(s): whatever is learned is learned by heart")
    if f.duplicates:
        same = "; ".join(" = ".join(d) for d in f.duplicates[:3])
        notes.append(f"{len(f.duplicates)} sets of cases have identical pixels: {same}")
    if f.near:
        notes.append(f"cases of different groups look alike: {f.near[0][0]} and {f.near[0][1]}")
    if f.pair is not None and f.pair.offset >= 2:
        notes.append(
            f"image and target lie {f.pair.offset:.2g} voxels apart (median), {f.pair.worst:.2g} "
            f"in {f.pair.worst_case}: register them, or expect blur"
        )
    for i, note in enumerate(notes):
        reasons.add(f"notice.{i + 1}", note, "to know", "fingerprint")
