"""Any recipe in a codec's space: Haar coefficients, or the codes of a trained first stage."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from ..data import UserError
from ..diffusion import Codec, Diffusion, Method
from ..planning import Configuration, NetworkPlan
from .coding import coded, wavelet
from .lookup import recipe_in
from .recipe import Recipe
from .shelf import SHELF

WAVELET = "wavelet"


@dataclass(frozen=True)
class Latent(Recipe):
    """Diffusion by `recipe` with its `knobs` on codes; by default rectified flow.

    codec: "wavelet", or the recipe of the first stage, with its codec_knobs and the network that
    was planned for it, codec_network (None: the configuration's own); `train --codec RUN` fills
    them in and takes the run's weights, which this run keeps a copy of.
    """

    recipe: str = "flow"
    knobs: dict[str, Any] = field(default_factory=dict)
    codec: str = WAVELET
    codec_knobs: dict[str, Any] = field(default_factory=dict)
    codec_network: NetworkPlan | None = None

    papers: ClassVar[tuple[str, ...]] = (
        "Rombach, Blattmann, Lorenz, Esser, Ommer (2022). High-resolution image synthesis with "
        "latent diffusion models. arXiv:2112.10752",
    )

    def __post_init__(self) -> None:
        """What the recipe inside is for, needs and cites holds for this one, too."""
        inner = self.inner
        for name in ("needs", "purposes", "enough", "fits"):
            object.__setattr__(self, name, getattr(inner, name))
        object.__setattr__(self, "papers", (*type(self).papers, *inner.papers))

    def forgets(self, c: Configuration) -> float:
        return self.inner.forgets(c)

    @property
    def inner(self) -> Recipe:
        return recipe_in(SHELF, self.recipe).from_json(self.knobs, f"knobs of {self.recipe}")

    def build(self, c: Configuration) -> Method:
        codec = self.built_codec(c)
        inner = self.inner
        if "source" in inner.needs and not codec.linear:
            raise UserError(
                f"recipe {self.recipe} starts from a source, and the codes of {self.codec} have "
                "none: use --codec wavelet, or another recipe"
            )
        method = inner.build(coded(c, codec))
        plain = isinstance(method, Diffusion) and method.works_on_codes
        if not plain or method.codec is not None:
            raise UserError(
                f"recipe {self.recipe} does not work on codes: it is no plain diffusion, or has a "
                "codec of its own. edm, flow and ddpm do"
            )
        method.codec = codec
        return method

    def built_codec(self, c: Configuration) -> Codec:
        """With fresh weights; a run's weights are put in where training starts."""
        if self.codec == WAVELET:
            return wavelet(c)
        first = recipe_in(SHELF, self.codec).from_json(self.codec_knobs, f"knobs of {self.codec}")
        own = c if self.codec_network is None else replace(c, network=self.codec_network)
        made = getattr(first.build(own), "codec", None)
        if not isinstance(made, Codec):
            raise UserError(
                f"recipe {self.codec} is no first stage: it has no codes to diffuse. There are "
                "wavelet, ae_kl and vq"
            )
        return made.requires_grad_(False)
