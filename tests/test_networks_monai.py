"""MONAI's networks behind the project's signature: schedule, sizes, weights, bad inputs."""

import math

import pytest
import torch
from safetensors.torch import save_file

from diffnet.networks import (
    LevelTable,
    MonaiDiffusion,
    basic_unet,
    diffusion_model_unet,
    dynunet,
    load_weights,
    segresnet,
)

BETAS = torch.linspace(1e-4, 2e-2, 1000)


def schedule():
    return LevelTable.from_betas(BETAS, std=0.5)


def diffusion(dims=2, classes=0):
    torch.manual_seed(0)
    network = diffusion_model_unet(
        dims, 2, 1, (8, 16), (False, False), schedule(), blocks=1, classes=classes
    )
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return network


def test_time_finds_the_step_with_the_same_noise_level():
    table, steps = schedule(), torch.tensor([0, 1, 17, 500, 998, 999])
    kept = (1 - BETAS.double()).cumprod(0)
    levels = ((1 - kept) / kept).sqrt()[steps]
    time = (levels / 0.5).log() / 4
    assert torch.allclose(table(time.float()), steps.float(), atol=0.01)


def test_time_between_two_steps_and_beyond_the_ends():
    table = LevelTable(torch.tensor([0.01, 0.1, 1.0]), std=1.0)
    middle = math.log(0.1 * 10**0.5) / 4
    times = torch.tensor([-9.0, math.log(0.1) / 4, middle, 3.0])
    assert table(times).tolist() == pytest.approx([0, 1, 1.5, 2], abs=1e-5)


@pytest.mark.parametrize("levels", [[0.1, 0.1], [2.0, 1.0], [0.0, 1.0], [1.0]])
def test_levels_that_do_not_increase_are_refused(levels):
    with pytest.raises(ValueError, match="increase with t"):
        LevelTable(torch.tensor(levels), std=1.0)


@pytest.mark.parametrize(("dims", "size"), [(2, (7, 10)), (3, (3, 4, 5))])
def test_diffusion_network_answers_for_any_size(dims, size):
    network = diffusion(dims)
    x, image, time = torch.randn(2, 1, *size), torch.randn(2, 1, *size), torch.zeros(2)
    y = network(x, time, image=image)
    assert y.shape == x.shape and y.std() > 0
    assert not torch.allclose(y, network(x, time + 0.5, image=image))
    y.square().sum().backward()
    assert all(p.grad is not None for p in network.parameters())


def test_diffusion_network_equals_the_inner_one_where_nothing_is_padded():
    network, h, time = diffusion().eval(), torch.randn(2, 2, 8, 8), torch.tensor([-0.4, 0.2])
    expected = network.inner(h, network.timesteps(time))
    assert torch.equal(network(h[:, :1], time, image=h[:, 1:]), expected)


def test_classes_have_a_row_for_not_given():
    network, h, time = diffusion(classes=3).eval(), torch.randn(2, 2, 8, 8), torch.zeros(2)
    nothing = network(h, time)
    assert torch.equal(nothing, network(h, time, label=torch.tensor([3, 3])))
    assert not torch.allclose(nothing, network(h, time, label=torch.tensor([0, 1])))
    alone = MonaiDiffusion(network.inner, schedule())
    with pytest.raises(ValueError, match="needs a class from 0 to 3"):
        alone(h, time)


@pytest.mark.parametrize(
    "network",
    [
        lambda: segresnet(2, 3, 2, width=8),
        lambda: basic_unet(3, 3, 2, widths=(4, 4, 4, 4, 4)),
        lambda: dynunet(
            3,
            3,
            2,
            (4, 4, 4),
            ((1, 1, 1), (1, 2, 2), (2, 2, 2)),
            ((1, 3, 3), (3, 3, 3), (3, 3, 3)),
        ),
    ],
    ids=["SegResNet", "BasicUNet", "DynUNet"],
)
def test_regression_networks_answer_for_any_size(network):
    network = network()
    size = (3, 7, 10)[-len(network.factor) :]
    x, image = torch.randn(2, 1, *size), torch.randn(2, 2, *size)
    y = network(x, torch.full((2,), 3.0), image=image)
    assert y.shape == (2, 2, *size)
    y.square().sum().backward()
    assert any(p.grad.abs().sum() > 0 for p in network.parameters())
    with pytest.raises(ValueError, match="cannot be told the noise level"):
        network(x, torch.tensor([0.0, 1.0]), image=image)
    with pytest.raises(ValueError, match="no labels"):
        network(x, None, image=image, label=torch.zeros(2, dtype=torch.long))
    with pytest.raises(ValueError, match="built for 3 channels"):
        network(x)


@pytest.mark.parametrize("form", ["safetensors", "plain", "wrapped"])
def test_weights_trained_elsewhere_are_loaded(tmp_path, form):
    trained, network = diffusion(), diffusion()
    torch.nn.init.ones_(trained.inner.out[2].conv.bias)
    weights = dict(trained.inner.state_dict())
    if form == "safetensors":
        save_file(weights, tmp_path / "weights.safetensors")
        weights = tmp_path / "weights.safetensors"
    elif form == "wrapped":
        weights = {"state_dict": {f"module.{n}": v for n, v in weights.items()}}
    h, time = torch.randn(1, 2, 8, 8), torch.zeros(1)
    assert not torch.equal(network(h, time), trained(h, time))
    load_weights(network, weights)
    assert torch.equal(network(h, time), trained(h, time))


def test_weights_of_another_network_are_refused_and_nothing_is_changed():
    network = diffusion()
    other = diffusion_model_unet(2, 2, 1, (16, 32), (False, False), schedule(), blocks=1)
    before = [p.clone() for p in network.parameters()]
    with pytest.raises(ValueError, match="another shape; the first is 'conv_in"):
        load_weights(network, other.inner.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))


def test_pickled_weights_are_not_opened(tmp_path):
    torch.save(diffusion().inner.state_dict(), tmp_path / "weights.pt")
    with pytest.raises(ValueError, match="weights_only=True"):
        load_weights(diffusion(), tmp_path / "weights.pt")


def test_missing_einops_is_explained(monkeypatch):
    import monai.networks.nets as nets
    from monai.utils import OptionalImportError

    def missing(*_, **__):
        raise OptionalImportError("required package `einops` is not installed")

    monkeypatch.setattr(nets, "DiffusionModelUNet", missing)
    with pytest.raises(ImportError, match="pip install einops"):
        diffusion()


def test_what_monai_cannot_take_is_refused():
    h, time = torch.randn(1, 2, 8, 8), torch.zeros(1)
    with pytest.raises(ValueError, match="takes no scalars"):
        diffusion()(h, time, scalars=torch.zeros(1, 1))
    with pytest.raises(ValueError, match="knows no classes"):
        diffusion()(h, time, label=torch.zeros(1, dtype=torch.long))
    with pytest.raises(ValueError, match="five stages"):
        basic_unet(2, 1, 1, (4, 4))
    with pytest.raises(ValueError, match="at least three stages"):
        dynunet(2, 1, 1, (4,), ((1, 1),), ((3, 3),))
