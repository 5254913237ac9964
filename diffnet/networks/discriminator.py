"""A discriminator of patches: real or made, at every place."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from .autoencoder import LocalNorm
from .blocks import CONVOLUTIONS


class PatchDiscriminator(nn.Module):
    """x (B, channels, *S) to logits (B, 1, *S'), real above 0, and the features on the way.

    `depth` convolutions of kernel 4 and stride 2, then one of kernel 3 (Isola et al., 2017,
    arXiv:1611.07004). An axis that is too short is not shrunk further.
    """

    def __init__(self, dims: int, channels: int, width: int = 32, depth: int = 3) -> None:
        super().__init__()
        widths = [min(width * 2**i, 8 * width) for i in range(depth)]
        pairs = list(zip([channels, *widths], widths, strict=False))
        self.stages = nn.ModuleList(
            CONVOLUTIONS[dims](a, b, 4, stride=2, padding=1) for a, b in pairs
        )
        self.norms = nn.ModuleList(
            LocalNorm(b) if i else nn.Identity() for i, b in enumerate(widths)
        )
        self.head = CONVOLUTIONS[dims](widths[-1], 1, 3, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        features = []
        for stage, norm in zip(self.stages, self.norms, strict=True):
            short = [side for n in reversed(x.shape[2:]) for side in (0, max(0, 2 - n))]
            x = functional.leaky_relu(norm(stage(functional.pad(x, short))), 0.2)
            features.append(x)
        return self.head(x), features
