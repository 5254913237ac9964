"""A user's own decisions: found by name, read as what they replace, checked together."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..data import Record, RecordError, nearest
from .budget import PlanError
from .plan import Configuration, NetworkPlan, NoisePlan, SamplingPlan, TrainingPlan
from .reasons import Reasons, shown

SECTIONS = {
    "network": NetworkPlan,
    "noise": NoisePlan,
    "training": TrainingPlan,
    "sampling": SamplingPlan,
}
STRUCTURE = {  # decided before the rest, which follows from them; path -> its name while sizing
    "patch": "patch",
    "network.widths": "widths",
    "network.blocks": "blocks",
    "network.attention": "attention",
    "network.checkpointing": "checkpointing",
    "training.batch_size": "batch_size",
}
WHOLE_PLAN = (
    "default",
    "also",
    "class_field",
    "scalars",
    "text",
    "text_encoder",
    "spacing",
    "guess",
)
OTHER_NAMES = {"patch_size": "patch", "target_spacing": "spacing", "lr": "training.learning_rate"}
AUGMENTATIONS = ("mirror", "flip", "rotate", "scale", "elastic", "gamma", "noise")
NAMES = (
    "2d",
    "25d",
    "2d_lowres",
    "2d_cascade",
    "3d_fullres",
    "3d_lowres",
    "3d_cascade",
    "3d_wavelet",
    "first_stage",
    "latent",
)
REFINING = {"cascade.noise": float, "share": float}
FORMS: dict[str, dict[str, Any]] = {  # decisions that only these configurations have
    "25d": {"slab": int},
    "2d_lowres": {"coarsening": float},
    "2d_cascade": REFINING,
    "3d_lowres": {"coarsening": float},
    "3d_cascade": REFINING,
    "latent": {"code.kind": str, "code.factor": int, "code.channels": int, "share": float},
}
LATE = ("cascade.noise",)  # of those, what is put in when all else is planned


def paths() -> dict[str, Any]:
    """Every decision within any configuration that can be overridden, and its type."""
    found: dict[str, Any] = {"patch": tuple[int, ...]}
    for section, record in SECTIONS.items():
        hints = typing.get_type_hints(record)
        found |= {f"{section}.{f.name}": hints[f.name] for f in dataclasses.fields(record)}
    for fixed in ("network.strides", "network.kernels"):
        found.pop(fixed)
    return found


def read_overrides(
    overrides: Mapping[str, Any],
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """(decisions of the whole plan, {configuration or "": {path: value}}).

    Keys: patch, batch_size, training.batch_size (all configurations), 2d.training.batch_size (one),
    default, also (configurations that the rules would leave out), class_field, scalars, text,
    text_encoder (a folder), spacing, guess (the degree). Values: as they are, or text as typed on a
    command line. PlanError: an unknown name, with the nearest; a value that is not of the kind.
    """
    plan: dict[str, Any] = {}
    inside: dict[str, dict[str, Any]] = {}
    for key, value in overrides.items():
        configuration, path = _split(key)
        path = OTHER_NAMES.get(path, path)
        if not configuration and path in WHOLE_PLAN:
            plan[path] = _of_plan(key, path, value)
            continue
        known = paths() | own_paths(configuration)
        full = _full(key, path, known)
        inside.setdefault(configuration, {})[full] = _read(key, value, known[full])
    return plan, inside


def own_paths(configuration: str) -> dict[str, Any]:
    """Decisions that this configuration has beside `paths`; of all where none is named."""
    if configuration:
        return FORMS.get(configuration, {})
    return {k: v for own in FORMS.values() for k, v in own.items()}


def _of_plan(key: str, path: str, value: Any) -> Any:
    if path == "spacing":
        return _numbers(key, value)
    if path != "also":
        return str(value)
    names = tuple(_read(key, value, tuple[str, ...]))
    for name in names:
        if name not in NAMES:
            raise PlanError(f"also cannot be {name!r}: {nearest(name, NAMES)}")
    return names


def _split(key: str) -> tuple[str, str]:
    first, _, rest = key.partition(".")
    return (first, rest) if first in NAMES and rest else ("", key)


def _full(key: str, path: str, known: Mapping[str, Any]) -> str:
    if path in known:
        return path
    ending = [k for k in known if k.rsplit(".", 1)[-1] == path]
    if len(ending) == 1:
        return ending[0]
    if len(ending) > 1:
        raise PlanError(f"{key!r} can mean {' or '.join(ending)}: write which")
    short = [k.rsplit(".", 1)[-1] for k in known]
    raise PlanError(
        f"there is no decision {key!r}: "
        f"{nearest(path, [*WHOLE_PLAN, *known, *short, *OTHER_NAMES])}"
    )


def _read(key: str, value: Any, hint: Any) -> Any:
    """The value as `hint` wants it; text is JSON, or numbers with x or commas between."""
    if isinstance(value, str) and hint is not str:
        value = _parsed(value, hint)
    if (
        isinstance(value, int | float | str)
        and not isinstance(value, bool)
        and "tuple" in str(hint)
    ):
        value = (value,)
    holder = dataclasses.make_dataclass("Override", [("value", hint)], bases=(Record,), frozen=True)
    try:
        return holder.from_json({"value": value}, key).value  # type: ignore[attr-defined]
    except RecordError as error:
        kind = str(hint).replace("<class '", "").replace("'>", "")
        raise PlanError(f"{key} cannot be {shown(value)!r}: it needs {kind}") from error


def _parsed(text: str, hint: Any) -> Any:
    lowered = text.strip().lower()
    if lowered in ("true", "yes", "on"):
        return True
    if lowered in ("false", "no", "off"):
        return False
    if lowered in ("none", "") and "tuple" in str(hint):
        return ()
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        pass  # "64x96" and "mirror,rotate" are no JSON: they are read as lists below
    parts = [p.strip() for p in lowered.replace("x", ",").split(",")]
    try:
        return [json.loads(p) for p in parts]
    except json.JSONDecodeError:
        return [p.strip() for p in text.split(",")]


def _numbers(key: str, value: Any) -> tuple[float, float, float]:
    found = _read(key, value, tuple[float, ...])
    if len(found) != 3 or min(found) <= 0:
        raise PlanError(f"{key} is {shown(found)}; it needs three numbers above 0: z, y, x in mm")
    return found


def overridden(c: Configuration, values: Mapping[str, Any], reasons: Reasons) -> Configuration:
    """`values` in their places, noted as the user's, all checked. PlanError: what clashes."""
    for path, value in values.items():
        section, _, name = path.rpartition(".")
        old = getattr(getattr(c, section), name) if section else getattr(c, name)
        before = path in STRUCTURE or (path in own_paths(c.name) and path not in LATE)
        if not before:
            c = replace(c, **{section: replace(getattr(c, section), **{name: value})})
        reasons.of(c.name).add(
            path,
            value,
            "set by the user",
            "override" if before else f"the rule said {shown(old)}",
            "no override",
            overridden=True,
        )
    require_consistent(c)
    return c


