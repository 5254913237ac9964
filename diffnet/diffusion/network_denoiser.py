"""A network, seen as E[x_0 | x_t, condition]."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .batch import Condition
from .denoiser import Denoiser
from .parametrization import Parametrization, Row
from .process import GaussianProcess, over


class NetworkDenoiser(Denoiser):
    """centre + skip z + out F(in_ z, time), z = (x_t - b y) / a - centre; the centre is the source,
    or 0.

    The network sees the noise level r = c / a alone, never t: a trained denoiser can be handed
    another Gaussian process (`denoiser.process = ...`) at sampling time. It is called as network(x,
    time, image=, label=, scalars=) with x (B, C, *S) and returns (B, C, *S).

    self_conditioned: the network sees its previous estimate of x_0 (`condition.estimate`, or zeros)
        as more channels behind `image` (Chen et al., 2023, arXiv:2208.04202).
    centred: whether the source, where there is one, is the centre. False where the source is only
        what sampling starts from, as in image editing and anomaly detection.
    """

    def __init__(
        self,
        network: nn.Module,
        process: GaussianProcess,
        parametrization: Parametrization,
        self_conditioned: bool = False,
        centred: bool = True,
    ) -> None:
        super().__init__()
        self.network = network
        self.process = process
        self.parametrization = parametrization
        self.self_conditioned, self.centred = self_conditioned, centred

    def row(self, t: Tensor) -> Row:
        """The coefficients at t (B,); t may be BLANK."""
        blank = torch.isinf(t)
        level = self.process.level(torch.where(blank, 1.0, t))
        return self.parametrization.row(torch.where(blank, torch.inf, level))

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        z, row = self.normalised(x_t, t, condition.source), self.row(t)
        return self.clean(z, row, self.output(z, row, condition), condition.source)

    def normalised(self, x_t: Tensor, t: Tensor, source: Tensor | None) -> Tensor:
        """z, which is x_0 - centre with noise of std r."""
        t = torch.where(torch.isinf(t), 1.0, t)
        a, b, _ = (over(k, x_t) for k in self.process.coefficients(t))
        if source is None:
            return x_t / a
        z = (x_t - b * source) / a
        return z - source if self.centred else z

    def output(self, z: Tensor, row: Row, condition: Condition) -> Tensor:
        """F(in_ z, time), in z's dtype."""
        return self.network(
            per_channel(row.in_, z) * z,
            row.time,
            image=self._image(z, condition),
            label=condition.label,
            scalars=condition.scalars,
            **({} if condition.text is None else {"text": condition.text}),
        ).to(z.dtype)

    def clean(self, z: Tensor, row: Row, output: Tensor, source: Tensor | None) -> Tensor:
        """x_0 = centre + skip z + out F."""
        x_0 = per_channel(row.skip, z) * z + per_channel(row.out, z) * output
        return x_0 + source if source is not None and self.centred else x_0

    def _image(self, z: Tensor, condition: Condition) -> Tensor | None:
        if not self.self_conditioned:
            return condition.image
        estimate = torch.zeros_like(z) if condition.estimate is None else condition.estimate
        return estimate if condition.image is None else torch.cat([condition.image, estimate], 1)


def per_channel(values: Tensor, x: Tensor) -> Tensor:
    """Shape (B, C) values so that they multiply (B, C, *S)."""
    return values.to(x.dtype).reshape(*values.shape, *(1 for _ in range(x.ndim - 2)))
