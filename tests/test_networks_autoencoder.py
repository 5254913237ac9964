"""First stages: tiles without seams, codebooks that follow, and what a codec of one must keep."""

from __future__ import annotations

import pytest
import torch
from tiny import tiny_plan

from diffnet.data import UserError
from diffnet.diffusion import Batch, Condition, FirstStage, LearnedCodec, Terms
from diffnet.networks import Autoencoder, Codebook, PatchDiscriminator
from diffnet.recipes import RECIPES, Latent


def shaken(dims: int = 2, codes: int | None = None) -> Autoencoder:
    """Two grids, with weights that do something."""
    made = Autoencoder(
        dims, 1, 3, (4, 8, 8), ((1,) * dims, (2,) * dims, (2,) * dims), ((3,) * dims,) * 3, 1, codes
    )
    for p in made.parameters():
        p.data += 0.1 * torch.randn_like(p)
    return made.eval().requires_grad_(False)


@pytest.mark.parametrize(("size", "tile"), [((96, 72), 16), ((40, 24, 32), 8)])
def test_tiles_are_parts_of_the_whole(size: tuple[int, ...], tile: int) -> None:
    network = shaken(len(size))
    x = torch.randn(1, 1, *size)
    z = network.encode(x)
    assert torch.allclose(network.encode(x, tile), z, atol=1e-5)
    assert torch.allclose(network.decode(z, tile), network.decode(z), atol=1e-5)


def test_nothing_is_seen_beyond_the_margin() -> None:
    """And something is seen just inside half of it: the margin is no excuse."""
    network = shaken()
    x = torch.randn(1, 1, 128, 128)
    moved = x.clone()
    moved[..., 64, 64] += 10
    reach = network.margin[0]
    change = (network.decode(network.encode(moved)) - network.decode(network.encode(x))).abs()
    far = 2 * reach + network.factor[0]
    assert change[..., : 64 - far, :].max() == 0
    assert change[..., 64, 64] > 0
    one_way = (network.encode(moved) - network.encode(x)).abs().amax((0, 1, 3)).nonzero()
    assert one_way.min() * network.factor[0] >= 64 - reach - network.factor[0]


def test_codec_pads_folds_and_crops() -> None:
    codec = LearnedCodec(shaken(codes=6), 2, 3)
    x = torch.randn(2, 1, 30, 21)
    z = codec.encode(x)
    assert z.shape == (2, 3, 8, 6)
    assert codec.grid((30, 21)) == (8, 6)
    assert codec.decode(z, (30, 21)).shape == x.shape
    given = codec.given(x)
    assert given.shape == (2, codec.given_channels(1), 8, 6)
    assert torch.allclose(given[:, 0], codec.padded(x)[:, 0, ::4, ::4])
    assert given.square().sum() == pytest.approx(float(codec.padded(x).square().sum()), rel=1e-5)


def test_whitening_is_of_the_training_set_and_undone() -> None:
    codec = LearnedCodec(shaken(codes=6), 2, 3)
    batches = [Batch(torch.randn(4, 1, 32, 32), Condition()) for _ in range(4)]
    before = codec.decode(codec.encode(batches[0].target), (32, 32))
    codec.measure(batches)
    z = torch.cat([codec.encode(b.target) for b in batches])
    assert torch.allclose(z.std((0, 2, 3)), torch.full((3,), 0.5), rtol=0.02)
    after = codec.decode(codec.encode(batches[0].target), (32, 32))
    assert torch.allclose(before, after, atol=1e-4)


def test_codebook_gives_the_nearest_and_follows() -> None:
    book = Codebook(4, 2, decay=0.5).eval()
    centres = torch.tensor([[3.0, 0], [-3, 0], [0, 3], [0, -3]])
    z = centres[torch.randint(4, (400,))] + 0.1 * torch.randn(400, 2)
    z = z.T.reshape(1, 2, 20, 20).requires_grad_()
    found, distance = book(z)
    away = (z[0].flatten(1).T[:, None] - book.vectors).square().sum(-1)
    assert distance.item() == pytest.approx(away.amin(1).mean().item() / 2, rel=1e-4)
    found.sum().backward()
    assert torch.equal(z.grad, torch.ones_like(z)), "the gradient passes straight through"
    book.train()
    for _ in range(60):
        book(z)
    assert book.eval()(z)[1] < 0.05, "every cluster has a vector, whatever it started from"


def test_discriminator_tells_places_apart() -> None:
    for dims in (2, 3):
        judge = PatchDiscriminator(dims, 2, width=4)
        said, features = judge(torch.randn(2, 2, *(16,) * dims))
        assert said.shape == (2, 1, *(2,) * dims)
        assert len(features) == 3
    assert PatchDiscriminator(3, 1, 4)(torch.randn(1, 1, 2, 16, 16))[0].shape[2] == 1


def test_discriminator_waits_and_both_learn() -> None:
    network = shaken(codes=6).requires_grad_(True)
    terms = Terms(adversarial=0.1, features=0.1, spectrum=0.1, adversarial_from=2)
    method = FirstStage(LearnedCodec(network, 2, 3), terms, PatchDiscriminator(2, 1, 4)).train()
    batch = Batch(torch.randn(2, 1, 16, 16), Condition())
    played = [[name for name, _ in method.losses(batch)] for _ in range(3)]
    assert played == [["model"], ["model"], ["model", "discriminator"]]
    assert [name for name, _ in method.eval().losses(batch)] == ["model"]


def test_a_first_stage_learns_to_reconstruct() -> None:
    network = shaken(codes=6).requires_grad_(True)
    method = FirstStage(LearnedCodec(network, 2, 3), Terms(prior=1e-6), None).train()
    optimiser = torch.optim.Adam(method.parameters(), 1e-2)
    ramp = torch.linspace(-1, 1, 16)
    batch = Batch((ramp[:, None] * torch.randn(8, 1, 1, 1)).expand(8, 1, 16, 16), Condition())
    seen = []
    for _ in range(60):
        for _, loss in method.losses(batch):
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            seen.append(loss.item())
    assert seen[-1] < 0.3 * seen[0]


def test_latent_builds_from_its_knobs_and_keeps_its_codec_frozen() -> None:
    plan = tiny_plan("generation")
    c = plan.configurations[plan.default]
    knobs = {"factor": 2, "adversarial_from": 0}
    recipe = Latent("edm", {}, "ae_kl", knobs)
    method = recipe.build(c)
    assert not any(p.requires_grad for p in method.codec.parameters())
    assert all(p.requires_grad for p in method.denoiser.parameters())
    assert method.sample(torch.zeros(2, 1, 10, 14), Condition()).shape == (2, 1, 10, 14)
    assert set(recipe.papers) >= set(RECIPES["edm"].papers)
    with pytest.raises(UserError, match="no first stage"):
        Latent("edm", {}, "edm").build(c)
    with pytest.raises(UserError, match="can be 2 times"):
        Latent("edm", {}, "ae_kl", {"factor": 8}).build(c)
    with pytest.raises(UserError, match="codec of its own"):
        Latent("wdm", {}, "wavelet").build(c)
