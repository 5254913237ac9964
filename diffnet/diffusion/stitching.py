"""Painting part of an image anew so that it fits the rest, which is kept."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor

from .batch import Condition
from .denoiser import Denoiser
from .samplers import Sampler


def stitched(
    denoiser: Denoiser,
    sampler: Sampler,
    kept: Tensor,
    drawn: Tensor,
    mask: Tensor,
    condition: Condition,
    time: float,
    resamples: int = 1,
) -> Tensor:
    """`drawn` where mask (B, 1, *S) is 1, walked down from t = `time` while the rest is `kept`.

    Outside the mask every x_s is `kept` noised to s. Each step is made `resamples` times, noised
    again in between, so that both sides agree (Lugmayr et al., 2022, arXiv:2201.09865). Outside the
    mask the answer is `kept` itself.
    """
    process, b = denoiser.process, len(kept)
    times = sampler.times(process, kept, time)
    x = process.corrupt(mask * drawn + (1 - mask) * kept, times[0].expand(b))
    for t, s in pairwise(times):
        t, s = t.expand(b), s.expand(b)
        for again in range(resamples):
            x_s = process.reverse(denoiser(x, t, condition), x, t, s)
            x_s = mask * x_s + (1 - mask) * process.corrupt(kept, s)
            x = process.diffuse(x_s, s, t) if again + 1 < resamples else x_s
    x = denoiser(x, times[-1].expand(b), condition)
    return mask * x + (1 - mask) * kept
