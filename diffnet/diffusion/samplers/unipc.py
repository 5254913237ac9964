"""UniPC: a predictor and a corrector of any order with one network call a move."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from .gaussian import GaussianSampler, Move, View


@dataclass(frozen=True)
class UniPC(GaussianSampler):
    """UniPC-p in the B_2(h) form; converges with order p + 1 (Zhao et al., 2023, arXiv:2302.04867).

    The estimate at each predicted point corrects the move that led there and begins the next one.
    The first moves are of lower order, because they have no past.
    """

    order: int = 2

    def __post_init__(self) -> None:
        if not 1 <= self.order <= 4:
            raise ValueError(f"UniPC of order {self.order}; orders 1 to 4 are stable enough to use")

    def advance(self, view: View, z: Tensor, levels: Sequence[float]) -> Iterator[Move]:
        past: list[tuple[Tensor, float]] = []  # (estimate, level), newest first
        now = view(z, levels[0]) if len(levels) > 1 else None
        for r, s in pairwise(levels):
            p = min(self.order, len(past) + 1)
            h = math.log(r / s)
            growth = math.expm1(-h)
            places = [math.log(r / level) / h for _, level in past[: p - 1]]
            slopes = [(old - now) / place for (old, _), place in zip(past, places, strict=False)]
            line = (s / r) * z - growth * now
            z = _less(line, growth, predictor_weights(h, places), slopes)
            new = view(z, s)
            z = _less(line, growth, corrector_weights(h, places), [*slopes, new - now])
            past = [(now, r), *past[: self.order - 2]] if self.order > 1 else []
            now = new
            yield z, now


def _less(line: Tensor, growth: float, weights: list[float], slopes: list[Tensor]) -> Tensor:
    for weight, slope in zip(weights, slopes, strict=True):
        line = line - (growth * weight) * slope
    return line


def predictor_weights(h: float, places: list[float]) -> list[float]:
    """Weights of the divided differences at the past `places` (in moves, negative)."""
    if len(places) == 1:
        return [0.5]
    return _solve(h, places)


def corrector_weights(h: float, places: list[float]) -> list[float]:
    """The same with the predicted point, at place 1, among them."""
    return [0.5] if not places else _solve(h, [*places, 1.0])


def _solve(h: float, places: list[float]) -> list[float]:
    """rho of sum_j rho_j place_j^(k - 1) = k! phi_(k + 1)(-h) / (e^-h - 1), k = 1, 2, ..."""
    if not places:
        return []
    size = len(places)
    row = torch.tensor(places, dtype=torch.float64)
    matrix = torch.stack([row**k for k in range(size)])
    right, phi = [], math.expm1(-h) / -h
    for k in range(1, size + 1):
        phi = (phi - 1 / math.factorial(k)) / -h
        right.append(math.factorial(k) * phi * -h / math.expm1(-h))
    return torch.linalg.solve(matrix, torch.tensor(right, dtype=torch.float64)).tolist()
