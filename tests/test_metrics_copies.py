"""The copy audit: copies are caught, strangers are not, whatever the sizes of the sets."""

from __future__ import annotations

import numpy as np
import pytest

from diffnet.metrics import copies, embedding, nearest_images


def embedded(images: np.ndarray) -> np.ndarray:
    return np.stack([embedding(x) for x in images])


def images(rng: np.random.Generator, count: int, size: int = 48) -> np.ndarray:
    """Smooth random images, each another."""
    coarse = rng.normal(size=(count, 1, 1, 8, 8))
    return np.kron(coarse, np.ones((1, 1, 1, size // 8, size // 8)))


@pytest.mark.parametrize("shape", [(1, 1, 50, 37), (3, 1, 20, 20), (1, 14, 15, 9)])
def test_embedding_is_of_one_length_and_blind_to_brightness(shape, rng) -> None:
    x = rng.normal(size=shape)
    e = embedding(x)
    assert np.linalg.norm(e) == pytest.approx(1)
    assert np.allclose(embedding(3 * x + 7), e)
    assert embedding(-x) @ e == pytest.approx(-1)
    assert np.isfinite(embedding(np.ones(shape))).all()


def test_nearest_is_the_most_alike(rng) -> None:
    x = embedded(images(rng, 12))
    assert (nearest_images(x, x).index == np.arange(12)).all()
    assert np.allclose(nearest_images(x, x).likeness, 1)
    assert (nearest_images(x, x, same=True).index != np.arange(12)).all()


def test_copies_are_caught_and_strangers_are_not(rng) -> None:
    train, held_out = images(rng, 90), images(rng, 30)
    strangers = images(rng, 60)
    noisy = train[:60] + 0.3 * rng.normal(size=train[:60].shape)
    sets = embedded(train), embedded(held_out)
    caught, sound = (copies(embedded(x), *sets) for x in (noisy, strangers))
    assert caught.p < 1e-3
    assert caught.copied > 0.9
    assert caught.closer > 0.95
    assert caught.chance == sound.chance == 0.75
    assert sound.p > 0.01
    assert sound.low < 0.75 < sound.high
    assert sound.copied < 0.25


def test_a_larger_training_set_is_not_nearer_by_its_size(rng) -> None:
    """300 against 20: 94 % of the nearest are training images by chance, and that is no sign."""
    found = [
        copies(embedded(images(rng, 60)), embedded(images(rng, 300)), embedded(images(rng, 20)))
        for _ in range(4)
    ]
    assert abs(np.mean([f.closer - f.chance for f in found])) < 0.05
    assert min(f.p for f in found) > 0.01


def test_too_few_are_refused(rng) -> None:
    x = embedded(images(rng, 3))
    with pytest.raises(ValueError, match="held-out"):
        copies(x, x, x[:1])
