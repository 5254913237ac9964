"""MONAI's own networks behind the signature of ours, so that its users keep nets and weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import gcd, prod
from pathlib import Path

import torch
from torch import Tensor, nn

from .padding import Shape, beside, crop_to_size, pad_to_multiple

HEAD = 32
Timesteps = Callable[[Tensor], Tensor]


class LevelTable(nn.Module):
    """From this project's time to the index t of a discrete schedule, interpolating its steps.

    levels: r_t = c_t / a_t for t = 0 .. T - 1, increasing. Time is ln(r / std) / 4, (B,); the
    answer, (B,) float, is held within 0 .. T - 1, so that "nothing of x_0 is left" is the last
    step. ValueError for levels that do not increase.
    """

    logs: Tensor

    def __init__(self, levels: Tensor, std: float) -> None:
        super().__init__()
        if levels.ndim != 1 or len(levels) < 2 or not (levels.diff() > 0).all() or levels[0] <= 0:
            raise ValueError("A schedule's noise levels must be positive and increase with t.")
        self.std = std
        self.register_buffer("logs", levels.double().log(), persistent=False)

    @classmethod
    def from_betas(cls, betas: Tensor, std: float) -> LevelTable:
        """r_t = sqrt((1 - abar_t) / abar_t), abar_t the product of 1 - beta_s for s <= t."""
        kept = (1 - betas.double()).cumprod(dim=0)
        return cls(((1 - kept) / kept).sqrt(), std)

    def forward(self, time: Tensor) -> Tensor:
        wanted = 4 * time.double() + torch.log(self.logs.new_tensor(self.std))
        after = torch.searchsorted(self.logs, wanted).clamp(1, len(self.logs) - 1)
        low, high = self.logs[after - 1], self.logs[after]
        return (after - 1 + ((wanted - low) / (high - low)).clamp(0, 1)).float()


class MonaiDiffusion(nn.Module):
    """MONAI's DiffusionModelUNet as network(x, time, image, label, scalars).

    timesteps: our time (B,) to what the inner network was trained with, such as a LevelTable.
    null_class: the inner network's last class means "not given"; without it labels are required.
    Sizes that the inner network cannot halve are padded and cropped back. ValueError for a scalar
    or a label that it cannot take.
    """

    def __init__(self, inner: nn.Module, timesteps: Timesteps, null_class: bool = False) -> None:
        super().__init__()
        self.inner, self.timesteps, self.null_class = inner, timesteps, null_class
        self.dims = inner.conv_in.conv.weight.ndim - 2
        self.factor = (2 ** (len(inner.block_out_channels) - 1),) * self.dims

    def forward(
        self,
        x: Tensor,
        time: Tensor,
        image: Tensor | None = None,
        label: Tensor | None = None,
        scalars: Tensor | None = None,
    ) -> Tensor:
        h = beside(x, image, self.dims, self.inner.in_channels)
        label = self._label(len(x), label, x.device)
        if scalars is not None:
            raise ValueError("MONAI's DiffusionModelUNet takes no scalars: leave them out.")
        padded = pad_to_multiple(h, self.factor)
        y = self.inner(padded, self.timesteps(time), class_labels=label)
        return crop_to_size(y, h.shape[2:])

    def _label(self, batch: int, label: Tensor | None, device: torch.device) -> Tensor | None:
        classes = self.inner.num_class_embeds
        if classes is None and label is not None:
            raise ValueError(
                "A class label was given, but this network knows no classes: build it with "
                "num_class_embeds, or leave the label out."
            )
        if classes is None or label is not None:
            return label
        if not self.null_class:
            raise ValueError(
                f"This network needs a class from 0 to {classes - 1} for each example, and has "
                f"none that means 'not given'."
            )
        return torch.full((batch,), classes - 1, device=device)


class MonaiRegression(nn.Module):
    """A network of MONAI's that knows no noise level, as network(x, time, image, label, scalars).

    inner maps (B, channels, *S) to (B, out, *S). factor: what it divides each axis by. smallest:
    how many voxels its coarsest grid needs along each axis. For regression alone: ValueError where
    time differs within a batch, and for labels and scalars.
    """

    def __init__(self, inner: nn.Module, channels: int, factor: Shape, smallest: int = 1) -> None:
        super().__init__()
        self.inner, self.channels = inner, channels
        self.factor, self.smallest = tuple(factor), smallest

    def forward(
        self,
        x: Tensor,
        time: Tensor | None = None,
        image: Tensor | None = None,
        label: Tensor | None = None,
        scalars: Tensor | None = None,
    ) -> Tensor:
        if time is not None and not bool((time == time[:1]).all()):
            raise ValueError(
                "This network of MONAI's cannot be told the noise level, and the batch has "
                "several: use it for regression, or MonaiDiffusion for diffusion."
            )
        if label is not None or scalars is not None:
            raise ValueError("This network of MONAI's takes no labels and no scalars.")
        h = beside(x, image, len(self.factor), self.channels)
        y = self.inner(pad_to_multiple(h, self.factor, self.smallest))
        return crop_to_size(y, h.shape[2:])


def diffusion_model_unet(
    dims: int,
    in_channels: int,
    out_channels: int,
    widths: Sequence[int],
    attention: Sequence[bool],
    timesteps: Timesteps,
    blocks: int = 2,
    classes: int = 0,
) -> MonaiDiffusion:
    """MONAI's DiffusionModelUNet in these sizes; class index `classes` means "not given".

    It always halves every axis, and always attends at its coarsest stage. ImportError without
    einops, which it needs and does not bring.
    """
    from monai.networks.nets import DiffusionModelUNet
    from monai.utils import OptionalImportError

    widths = tuple(widths)
    heads = tuple(
        gcd(w, HEAD) if a or i == len(widths) - 1 else 0
        for i, (w, a) in enumerate(zip(widths, attention, strict=True))
    )
    try:
        inner = DiffusionModelUNet(
            dims,
            in_channels,
            out_channels,
            num_res_blocks=blocks,
            channels=widths,
            attention_levels=tuple(attention),
            norm_num_groups=gcd(*widths, HEAD),
            num_head_channels=heads,
            num_class_embeds=classes + 1 if classes else None,
            use_flash_attention=True,
        )
    except OptionalImportError as error:
        raise ImportError(
            "MONAI's DiffusionModelUNet needs the package einops, which MONAI does not install: "
            "run `pip install einops`, or use diffnet.networks.UNet, which needs nothing more."
        ) from error
    return MonaiDiffusion(inner, timesteps, null_class=bool(classes))


def segresnet(dims: int, in_channels: int, out_channels: int, width: int = 16) -> MonaiRegression:
    """MONAI's SegResNet (Myronenko, 2018, arXiv:1810.11654), four stages from `width` channels."""
    from monai.networks.nets import SegResNet

    inner = SegResNet(dims, width, in_channels, out_channels, num_groups=gcd(width, 8))
    return MonaiRegression(inner, in_channels, (8,) * dims)


