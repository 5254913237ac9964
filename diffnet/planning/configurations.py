"""Which configurations a plan has, and of the others the reason why not."""

from __future__ import annotations

from dataclasses import replace
from math import prod

from .budget import PlanError
from .cascade_rule import step_between
from .choosing import (
    Choosing,
    Inside,
    Verdict,
    falls_short,
    made_hindrance,
    on_grid,
    shows_enough,
    steps_said,
    too_slow,
)
from .code_rule import KINDS, learned_code, wavelet_code
from .configure import Form, Setting, channels
from .grids import COVERED, MOST_FLAT, WORTHWHILE, Grid, coarsened, coarser, covered
from .overrides import NAMES
from .plan import Configuration
from .reasons import Reasons, shown
from .slab_rule import UNLIKE, slab_depth, slab_hindered
from .spacing import by_axis

LARGE = {2: 512**2, 3: 256**3}  # voxels beyond which codes of a first stage are worth training it
MANY = 1000  # cases that a first stage wants
FACTOR = 4  # times coarser that its codes are
WIDE = 96**3  # voxels of a volume from which wavelets are worth it
RECOGNISABLE = 128  # voxels along an axis that a coarse picture keeps
TOGETHER = {  # who asks for one needs the other
    "2d_cascade": "2d_lowres",
    "3d_cascade": "3d_lowres",
    "first_stage": "latent",
    "latent": "first_stage",
}
SHARES = {"first_stage": 0.4, "latent": 0.6, "cascade": 0.5}  # of the time, where two are trained


def plan_configurations(
    full: Grid, s: Setting, inside: Inside, also: tuple[str, ...], reasons: Reasons
) -> dict[str, Configuration]:
    """All that apply or are asked for. PlanError: none fits; an override names one that is not
    there.
    """
    also = (*also, *(TOGETHER[name] for name in also if name in TOGETHER))
    choosing = Choosing(full, s, inside, also, reasons)
    choosing.add("2d", 2, Verdict("always", f"{by_axis(full.shape[1:])} pixels", "nothing"))
    _slab(choosing)
    _pictures(choosing)
    _volumes(choosing)
    _wavelet(choosing)
    _latent(choosing)
    found = choosing.found
    if not found:
        raise choosing.refused[0]
    unused = sorted(n for n in inside if n and n not in found)
    if unused:
        raise PlanError(
            f"overrides name the configuration {unused[0]}, which does not apply: "
            f"{reasons.found[unused[0]].because}; there are {', '.join(found)}"
        )
    return {name: found[name] for name in NAMES if name in found}


def _slab(at: Choosing) -> None:
    f = at.s.fingerprint
    alike = f.median_of([c.neighbours for c in f.cases])
    depth = int(at.wish("25d", "slab", slab_depth(alike)))
    if depth < 1 or depth % 2 == 0:
        raise PlanError(f"25d.slab is {depth}; it is an odd number of slices, such as 3 or 5")
    told = "unknown" if alike is None else f"{alike:.2f}"
    verdict = Verdict(
        f"volumes with something given, whose neighbouring slices correlate above {UNLIKE:g}: "
        "their neighbours are shown, and the middle slice is made",
        f"correlation {told}, {at.full.shape[0]} slices: {depth} are shown",
        "slices that are less, or more, alike",
        applies=alike is None or alike >= UNLIKE,
        hindered=slab_hindered(f, at.s.task, at.full.shape[0]),
    )
    at.add("25d", 2, verdict, form=lambda: Form(slab=depth))


def _pictures(at: Choosing) -> None:
    """Very large pictures out of nothing: first coarse, then fine."""
    full, task, plain = at.full, at.s.task, at.found.get("2d")
    pixels = prod(full.shape[1:])
    short = plain is None or too_slow(plain, at.s)
    hindered = "" if at.s.fingerprint.dims == 2 else "volumes have 3d_lowres"
    hindered = hindered or made_hindrance(at.s) or ("patches serve" if task.given else "")
    low = None
    if not hindered and (short or "2d_lowres" in at.also):
        low = _coarse_pictures(at) if short else coarsened(full, (1.0, 2.0, 2.0))
    if "coarsening" in at.inside.get("2d_lowres", {}) and not hindered:
        low = coarsened(full, (1.0, *2 * (at.wish("2d_lowres", "coarsening", 2.0),)))
    verdict = Verdict(
        f"generation of more than 512^2 pixels that do not fit whole, or train too slowly; every "
        f"axis keeps {RECOGNISABLE}",
        f"{pixels} pixels; "
        + ("2d does not fit" if plain is None else steps_said(plain, at.s))
        + ("; no coarser grid fits" if short and low is None and not hindered else ""),
        "larger pictures, or another budget",
        applies=short and pixels > LARGE[2] and low is not None,
        hindered=hindered,
    )
    made = at.add("2d_lowres", 2, verdict, lambda: low or coarsened(full, (1.0, 2.0, 2.0)))
    _cascade(at, "2d_cascade", 2, made)


