"""Which coefficients of k-space are sampled: lines, points, and a full centre."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

Size = tuple[int, int]


def uniform(size: Size, acceleration: float, centre: float = 0.08, seed: int = 0) -> Tensor:
    """(Y, X) mask: equally spaced columns and a full centre, about 1 / acceleration in all.

    centre: share of columns about frequency 0 that are all sampled. The spacing is widened so that
    centre and lines together make the share (as in the fastMRI challenge); seed: where they begin.
    """
    n, keep = _columns(size, acceleration, centre)
    low, rest = _centre_columns(n, centre), keep - _centre_count(n, centre)
    places = torch.nonzero(~low)[:, 0]
    if rest > 0:
        step = len(places) / rest
        first = torch.rand(1, generator=_random(seed)).item() * step
        chosen = (first + step * torch.arange(rest)).long().clamp(max=len(places) - 1)
        low[places[chosen]] = True
    return low.float().expand(size).clone()


def random_lines(size: Size, acceleration: float, centre: float = 0.08, seed: int = 0) -> Tensor:
    """(Y, X) mask: columns drawn alike, without replacement, and a full centre."""
    return _lines(size, acceleration, centre, seed, lambda d: torch.ones_like(d))


def gaussian_lines(size: Size, acceleration: float, centre: float = 0.08, seed: int = 0) -> Tensor:
    """(Y, X) mask: columns drawn with a Gaussian density about frequency 0, and a full centre."""
    return _lines(size, acceleration, centre, seed, lambda d: torch.exp(-0.5 * (d / 0.5) ** 2))


def gaussian_points(size: Size, acceleration: float, centre: float = 0.08, seed: int = 0) -> Tensor:
    """(Y, X) mask: points drawn with a Gaussian density (std half the range), and a full square."""
    keep, block = _points(size, acceleration, centre)
    axes = [torch.linspace(-1, 1, n) for n in size]
    distance = (axes[0][:, None].square() + axes[1].square()).sqrt()
    density = torch.exp(-0.5 * (distance / 0.5) ** 2) * ~block
    return _drawn(density.flatten(), keep - int(block.sum()), seed).reshape(size) + block.float()


def poisson_disc(size: Size, acceleration: float, centre: float = 0.08, seed: int = 0) -> Tensor:
    """(Y, X) mask: points no two of which are near, nearer about frequency 0, and a full square.

    Points are tried in random order and kept where none is within a radius that grows linearly
    with the distance from the centre; the radius is set by bisection so that the share is met
    within 1 %.
    """
    keep, block = _points(size, acceleration, centre)
    axes = [torch.linspace(-1, 1, n) for n in size]
    grow = 1 + (axes[0][:, None].square() + axes[1].square()).sqrt()
    order = torch.randperm(size[0] * size[1], generator=_random(seed)).tolist()
    low, high, found = 0.3, 2.0 * math.sqrt(acceleration), block
    for _ in range(14):
        radius = (low + high) / 2
        found = _discs(size, (radius * grow).tolist(), order, block)
        count = int(found.sum())
        if abs(count - keep) <= 0.01 * keep:
            break
        low, high = (radius, high) if count > keep else (low, radius)
    return found.float()


MASKS: dict[str, Callable[..., Tensor]] = {
    "uniform": uniform,
    "random": random_lines,
    "gaussian_1d": gaussian_lines,
    "gaussian_2d": gaussian_points,
    "poisson_disc": poisson_disc,
}


def _lines(size, acceleration, centre, seed, density: Callable[[Tensor], Tensor]) -> Tensor:
    n, keep = _columns(size, acceleration, centre)
    low = _centre_columns(n, centre)
    weights = density(torch.linspace(-1, 1, n)) * ~low
    columns = _drawn(weights, keep - int(low.sum()), seed) + low.float()
    return columns.expand(size).clone()


def _drawn(weights: Tensor, count: int, seed: int) -> Tensor:
    """1 at `count` places, drawn without replacement."""
    mask = torch.zeros_like(weights)
    if count > 0:
        # the largest of log w + Gumbel noise; multinomial is limited to 2^24 places
        noise = -torch.log(-torch.log(torch.rand(weights.shape, generator=_random(seed))))
        mask[(weights.log() + noise).topk(count).indices] = 1.0
    return mask


def _discs(size: Size, radius: list[list[float]], order: list[int], block: Tensor) -> Tensor:
    taken = [[False] * size[1] for _ in range(size[0])]
    mask = block.clone()
    for place in order:
        y, x = divmod(place, size[1])
        if taken[y][x] or block[y, x]:
            continue
        mask[y, x] = True
        r = radius[y][x]
        reach = int(r)
        for v in range(max(0, y - reach), min(size[0], y + reach + 1)):
            across = int(math.sqrt(max(r * r - (v - y) ** 2, 0.0)))
            row = taken[v]
            for u in range(max(0, x - across), min(size[1], x + across + 1)):
                row[u] = True
    return mask


def _columns(size: Size, acceleration: float, centre: float) -> tuple[int, int]:
    """(columns, how many are sampled)."""
    n = size[1]
    _check(acceleration, centre, centre)
    return n, max(round(n / acceleration), _centre_count(n, centre))


def _points(size: Size, acceleration: float, centre: float) -> tuple[int, Tensor]:
    """(how many points are sampled, the full square as bool (Y, X))."""
    _check(acceleration, centre, centre**2)
    block = torch.zeros(size, dtype=torch.bool)
    rows, columns = (_centre_columns(n, centre) for n in size)
    block[rows[:, None] & columns] = True
    return max(round(size[0] * size[1] / acceleration), int(block.sum())), block


def _centre_count(n: int, centre: float) -> int:
    return round(n * centre)


def _centre_columns(n: int, centre: float) -> Tensor:
    low, count = torch.zeros(n, dtype=torch.bool), _centre_count(n, centre)
    low[n // 2 - count // 2 : n // 2 - count // 2 + count] = True
    return low


def _check(acceleration: float, centre: float, share: float) -> None:
    if acceleration < 1 or not 0 <= centre <= 1:
        raise ValueError(
            f"acceleration {acceleration} and a centre of {centre}; needed: acceleration >= 1, "
            "the centre a share from 0 to 1"
        )
    if share > 1 / acceleration:
        raise ValueError(
            f"a full centre of {share:.3g} of k-space is more than acceleration {acceleration} "
            f"samples ({1 / acceleration:.3g}): take a smaller centre"
        )


def _random(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
