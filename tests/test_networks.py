"""The U-Net's laws: sizes, identities, conditioning, memory of a pass, and what it refuses."""

import copy

import pytest
import torch
from torch.nn import functional

from diffnet.networks import UNet
from diffnet.networks.blocks import ResidualBlock, SelfAttention, Up
from diffnet.networks.modulated_norm import ModulatedNorm, group_count
from diffnet.networks.padding import crop_to_size, pad_to_multiple

FLAT = {
    "dims": 2,
    "in_channels": 3,
    "out_channels": 2,
    "widths": (8, 16, 16),
    "strides": ((1, 1), (2, 2), (2, 1)),
    "kernels": ((3, 3), (3, 3), (1, 3)),
    "attention": (False, False, True),
    "blocks": 1,
}
THICK = {
    "dims": 3,
    "in_channels": 3,
    "out_channels": 2,
    "widths": (8, 12, 16),
    "strides": ((1, 1, 1), (1, 2, 2), (2, 2, 2)),
    "kernels": ((1, 3, 3), (3, 3, 3), (3, 3, 3)),
    "attention": (False, True, False),
    "blocks": 1,
}

# torch's own forward derivatives are scripted, which it warns about.
forward_derivatives = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")


def awake(network):
    """The same network with random weights everywhere: zeroed layers would hide mistakes."""
    torch.manual_seed(0)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return network


def call(network, size, batch=2, **condition):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(batch, 1, *size, generator=generator)
    image = torch.randn(batch, 2, *size, generator=generator)
    return network(x, torch.linspace(-1, 1, batch), image=image, **condition)


@pytest.mark.parametrize(
    ("settings", "size"),
    [(FLAT, (16, 16)), (FLAT, (13, 7)), (FLAT, (1, 1)), (THICK, (5, 11, 14)), (THICK, (1, 9, 3))],
)
def test_any_size_comes_back(settings, size):
    y = call(awake(UNet(**settings)), size)
    assert y.shape == (2, 2, *size)
    assert y.isfinite().all() and y.std() > 0


def test_a_new_network_answers_zero():
    assert call(UNet(**THICK), (4, 8, 8)).abs().max() == 0


def test_a_new_block_is_the_identity():
    x, embedding = torch.randn(2, 8, 5, 6), torch.randn(2, 12)
    assert torch.equal(ResidualBlock(2, 8, (3, 3), 12, 0.0)(x, embedding), x)
    assert torch.equal(SelfAttention(8)(x), x)


def test_padding_is_undone_and_repeats_the_border():
    x = torch.randn(1, 2, 5, 7, 1)
    padded = pad_to_multiple(x, (4, 2, 4))
    assert padded.shape == (1, 2, 8, 8, 4)
    assert torch.equal(crop_to_size(padded, (5, 7, 1)), x)
    assert torch.equal(padded[:, :, 0, :7], padded[:, :, 1, :7])
    assert pad_to_multiple(x, (5, 7, 1)) is x
    assert pad_to_multiple(x, (4, 2, 4), smallest=3).shape == (1, 2, 12, 8, 12)


def test_anisotropic_kernels_do_not_mix_slices():
    settings = {**THICK, "strides": ((1, 1, 1), (1, 2, 2)), "kernels": ((1, 3, 3), (1, 3, 3))}
    network = awake(UNet(**{**settings, "widths": (8, 8), "attention": (False, False)}))
    # A norm would carry the slices' statistics to each other.
    for module in network.modules():
        if isinstance(module, ModulatedNorm):
            module.forward = lambda x, scale=None, shift=None: x
    x = torch.randn(1, 3, 4, 8, 8, requires_grad=True)
    network(x, torch.zeros(1))[:, :, 1].sum().backward()
    reached = x.grad.abs().sum(dim=(0, 1, 3, 4)) > 0
    assert reached.tolist() == [False, True, False, False]


def test_up_equals_repeating_first_and_mixing_afterwards():
    up, x = Up(3, 4, 2, (1, 2, 2)), torch.randn(1, 4, 3, 4, 5)
    repeated = x.repeat_interleave(2, dim=3).repeat_interleave(2, dim=4)
    assert torch.allclose(up(x), up.conv(repeated), atol=1e-6)
    assert Up(2, 4, 4, (1, 1))(torch.randn(1, 4, 3, 3)).shape == (1, 4, 3, 3)


