"""Windows, mirrors, folds, slices and planes."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from diffusion_oracles import NOTHING, LinearDenoiser, Recording

from diffnet.diffusion import (
    BLANK,
    Ancestral,
    Condition,
    Ensemble,
    Mirrored,
    NetworkDenoiser,
    Planes,
    Preconditioned,
    Remembering,
    SliceWise,
    Tiled,
    VarianceExploding,
    windows_along,
)

PROCESS = VarianceExploding(0.02, 20.0)


@pytest.mark.parametrize(
    ("length", "size", "overlap"),
    [(20, 8, 0.5), (17, 8, 0.25), (9, 8, 0.9), (8, 8, 0.5), (30, 7, 0)],
)
def test_windows_cover_the_axis_and_share_every_voxel(length, size, overlap):
    windows = windows_along(length, size, overlap, torch.float64, torch.device("cpu"))
    total = torch.zeros(length, dtype=torch.float64)
    for window in windows:
        total[window.place] += window.share
        assert window.place.stop - window.place.start == size and (window.share > 0).all()
    torch.testing.assert_close(total, torch.ones_like(total))
    starts = [w.place.start for w in windows]
    assert starts[0] == 0 and starts[-1] == length - size
    moves = [b - a for a, b in pairwise(starts)]
    assert all(0 < m <= max(1, size * (1 - overlap) + 1) for m in moves)


@pytest.mark.parametrize("shape", [(19, 14), (9, 12, 7)], ids=["2d", "3d"])
def test_windows_of_a_voxelwise_denoiser_change_nothing(shape):
    x, y = torch.randn(2, 1, *shape), torch.randn(2, 1, *shape)
    inner = LinearDenoiser(PROCESS, 0.5)
    tiled = Tiled(inner, (6,) * len(shape), 0.5, batch=3)
    t, condition = torch.tensor([0.3, 0.8]), Condition(source=y)
    torch.testing.assert_close(tiled(x, t, condition), inner(x, t, condition), atol=1e-5, rtol=1e-5)


def test_windows_see_their_part_of_the_condition():
    def look(x, t, c):
        assert c.image.shape == (*x.shape[:1], 2, *x.shape[2:]) and len(c.label) == len(x)
        return c.image[:, :1] + 100 * c.label.reshape(-1, 1, 1, 1) + c.scalars[:, :1, None, None]

    inner = Recording(PROCESS, look)
    image = torch.randn(2, 2, 11, 13)
    condition = Condition(
        image=image, label=torch.tensor([1, 2]), scalars=torch.tensor([[0.5], [0.25]])
    )
    fused = Tiled(inner, (5, 6), 0.5, batch=4)(torch.zeros(2, 1, 11, 13), torch.ones(2), condition)
    wanted = image[:, :1] + torch.tensor([100.5, 200.25]).reshape(2, 1, 1, 1)
    torch.testing.assert_close(fused, wanted, atol=1e-3, rtol=1e-5)
    sizes = {len(x) for x, _, _ in inner.asked}
    assert max(sizes) == 8 and all(x.shape[2:] == (5, 6) for x, _, _ in inner.asked)


def test_windows_answer_at_blank():
    inner = Recording(PROCESS, lambda x, t, c: c.image)
    image = torch.randn(1, 1, 9, 9)
    t = torch.full((1,), BLANK)
    fused = Tiled(inner, (4, 4))(torch.zeros(1, 1, 9, 9), t, Condition(image=image))
    torch.testing.assert_close(fused, image)
    assert all(torch.isinf(t).all() for _, t, _ in inner.asked)


def test_an_image_smaller_than_a_window_is_taken_whole():
    inner = Recording(PROCESS, lambda x, t, c: x)
    x = torch.randn(1, 1, 5, 9)
    assert torch.equal(Tiled(inner, (8, 16))(x, torch.ones(1), NOTHING), x)
    assert len(inner.asked) == 1
    Tiled(inner, (8, 4))(x, torch.ones(1), NOTHING)
    assert all(asked.shape[2:] == (5, 4) for asked, _, _ in inner.asked[1:])


def test_fused_sampling_keeps_its_variance_at_every_voxel():
    """A map of the variance over draws: overlaps are no smoother than the rest."""
    x = 20 * torch.randn(3000, 1, 14, 10)
    tiled = Tiled(LinearDenoiser(PROCESS, 0.5), (6, 6), 0.5)
    *points, _ = Ancestral(30).walk(tiled, x, NOTHING)
    variance = points[-1].var(0)
    assert (variance / variance.mean() - 1).abs().max().item() < 0.15


def test_wrong_windows_are_refused():
    inner = Recording(PROCESS)
    with pytest.raises(ValueError, match="has 3"):
        Tiled(inner, (4, 4))(torch.zeros(1, 1, 8, 8, 8), torch.ones(1), NOTHING)
    with pytest.raises(ValueError, match="must lie in"):
        Tiled(inner, (4, 4), 1.0)
    with pytest.raises(ValueError, match="positive"):
        Tiled(inner, (4, 0))


def lopsided(x, t, c):
    """A denoiser that knows left from right."""
    ramp = torch.linspace(0, 1, x.shape[-1])
    return x * ramp + (c.image if c.image is not None else 0)


def test_mirrors_make_a_symmetric_denoiser():
    inner = Recording(PROCESS, lopsided)
    mirrored, t = Mirrored(inner, (0, 1)), torch.ones(1)
    x, image = torch.randn(1, 1, 6, 8), torch.randn(1, 1, 6, 8)
    there = mirrored(x, t, Condition(image=image))
    assert len(inner.asked) == 4
    for axis in (2, 3):
        back = mirrored(x.flip(axis), t, Condition(image=image.flip(axis))).flip(axis)
        torch.testing.assert_close(back, there)
    torch.testing.assert_close(there, x * 0.5 + image)


def test_an_ensemble_is_the_mean_of_its_members():
    members = [Recording(PROCESS, lambda x, t, c, k=k: k * x) for k in (1.0, 2.0, 6.0)]
    x = torch.randn(2, 1, 4)
    torch.testing.assert_close(Ensemble(members)(x, torch.ones(2), NOTHING), 3 * x)
    with pytest.raises(ValueError, match="share one process"):
        Ensemble([members[0], Recording(VarianceExploding())])
    with pytest.raises(ValueError, match="at least one"):
        Ensemble([])


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slices_are_asked_one_by_one(axis):
    def answer(x, t, c):
        assert x.ndim == 4
        return x * t.reshape(-1, 1, 1, 1) + c.image + c.label.reshape(-1, 1, 1, 1)

    x, image = torch.randn(2, 1, 5, 6, 7), torch.randn(2, 1, 5, 6, 7)
    t, label = torch.tensor([0.5, 2.0]), torch.tensor([3, 4])
    inner = Recording(PROCESS, answer)
    found = SliceWise(inner, axis, 4)(x, t, Condition(image=image, label=label))
    shape = (2, 1, 1, 1, 1)
    torch.testing.assert_close(found, x * t.reshape(shape) + image + label.reshape(shape))
    assert max(len(asked) for asked, _, _ in inner.asked) == 8
    plane = [n for i, n in enumerate((5, 6, 7)) if i != axis]
    assert list(inner.asked[0][0].shape[2:]) == plane


def test_slices_need_a_volume():
    with pytest.raises(ValueError, match="works on volumes"):
        SliceWise(Recording(PROCESS))(torch.zeros(1, 1, 4, 4), torch.ones(1), NOTHING)
    with pytest.raises(ValueError, match="axes 0, 1 and 2"):
        SliceWise(Recording(PROCESS), 3)


def test_planes_are_averaged_or_take_turns():
    planes = [
        SliceWise(Recording(PROCESS, lambda x, t, c, k=k: torch.full_like(x, k)), axis)
        for axis, k in enumerate((0.0, 3.0, 6.0))
    ]
    x, t = torch.zeros(1, 1, 4, 5, 6), torch.ones(1)
    assert Planes(planes)(x, t, NOTHING).unique().tolist() == [3.0]
    turns = Planes(planes, every=2)
    order = [turns(x, t, NOTHING).unique().item() for _ in range(6)]
    assert order == [0.0, 3.0, 0.0, 6.0, 0.0, 3.0]
    with pytest.raises(ValueError, match="at least two"):
        Planes(planes[:1])
    with pytest.raises(ValueError, match="at least 2"):
        Planes(planes, every=1)


def test_estimates_are_remembered_outside_the_windows():
    """Windows inside see crops of the whole estimate of the call before."""
    seen = []

    def look(x, t, c):
        seen.append(c.estimate)
        return x

    whole = Remembering(Tiled(Recording(PROCESS, look), (4, 4)))
    x = torch.randn(1, 1, 6, 6)
    whole(x, torch.ones(1), NOTHING)
    assert all(e is None for e in seen)
    seen.clear()
    whole(x, torch.ones(1), NOTHING)
    torch.testing.assert_close(seen[0][:1], x[..., :4, :4])


def test_wraps_stack_around_a_network():
    class Net(torch.nn.Module):
        def forward(self, x, time, image=None, label=None, scalars=None):
            return x

    inner = NetworkDenoiser(Net(), PROCESS, Preconditioned())
    stacked = Mirrored(Tiled(Ensemble([inner, inner]), (4, 4)), (0,))
    x = torch.randn(1, 1, 7, 9)
    assert stacked.process is PROCESS
    torch.testing.assert_close(stacked(x, torch.ones(1), NOTHING), inner(x, torch.ones(1), NOTHING))