def basic_unet(
    dims: int, in_channels: int, out_channels: int, widths: Sequence[int] = (32, 32, 64, 128, 256)
) -> MonaiRegression:
    """MONAI's BasicUNet, five stages; its last decoder stage is as wide as the first."""
    from monai.networks.nets import BasicUNet

    if len(widths) != 5:
        raise ValueError(f"MONAI's BasicUNet has five stages; {len(widths)} widths were given.")
    inner = BasicUNet(dims, in_channels, out_channels, features=(*widths, widths[0]))
    return MonaiRegression(inner, in_channels, (16,) * dims, smallest=2)


def dynunet(
    dims: int,
    in_channels: int,
    out_channels: int,
    widths: Sequence[int],
    strides: Sequence[Shape],
    kernels: Sequence[Shape],
) -> MonaiRegression:
    """MONAI's DynUNet, with a plan's widths, strides and kernels; at least three stages."""
    from monai.networks.nets import DynUNet

    if len(widths) < 3:
        raise ValueError(f"MONAI's DynUNet has at least three stages; {len(widths)} were given.")
    strides = [tuple(s) for s in strides]
    inner = DynUNet(
        dims,
        in_channels,
        out_channels,
        kernel_size=[tuple(k) for k in kernels],
        strides=strides,
        upsample_kernel_size=strides[1:],
        filters=tuple(widths),
    )
    factor = tuple(prod(axis) for axis in zip(*strides, strict=True))
    return MonaiRegression(inner, in_channels, factor, smallest=2)


def load_weights(
    network: MonaiDiffusion | MonaiRegression, weights: str | Path | Mapping[str, Tensor]
) -> None:
    """Load weights that were trained with MONAI: a .safetensors file, or a state dict.

    Pickled files (.pt, .pth) are not opened here, because opening one may run code: read it with
    torch, weights_only=True, and give the dictionary. One inside {"state_dict": ...} or
    {"model": ...}, and names that begin with "module.", are understood. ValueError where names or
    shapes are not the network's, naming the first; the network is then unchanged.
    """
    found = _unwrapped(weights if isinstance(weights, Mapping) else _read(Path(weights)))
    expected = network.inner.state_dict()
    missing = [name for name in expected if name not in found]
    surplus = [name for name in found if name not in expected]
    wrong = [n for n, v in expected.items() if n in found and found[n].shape != v.shape]
    if missing or surplus or wrong:
        first = (missing or surplus or wrong)[0]
        raise ValueError(
            f"These are not the weights of this network: {len(missing)} names are missing, "
            f"{len(surplus)} are unknown, {len(wrong)} have another shape; the first is {first!r}. "
            f"Build the network with the widths, blocks and attention that it was trained with."
        )
    network.inner.load_state_dict(found)


def _read(file: Path) -> dict[str, Tensor]:
    if file.suffix != ".safetensors":
        raise ValueError(
            f"{file} is not a .safetensors file. If it was saved by torch, read it with torch "
            f"(weights_only=True) and give the dictionary, or save that as safetensors."
        )
    from safetensors.torch import load_file

    return load_file(file)


def _unwrapped(found: Mapping) -> dict[str, Tensor]:
    for name in ("state_dict", "model"):
        found = found[name] if isinstance(found.get(name), Mapping) else found
    return {name.removeprefix("module."): value for name, value in found.items()}