def _coarse_pictures(at: Choosing) -> Grid | None:
    def fits(grid: Grid) -> bool:
        return shows_enough(grid, at, "2d_lowres", 2)

    return coarser(at.full, fits, RECOGNISABLE)


def _volumes(at: Choosing) -> None:
    """3d_fullres; 3d_lowres where a patch shows too little; from that the fine volumes again."""
    f, full = at.s.fingerprint, at.full
    flat = "2-D images" if f.dims == 2 else ""
    flat = flat or (f"{full.shape[0]} slices" if full.shape[0] <= MOST_FLAT else "")
    flat = flat or ("slices are measured one by one, and whole" if at.s.task.entire else "")
    rule = f"volumes of more than {MOST_FLAT} slices"
    verdict = Verdict(rule, f"{full.shape[0]} slices", "deeper volumes", hindered=flat)
    made = at.add("3d_fullres", 3, verdict)
    needed, because = (True, "3d_fullres does not fit the budget")
    if made is not None:
        needed, because = falls_short(made, at.full, at.s)
    low, why = (None, because) if flat else _coarse_volumes(at, needed, made is not None)
    verdict = Verdict(
        f"where a patch covers less than {COVERED:.0%}, or generation of whole volumes is too "
        f"slow, if {WORTHWHILE:g} times fewer voxels suffice",
        because if low is not None else why or because,
        "larger volumes, or another budget",
        applies=needed and low is not None,
        hindered=flat or ("" if low is not None else why),
    )
    s = at.s if low is None else on_grid(at.s, low)
    made = at.add("3d_lowres", 3, verdict, lambda: low, s=s)
    _cascade(at, "3d_cascade", 3, made)


def _coarse_volumes(at: Choosing, needed: bool, fits_full: bool) -> tuple[Grid | None, str]:
    """The low grid, else why there is none."""
    if "coarsening" in at.inside.get("3d_lowres", {}):
        return coarsened(at.full, 3 * (float(at.wish("3d_lowres", "coarsening", 2.0)),)), ""
    if at.s.task.name == "super_resolution":
        step = step_between(at.s.task.factor)
        if step is None:
            return None, f"a factor of {by_axis(at.s.task.factor)} has no step between"
        return coarsened(at.full, step), ""
    if not needed:
        return coarsened(at.full, (2.0, 2.0, 2.0)), ""
    low = coarser(at.full, lambda g: shows_enough(g, at, "3d_lowres", 3))
    if low is None:
        return None, "no coarser grid fits"
    if fits_full and prod(at.full.shape) < WORTHWHILE * prod(low.shape):
        few = shown(tuple(low.shape))
        return None, f"a grid that suffices has {few} voxels, hardly fewer"
    return low, ""


def _cascade(at: Choosing, name: str, dims: int, low: Configuration | None) -> None:
    task, previous = at.s.task, f"{dims}d_lowres"
    if low is None:
        hindered = f"{previous} is not planned, and refining starts from it"
    elif task.steers:
        hindered = "label maps say what is where: patches at full resolution need no coarse image"
    elif task.given and task.name != "super_resolution":
        hindered = "what is given shows the whole at full resolution"
    else:
        hindered = made_hindrance(at.s)
    share = float(at.wish(name, "share", SHARES["cascade"]))
    times = "" if low is None else by_axis([round(c, 2) for c in low.coarsening])
    verdict = Verdict(
        f"generation and super-resolution where {previous} is planned: patches at full resolution "
        "are made from its images; trained on true coarse images",
        f"{previous} is {times} times coarser; it has {1 - share:.0%} of the time of both",
        "a budget that allows full resolution at once",
        hindered=hindered,
    )
    at.add(
        name,
        dims,
        verdict,
        form=lambda: Form(previous=previous, coarsening=low.coarsening, share=share),
    )


