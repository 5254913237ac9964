"""Editing by a task network's gradient: the law of the guide, then folder to folder."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusion_oracles import LinearDenoiser
from torch import nn

from diffnet.data import Dataset, Volume, write_phantom
from diffnet.diffusion import (
    Batch,
    Condition,
    DiscreteVariancePreserving,
    Euler,
    Guide,
    NoisyClassifier,
    TaskGradient,
    Uniform,
)
from diffnet.verbs.plan import plan
from diffnet.verbs.predict import predict
from diffnet.verbs.train import train

VP = DiscreteVariancePreserving("linear", 1000)
SMALL = ["2d.network.blocks=1", "2d.training.batch_size=2"]


class MeanAndVariance(nn.Module):
    """Tells the mean of an image with a variance that it is told; no class."""

    def __init__(self, variance: float) -> None:
        super().__init__()
        # softplus(raw) + 0.001 is the variance
        self.raw = float(np.log(np.expm1(variance - 1e-3)))

    def forward(self, x, time):
        mean = x.flatten(1).mean(1, keepdim=True)
        return torch.cat([mean, torch.full_like(mean, self.raw)], 1)


class Plain(NoisyClassifier):
    """The network is shown x_t as it is."""

    def forward(self, x_t, t):
        return self.network(x_t, t)


def guide(variance: float = 0.04, classes: int = 0) -> Guide:
    return Guide(Plain(MeanAndVariance(variance), VP), classes, 1)


def asked(*values: float) -> Condition:
    return Condition(scalars=torch.tensor(values)[:, None])


def test_guide_gives_the_normal_law_and_its_gradient() -> None:
    """log N(y; mean(x), v) up to a constant; its gradient is (y - mean) / v / number of voxels."""
    x, t = torch.randn(2, 1, 4, 4), torch.full((2,), 0.3)
    wish = asked(0.7, -0.2)
    away = wish.scalars[:, 0] - x.flatten(1).mean(1)
    found = guide()(x, t, wish)
    torch.testing.assert_close(found, -0.5 * (away**2 / 0.04 + np.log(0.04)), rtol=1e-4, atol=1e-4)
    expected = (away / 0.04 / 16)[:, None, None, None].expand_as(x)
    torch.testing.assert_close(guide().gradient(x, t, wish), expected, rtol=1e-3, atol=1e-5)


def test_what_is_not_said_moves_nothing() -> None:
    x, t = torch.randn(2, 1, 4, 4), torch.full((2,), 0.3)
    found = guide().gradient(x, t, asked(float("nan"), 1.0))
    assert found[0].abs().max() == 0
    assert found[1].abs().max() > 0


def test_images_move_to_the_wish_and_stay_without_one() -> None:
    parts = (LinearDenoiser(VP, 0.5), None, Euler(40, Uniform()), 0.4)
    method = TaskGradient(*parts, guide=guide(), weight=1.0)
    x = 0.3 * torch.randn(3, 1, 6, 6)
    stay = method.heal(x, asked(*[float("nan")] * 3)).image
    up, down = (method.heal(x, asked(*[v] * 3)).image for v in (1.0, -1.0))
    assert (stay - x).abs().max() < 0.15
    assert (up.mean() - stay.mean()).item() > 0.1
    assert (down.mean() - stay.mean()).item() < -0.1
    torch.testing.assert_close(
        method.sample(x, Condition(source=x, scalars=asked(1, 1, 1).scalars)), up
    )


def test_denoiser_is_told_nothing_and_the_guide_learns_by_itself() -> None:
    seen = []

    class Asked(LinearDenoiser):
        def forward(self, x_t, t, condition):
            seen.append(condition)
            return super().forward(x_t, t, condition)

    class Loss(nn.Module):
        def forward(self, denoiser, batch):
            t = batch.target.new_full((len(batch.target),), 0.5)
            return denoiser(batch.target, t, batch.condition).mean()

    method = TaskGradient(
        Asked(VP, 0.5), Loss(), Euler(3, Uniform()), 0.4, guide=guide(), weight=1.0
    )
    batch = Batch(torch.randn(2, 1, 4, 4), asked(0.5, 0.5))
    assert [name for name, _ in method.losses(batch)] == ["model", "guide"]
    method.heal(batch.target, batch.condition)
    assert all(c == Condition() for c in seen)


@pytest.fixture(scope="module")
def ages(tmp_path_factory) -> Path:
    """Phantoms with a number that is written in the images' brightness."""
    parent = tmp_path_factory.mktemp("editing")
    folder = write_phantom(parent / "Dataset901_Ages", "editing", 2, 18, 16)
    with (folder / "cases.csv").open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    for k, row in enumerate(rows):
        row["age"] = str(20 + 3 * k)
    with (folder / "cases.csv").open("w", newline="") as opened:
        writer = csv.DictWriter(opened, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    path = folder / "dataset.json"
    described = json.loads(path.read_text())
    described["metadata"]["age"] = {"kind": "number"}
    path.write_text(json.dumps(described))
    return folder


def test_editing_from_folder_to_folder(ages: Path, tmp_path: Path) -> None:
    plan(ages, work=tmp_path, minutes=1, device="cpu", processes=1, overrides=SMALL)
    how = {"device": "cpu", "work": tmp_path, "processes": 1, "workers": 0}
    run = train(ages, steps=3, knobs=["calls=3"], **how)
    assert run.card["recipe"]["name"] == "task_gradient"
    assert run.plan.class_field == "class"
    assert [f.name for f in run.plan.scalars] == ["age"]
    made = {}
    for age in ("30", "60"):
        out = tmp_path / f"age{age}"
        found = predict(run.folder, scans=ages, out=out, device="cpu", conditions=[f"age={age}"])
        assert found.settings["conditions"] == {"age": age}
        case = found.cases[0].case
        made[age] = Volume.read(out / f"{case}.png").array
    given = Volume.read(Dataset.open(ages).cases("test")[0].files["image"])
    assert made["30"].shape == given.array.shape
    again = predict(run.folder, scans=ages, out=out, device="cpu", conditions=["age=60"])
    assert again.fresh == 0
    other = predict(run.folder, scans=ages, out=out, device="cpu", conditions=["age=30"])
    assert other.fresh == len(other.cases), "another wish is another result"
    for said, word in (
        ((), "say to what with --condition COLUMN=VALUE; it has learned class, age"),
        (("age=500",), "in training it was"),
        (("weight=3",), "not trained with a condition 'weight'"),
    ):
        with pytest.raises(ValueError, match=word):
            predict(run.folder, scans=ages, out=tmp_path / "x", device="cpu", conditions=list(said))
