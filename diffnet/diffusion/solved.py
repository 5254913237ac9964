"""A prior together with the solver that brings it and a measurement together."""

from __future__ import annotations

from .method import Diffusion


class Solved(Diffusion):
    """`solver`: the name of its sampler among SOLVERS."""

    solver = ""
