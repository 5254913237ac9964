"""What a recipe builds: something that learns from batches and makes images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn

from .batch import Batch, Condition
from .codec import Codec
from .denoiser import BLANK, Denoiser, Remembering, Wrap, keep
from .guidance import Guidance
from .objective import Objective
from .samplers import Sampler, SinglePass
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

    @property
    def answers_at_once(self) -> bool:
        """Whether `mean` costs about one call of the network, and not a walk of many."""
        return True

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
    guidance: how strongly conditions act at sampling where nothing else is asked; it stays to be
    read as `recommended` when another one is set. works_on_codes: whether a codec can be given.
    """

    works_on_codes: bool = True

    def __init__(
        self,
        denoiser: Denoiser,
        objective: Objective,
        sampler: Sampler,
        start: Start | None = None,
        codec: Codec | None = None,
        guidance: Guidance | None = None,
    ) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.objective = objective
        self.sampler = sampler
        self.start = FromNoise() if start is None else start
        self.codec = codec
        self.recommended = Guidance() if guidance is None else guidance
        self.guidance = self.recommended

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        if self.codec is not None:
            batch = self.codec.batch(batch)
        yield "model", self.objective(self.denoiser, batch)

    def measure(self, batches: Iterable[Batch]) -> None:
        if self.codec is not None:
            self.codec.measure(batches)

    def grid(self, size: Sequence[int]) -> tuple[int, ...]:
        return tuple(size) if self.codec is None else self.codec.grid(size)

    def sample(self, like: Tensor, condition: Condition, wrap: Wrap = keep) -> Tensor:
        inner, known = self._asked(like, condition)
        denoiser = self.guidance.around(wrap(self.denoiser))
        if getattr(self.denoiser, "self_conditioned", False):
            denoiser = Remembering(denoiser)
        x, time = self.start(denoiser, inner, known)
        for step in self.sampler.walk(denoiser, x, known, time):
            x = step
        return self.decoded(x, like)

    def mean(self, like: Tensor, condition: Condition, wrap: Wrap = keep) -> Tensor:
        """E[x_0 | condition] with one network call, if the objective trained it; else a sample.

        In the space of a codec that is not linear it is the image of the mean code.
        """
        if self.objective.levels.blank == 0:
            return self.sample(like, condition, wrap)
        inner, known = self._asked(like, condition)
        t = inner.new_full((len(inner),), BLANK)
        return self.decoded(wrap(self.denoiser)(torch.zeros_like(inner), t, known), like)

    @property
    def answers_at_once(self) -> bool:
        return self.objective.levels.blank > 0 or isinstance(self.sampler, SinglePass)

    def _asked(self, like: Tensor, condition: Condition) -> tuple[Tensor, Condition]:
        """Zeros on the grid where the denoiser works, and the condition there."""
        if self.codec is None:
            return like, condition
        size = self.codec.grid(like.shape[2:])
        inner = like.new_zeros(len(like), self.codec.channels, *size)
        return inner, self.codec.condition(condition)

    def encoded(self, image: Tensor) -> Tensor:
        """An image where the denoiser works."""
        return image if self.codec is None else self.codec.encode(image)

    def decoded(self, x: Tensor, like: Tensor) -> Tensor:
        """An image of the size of `like` from where the denoiser works."""
        return x if self.codec is None else self.codec.decode(x, like.shape[2:])
