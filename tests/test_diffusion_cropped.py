"""Training on parts, sampling whole: places go with the parts, tiles cover and move."""

from __future__ import annotations

import pytest
import torch
from test_contract import pieces
from torch import Tensor, nn

from diffnet.data import UserError
from diffnet.diffusion import Batch, Condition, Cropped, Denoiser, RandomTiles, VarianceExploding
from diffnet.diffusion.cropped import coordinates
from diffnet.recipes import RECIPES


class Pointwise(Denoiser):
    """Answers 2 x + image, and remembers what sizes it was asked about."""

    def __init__(self) -> None:
        super().__init__()
        self.process, self.sizes = VarianceExploding(0.01, 10.0), []

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        self.sizes.append(tuple(x_t.shape[2:]))
        return 2 * x_t + condition.image


@pytest.mark.parametrize("size", [(21, 8), (11, 30)])
def test_tiles_cover_the_image_and_never_exceed_their_size(size: tuple[int, int]) -> None:
    inner = Pointwise()
    x, image = torch.randn(2, 1, *size), torch.randn(2, 1, *size)
    made = RandomTiles(inner, (8, 8))(x, torch.ones(2), Condition(image=image))
    assert torch.equal(made, 2 * x + image)
    assert set(inner.sizes) == {(8, 8)}


def test_the_seams_are_elsewhere_at_every_call() -> None:
    class Mean(Pointwise):
        def forward(self, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
            return x_t.mean((2, 3), keepdim=True).expand_as(x_t)

    torch.manual_seed(0)
    x, tiles = torch.randn(1, 1, 32, 8), RandomTiles(Mean(), (8, 8))
    seams = {tuple(tiles(x, torch.ones(1), Condition())[0, 0, :, 0].tolist()) for _ in range(20)}
    assert len(seams) > 4


def test_a_part_keeps_the_places_it_had_in_the_whole() -> None:
    method = Cropped(nn.Identity(), nn.Identity(), None, share=0.5, smallest=4)
    x = coordinates((20, 12), torch.zeros(())).expand(2, -1, -1, -1)  # the target is the places
    whole = Batch(x, method.known(Condition(), x))
    seen = set()
    for _ in range(30):
        part = method.part(whole)
        assert part.target.shape[2:] == (10, 6)
        assert torch.equal(part.target, part.condition.image)
        seen.add(part.target[0, 0, 0, 0].item())
    assert len(seen) > 5
    assert x.amin() == -1
    assert x.amax() == 1


def watched(network: nn.Module) -> list[tuple[int, ...]]:
    """The sizes that a network is asked about from now on."""
    sizes: list[tuple[int, ...]] = []
    network.register_forward_pre_hook(lambda _, given: sizes.append(tuple(given[0].shape[2:])))
    return sizes


def test_patch_ddpm_learns_on_parts_and_makes_wholes() -> None:
    _, method, batch, *_ = pieces("patch_ddpm", "generation", 2)
    sizes = watched(method.denoiser.network)
    whole = tuple(batch.target.shape[2:])
    for _, _loss in method.losses(batch):
        pass
    assert all(a < b for a, b in zip(sizes[0], whole, strict=True))
    with torch.no_grad():
        method.sample(torch.zeros_like(batch.target), batch.condition)
    assert set(sizes[1:]) == {whole}
    assert not any(stage.attention for stage in method.denoiser.network.encoder)


def test_patch_ddpm_refuses_a_window_as_whole_image() -> None:
    _, _, _, _, c = pieces("edm", "generation", 2)
    with pytest.raises(UserError, match="plan with --set"):
        RECIPES["patch_ddpm"]().build(c)


def test_diff_infinite_sees_tiles_however_large_the_canvas() -> None:
    _, method, *_ = pieces("diff_infinite", "generation", 2)
    sizes = watched(method.denoiser.network)
    with torch.no_grad():
        made = method.eval().sample(torch.zeros(1, 1, 30, 23), Condition())
    assert made.shape == (1, 1, 30, 23)
    assert set(sizes) == {method.tile}
