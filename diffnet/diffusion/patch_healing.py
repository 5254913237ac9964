"""Healing box by box: one box is noised while the rest of the image stays as context."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import product

import torch
from torch import Tensor

from .batch import Batch, Condition
from .denoiser import Wrap, keep
from .healing import Healed, Healing, residual
from .network_denoiser import NetworkDenoiser
from .objective import Levels

Box = tuple[slice, ...]


class PatchHealing(Healing):
    """D(x with one box noised to t), one call a box, the boxes put together (Behrendt et al.,
    2023).

    Training noises one box of the grid in each example and judges |D - x_0| inside it alone.

    share: side of a box over the side of the image. degrade: done to x_0 before it is noised, in
    training; the answer stays x_0 (as in Iqbal et al., 2023).
    """

    def __init__(
        self,
        denoiser: NetworkDenoiser,
        levels: Levels,
        strength: float,
        candidates: tuple[float, ...] = (),
        share: float = 0.5,
        degrade: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__()
        if not 0 < share <= 1:
            raise ValueError(f"a box of {share} of the image; the share must lie in (0, 1]")
        self.denoiser, self.levels, self.share, self.degrade = denoiser, levels, share, degrade
        self.strength, self.candidates = strength, tuple(candidates)

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        x_0, process = batch.target, self.denoiser.process
        t = process.time(self.levels.draw(x_0)).clamp(0.0, 1.0)
        shown = x_0 if self.degrade is None else self.degrade(x_0)
        inside = self._drawn(x_0)
        x_t = torch.where(inside, process.corrupt(shown, t), x_0)
        error = (self.denoiser(x_t, t, batch.condition) - x_0).abs()
        yield "model", error[inside.expand_as(error)].mean()

    @torch.no_grad()
    def heal(self, image: Tensor, condition: Condition, wrap: Wrap = keep) -> Healed:
        denoiser = wrap(self.denoiser)
        t = image.new_full((len(image),), self.strength)
        total, count = torch.zeros_like(image), torch.zeros_like(image[:1, :1])
        # one field of noise serves all boxes: shaped noise takes longer than a small network
        noised = denoiser.process.corrupt(image, t)
        for box in boxes(tuple(image.shape[2:]), self.share):
            place = (..., *box)
            x_t = image.clone()
            x_t[place] = noised[place]
            total[place] += denoiser(x_t, t, condition)[place]
            count[place] += 1
        healed = total / count
        return Healed(healed, residual(image, healed))

    def _drawn(self, x: Tensor) -> Tensor:
        """(B, 1, *S) bool: one box of the grid in each example."""
        grid = boxes(tuple(x.shape[2:]), self.share)
        inside = torch.zeros_like(x[:, :1], dtype=torch.bool)
        for example, k in zip(inside, torch.randint(0, len(grid), (len(x),)).tolist(), strict=True):
            example[(..., *grid[k])] = True
        return inside


def boxes(shape: tuple[int, ...], share: float) -> list[Box]:
    """Boxes of `share` of each side that cover the image; the last of an axis ends with it."""
    axes = []
    for n in shape:
        side = max(1, math.ceil(n * share))
        starts = [min(k * side, n - side) for k in range(math.ceil(n / side))]
        axes.append([slice(start, start + side) for start in starts])
    return [tuple(box) for box in product(*axes)]


def masked(x: Tensor, boxes_of: int = 4, share: float = 0.15) -> Tensor:
    """Either some boxes of pixels are 0, or frequencies are, a coin for each call.

    Frequencies: those within a square of half-width 2 to 10 about zero are kept, or taken away.
    """
    if torch.rand(()).item() < 0.5:
        return _without_boxes(x, boxes_of, share)
    half, drop = int(torch.randint(2, 11, ())), torch.rand(()).item() < 0.5
    axes = tuple(range(2, x.ndim))
    near = torch.ones(x.shape[2:], dtype=torch.bool, device=x.device)
    for axis, n in enumerate(x.shape[2:]):
        index = torch.fft.fftfreq(n, 1 / n, device=x.device).abs() <= min(half, n // 4)
        near &= index.reshape([-1 if a == axis else 1 for a in range(len(axes))])
    kept = ~near if drop else near
    return torch.fft.ifftn(torch.fft.fftn(x, dim=axes) * kept, dim=axes).real


def _without_boxes(x: Tensor, count: int, share: float) -> Tensor:
    kept = torch.ones_like(x[:, :1])
    for example in kept:
        for _ in range(count):
            place = []
            for n in x.shape[2:]:
                side = max(1, round(share * n))
                start = int(torch.randint(0, n - side + 1, ()))
                place.append(slice(start, start + side))
            example[(..., *place)] = 0
    return x * kept
