"""Healing by likelihood: what is unlikely at the middle steps is masked and drawn anew."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional as F

from .batch import Condition
from .denoiser import Denoiser, Wrap, keep
from .healing import Healed, Healing, quantile_of, residual
from .learned_variance import step_variances
from .method import Diffusion
from .objective import Objective
from .process import over
from .samplers import Sampler
from .stitching import stitched


class UnlikelyCodes(Healing, Diffusion):
    """Codes whose divergence is above that of healthy images are painted anew from t = `strength`.

    The divergence of a place is KL(q(z_s | z_t, z_0) || p(z_s | z_t)), summed over the channels,
    mean over single steps t -> s between `window` (Pinaya et al., 2022, arXiv:2206.03461). Without
    a codec, places are voxels. The map is |image - healed| times the mask, which is interpolated to
    the image's grid, so that its edge is soft.

    steps: of the schedule. looks: how many of the window's steps are asked. share: of healthy
    places that lie below the threshold; `settle` takes it from healthy images, until then it is 0.
    """

    usual: Tensor

    def __init__(
        self,
        denoiser: Denoiser,
        objective: Objective,
        sampler: Sampler,
        strength: float,
        candidates: tuple[float, ...] = (),
        *,
        window: tuple[float, float] = (0.4, 0.6),
        steps: int = 1000,
        looks: int = 10,
        share: float = 0.975,
    ) -> None:
        super().__init__(denoiser, objective, sampler)
        self.strength, self.candidates = strength, tuple(candidates)
        self.window, self.steps, self.looks, self.share = window, steps, looks, share
        self.register_buffer("usual", torch.zeros(()))

    def heal(self, image: Tensor, condition: Condition, wrap: Wrap = keep) -> Healed:
        denoiser, code = wrap(self.denoiser), self.encoded(image)
        mask = (self.divergence(denoiser, code, condition) > self.usual).to(code.dtype)
        made = stitched(denoiser, self.sampler, code, code, mask, condition, self.strength)
        healed = self.decoded(made, image)
        return Healed(healed, residual(image, healed) * _enlarged(mask, image))

    @torch.no_grad()
    def divergence(self, denoiser: Denoiser, code: Tensor, condition: Condition) -> Tensor:
        """(B, 1, *grid), in nats a place."""
        process, total = denoiser.process, torch.zeros_like(code[:, :1])
        for time in torch.linspace(*self.window, self.looks).tolist():
            t = code.new_full((len(code),), time)
            s = t - 1 / self.steps
            variance, _, gain = (over(k, code) for k in step_variances(process, t, s))
            away = gain * (code - denoiser(process.corrupt(code, t), t, condition))
            total += (away.square() / (2 * variance)).sum(1, keepdim=True) / self.looks
        return total

    @torch.no_grad()
    def settle(self, healthy: Iterable[tuple[Tensor, Condition, Wrap]]) -> bool:
        """Take the threshold: the share `share` of healthy places lies below it."""
        found = [
            self.divergence(wrap(self.denoiser), self.encoded(x), condition).flatten()
            for x, condition, wrap in healthy
        ]
        self.usual.copy_(quantile_of(torch.cat(found)[None], self.share).squeeze())
        return True


def _enlarged(mask: Tensor, image: Tensor) -> Tensor:
    """The mask on the grid of `image`, linearly interpolated."""
    size = image.shape[2:]
    if mask.shape[2:] == size:
        return mask
    mode = "bilinear" if image.ndim == 4 else "trilinear"
    return F.interpolate(mask, size=size, mode=mode)
