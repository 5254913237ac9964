"""Fingerprints and plans as rows that people read."""

from __future__ import annotations

from collections import Counter

import numpy as np

from .fingerprint import ChannelSummary, Fingerprint
from .plan import Configuration, Plan
from .reasons import shown
from .spacing import by_axis

Rows = list[tuple[str, ...]]


def fingerprint_rows(f: Fingerprint) -> Rows:
    """(what, value), from the shape of the data to what a reader should know."""
    shapes, spacings = f.shapes(), f.spacings()
    rows: Rows = [
        ("dataset", f"{f.dataset}: {len(f.cases)} training cases of {f.groups} groups, {f.dims}-D"),
        ("task", f.task or "not said"),
        ("shape", f"median {by_axis(np.median(shapes, 0))}, {_range(shapes)} voxels (z, y, x)"),
        ("spacing", f"median {by_axis(np.median(spacings, 0))}, {_range(spacings)} mm"),
        ("field of view", f"median {by_axis(np.median(shapes * spacings, 0))} mm"),
        ("file type", f"{f.file_ending}, {', '.join(sorted({c.dtype for c in f.cases}))}"),
        ("size", f"{sum(c.bytes for c in f.cases) / 1e9:.3g} GB as 32-bit numbers"),
        ("foreground", _foreground(f)),
    ]
    rows += _axes(f)
    alike = f.median_of([c.neighbours for c in f.cases])
    if alike is not None:
        rows.append(("neighbouring slices", f"correlation {alike:.2f} (median)"))
    for role, summary in f.roles.items():
        rows += [(f"{role}: {c.name}", _channel(c)) for c in summary.channels]
        rows.append(
            (f"{role}: largest eigenvalue", _shares(summary.plane_share, summary.volume_share))
        )
    rows += _pair_rows(f) + _label_rows(f)
    for name, counts in f.categories.items():
        rows.append((f"category {name}", ", ".join(f"{v} {n}" for v, n in counts.items())))
    rows += [("identical pixels", " = ".join(names)) for names in f.duplicates[:5]]
    rows += [("look alike", f"{a} and {b}") for a, b in f.near[:5]]
    return rows + [("notice", text) for text in f.notices]


def _range(values: np.ndarray) -> str:
    low, high = values.min(0), values.max(0)
    return "all the same" if (low == high).all() else f"from {by_axis(low)} to {by_axis(high)}"


def _foreground(f: Fingerprint) -> str:
    share = [c.foreground for c in f.cases]
    boxes = np.asarray([c.box for c in f.cases], float).reshape(len(f.cases), 3, 2)
    sides = np.median(boxes[..., 1] - boxes[..., 0], 0)
    return f"{np.median(share):.0%} of an image (median), in a box of {by_axis(sides)} voxels"


def _channel(c: ChannelSummary) -> str:
    source = "declared" if c.declared else f"inferred: {c.inferred}"
    background = "none" if c.background is None else f"{c.background:.4g}"
    return (
        f"{c.modality} ({source}); mean {c.mean:.4g}, std {c.std:.4g}; foreground mean "
        f"{c.foreground_mean:.4g}, std {c.foreground_std:.4g}, 0.5-99.5 % {c.low:.4g} "
        f"to {c.high:.4g}; range {c.minimum:.4g} to {c.maximum:.4g}, step {c.quantum:.3g}, "
        f"background {background}; "
        f"noise {c.noise:.1%} and floor {c.floor:.1%} of the std; spectrum ~ f^-{c.slope:.2f}; "
        f"cases differ by {c.spread:.2g} std"
    )


def _shares(plane: float, volume: float) -> str:
    deep = f", {volume:.3g} x voxels of a volume" if volume else ""
    return f"{plane:.3g} x voxels of a slice{deep}, in network units"


def _pair_rows(f: Fingerprint) -> Rows:
    if f.pair is None:
        return []
    p = f.pair
    table = "; ".join(shown(tuple(round(v, 3) for v in row)) for row in p.correlation)
    rows: Rows = [("pair: correlation", table)]
    for degree, fit in p.own.items():
        left = f"leaves std {np.mean(fit.guess.std):.3g} of 0.5"
        text = f"explains {np.mean(fit.held_out):.1%} of unseen cases, {left}"
        rows.append((f"pair: regression of degree {degree}", text))
    rows.append(
        ("pair: offset", f"{p.offset:.2g} voxels (median), {p.worst:.2g} in {p.worst_case}")
    )
    return rows


