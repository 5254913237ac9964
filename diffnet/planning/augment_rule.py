"""Which augmentations do no harm to what is learned, and help with few cases."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .fingerprint import Fingerprint
from .reasons import Reasons
from .training_rule import FEW_CASES

if TYPE_CHECKING:
    from ..tasks import Task

SOME_CASES = 200
WITHOUT_UP = ("MICROSCOPY",)  # images of these have no upper side
PICTURES = ("RGB", *WITHOUT_UP)  # taken from any side
SIDES = re.compile(r"\b(left|right|lh|rh)\b")
NOISE_MATTERS = ("denoising", "super_resolution")


def plan_augment(f: Fingerprint, task: Task, reasons: Reasons) -> tuple[str, ...]:
    names, because = _chosen(f, task)
    reasons.add(
        "training.augment",
        names or "none",
        "what keeps made images true: no interpolation where noise or detail is the target, "
        "nothing that a generator would copy; more for fewer cases",
        because,
        f"another task, or fewer than {FEW_CASES} or {SOME_CASES} cases",
    )
    return names


def _chosen(f: Fingerprint, task: Task) -> tuple[tuple[str, ...], str]:
    n = len(f.cases)
    if not task.given:
        role = f.roles.get(task.makes)  # label maps have no modality
        kinds = {c.modality for c in role.channels} if role else {""}
        if kinds <= set(WITHOUT_UP):
            return ("flip",), "these images have no upper side: turned round they are as good"
        return (
            (),
            "a generator would learn mirrored anatomy and turned pictures as if they were real",
        )
    if task.name in NOISE_MATTERS:
        return ("flip",), "turning or scaling would smooth the noise or detail that is learned"
    if task.makes == "label":
        names = (*_turns(f), "rotate", "scale", "gamma", "noise")
        more = ("elastic",) if n < FEW_CASES else ()
        return (*names, *more), f"{n} cases; labels bear any of them, intensities of images too"
    names = ("mirror", "rotate", "scale") if n < SOME_CASES else ("mirror",)
    return names, f"{n} cases; intensities stay: the voxel-wise guess depends on them"


def _turns(f: Fingerprint) -> tuple[str, ...]:
    """Left and right may be swapped, unless labels tell them apart; pictures may be flipped."""
    if any(SIDES.search(name.lower().replace("_", " ")) for name in f.labels):
        return ()
    kinds = {c.modality for c in f.roles["image"].channels}
    return ("flip",) if kinds <= set(PICTURES) else ("mirror",)
