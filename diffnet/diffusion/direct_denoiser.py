"""A network that returns E[x_0 | x_t] itself: for processes that are not Gaussian."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .batch import Condition
from .denoiser import Denoiser
from .process import Process

HEADS = {
    "identity": lambda x: x,
    "softmax": lambda x: x.softmax(1),
    "sigmoid": torch.sigmoid,
}


class DirectDenoiser(Denoiser):
    """x_0 = head(F(x_t, 4 t - 2)), with time 3 at BLANK, where the network is shown zeros.

    head: "identity" for images, "softmax" for the probabilities of Categorical and Absorbing,
        "sigmoid" for Bernoulli. The network is called as NetworkDenoiser's is. With Absorbing it
        takes one channel more than it returns.
    """

    self_conditioned = False

    def __init__(self, network: nn.Module, process: Process, head: str = "identity") -> None:
        super().__init__()
        if head not in HEADS:
            raise ValueError(f"head {head!r} is unknown; there are {', '.join(HEADS)}")
        self.network, self.process, self.head = network, process, head

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        blank = torch.isinf(t)
        shown = torch.where(blank.reshape(-1, *(1 for _ in range(x_t.ndim - 1))), 0.0, x_t)
        output = self.network(
            shown,
            torch.where(blank, 3.0, 4 * t - 2),
            image=condition.image,
            label=condition.label,
            scalars=condition.scalars,
        )
        return HEADS[self.head](output.to(x_t.dtype))
