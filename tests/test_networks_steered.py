"""Networks that are told what to make: words, and a label at every voxel."""

from __future__ import annotations

import pytest
import torch
from test_contract import pieces
from torch import nn

from diffnet.networks import ControlUNet, DiT, FromOneSlice, SpadeUNet, UNet, WithEdges, WithNumbers


def shaken(network: nn.Module) -> nn.Module:
    for p in network.parameters():
        p.data += 0.1 * torch.randn_like(p)
    return network.eval().requires_grad_(False)


def layout(dims: int) -> dict:
    return {
        "dims": dims,
        "in_channels": 1,
        "out_channels": 1,
        "widths": (8, 8),
        "strides": ((1,) * dims, (2,) * dims),
        "kernels": ((3,) * dims,) * 2,
        "attention": (False, True),
        "blocks": 1,
    }


class Shows(nn.Module):
    """What a network is shown beside x."""

    def forward(self, x, time, image=None, **others):
        return image


@pytest.mark.parametrize("dims", [2, 3])
def test_the_edges_of_a_map_are_where_its_regions_meet(dims: int) -> None:
    size = (6,) * dims
    indices = torch.zeros(1, *size, dtype=torch.long)
    indices[:, 2:] = 1
    image = nn.functional.one_hot(indices, 2).movedim(-1, 1) - 0.5
    seen = WithEdges(Shows())(torch.zeros(1, 1, *size), None, image=image)
    assert torch.equal(seen[:, :2], image), "the map itself is left as it is"
    wanted = torch.zeros(6)
    wanted[1:3] = 1
    assert torch.equal(seen[0, 2].flatten(1).mean(1), wanted), "both sides of the border"
    forgotten = WithEdges(Shows())(torch.zeros(1, 1, *size), None, image=0 * image)
    assert not forgotten.any(), "a map that is not given has none"
    assert WithEdges(Shows())(torch.zeros(1, 1, *size), None) is None


def test_words_matter_and_padding_does_not() -> None:
    network = shaken(UNet(**layout(2), words=9))
    x, time = torch.randn(2, 1, 8, 8), torch.zeros(2)
    one = network(x, time, text=torch.tensor([[3, 4, 0, 0]] * 2))
    padded = network(x, time, text=torch.tensor([[3, 4, 0, 0, 0, 0]] * 2))
    other = network(x, time, text=torch.tensor([[4, 3, 0, 0]] * 2))
    empty = network(x, time, text=torch.zeros(2, 4, dtype=torch.long))
    assert torch.allclose(one, padded, atol=1e-5)
    assert not torch.allclose(one, other, atol=1e-4), "their order matters"
    assert not torch.allclose(one, empty, atol=1e-4)
    assert torch.allclose(network(x, time), empty, atol=1e-5), "no text is not given"


def test_text_that_a_network_cannot_read_is_refused() -> None:
    x, time = torch.randn(2, 1, 8, 8), torch.zeros(2)
    with pytest.raises(ValueError, match="knows no words"):
        UNet(**layout(2))(x, time, text=torch.ones(2, 3, dtype=torch.long))
    with pytest.raises(ValueError, match="text has shape"):
        UNet(**layout(2), words=9)(x, time, text=torch.ones(3, dtype=torch.long))


@pytest.mark.parametrize("dims", [2, 3])
def test_every_weight_of_the_text_learns(dims: int) -> None:
    network = shaken(UNet(**layout(dims), words=5)).requires_grad_(True)
    x = torch.randn(2, 1, *(8,) * dims)
    text = torch.tensor([[1, 2, 3, 4, 0]] * 2)
    network(x, torch.zeros(2), text=text).square().sum().backward()
    still = [n for n, p in network.text.named_parameters() if not p.grad.abs().sum() > 0]
    assert still == []
    assert network.encoder[1].attention.context.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("dims", [2, 3])
def test_the_map_acts_where_it_differs(dims: int) -> None:
    """Far from where two maps differ the answers are the same, without attention."""
    settings = {**layout(dims), "attention": (False, False)}
    network = shaken(SpadeUNet(3, **settings))
    for module in network.modules():  # a norm over the image would carry the difference everywhere
        if isinstance(module, nn.GroupNorm):
            module.forward = lambda x, *_: x
    size = (48,) * 2 if dims == 2 else (6, 6, 40)
    x, time = torch.randn(1, 1, *size), torch.zeros(1)
    one = torch.zeros(1, 3, *size)
    other = one.clone()
    other[..., -2:] = 1
    change = (network(x, time, one) - network(x, time, other)).abs()
    assert change[..., -2:].max() > 1e-4
    assert change[..., 0].max() < 1e-5


def test_maps_of_odd_sizes_fit_and_wrong_ones_do_not() -> None:
    network = shaken(SpadeUNet(3, **layout(2)))
    x, time = torch.randn(2, 1, 7, 9), torch.zeros(2)
    assert network(x, time, torch.zeros(2, 3, 7, 9)).shape == x.shape
    assert torch.allclose(network(x, time), network(x, time, torch.zeros(2, 3, 7, 9)))
    with pytest.raises(ValueError, match="3 channels"):
        network(x, time, torch.zeros(2, 2, 7, 9))


