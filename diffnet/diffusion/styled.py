"""An image made in one go from what steers it and a style, which is drawn."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from .adversarial import deceit, judgement
from .batch import Batch, Condition
from .denoiser import Wrap, keep
from .method import Method

LEAST, MOST = -30.0, 20.0  # of the logarithm of a variance


class Styled(Method):
    """A variational autoencoder whose code is one vector, the style, played against a critic.

    encoder: (B, C, *S), time -> (B, 2 n), mean and log variance of the style. generator: F(noise,
    None, image=, label=, scalars=style). The label map says what is where, the style how it looks
    (Park et al., 2019, arXiv:1903.07291; Fernandez et al., 2022, arXiv:2209.08256). absolute,
    prior, adversarial, features: weights of the terms.
    """

    def __init__(
        self,
        encoder: nn.Module,
        generator: nn.Module,
        discriminator: nn.Module,
        style: int,
        absolute: float = 1.0,
        prior: float = 1e-3,
        adversarial: float = 0.05,
        features: float = 0.1,
    ) -> None:
        super().__init__()
        self.encoder, self.generator, self.discriminator = encoder, generator, discriminator
        self.style = style
        self.absolute, self.prior = absolute, prior
        self.adversarial, self.features = adversarial, features

    def players(self) -> dict[str, nn.Module]:
        maker = nn.ModuleList([self.encoder, self.generator])
        return {"model": maker, "discriminator": self.discriminator}

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        x = batch.target
        mean, log_variance = self.encoded(x)
        drawn = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
        made = self.make(x, drawn if self.training else mean, batch.condition)
        loss = self.absolute * functional.l1_loss(made, x)
        if not self.training:
            yield "model", loss
            return
        prior = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean()
        loss = loss + self.prior * prior
        yield "model", loss + deceit(self.discriminator, made, x, self.adversarial, self.features)
        yield "discriminator", judgement(self.discriminator, made, x)

    def encoded(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the style of each image, both (B, n)."""
        mean, log_variance = self.encoder(x, x.new_zeros(len(x))).float().chunk(2, 1)
        return mean, log_variance.clamp(LEAST, MOST)

    def make(self, like: Tensor, style: Tensor, condition: Condition) -> Tensor:
        """An image of this style; noise of its own decides what neither says."""
        noise = torch.randn_like(like)
        made = self.generator(
            noise, None, image=condition.image, label=condition.label, scalars=style
        )
        return made.to(like.dtype)

    def sample(self, like: Tensor, condition: Condition, wrap: Wrap = keep) -> Tensor:
        return self.make(like, torch.randn(len(like), self.style, device=like.device), condition)
