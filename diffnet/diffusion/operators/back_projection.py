"""Filtered back-projection: the image behind line integrals, in one pass."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .beams import Beams, Fan, axes_at


def filtered_back_projection(
    beams: Beams, size: tuple[int, int], spacing: float, y: Tensor, window: str = "ramp"
) -> Tensor:
    """(B, C, *size) from y (B, C, views, bins); spacing in mm. window: ramp (sharpest) or hann
    (less noise).

    Parallel beams over any arc, fan beams over a full turn (Kak and Slaney, 1988, ch. 3).
    ValueError: a fan that does not turn fully, or an unknown window.
    """
    fan = isinstance(beams, Fan)
    turn = 2 * math.pi if fan else math.pi
    shares = arc_shares(beams.angles, turn)
    if fan and sum(shares) < 0.95 * turn:
        raise ValueError(
            f"fan beams over {math.degrees(sum(shares)):.0f} degrees: filtered back-projection "
            "needs 360; use an iterative reconstruction"
        )
    width = beams.width
    at = beams.positions().to(y)
    if fan:
        # the detector is brought to the centre of rotation
        width, at = (v * beams.source / (beams.source + beams.detector) for v in (width, at))
        y = y * beams.source / (beams.source**2 + at**2).sqrt()
    filtered = ramp_filtered(y, width, window)
    middle = [(torch.arange(n, device=y.device) - (n - 1) / 2) for n in size]
    grid = [m * spacing for m in middle]
    rows, columns = torch.meshgrid(*(g.to(y.dtype) for g in grid), indexing="ij")
    image = y.new_zeros(*y.shape[:2], *size)
    for i, (angle, share) in enumerate(zip(beams.angles, shares, strict=True)):
        u, v = (w.tolist() for w in axes_at(angle))
        s = columns * u[0] + rows * u[1]
        if fan:
            away = beams.source + columns * v[0] + rows * v[1]
            s, share = beams.source * s / away, 0.5 * share * (beams.source / away) ** 2
        image = image + share * _read(filtered[:, :, i], s / width + (beams.bins - 1) / 2)
    return image


def ramp_filtered(y: Tensor, width: float, window: str = "ramp") -> Tensor:
    """y convolved along its last axis with the band-limited ramp, exact at the bins."""
    if window not in ("ramp", "hann"):
        raise ValueError(f"no window is called {window!r}; there are ramp and hann")
    n = 2 ** math.ceil(math.log2(2 * y.shape[-1]))
    k = torch.fft.fftfreq(n, 1 / n, dtype=torch.float64).to(y.device)
    odd = (k.abs() % 2 == 1).to(k)
    ramp = -odd / (math.pi * k.where(k != 0, torch.ones_like(k)) * width) ** 2
    ramp[0] = 1 / (4 * width**2)
    response = torch.fft.rfft(ramp).real * width
    if window == "hann":
        frequency = torch.arange(len(response), device=y.device) / (len(response) - 1)
        response = response * (0.5 + 0.5 * torch.cos(math.pi * frequency))
    spectrum = torch.fft.rfft(y, n=n) * response.to(y.dtype)
    return torch.fft.irfft(spectrum, n=n)[..., : y.shape[-1]]


def arc_shares(angles: Sequence[float], turn: float) -> list[float]:
    """The arc that each view stands for: half the gaps to its neighbours on a circle of `turn`.

    A gap more than twice the median one is no view's: limited angles are not stretched.
    """
    order = sorted(range(len(angles)), key=lambda i: angles[i] % turn)
    sorted_ = [angles[i] % turn for i in order]
    gaps = [b - a for a, b in zip(sorted_, [*sorted_[1:], sorted_[0] + turn], strict=True)]
    typical = sorted(gaps)[len(gaps) // 2]
    gaps = [g if g <= 2 * typical else typical for g in gaps]
    shares = [0.0] * len(angles)
    for place, i in enumerate(order):
        shares[i] = (gaps[place - 1] + gaps[place]) / 2
    return shares


def _read(line: Tensor, at: Tensor) -> Tensor:
    """line (B, C, bins) interpolated linearly at fractional bins (Y, X); 0 outside."""
    low = at.floor()
    share = at - low
    found = line.new_zeros(*line.shape[:2], *at.shape)
    for step, weight in ((0, 1 - share), (1, share)):
        place = low.long() + step
        inside = (place >= 0) & (place < line.shape[2])
        values = line[:, :, place.clamp(0, line.shape[2] - 1).flatten()]
        found = found + values.unflatten(2, at.shape) * (weight * inside)
    return found
