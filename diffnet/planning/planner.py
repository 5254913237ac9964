"""From a fingerprint to a plan: pure, in seconds, with a reason for every decision."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import prod
from typing import TYPE_CHECKING, Any

from ..data import ScaleRule, nearest
from .budget import Budget, PlanError
from .class_rule import plan_class
from .condition_rule import plan_scalars, plan_text
from .configure import Setting, configure, need_on, structure
from .fingerprint import Fingerprint
from .grids import (
    COVERED,
    MOST_FLAT,
    WORTHWHILE,
    Grid,
    coarser,
    covered,
    default_configuration,
    full_grid,
    require_sound,
    say_what_is_missing,
)
from .guess_rule import plan_guess
from .overrides import NAMES, overridden, read_overrides
from .plan import Configuration, Plan
from .reasons import Reasons, shown
from .scales import rules_for
from .sizing import size, wanted_steps
from .spacing import by_axis
from .task_rule import plan_task

if TYPE_CHECKING:
    from ..tasks import Task

Inside = dict[str, dict[str, Any]]


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
    scales = rules_for(f.roles, chosen.makes, chosen.follows)
    _explain_scales(f, chosen, scales, reasons)
    guess = plan_guess(f, chosen, whole.get("guess"), reasons)
    class_field, values = plan_class(f, chosen, whole.get("class_field"), reasons)
    scalars = plan_scalars(f, chosen, class_field, whole.get("scalars"), reasons)
    text = plan_text(f, chosen, whole.get("text"), reasons)
    grid = full_grid(f, whole.get("spacing"), reasons)
    words = 0 if text is None else text.size
    setting = Setting(f, chosen, guess, len(values), budget, len(scalars), words)
    configurations = _configurations(grid, setting, inside, reasons)
    names = list(configurations)
    default = default_configuration(f, chosen, names, grid, budget, reasons)
    if "default" in whole:
        default = _wanted_default(whole["default"], names, default, reasons)
    say_what_is_missing(f, grid, reasons)
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


def _configurations(
    grid: Grid, s: Setting, inside: Inside, reasons: Reasons
) -> dict[str, Configuration]:
    """All that apply; of the others, the reason why not. An override may not name one of those."""
    found: dict[str, Configuration] = {}
    flat = s.fingerprint.dims == 2
    found["2d"] = _one("2d", 2, grid, s, inside, reasons)
    if flat or grid.shape[0] <= MOST_FLAT:
        because = "2-D images" if flat else f"{grid.shape[0]} slices"
        for name in NAMES[1:]:
            reasons.add(
                name, "no", f"volumes of more than {MOST_FLAT} slices", because, "deeper volumes"
            )
    else:
        found |= _volumes(grid, s, inside, reasons)
    unused = sorted(n for n in inside if n and n not in found)
    if unused:
        raise PlanError(
            f"overrides name the configuration {unused[0]}, which does not apply: "
            f"{reasons.found[unused[0]].because}; there are {', '.join(found)}"
        )
    return found


def _volumes(grid: Grid, s: Setting, inside: Inside, reasons: Reasons) -> dict[str, Configuration]:
    """3d_fullres, and 3d_lowres where a patch shows too little of a volume."""
    found: dict[str, Configuration] = {}
    try:
        full = _one("3d_fullres", 3, grid, s, inside, reasons)
        found["3d_fullres"] = full
        needed, because = _falls_short(full, grid, s)
    except PlanError as error:
        _forget(reasons, "3d_fullres.")
        reasons.add("3d_fullres", "no", "it has to fit the budget", str(error), "a larger budget")
        needed, because = True, "3d_fullres does not fit the budget"
    low = coarser(grid, lambda g: _shows_enough(g, s, inside)) if needed else None
    if low is not None and found and prod(grid.shape) < WORTHWHILE * prod(low.shape):
        low, because = (
            None,
            f"a grid that suffices has {shown(tuple(low.shape))} voxels, hardly fewer",
        )
    rule = (
        f"where a patch covers less than {COVERED:.0%}, or generation of whole volumes is too "
        f"slow, if {WORTHWHILE:g} times fewer voxels suffice"
    )
    change = "larger volumes, or another budget"
    if low is None:
        reasons.add("3d_lowres", "no", rule, because, change)
        return found
    found["3d_lowres"] = _one("3d_lowres", 3, low, s, inside, reasons)
    reasons.add("3d_lowres", f"{by_axis(low.spacing)} mm", rule, because, change)
    return found


def _falls_short(full: Configuration, grid: Grid, s: Setting) -> tuple[bool, str]:
    """Whether a coarser grid is wanted beside the full one, and the numbers."""
    share = covered(full.patch, grid.shape)
    seconds = s.budget.seconds
    possible, wanted = seconds / full.seconds["step"], wanted_steps(seconds)
    slow = not s.task.given and 2 * possible < wanted
    return share < COVERED or slow, (
        f"a full-resolution patch covers {share:.0%} of a median volume; {int(possible)} steps "
        f"fit in and {wanted} are wanted"
    )


def _shows_enough(grid: Grid, s: Setting, inside: Inside) -> bool:
    fixed = structure({**_fitting(inside.get("", {}), 3), **inside.get("3d_lowres", {})})
    try:
        sized = size(need_on(3, grid, s, Reasons()), s.budget, fixed)
    except PlanError:
        return False
    if s.task.given:
        return covered(sized.patch, grid.shape) >= COVERED
    return covered(sized.patch, grid.shape) == 1 and sized.possible >= sized.wanted


def _one(
    name: str, dims: int, grid: Grid, s: Setting, inside: Inside, reasons: Reasons
) -> Configuration:
    """Plan it, the user's structure first, and put the user's other values in."""
    wanted = {**_fitting(inside.get("", {}), dims), **inside.get(name, {})}
    made = configure(name, dims, grid, s, wanted, reasons)
    return overridden(made, wanted, reasons)


def _fitting(wanted: dict[str, Any], dims: int) -> dict[str, Any]:
    """A patch given for all configurations holds for those of its number of axes."""
    return {k: v for k, v in wanted.items() if k != "patch" or len(v) == dims}


def _forget(reasons: Reasons, prefix: str) -> None:
    for key in [k for k in reasons.found if k.startswith(prefix)]:
        del reasons.found[key]


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
    clip = "" if rule.low is None else f", clipped to [{rule.low:.4g}, {rule.high:.4g}]"
    return f"(x - {rule.shift:.4g}) / {rule.factor:.4g}{clip}"


def _scale_rule(role: str, rule: ScaleRule, task: Task) -> str:
    if task.follows and role == "target":
        return "on the given image's scale, because both are of one modality; never clipped"
    if rule.kind == "case":
        return "arbitrary units: by case"
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
