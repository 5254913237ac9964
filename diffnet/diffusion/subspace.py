"""Diffusion of a part of the image: the rest is known and is never noised."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import replace

from torch import Tensor

from .batch import Batch, Condition
from .denoiser import Denoiser, Wrap, WrappedDenoiser, keep
from .inverse import first_estimate
from .method import Diffusion
from .operators import Operator
from .process import high_frequencies, over
from .solved import Solved

Part = Callable[[Tensor], Tensor]


class Within(WrappedDenoiser):
    """P D(P x_t + k) + k for the known rest k = (I - P) x_0: what x_t holds outside P is not read.

    So no sampler has to know of the subspace. seen: the network is shown k beside P x_t.
    """

    def __init__(self, inner: Denoiser, part: Part, rest: Tensor, seen: bool) -> None:
        super().__init__(inner)
        self.part, self.rest, self.seen = part, rest, seen

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        x = self.part(x_t)
        return self.part(self.inner(x + self.rest if self.seen else x, t, condition)) + self.rest


class SubspaceDiffusion(Diffusion):
    """P x is diffused and learned, P an orthogonal projection; subclasses say which, and where the
    rest is known from. seen: as in `Within`.
    """

    seen = True
    works_on_codes = False

    @abstractmethod
    def parts(self, condition: Condition, like: Tensor) -> tuple[Part, Tensor]:
        """(P, the rest) at prediction."""

    @abstractmethod
    def learned(self, batch: Batch) -> tuple[Part, Tensor]:
        """(P, the rest) of complete images."""

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        part, rest = self.learned(batch)
        objective, condition = self.objective, replace(batch.condition, measurement=None)
        t, level = objective.times(self.denoiser, batch.target)
        x_t, _ = objective.question(self.denoiser, replace(batch, condition=condition), t)
        row = self.denoiser.row(t)
        estimate = Within(self.denoiser, part, rest, self.seen)(x_t, t, condition)
        error = objective.loss(estimate, batch.target, objective.weight.scale(level, row))
        yield "model", objective.weight.finish(error, row).mean()

    def sample(self, like: Tensor, condition: Condition, wrap: Wrap = keep) -> Tensor:
        part, rest = self.parts(condition, like)
        denoiser = self.guidance.around(Within(wrap(self.denoiser), part, rest, self.seen))
        x, time = self.start(denoiser, like, condition)
        a = self.denoiser.process.coefficients(x.new_full((len(x),), time))[0]
        x = part(x) + over(a, x) * rest
        for step in self.sampler.walk(denoiser, x, condition, time):
            x = step
        return part(x) + rest


class Unmeasured(SubspaceDiffusion):
    """P = I - A^+ A: what was measured is never touched (Xie and Li, 2022, arXiv:2203.03623).

    The network is given the first look as `condition.image` and learns with the measurement.
    """

    seen = False

    def parts(self, condition: Condition, like: Tensor) -> tuple[Part, Tensor]:
        if condition.measurement is None:
            raise ValueError(
                "diffusion of what was not measured works on condition.measurement, which is "
                "missing; it is for the task reconstruction"
            )
        operator, y, _ = condition.measurement.linear()
        return null_space(operator), operator.pinv(y)

    def learned(self, batch: Batch) -> tuple[Part, Tensor]:
        part, _ = self.parts(batch.condition, batch.target)
        return part, batch.target - part(batch.target)


class HighFrequencies(SubspaceDiffusion, Solved):
    """P keeps frequencies above `cutoff` (cycles per voxel, Nyquist is 0.5): the low ones are taken
    from the measurement, which has to hold them (Cao et al., 2024, arXiv:2208.05481).
    """

    cutoff = 0.0375

    def parts(self, condition: Condition, like: Tensor) -> tuple[Part, Tensor]:
        part, known = self._high(like), first_estimate(condition)
        return part, known - part(known)

    def learned(self, batch: Batch) -> tuple[Part, Tensor]:
        part = self._high(batch.target)
        return part, batch.target - part(batch.target)

    def _high(self, like: Tensor) -> Part:
        return high_frequencies(tuple(like.shape[2:]), self.cutoff)


def null_space(operator: Operator) -> Part:
    """x -> (I - A^+ A) x."""
    return lambda x: x - operator.pinv(operator(x))
