"""Group normalisation, scale and shift by the condition, and SiLU, as one operation."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class ModulatedNorm(nn.GroupNorm):
    """silu((1 + scale) (weight norm(x) + bias) + shift); x (B, C, *S), scale and shift (B, C).

    Group normalisation (Wu and He, 2018, arXiv:1803.08494) with at most 32 groups of at least four
    channels each. As separate operations three tensors of the size of x would wait for the backward
    pass; here it is x alone, from which the others are computed again.
    """

    def __init__(self, width: int) -> None:
        super().__init__(group_count(width), width)

    def forward(
        self, x: Tensor, scale: Tensor | None = None, shift: Tensor | None = None
    ) -> Tensor:
        weight, bias = self.weight.expand(len(x), -1), self.bias.expand(len(x), -1)
        if scale is not None:
            weight, bias = weight * (1 + scale), bias * (1 + scale)
        if shift is not None:
            bias = bias + shift
        # Every example has its own weights: as one example of B C channels they are ordinary ones.
        rows = x.reshape(1, x.shape[0] * x.shape[1], -1)
        weight, bias = (v.reshape(-1).to(x.dtype) for v in (weight, bias))
        groups = len(x) * self.num_groups
        return NormSilu.apply(rows, weight, bias, groups, self.eps)[0].reshape(x.shape)


class NormSilu(torch.autograd.Function):
    """silu(weight norm(x) + bias) for x (1, C, N); also mean and 1 / std, (1, groups)."""

    @staticmethod
    def forward(
        x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        y, mean, rstd = torch.native_group_norm(x, weight, bias, *x.shape, groups, eps)
        return functional.silu(y, inplace=True), mean, rstd

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        x, weight, bias, ctx.groups, ctx.eps = inputs
        _, mean, rstd = output
        ctx.mark_non_differentiable(mean, rstd)
        ctx.save_for_backward(x, weight, bias, mean, rstd)
        ctx.save_for_forward(x, weight, bias, mean, rstd)

    @staticmethod
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, mean, rstd = ctx.saved_tensors
        if torch.is_grad_enabled():  # this gradient will be differentiated itself
            out = functional.silu(functional.group_norm(x, ctx.groups, weight, bias, ctx.eps))
            wanted = [v for v in (x, weight, bias) if v.requires_grad]
            slopes = iter(torch.autograd.grad(out, wanted, grad, create_graph=True))
            found = [next(slopes) if v.requires_grad else None for v in (x, weight, bias)]
        else:
            y = torch.native_group_norm(x, weight, bias, *x.shape, ctx.groups, ctx.eps)[0]
            grad = torch.ops.aten.silu_backward(grad.contiguous(), y)
            found = torch.ops.aten.native_group_norm_backward(
                grad, x, mean, rstd, weight, *x.shape, ctx.groups, [True, True, True]
            )
        return *found, None, None

    @staticmethod
    def jvp(
        ctx: Any, x_t: Tensor | None, weight_t: Tensor | None, bias_t: Tensor | None, *_: None
    ) -> tuple[Tensor, None, None]:
        x, weight, bias, mean, rstd = ctx.saved_tensors
        grouped = (ctx.groups, -1)
        unit = (x.unflatten(1, grouped) - mean[..., None, None]) * rstd[..., None, None]
        y_t = torch.zeros_like(unit)
        if x_t is not None:
            moved = x_t.unflatten(1, grouped)
            along = (moved * unit).mean(dim=(2, 3), keepdim=True)
            moved = moved - moved.mean(dim=(2, 3), keepdim=True) - unit * along
            y_t = moved * rstd[..., None, None] * weight.view(1, *grouped, 1)
        if weight_t is not None:
            y_t = y_t + weight_t.view(1, *grouped, 1) * unit
        if bias_t is not None:
            y_t = y_t + bias_t.view(1, *grouped, 1)
        y = torch.native_group_norm(x, weight, bias, *x.shape, ctx.groups, ctx.eps)[0]
        y_t = y_t.flatten(1, 2).to(x.dtype)
        return torch.ops.aten.silu_backward(y_t, y), None, None


def group_count(width: int) -> int:
    """The largest divisor of the width up to 32 that leaves at least four channels a group."""
    return max(g for g in range(1, 33) if width % g == 0 and (width // g >= 4 or g == 1))
