"""What a recipe builds: something that learns from batches and makes images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence

from torch import Tensor, nn

from .batch import Batch, Condition
from .codec import Codec
from .denoiser import BLANK, Denoiser, Remembering, Wrap, keep
from .objective import Objective
from .samplers import Sampler
from .starts import FromNoise, Start


class Method(nn.Module, ABC):
    """Trained and sampled through these verbs alone."""

    def players(self) -> dict[str, nn.Module]:
        """What learns; each player gets an optimiser of its own."""
        return {"model": self}

    @abstractmethod
    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield (player, loss): the caller steps that player's optimiser before it asks for the
        next.
        """

    @abstractmethod
    def sample(self, like: Tensor, condition: Condition, wrap: Wrap = keep) -> Tensor:
        """One draw of the target, (B, C, *S) like `like`."""

    def mean(self, like: Tensor, condition: Condition, wrap: Wrap = keep) -> Tensor:
        """The best single answer: the posterior mean where the method knows it."""
        return self.sample(like, condition, wrap)

    def measure(self, batches: Iterable[Batch]) -> None:
        """Take from training examples what is not learned by gradients; before the first step."""

    def grid(self, size: Sequence[int]) -> tuple[int, ...]:
        """The size on which the denoiser works for images of `size`."""
        return tuple(size)


class Diffusion(Method):
    """A denoiser, the objective that trains it, the sampler that uses it and where sampling
    starts.

    codec: takes images to the space in which all of these work; None is the images' own. What
    `sample` and `mean` are asked and answer is in the images' space either way.
    guidance: how strongly conditions act at sampling where nothing else is asked.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        objective: Objective,
        sampler: Sampler,
        start: Start | None = None,
    ) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.objective = objective
        self.sampler = sampler
        self.start = FromNoise() if start is None else start

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        yield "model", self.objective(self.denoiser, batch)

    def sample(self, like: Tensor, condition: Condition, wrap: Wrap = keep) -> Tensor:
        denoiser = wrap(self.denoiser)
        if getattr(self.denoiser, "self_conditioned", False):
            denoiser = Remembering(denoiser)
        x, time = self.start(denoiser, like, condition)
        for step in self.sampler.walk(denoiser, x, condition, time):
            x = step
        return x

    def mean(self, like: Tensor, condition: Condition, wrap: Wrap = keep) -> Tensor:
        """E[x_0 | condition] with one network call, if the objective trained it; else a sample."""
        if self.objective.levels.blank == 0:
            return self.sample(like, condition, wrap)
        t = like.new_full((len(like),), BLANK)
        return wrap(self.denoiser)(like.new_zeros(like.shape), t, condition)
