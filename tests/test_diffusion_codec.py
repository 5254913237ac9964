"""Codecs: exact inverses, orthonormality, whitening, and diffusion in their space."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from diffnet.diffusion import (
    Batch,
    Condition,
    Diffusion,
    Forgotten,
    Guidance,
    HaarWavelet,
    Heun,
    LogNormal,
    NetworkDenoiser,
    Objective,
    Preconditioned,
    VarianceExploding,
)
from diffnet.diffusion.codec import haar, inverse_haar

SIZES = [(6, 8), (7, 5), (4, 6, 2), (5, 3, 7)]


@pytest.mark.parametrize("size", SIZES)
def test_wavelet_is_undone_exactly(size: tuple[int, ...]) -> None:
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    codec = HaarWavelet(len(size), 3).double()
    z = codec.encode(x)
    assert z.shape == (2, codec.channels, *codec.grid(size))
    assert torch.allclose(codec.decode(z, size), x, atol=1e-12)


@pytest.mark.parametrize("size", [(6, 8), (4, 6, 2)])
def test_wavelet_is_orthonormal(size: tuple[int, ...]) -> None:
    """Inner products survive, the adjoint is the inverse, and white noise stays white."""
    x, y = torch.randn(2, 2, 3, *size, dtype=torch.float64)
    assert torch.allclose((haar(x) * haar(y)).sum(), (x * y).sum())
    z = torch.randn_like(haar(x))
    assert torch.allclose((haar(x) * z).sum(), (x * inverse_haar(z)).sum())


def test_first_band_holds_means() -> None:
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    means = nn.functional.avg_pool2d(x, 2)
    assert torch.allclose(haar(x)[:, :1], 2 * means)
    assert torch.allclose(HaarWavelet(2, 1).given(x)[:, :1], means)


def batches(
    count: int = 6, channels: int = 2, size: tuple[int, ...] = (8, 8), source: bool = False
):
    generator = torch.Generator().manual_seed(3)
    for _ in range(count):
        smooth = torch.randn(4, channels, *(n // 4 for n in size), generator=generator)
        x = nn.functional.interpolate(smooth, size=size) + 0.7
        x = x + 0.1 * torch.randn(x.shape, generator=generator)
        known = x + 0.05 * torch.randn(x.shape, generator=generator) if source else None
        yield Batch(x, Condition(source=known))


def test_measured_bands_have_the_wanted_spread() -> None:
    codec = HaarWavelet(2, 2)
    codec.measure(batches())
    z = torch.cat([codec.encode(b.target) for b in batches()])
    assert torch.allclose(z.mean((0, 2, 3)), torch.zeros(8), atol=1e-5)
    assert torch.allclose(z.std((0, 2, 3)), torch.full((8,), 0.5), rtol=0.02)
    x = next(iter(batches())).target
    assert torch.allclose(codec.decode(codec.encode(x), (8, 8)), x, atol=1e-5)


def test_with_a_source_the_rest_has_the_wanted_spread() -> None:
    codec = HaarWavelet(2, 2, std=0.2)
    codec.measure(batches(source=True))
    rest = [codec.encode(b.target) - codec.encode(b.condition.source) for b in batches(source=True)]
    assert torch.allclose(torch.cat(rest).std((0, 2, 3)), torch.full((8,), 0.2), rtol=0.05)


def test_measuring_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="there are none"):
        HaarWavelet(2, 1).measure([])
    with pytest.raises(ValueError, match="constant"):
        HaarWavelet(2, 1).measure([Batch(torch.ones(2, 1, 4, 4), Condition())])


class Shrink(nn.Module):
    """F = k times what it sees, so that the denoiser is linear and known."""

    def forward(self, x, time, image=None, label=None, scalars=None):
        return 0.3 * x


def method(codec=None, guidance=None) -> Diffusion:
    process = VarianceExploding(0.02, 8.0)
    denoiser = NetworkDenoiser(Shrink(), process, Preconditioned((0.5,)))
    return Diffusion(
        denoiser, Objective(LogNormal(-1, 1)), Heun(steps=4), codec=codec, guidance=guidance
    )


def test_unwhitened_wavelets_sample_the_same_law() -> None:
    """With an orthonormal code and a linear denoiser, only the noise is another."""
    codec = HaarWavelet(2, 1)
    codec.scale.fill_(1.0)
    like = torch.zeros(64, 1, 8, 8)
    own = method().sample(like, Condition())
    coded = method(codec).sample(like, Condition())
    assert coded.shape == like.shape
    assert abs(own.std() / coded.std() - 1) < 0.05


def test_windows_are_those_of_the_code() -> None:
    assert method(HaarWavelet(3, 1)).grid((12, 9, 8)) == (6, 5, 4)
    assert method().grid((12, 9)) == (12, 9)


def test_forgetting_hits_its_share_and_every_subset() -> None:
    forget = Forgotten(classes=3, image=True)
    condition = Condition(
        image=torch.ones(4000, 1, 2, 2),
        label=torch.ones(4000, dtype=torch.long),
        scalars=torch.ones(4000, 2),
        text=torch.ones(4000, 3, dtype=torch.long),
    )
    found = forget.by_chance(condition, 0.2)
    lost = torch.stack(
        [
            found.label == 3,
            *found.scalars.isnan().unbind(1),
            (found.text == 0).all(1),
            (found.image == 0).flatten(1).all(1),
        ]
    ).double()
    assert torch.allclose(lost.mean(1), torch.full((5,), 0.2 + 0.8 * 0.2).double(), atol=0.03)
    assert abs(lost.prod(0).mean() - 0.2) < 0.03
    nothing = forget(condition)
    assert (nothing.label == 3).all()
    assert nothing.scalars.isnan().all()
    assert (nothing.image == 0).all()
    assert (nothing.text == 0).all()
    kept = replace(condition, label=None, scalars=None, text=None)
    assert Forgotten().by_chance(kept, 0.9) is kept, "an image that determines is never forgotten"
    with pytest.raises(ValueError, match="nothing is given"):
        Forgotten()(kept)


def test_guidance_extrapolates_from_the_forgotten() -> None:
    class ByClass(Shrink):
        def forward(self, x, time, image=None, label=None, scalars=None):
            return label.float().reshape(-1, 1, 1, 1).expand_as(x)

    made = method()
    made.denoiser.network = ByClass()
    x, t = torch.randn(2, 1, 4, 4), torch.full((2,), 0.7)
    condition = Condition(label=torch.tensor([0, 1]))
    forget = Forgotten(classes=2)
    strong, weak = made.denoiser(x, t, condition), made.denoiser(x, t, forget(condition))
    guided = Guidance(3.0, forget=forget).around(made.denoiser)(x, t, condition)
    assert torch.allclose(guided, weak + 3 * (strong - weak), atol=1e-5)
    level = float(made.denoiser.process.level(t)[0])
    outside = Guidance(3.0, low=2 * level, forget=forget).around(made.denoiser)
    assert torch.allclose(outside(x, t, condition), strong, atol=1e-6)