def test_attention_is_softmax_over_all_voxels():
    attention, x = awake(SelfAttention(8)), torch.randn(2, 8, 3, 4)
    tokens = attention.norm(x).flatten(2).transpose(1, 2)
    query, key, value = attention.query_key_value(tokens).chunk(3, dim=2)
    weights = torch.softmax(query @ key.transpose(1, 2) / 8**0.5, dim=-1)
    expected = x + attention.out(weights @ value).transpose(1, 2).unflatten(2, (3, 4))
    assert torch.allclose(attention(x), expected, atol=1e-5)


def test_attention_splits_wide_stages_into_heads_of_32():
    assert SelfAttention(96).heads == 3
    assert SelfAttention(20).heads == 1
    with torch.no_grad():
        assert awake(SelfAttention(66))(torch.randn(1, 66, 2, 2)).shape == (1, 66, 2, 2)


def test_modulated_norm_is_norm_then_modulation_then_silu():
    norm = awake(ModulatedNorm(12))
    x, scale, shift = torch.randn(3, 12, 4, 5), torch.randn(3, 12), torch.randn(3, 12)
    plain = functional.group_norm(x, norm.num_groups, norm.weight, norm.bias, norm.eps)
    modulated = plain * (1 + scale[..., None, None]) + shift[..., None, None]
    assert torch.allclose(norm(x, scale, shift), functional.silu(modulated), atol=1e-5)
    assert torch.allclose(norm(x), functional.silu(plain), atol=1e-5)


@forward_derivatives
def test_modulated_norm_has_exact_derivatives():
    norm = awake(ModulatedNorm(8)).double()
    parts = [torch.randn(2, 8, *s, dtype=torch.double) for s in ((2,), (), ())]
    parts = [part.requires_grad_() for part in parts]
    assert torch.autograd.gradcheck(norm, parts, check_forward_ad=True)
    assert torch.autograd.gradgradcheck(norm, parts)
    assert torch.autograd.gradgradcheck(norm.requires_grad_(False), parts[:1])


def test_modulated_norm_keeps_its_input_alone():
    norm, kept = ModulatedNorm(8), []
    x = torch.randn(2, 8, 32, 32, requires_grad=True)

    def keep(tensor):
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        norm(x)
    storages = {t.untyped_storage().data_ptr() for t in kept if t.numel() == x.numel()}
    assert storages == {x.untyped_storage().data_ptr()}


def test_groups_divide_the_width_with_four_channels_each():
    assert [group_count(w) for w in (1, 3, 4, 8, 32, 48, 128, 512)] == [1, 1, 1, 2, 8, 12, 32, 32]


@forward_derivatives
def test_forward_derivative_through_the_whole_network():
    network = awake(UNet(**FLAT)).double()
    x = torch.randn(1, 3, 6, 6, dtype=torch.double)
    move, time = torch.randn_like(x), torch.zeros(1)
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        _, slope = torch.func.jvp(lambda x: network(x, time), (x,), (move,))
    step = 1e-6
    ahead, behind = network(x + step * move, time), network(x - step * move, time)
    assert torch.allclose(slope, (ahead - behind) / (2 * step), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("settings", [FLAT, THICK])
def test_every_weight_learns_with_and_without_conditions(settings):
    network = awake(UNet(**settings, classes=3, scalars=2))
    call(network, (8,) * settings["dims"]).square().sum().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None] == []
    network.zero_grad()
    x = torch.randn(2, 3, *(8,) * settings["dims"])
    network(x, None).square().sum().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None] == []


def test_missing_conditions_have_their_own_answers():
    network = awake(UNet(**FLAT, classes=3, scalars=2))
    size, missing = (8, 8), torch.full((2, 2), torch.nan)
    nothing = call(network, size)
    assert torch.equal(nothing, call(network, size, label=torch.tensor([3, 3])))
    assert torch.equal(nothing, call(network, size, scalars=missing))
    for label in range(3):
        assert not torch.allclose(nothing, call(network, size, label=torch.full((2,), label)))
    assert not torch.allclose(nothing, call(network, size, scalars=torch.zeros(2, 2)))
    half = torch.tensor([[1.0, torch.nan], [torch.nan, torch.nan]])
    partly = call(network, size, scalars=half)
    assert not torch.allclose(partly[0], nothing[0])
    assert torch.allclose(partly[1], nothing[1], atol=1e-5)


