"""Linear operators: what a scanner does to an image, with exact adjoint and regularised inverse."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor, nn

from .conjugate_gradients import conjugate_gradients

Number = float | Tensor


class Operator(nn.Module, ABC):
    """A linear map A of images x (B, C, *S) to measurements y (B, D, *T), both real tensors.

    Complex numbers are pairs of channels (real, imaginary). All of it is batched, differentiable
    and runs where its buffers are (`operator.to(device)`). `gram`: g where A A^H = g times the
    identity (a number, or a tensor that multiplies y element by element); None where it is neither.
    """

    gram: Number | None = None
    # 1 where y holds something and 0 elsewhere, shaped to multiply y; None: everywhere
    sampled: Tensor | None = None
    # conjugate gradient steps where there is no closed form, and the relative residual that ends
    # them
    iterations: int = 30
    tolerance: float = 1e-6

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """A x."""

    @abstractmethod
    def adjoint(self, y: Tensor) -> Tensor:
        """A^H y."""

    def normal(self, x: Tensor) -> Tensor:
        """A^H A x."""
        return self.adjoint(self(x))

    def ridge(self, y: Tensor, shift: Number, iterations: int | None = None) -> Tensor:
        """(A^H A + s I)^-1 A^H y = A^H (A A^H + s I)^-1 y, s >= 0 a number or (B, 1, ...).

        In closed form where A A^H is known, else by at most `iterations` conjugate gradient steps.
        """
        if self.gram is not None:
            # where g + s is 0 nothing was measured, and A^H drops it
            return self.adjoint(divided(y, self.gram + shift))
        return conjugate_gradients(
            lambda x: self.normal(x) + shift * x,
            self.adjoint(y),
            iterations=self.iterations if iterations is None else iterations,
            tolerance=self.tolerance,
        )

    def pinv(self, y: Tensor) -> Tensor:
        """A^+ y, the smallest of the least-squares solutions."""
        return self.ridge(y, 0.0)

    @property
    def spectral(self) -> bool:
        """Whether the eigenvectors of A^H A are known: `filtered` works."""
        return self.gram is not None or type(self).filtered is not Operator.filtered

    def filtered(self, x: Tensor, response: Callable[[Tensor], Tensor]) -> Tensor:
        """f(A^H A) x, f = `response` of the eigenvalues: what spectral solvers do.

        TypeError: the eigenvectors of A^H A are not known.
        """
        if self.gram is None:
            raise TypeError(f"the singular vectors of {self.name} are not known in closed form")
        gram = torch.as_tensor(self.gram, dtype=x.dtype, device=x.device)
        none = response(torch.zeros_like(gram.flatten()[:1])).reshape(())
        return none * x + self.adjoint(divided(response(gram) - none, gram) * self(x))

    @property
    def name(self) -> str:
        """For messages."""
        return type(self).__name__

    def first_look(self, y: Tensor) -> Tensor:
        """The image that is shown before anything is solved: zero-filled, back-projected."""
        return self.pinv(y) if self.gram is not None else self.adjoint(y)

    def prox(self, x: Tensor, y: Tensor, variance: Number, iterations: int | None = None) -> Tensor:
        """argmin_z |A z - y|^2 / 2 + |z - x|^2 / (2 variance), for noise of variance 1 in y.

        For noise of standard deviation sigma and a prior N(x, r^2 I): variance = r^2 / sigma^2.
        """
        return x + self.ridge(y - self(x), 1 / variance, iterations)

    def posterior_sample(
        self,
        x: Tensor,
        y: Tensor,
        spread: Number,
        noise: Number,
        iterations: int | None = None,
    ) -> Tensor:
        """A draw of p(z | y) for z ~ N(x, spread^2 I) and y = A z + noise eps, spread > 0.

        Perturb and optimise: the prox of perturbed x and y has exactly that law (Papandreou and
        Yuille, 2010).
        """
        x = x + spread * torch.randn_like(x)
        y = y + noise * torch.randn_like(y)
        return x + self.ridge(y - self(x), (noise / spread) ** 2, iterations)

    def __matmul__(self, other: Operator) -> Operator:
        """x -> self(other(x))."""
        return Composed(self, other)


class Composed(Operator):
    """A B. `gram` is kept where B B^H is a number and A A^H is known."""

    def __init__(self, outer: Operator, inner: Operator) -> None:
        super().__init__()
        self.outer, self.inner = outer, inner
        self.iterations = max(outer.iterations, inner.iterations)
        self.tolerance = min(outer.tolerance, inner.tolerance)

    @property
    def gram(self) -> Number | None:  # type: ignore[override]
        outer, inner = self.outer.gram, self.inner.gram
        return inner * outer if outer is not None and isinstance(inner, float) else None

    @property
    def sampled(self) -> Tensor | None:  # type: ignore[override]
        return self.outer.sampled

    @property
    def name(self) -> str:
        return f"{self.outer.name} @ {self.inner.name}"

    def forward(self, x: Tensor) -> Tensor:
        return self.outer(self.inner(x))

    def adjoint(self, y: Tensor) -> Tensor:
        return self.inner.adjoint(self.outer.adjoint(y))

    def normal(self, x: Tensor) -> Tensor:
        return self.inner.adjoint(self.outer.normal(self.inner(x)))

    def first_look(self, y: Tensor) -> Tensor:
        return self.inner.first_look(self.outer.first_look(y))


def largest_eigenvalue(operator: Operator, like: Tensor, rounds: int = 12) -> Tensor:
    """Of A^H A, (1, 1, ...), by power iteration from fixed noise: from below, within some percent.

    It waits for nothing and leaves torch's random numbers as they are. An operator remembers its
    own, by the shape, type and device of its images.
    """
    known = operator.__dict__.setdefault("_largest", {})
    key = (tuple(like.shape[1:]), like.dtype, like.device)
    if key not in known:
        with torch.no_grad():
            known[key] = _power_iteration(operator, like, rounds)
    return known[key]


def _power_iteration(operator: Operator, like: Tensor, rounds: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(like[:1].shape, generator=generator).to(like)
    for _ in range(rounds):
        x = operator.normal(x / x.norm())
    return x.norm().reshape(1, *(1 for _ in like.shape[1:]))


def white_gain(operator: Operator, like: Tensor) -> Tensor:
    """|A x|^2 of white x of variance 1: the trace of A^H A, within a percent or so; remembered."""
    known = operator.__dict__.setdefault("_gain", {})
    key = (tuple(like.shape[1:]), like.dtype, like.device)
    if key not in known:
        x = torch.randn(like[:1].shape, generator=torch.Generator().manual_seed(0)).to(like)
        with torch.no_grad():
            known[key] = operator(x)[:1].square().sum()
    return known[key]


def divided(y: Tensor, by: Number) -> Tensor:
    """y / by, and 0 where `by` is 0."""
    if not isinstance(by, Tensor):
        return y / by if by else torch.zeros_like(y)
    return torch.where(by > 0, y / torch.where(by > 0, by, 1.0), 0.0)
