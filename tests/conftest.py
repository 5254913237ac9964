"""What all tests share: one thread, known random numbers, and phantom datasets made once a run."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from diffnet.data import write_phantom


@pytest.fixture(autouse=True)
def steady() -> None:
    """One thread (small tensors are faster so) and the same random numbers in every test."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - some libraries draw from the global generator


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """phantom(task, dims=2, cases=8, size=None): a dataset folder, made once; not to be written."""
    made: dict[tuple[object, ...], Path] = {}

    def folder(task: str, dims: int = 2, cases: int = 8, size: int | None = None) -> Path:
        key = (task, dims, cases, size)
        if key not in made:
            parent = tmp_path_factory.mktemp("phantom")
            made[key] = write_phantom(parent / f"Dataset900_{task}", task, dims, cases, size)
        return made[key]

    return folder
