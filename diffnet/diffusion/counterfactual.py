"""Counterfactuals: an image taken up the ODE, and brought down again as if it were healthy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .batch import Batch, Condition
from .denoiser import Denoiser, Wrap, keep
from .guidance import (
    ClassifierFree,
    DynamicallyNormalised,
    GradientGuided,
    class_gradient,
    without_label,
)
from .healing import Healed, Healing, quantile_of, residual
from .method import Diffusion
from .objective import Objective
from .process import GaussianProcess, over
from .samplers import GaussianSampler, Sampler
from .starts import invert

HEALTHY = 0


class Inverting(Healing, Diffusion):
    """x is walked up the ODE to t = `strength`, as `upward` says, and down with `guided`.

    Label 0 is healthy; the index behind the last class means "not given".
    """

    random = False
    works_on_codes = False

    def __init__(
        self,
        denoiser: Denoiser,
        objective: Objective,
        sampler: GaussianSampler,
        strength: float,
        candidates: tuple[float, ...] = (),
    ) -> None:
        super().__init__(denoiser, objective, sampler)
        self.strength, self.candidates = strength, tuple(candidates)

    def upward(self, condition: Condition) -> Condition:
        return condition

    def guided(self, denoiser: Denoiser) -> Denoiser:
        raise NotImplementedError

    def heal(self, image: Tensor, condition: Condition, wrap: Wrap = keep) -> Healed:
        x = self.around(wrap(self.denoiser), image, healthy(condition, image))
        return Healed(x, residual(image, x))

    def around(self, denoiser: Denoiser, image: Tensor, wanted: Condition) -> Tensor:
        """The image walked up, and down as `wanted`."""
        x = invert(self.sampler, denoiser, image, self.upward(wanted), self.strength)
        for step in self.sampler.walk(self.guided(denoiser), x, wanted, self.strength):
            x = step
        return x


class LabelGuided(Inverting):
    """Up without a label, down with D_0 + w (D_healthy - D_0), dynamically normalised.

    Sanchez et al., 2022, arXiv:2207.12268. dropout: share of training examples without a label.
    """

    def __init__(
        self, *parts, classes: int, weight: float, dropout: float, quantile: float, size: float
    ) -> None:
        super().__init__(*parts)
        self.classes, self.weight, self.dropout = classes, weight, dropout
        self.quantile, self.size = quantile, size

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        label = batch.condition.label
        hidden = torch.rand(len(label), device=label.device) < self.dropout
        label = torch.where(hidden, self.classes, label)
        yield from super().losses(replace(batch, condition=replace(batch.condition, label=label)))

    def upward(self, condition: Condition) -> Condition:
        return without_label(self.classes)(condition)

    def guided(self, denoiser: Denoiser) -> Denoiser:
        free = ClassifierFree(denoiser, self.weight, without_label(self.classes))
        return DynamicallyNormalised(free, self.quantile, self.size)


class NoisyClassifier(nn.Module):
    """log p(class | x_t) of a network that sees what the denoiser sees: z / sqrt(r^2 + s^2)."""

    def __init__(self, network: nn.Module, process: GaussianProcess, std: float = 0.5) -> None:
        super().__init__()
        self.network, self.process, self.std = network, process, std

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        a, _, _ = self.process.coefficients(t)
        r = self.process.level(t)
        scale = 1 / (a * (r**2 + self.std**2).sqrt())
        return self.network(over(scale, x_t) * x_t, (r / self.std).log() / 4)


class ClassifierGuided(Inverting):
    """Up and down as healthy, down with `weight` times a noisy classifier's gradient.

    Wolleb et al., 2022, arXiv:2203.04306. Examples whose label is not given teach no classifier.
    """

    def __init__(self, *parts, classifier: NoisyClassifier, classes: int, weight: float) -> None:
        super().__init__(*parts)
        self.classifier, self.classes, self.weight = classifier, classes, weight

    def players(self) -> dict[str, nn.Module]:
        return {
            "model": nn.ModuleList([self.denoiser, self.objective]),
            "classifier": self.classifier,
        }

    def losses(self, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        yield from super().losses(batch)
        x_0, label = batch.target, batch.condition.label
        t = torch.rand(len(x_0), device=x_0.device, dtype=x_0.dtype)
        logits = self.classifier(self.denoiser.process.corrupt(x_0, t), t)
        known = (label < self.classes).to(logits.dtype)
        loss = F.cross_entropy(logits, label.clamp(max=self.classes - 1), reduction="none")
        yield "classifier", (loss * known).sum() / known.sum().clamp(min=1)

    def guided(self, denoiser: Denoiser) -> Denoiser:
        return GradientGuided(denoiser, class_gradient(self.classifier, HEALTHY), self.weight)


class Fusing(ClassifierGuided):
    """Two chains from one inversion: the image's own way back, and a healthy one where suspect.

    Fontanella et al., 2023, arXiv:2308.02062. Suspect is where the classifier's gradient towards
    healthy is largest (the published code takes saliency maps of a classifier of its own). The map
    is |healed - the image's own way back|.

    kept: share of voxels that are not suspect. look: t at which the classifier is asked.
    """

    random = True

    def __init__(self, *parts, kept: float = 0.9, look: float = 0.05, **more) -> None:
        super().__init__(*parts, weight=0.0, **more)
        self.kept, self.look = kept, look

    def heal(self, image: Tensor, condition: Condition, wrap: Wrap = keep) -> Healed:
        denoiser, condition = wrap(self.denoiser), healthy(condition, image)
        suspect = self.suspect(image, condition)
        x = invert(self.sampler, denoiser, image, condition, self.strength)
        own, fused, process = x, x, denoiser.process
        times = Sampler.times(self.sampler, process, x, self.strength)
        for t, s in pairwise(times):
            t, s = t.expand(len(x)), s.expand(len(x))
            own = process.reverse(denoiser(own, t, condition), own, t, s, eta=0.0)
            fused = process.reverse(denoiser(fused, t, condition), fused, t, s, eta=1.0)
            fused = suspect * fused + (1 - suspect) * own
        last = times[-1].expand(len(x))
        own, fused = denoiser(own, last, condition), denoiser(fused, last, condition)
        fused = suspect * fused + (1 - suspect) * own
        return Healed(image + fused - own, residual(own, fused))

    def suspect(self, image: Tensor, condition: Condition) -> Tensor:
        """(B, 1, *S), 1 where the smoothed gradient is above its quantile `kept`, else 0."""
        t = image.new_full((len(image),), self.look)
        gradient = class_gradient(self.classifier, HEALTHY)
        size = gradient(image, t, condition).abs().sum(1, keepdim=True)
        pool = F.avg_pool2d if image.ndim == 4 else F.avg_pool3d
        smooth = pool(size, 5, stride=1, padding=2, count_include_pad=False)
        return (smooth > quantile_of(smooth, self.kept)).to(image.dtype)


def healthy(condition: Condition, image: Tensor) -> Condition:
    """The same condition with every label healthy."""
    label = torch.full((len(image),), HEALTHY, device=image.device)
    return replace(condition, label=label)
