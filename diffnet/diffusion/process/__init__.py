"""Processes: what is done to x_0, and how to step back."""

from .gaussian import GaussianProcess
from .process import Process, over, white
from .schedules import VarianceExploding

__all__ = ["GaussianProcess", "Process", "VarianceExploding", "over", "white"]