def test_noise_levels_are_told_apart_everywhere_in_their_range():
    embed = awake(UNet(**FLAT)).embedding
    times = torch.linspace(-2, 3, 51)
    codes = embed(51, times, None, None)
    distances = torch.cdist(codes, codes) + 1e9 * torch.eye(51)
    assert distances.min() > 0.01 * codes.std()


def test_time_is_embedded_in_float32_under_autocast():
    network, times = awake(UNet(**FLAT)), torch.tensor([0.5, 0.501])
    exact = network.embedding(2, times, None, None)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(network.embedding(2, times, None, None), exact)
        assert call(network, (8, 8)).dtype == torch.bfloat16


def test_checkpointing_changes_memory_and_not_gradients():
    plain = awake(UNet(**THICK))
    frugal = UNet(**THICK, checkpointing=True)
    frugal.load_state_dict(plain.state_dict())
    found, kept = [], []
    for network in (plain, frugal):
        count = []

        def keep(tensor, count=count):
            count.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            y = call(network, (4, 8, 8))
        y.square().sum().backward()
        kept.append(sum(count))
        found.append([p.grad for p in network.parameters()])
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(*found, strict=True))
    assert kept[1] < 0.6 * kept[0]
    assert frugal.checkpointing and not plain.checkpointing


def test_dropout_acts_in_training_alone():
    network = awake(UNet(**FLAT, dropout=0.5))
    assert not torch.equal(call(network, (8, 8)), call(network, (8, 8)))
    network.eval()
    assert torch.equal(call(network, (8, 8)), call(network, (8, 8)))


def test_parameter_names_are_those_that_saved_weights_use():
    names = set(UNet(**FLAT, classes=2, scalars=1).state_dict())
    assert {
        "stem.weight",
        "embedding.time.0.weight",
        "embedding.label.weight",
        "embedding.scalars.2.bias",
        "encoder.2.blocks.0.modulation.weight",
        "encoder.2.attention.query_key_value.weight",
        "downs.1.weight",
        "ups.0.conv.weight",
        "decoder.1.blocks.0.norm_2.bias",
        "norm.weight",
        "head.bias",
    } <= names


def test_meta_device_allocates_nothing():
    with torch.device("meta"):
        network = UNet(**THICK, classes=2)
        y = network(torch.empty(1, 3, 7, 300, 300), torch.empty(1))
    assert y.is_meta and y.shape == (1, 2, 7, 300, 300)


def test_a_copy_is_independent():
    network = UNet(**FLAT, checkpointing=True)
    other = copy.deepcopy(network)
    other.checkpointing = False
    assert network.checkpointing


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dims": 1}, "2 or 3 dimensions"),
        ({"widths": (8, 16)}, "one a stage"),
        ({"strides": ((2, 2), (2, 2), (2, 1))}, "its stride is 1"),
        ({"kernels": ((3, 3), (2, 2), (3, 3))}, "must be odd"),
        ({"kernels": ((3, 3), (3, 3, 3), (3, 3))}, "2 entries"),
        ({"blocks": 0}, "at least 1"),
    ],
)
def test_descriptions_that_do_not_fit_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        UNet(**{**FLAT, **change})


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ({"label": torch.tensor([0, 1])}, "knows no classes"),
        ({"scalars": torch.zeros(2, 3)}, "takes 0"),
        ({"image": torch.zeros(2, 2, 4, 4)}, "grid of x"),
        ({"image": torch.zeros(2, 3, 8, 8)}, "built for 3 channels"),
        ({"time": torch.zeros(3)}, r"shape \(2,\)"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(condition, words):
    arguments = {"time": torch.zeros(2), "image": torch.zeros(2, 2, 8, 8), **condition}
    with pytest.raises(ValueError, match=words):
        UNet(**FLAT)(torch.zeros(2, 1, 8, 8), **arguments)
    with pytest.raises(ValueError, match="integers from 0 to 2"):
        UNet(**FLAT, classes=2)(torch.zeros(2, 3, 8, 8), None, label=torch.zeros(2, 1))
