"""What a recipe builds: something that learns from batches and makes images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

from torch import Tensor, nn

from .batch import Batch, Condition
from .denoiser import BLANK, Denoiser, Wrap, keep
from .objective import Objective
from .samplers import Sampler


class Method(nn.Module, ABC):
    """Trained and sampled through these verbs alone."""

    def players(self) -> dict[str, nn.Module]:
        """What learns; each player gets an optimiser of its own."""
        return {"model": self}

    @abstractmethod
    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        """Yield (player, loss): the caller steps that player's optimiser before it asks for the next."""

    @abstractmethod
    def sample(self, like: Tensor, condition: Condition, wrap: Wrap = keep) -> Tensor:
        """One draw of the target, (B, C, *S) like `like`."""

    def mean(self, like: Tensor, condition: Condition, wrap: Wrap = keep) -> Tensor:
        """The best single answer: the posterior mean where the method knows it."""
        return self.sample(like, condition, wrap)


class Diffusion(Method):
    """A denoiser, the objective that trains it and the sampler that uses it."""

    def __init__(self, denoiser: Denoiser, objective: Objective, sampler: Sampler) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.objective = objective
        self.sampler = sampler

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        yield "model", self.objective(self.denoiser, batch)

    def sample(self, like: Tensor, condition: Condition, wrap: Wrap = keep) -> Tensor:
        denoiser = wrap(self.denoiser)
        x = denoiser.process.start(like, condition.source)
        for x in self.sampler.walk(denoiser, x, condition):  # noqa: B007 the last x is the answer
            pass
        return x

    def mean(self, like: Tensor, condition: Condition, wrap: Wrap = keep) -> Tensor:
        """E[x_0 | condition] with one network call, if the objective trained it; else a sample."""
        if self.objective.levels.blank == 0:
            return self.sample(like, condition, wrap)
        t = like.new_full((len(like),), BLANK)
        return wrap(self.denoiser)(like.new_zeros(like.shape), t, condition)