@pytest.mark.parametrize("dims", [2, 3])
def test_a_new_branch_leaves_the_trunk_alone_and_a_moved_one_steers(dims: int) -> None:
    network = ControlUNet(2, **layout(dims))
    for p in network.trunk.parameters():
        p.data += 0.1 * torch.randn_like(p)
    network.eval().requires_grad_(False)
    x, time = torch.randn(2, 1, *(9,) * dims), torch.zeros(2)
    image = torch.randn(2, 2, *(9,) * dims)
    alone = network.trunk(x, time)
    assert torch.equal(network(x, time, image), alone), "its links start at zero"
    shaken(network)
    alone = network.trunk(x, time)
    half = torch.cat([image[:1], torch.zeros_like(image[1:])])
    steered = network(x, time, half)
    assert not torch.allclose(steered[0], alone[0], atol=1e-4)
    assert torch.allclose(steered[1], alone[1], atol=1e-5), "an image of 0 is none"
    assert torch.equal(network(x, time), alone)


def test_numbers_as_channels_act_beside_the_embedding() -> None:
    """With the embedding's own numbers cut off the channels still carry them."""
    unet = UNet(**{**layout(2), "in_channels": 3}, scalars=2)
    network = shaken(WithNumbers(unet, 2))
    for p in unet.embedding.scalars.parameters():
        p.zero_()
    x, time = torch.randn(2, 1, 8, 8), torch.zeros(2)
    one, other = (network(x, time, scalars=torch.tensor([[v, 0.0]] * 2)) for v in (0.0, 1.0))
    assert not torch.allclose(one, other, atol=1e-4)
    nothing = network(x, time, scalars=torch.full((2, 2), torch.nan))
    assert torch.allclose(nothing, network(x, time), atol=1e-6), "not a number is not given"


@pytest.mark.parametrize("dims", [2, 3])
def test_a_new_transformer_answers_zero_and_gates_every_block(dims: int) -> None:
    network = DiT(dims, 1, 1, width=24, depth=2, heads=2)
    x, time = torch.randn(2, 1, *(7,) * dims), torch.zeros(2)
    assert not network(x, time).any()
    tokens = torch.randn(2, 5, 24)
    block = network.blocks[0]
    assert torch.equal(block(tokens, torch.randn(2, 24)), tokens), "gates start at zero"
    assert shaken(network)(x, time).shape == x.shape


@pytest.mark.parametrize("dims", [2, 3])
def test_tokens_become_the_blocks_they_came_from(dims: int) -> None:
    network = DiT(dims, 1, 1, width=24, depth=1, heads=2)
    grid = (3, 2, 4)[:dims]
    x = torch.randn(1, 1, *(2 * g for g in grid))
    tokens = torch.stack(
        [
            x[(0, 0, *(slice(2 * i, 2 * i + 2) for i in place))].flatten()
            for place in torch.cartesian_prod(*(torch.arange(g) for g in grid)).tolist()
        ]
    )
    assert torch.equal(network._unfolded(tokens[None], grid), x)


def test_a_transformer_reads_words_and_places() -> None:
    network = shaken(DiT(2, 1, 1, width=24, depth=2, heads=2, words=9))
    x, time = torch.randn(2, 1, 8, 8), torch.zeros(2)
    one = network(x, time, text=torch.tensor([[3, 4, 0, 0]] * 2))
    padded = network(x, time, text=torch.tensor([[3, 4, 0, 0, 0, 0]] * 2))
    other = network(x, time, text=torch.tensor([[4, 3, 0, 0]] * 2))
    assert torch.allclose(one, padded, atol=1e-5)
    assert not torch.allclose(one, other, atol=1e-4)
    moved = network(x.roll(2, 2), time).roll(-2, 2)
    assert not torch.allclose(moved, network(x, time), atol=1e-4), "a token knows its place"
    with pytest.raises(ValueError, match="multiple of 12"):
        DiT(3, 1, 1, width=20, heads=4)


@pytest.mark.parametrize("dims", [2, 3])
def test_only_the_middle_slice_is_seen(dims: int) -> None:
    network = shaken(FromOneSlice(UNet(**{**layout(dims), "in_channels": 2})))
    x, time, image = (
        torch.randn(1, 1, *(8,) * dims),
        torch.zeros(1),
        torch.randn(1, 1, *(8,) * dims),
    )
    elsewhere, there = image.clone(), image.clone()
    elsewhere[:, :, [0, 3, 5, 7]] += 1
    there[:, :, 4] += 1
    assert torch.equal(network(x, time, elsewhere), network(x, time, image))
    assert not torch.allclose(network(x, time, there), network(x, time, image), atol=1e-4)


def test_a_style_is_drawn_and_an_image_keeps_its_own() -> None:
    """The second stage of brain_spade: one map, many looks; the encoder finds the look again."""
    _, method, batch, _, _ = pieces("brain_spade", "generation", 2)
    for p in method.parameters():
        p.data += 0.2 * torch.randn_like(p)
    method.eval().requires_grad_(False)
    known, like = batch.condition, torch.zeros_like(batch.target)

    def made(style: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(1)  # the same noise beside another style
        return method.make(like, style, known)

    one, other = torch.randn(2, 2, method.style).unbind()
    assert torch.equal(made(one), made(one))
    assert not torch.allclose(made(one), made(other), atol=1e-3)
    mean, log_variance = method.encoded(batch.target)
    assert mean.shape == log_variance.shape == (2, method.style)
    assert {name for name, _ in method.losses(batch)} == {"model"}
    assert {name for name, _ in method.train().losses(batch)} == {"model", "discriminator"}
