"""A network whose output is a distribution over classes."""

from __future__ import annotations

from torch import Tensor, nn


class Probabilities(nn.Module):
    """2 softmax(network) - 1 over the channels: one-hot values -1 and 1, softened.

    Takes what the network takes; (B, C, *S) in float32, whatever precision the network ran in.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *inputs: Tensor | None, **conditions: Tensor | None) -> Tensor:
        return 2 * self.network(*inputs, **conditions).float().softmax(1) - 1
