"""A sinogram from a file as a measurement of images in network units."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from ..diffusion import Fan, GaussianNoise, Measurement, Parallel, Projector, TransmissionNoise
from ..planning import Configuration, Plan
from ..tasks import Units, from_line_integrals
from .suitable import UnsuitableScan

LIKELY = 20.0  # line integrals of a body are below this


def from_sinogram(
    fields: dict[str, Any], plan: Plan, c: Configuration
) -> tuple[Measurement, tuple[float, float, float]]:
    """(measurement of (slices, 1, Y, X), spacing in mm). UnsuitableScan: what disagrees."""
    y = torch.from_numpy(np.ascontiguousarray(fields["sinogram"], np.float32))
    if y.ndim not in (2, 3):
        raise UnsuitableScan(f"the sinogram is {tuple(y.shape)}: give (slices,) views, bins")
    y = y[None, None] if y.ndim == 2 else y[:, None]
    if "angles" not in fields:
        raise UnsuitableScan("the sinogram's angles are missing: give them in degrees, one a view")
    angles = np.radians(np.asarray(fields["angles"], np.float64)).ravel()
    if len(angles) != y.shape[2]:
        raise UnsuitableScan(f"{len(angles)} angles for a sinogram of {y.shape[2]} views")
    if y.abs().max() > LIKELY:
        raise UnsuitableScan(
            f"the sinogram reaches {y.abs().max():.4g}, and line integrals of attenuation stay "
            f"below {LIKELY:g}: give -ln(I / I_0), lengths and coefficients both in mm"
        )
    rule = plan.scales["image"][0]
    if rule.kind != "fixed":
        raise UnsuitableScan(
            "sinograms need images in Hounsfield units, which this plan's scale is not"
        )
    spacing = np.broadcast_to(fields.get("spacing", c.spacing), 3).astype(float)
    size = tuple(int(n) for n in fields.get("size", c.shape[1:]))
    operator = Projector(_beams(fields, tuple(angles), y.shape[3]), size, float(spacing[-1]))
    units = Units(rule.shift, rule.factor, float(spacing[-1]))
    return from_line_integrals(y, _noise(fields), operator, units), tuple(spacing.tolist())


def _beams(fields: dict[str, Any], angles: tuple[float, ...], bins: int) -> Parallel | Fan:
    width = float(fields.get("bin_width", 1.0))
    if ("source" in fields) != ("detector" in fields):
        raise UnsuitableScan("fan beams have source and detector distances; one is missing")
    if "source" not in fields:
        return Parallel(angles, bins, width)
    return Fan(angles, bins, width, float(fields["source"]), float(fields["detector"]))


def _noise(fields: dict[str, Any]) -> TransmissionNoise | GaussianNoise:
    if "photons" in fields:
        return TransmissionNoise(float(fields["photons"]))
    if "noise_std" in fields:
        return GaussianNoise(float(fields["noise_std"]))
    raise UnsuitableScan("the sinogram's noise is unknown: give photons (per ray) or noise_std")