def require_consistent(c: Configuration) -> None:
    """PlanError: a number out of range, or decisions that contradict each other."""
    n, t, s = c.network, c.training, c.sampling
    stages = {len(n.widths), len(n.strides), len(n.kernels), len(n.attention)}
    checks = [
        (
            len(stages) == 1,
            f"widths, attention: one entry a stage, and there are {len(n.strides)} stages",
        ),
        (min(n.widths) >= 1 and n.blocks >= 1, "widths and blocks are 1 or more"),
        (0 <= n.dropout < 1, f"dropout is in [0, 1), not {n.dropout:g}"),
        (0 < c.noise.sigma_min < c.noise.sigma_max, "0 < sigma_min < sigma_max"),
        (c.noise.level_std > 0, "level_std is above 0"),
        (0 <= c.noise.blank < 1, f"blank is in [0, 1), not {c.noise.blank:g}"),
        (0 <= c.noise.even < 1, f"even is in [0, 1), not {c.noise.even:g}"),
        (
            len(c.noise.std) == c.target_channels,
            f"std has one entry for each of {c.target_channels} channels",
        ),
        (min(c.noise.std) > 0, "std is above 0"),
        (t.steps >= 1 and t.batch_size >= 1, "steps and batch_size are 1 or more"),
        (
            t.learning_rate > 0 and t.warmup >= 0 and t.clip > 0,
            "learning_rate and clip are above 0",
        ),
        (0 <= t.forget < 1, f"forget is in [0, 1), not {t.forget:g}"),
        (all(0 < e < 0.29 for e in t.ema), "ema lengths are in (0, 0.29)"),
        (t.precision in ("fp32", "bf16", "fp16"), f"precision is fp32 or bf16, not {t.precision}"),
        (
            s.output in ("mean", "sample", "samples"),
            f"output is mean, sample or samples, not {s.output}",
        ),
        (s.steps >= 1 and s.samples >= 1, "sampling steps and samples are 1 or more"),
    ]
    wrong = [text for ok, text in checks if not ok]
    wrong += _unknown_names(c)
    if wrong:
        raise PlanError(f"configuration {c.name} contradicts itself: {'; '.join(wrong)}")


def _unknown_names(c: Configuration) -> list[str]:
    from ..diffusion import GRIDS, SAMPLERS

    tables = [
        ("sampler", c.sampling.sampler, SAMPLERS),
        ("grid", c.sampling.grid, GRIDS),
        *(("augmentation", a, AUGMENTATIONS) for a in c.training.augment),
    ]
    return [
        f"unknown {kind} {name!r}, {nearest(name, table)}"
        for kind, name, table in tables
        if name not in table
    ]
