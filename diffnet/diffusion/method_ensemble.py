"""Several trained methods as one: their denoisers averaged, or else their answers."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from .batch import Batch, Condition
from .codec import Codec
from .denoiser import Wrap, keep
from .direct_denoiser import DirectDenoiser
from .ensemble import Ensemble
from .method import Diffusion, Method
from .network_denoiser import NetworkDenoiser


class Answers(Method):
    """Methods whose denoisers cannot be averaged: they work in spaces of their own, or draw in a
    way of their own.

    mean: the mean of their means. sample: a draw of one of them, which is drawn, too, so that many
    samples are those of the mixture.
    """

    def __init__(self, members: Sequence[Method]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        raise NotImplementedError("members of an ensemble are trained one by one")

    def sample(self, like: Tensor, condition: Condition, wrap: Wrap = keep) -> Tensor:
        turn = int(torch.randint(len(self.members), ()))
        return self.members[turn].sample(like, condition, wrap)

    def mean(self, like: Tensor, condition: Condition, wrap: Wrap = keep) -> Tensor:
        total = torch.zeros_like(like)
        for member in self.members:
            total += member.mean(like, condition, wrap)
        return total / len(self.members)

    def grid(self, size: Sequence[int]) -> tuple[int, ...]:
        return self.members[0].grid(size)


def ensemble_of(methods: Sequence[Method]) -> Method:
    """One method of several that were built alike.

    Where all denoise the same space, their denoisers are averaged and everything else is the
    first's; the methods themselves stay as they are. Else `Answers`. ValueError: there is none.
    """
    if not methods:
        raise ValueError("an ensemble needs at least one method")
    first = methods[0]
    if not all(_plain(m) and _same(m, first) for m in methods):
        return Answers(methods)
    joined = copy.copy(first)
    joined.__dict__["_modules"] = dict(first._modules)  # a copy shares its parts, but not the list
    joined.denoiser = Ensemble([m.denoiser for m in methods])
    return joined


def _plain(method: Method) -> bool:
    """Whether it samples as every diffusion does, by a denoiser that is nothing but that."""
    kind = type(method)
    if not isinstance(method, Diffusion) or kind.sample is not Diffusion.sample:
        return False
    return kind.mean is Diffusion.mean and type(method.denoiser) in (
        NetworkDenoiser,
        DirectDenoiser,
    )


def _same(method: Diffusion, other: Diffusion) -> bool:
    """Whether both denoise the same process in the same space."""
    alike = method.denoiser.process == other.denoiser.process
    return alike and _same_codec(method.codec, other.codec)


def _same_codec(one: Codec | None, other: Codec | None) -> bool:
    if one is None or other is None:
        return one is other
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[k], theirs[k]) for k in mine)