def _wavelet(at: Choosing) -> None:
    f, full, task = at.s.fingerprint, at.full, at.s.task
    flat = f.dims == 2 or full.shape[0] <= MOST_FLAT
    plain, voxels = at.found.get("3d_fullres"), prod(full.shape)
    if plain is None:
        applies, because = True, "3d_fullres does not fit the budget"
    elif task.given:
        share = covered(plain.patch, full.shape)
        applies, because = share < COVERED, f"a patch covers {share:.0%} of a median volume"
    else:
        applies = voxels >= WIDE or too_slow(plain, at.s)
        because = f"{voxels} voxels; {steps_said(plain, at.s)}"
    verdict = Verdict(
        f"volumes of which a patch covers less than {COVERED:.0%}; in generation from 96^3 voxels "
        "on, or where whole volumes train too slowly: 8 bands of half the resolution cost an "
        "eighth and lose nothing",
        because,
        "larger volumes, or another budget",
        applies=applies,
        hindered="no volumes of more than 8 slices" if flat else made_hindrance(at.s),
    )
    given, made = channels(f, task)
    at.add("3d_wavelet", 3, verdict, form=lambda: Form(code=wavelet_code(3, given, made)))


def _latent(at: Choosing) -> None:
    """The first stage and the diffusion of its codes: two runs."""
    f, task, dims = at.s.fingerprint, at.s.task, at.s.fingerprint.dims
    share = float(at.wish("latent", "share", SHARES["latent"]))
    kind = str(at.wish("latent", "code.kind", KINDS[0]))
    if kind not in KINDS:
        raise PlanError(f"latent.code.kind is {kind!r}; there are {', '.join(KINDS)}")
    voxels, n = prod(at.full.shape), len(f.cases)
    shape = at.full.spatial(dims)[1]
    hindered = made_hindrance(at.s)
    if n < 3:
        hindered = hindered or f"{n} case(s): none can be held out to judge a first stage by"
    if min(shape) < 2 * FACTOR:
        hindered = hindered or f"images of {by_axis(shape)} voxels have no coarser code"
    verdict = Verdict(
        f"generation of more than {'512^2 pixels' if dims == 2 else '256^3 voxels'} from {MANY} "
        "cases or more, which a first stage wants; where something is given, it would lose what "
        "the task is about",
        f"{voxels} voxels, {n} cases",
        f"larger images; {MANY} cases",
        applies=voxels > LARGE[dims] and n >= MANY and not task.given,
        hindered=hindered,
    )
    form = Form(recipe=kind, share=1 - share, stages=_stages(at), encodes=True)
    first = at.add("first_stage", dims, verdict, form=lambda: form)
    if first is not None:
        _on_codes(at, first, kind, share, verdict)
        return
    fits = verdict.hindered or not verdict.applies
    missing = verdict.hindered if fits else "its first stage does not fit the budget"
    at.add("latent", dims, replace(verdict, hindered=missing))


def _stages(at: Choosing) -> int:
    """Of a first stage: one more than its codes are halved."""
    factor = int(at.wish("latent", "code.factor", FACTOR))
    if factor < 2 or factor & (factor - 1):
        raise PlanError(f"latent.code.factor is {factor}; it is 2, 4, 8 or 16")
    return factor.bit_length()


def _on_codes(
    at: Choosing, first: Configuration, kind: str, share: float, verdict: Verdict
) -> None:
    given, _ = channels(at.s.fingerprint, at.s.task)
    factor = [prod(axis) for axis in zip(*first.network.strides, strict=True)]
    wanted = at.wish("latent", "code.channels", None)
    dims = first.dims
    safe = ("3d_wavelet", "3d_lowres", "3d_fullres") if dims == 3 else ("2d", "2d_lowres")
    otherwise = next((n for n in safe if n in at.found), "")
    code = learned_code(kind, factor, given, wanted, otherwise)
    times = prod(factor) * first.target_channels / code.channels
    asked = at.wish("latent", "code.factor", max(factor))
    if max(factor) < 2 or asked != max(factor):
        raise PlanError(
            f"codes {asked} times coarser need larger images than {by_axis(at.full.shape)} voxels: "
            f"they can be {max(factor)} times coarser (latent.code.factor)"
        )
    at.add("latent", dims, verdict, form=lambda: Form(code=code, share=share))
    at.reasons.of("latent").add(
        "first_stage",
        f"{kind}, {by_axis(factor)} voxels to {code.channels} channels",
        "a run of configuration first_stage is trained first; if it does not give held-out images "
        f"back well enough, {otherwise or 'another configuration'} is trained instead",
        f"{times:.3g} times fewer numbers; {1 - share:.0%} of the time for it",
        "latent.code.kind, latent.code.factor, latent.code.channels, latent.share",
    )