def _label_rows(f: Fingerprint) -> Rows:
    rows: Rows = []
    for name, share in f.label_shares.items():
        key = str(f.labels[name])
        parts = [c.components[key] for c in f.cases if key in c.components]
        found = sum(1 for c in f.cases if c.labels.get(key))
        text = f"{share:.3%} of voxels, in {found} cases"
        rows.append(
            (f"label {name}", f"{text}, {np.mean(parts):.3g} parts each" if parts else text)
        )
    raters = {c.raters for c in f.cases if c.raters}
    if not raters or max(raters) < 2:
        return rows
    agree = f.median_of([c.agreement for c in f.cases])
    said = "" if agree is None else f"; Dice between two of them {agree:.3f} (median)"
    return [*rows, ("raters", shown(tuple(sorted(raters))) + said)]


def _axes(f: Fingerprint) -> Rows:
    """Orientation of volumes; 2-D images tell none."""
    counts = Counter(c.axes for c in f.cases if c.axes)
    if not counts:
        return []
    told = ", ".join(f"{axes} ({n})" for axes, n in counts.most_common(4))
    return [("axes x, y, z", f"{told}; tilted by up to {max(c.tilt for c in f.cases):.3g} degrees")]


def plan_rows(plan: Plan) -> Rows:
    """(what, value): what a user wants to know before training starts."""
    names = ", ".join(n + (" (default)" if n == plan.default else "") for n in plan.configurations)
    rows: Rows = [("task", plan.task), ("configurations", names)]
    more = [*dict.fromkeys(f.name for f in plan.scalars), *([plan.text.name] if plan.text else [])]
    if more:
        rows.append(("conditions", ", ".join(more)))
    if plan.class_field:
        rows.append(("condition", f"{plan.class_field}: {', '.join(plan.class_values)}"))
    if plan.guess is not None:
        rows.append(("guess", plan.why["guess"].value))
    for name, c in plan.configurations.items():
        rows += [(f"{name}: {what}", text) for what, text in _configuration_rows(c)]
    rows += [("notice", w.value) for k, w in plan.why.items() if k.startswith("notice.")]
    return rows


def _configuration_rows(c: Configuration) -> Rows:
    n, t = c.network, c.training
    grid = f"{by_axis(c.shape)} voxels" + (f" of {by_axis(c.spacing)} mm" if c.dims == 3 else "")
    return [
        *([("space", told)] if (told := _space(c)) else []),
        ("grid, patch", f"{grid}; patch {by_axis(c.patch)}, batch {t.batch_size}"),
        (
            "network",
            f"widths {shown(n.widths)}, {n.blocks} blocks, "
            f"{c.memory['parameters'] / 1e6:.3g} M parameters",
        ),
        ("noise", f"{c.noise.sigma_min:.3g} to {c.noise.sigma_max:.3g}, std {shown(c.noise.std)}"),
        (
            "training",
            f"{t.steps} steps at {t.learning_rate:g}, {c.seconds['step']:.3g} s each, "
            f"{c.seconds['training'] / 60:.3g} min, {_memory(c)}",
        ),
        (
            "prediction",
            f"{c.sampling.output}; a case in {c.seconds['case_mean']:.2g} s by the mean, "
            f"{c.seconds['case_sample']:.2g} s for one sample",
        ),
    ]


def _space(c: Configuration) -> str:
    """What is shown or diffused beside plain images; empty where nothing is."""
    if c.code is not None:
        after = f", of a run of {c.previous}" if c.previous else ""
        return f"{c.code.kind} codes, {by_axis(c.code.factor)} to {c.code.channels} channels{after}"
    if c.cascade is not None:
        return f"refines images of a run of {c.previous}"
    return f"{c.slab} slices are shown" if c.slab > 1 else ""


def _memory(c: Configuration) -> str:
    if "measured" in c.memory:
        return f"{c.memory['measured'] / 1e9:.2g} GB, as measured by a probe"
    return f"{c.memory['total'] / 1e9:.2g} GB"


def explanation_rows(plan: Plan) -> Rows:
    """(decision, value, rule, because, would change if); overridden values carry a star."""
    return [
        (name, w.value + (" *" if w.overridden else ""), w.rule, w.because, w.change)
        for name, w in plan.why.items()
    ]
